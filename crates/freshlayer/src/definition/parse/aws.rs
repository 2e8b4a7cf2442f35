//! `source.s3` and `source.layer`: what comes from an AWS account.

use super::super::expand::expand;
use super::super::raw::RawSource;
use super::super::source::Origin;
use super::Parser;
use crate::names::{AccountId, LayerName, RegionName};

impl Parser<'_> {
    /// Notes keys that do not go with a source of AWS, or with such a one only.
    pub(super) fn only_with_aws(&mut self, at: &str, raw: &RawSource) {
        if raw.region.is_some() && raw.s3.is_none() {
            self.problem(&["dataset", at, "source", "region"], "goes with `s3` only");
        }
        if raw.s3.is_some() && raw.sha256_url.is_some() {
            let message = "an s3 source takes its checksum from `sha256`";
            self.problem(&["dataset", at, "source", "sha256_url"], message);
        }
        if raw.layer.is_some() && (raw.sha256.is_some() || raw.sha256_url.is_some()) {
            let message = "a layer brings its own checksum; remove this one";
            self.problem(&["dataset", at, "source"], message);
        }
    }

    pub(super) fn s3(&mut self, at: &str, text: &str, region: Option<&str>) -> Option<Origin> {
        let object = expand(text, self.variables).and_then(|text| {
            let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
            let parts = parts.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
            let (bucket, key) = parts.ok_or("expected s3://BUCKET/KEY")?;
            Ok((bucket.to_owned(), key.to_owned()))
        });
        let object = self.noted(&["dataset", at, "source", "s3"], object);
        let region = match region.map(RegionName::parse) {
            None => None,
            Some(region) => Some(self.noted(&["dataset", at, "source", "region"], region)?),
        };
        let (bucket, key) = object?;
        Some(Origin::S3 { bucket, key, region })
    }
}

/// Reads the ARN of a layer, or of one of its versions.
pub(super) fn layer(arn: &str) -> Result<Origin, String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let (layer, version) = match &parts[..] {
        [.., _] if parts.len() == 7 => (arn, None),
        [.., version] if parts.len() == 8 => {
            let number =
                version.parse::<u64>().ok().filter(|number| number.to_string() == **version);
            (&arn[..arn.len() - version.len() - 1], Some(number))
        }
        _ => ("", None),
    };
    let is_layer = match &parts[..] {
        ["arn", partition, "lambda", region, account, "layer", name, ..] => {
            !partition.is_empty()
                && RegionName::parse(region).is_ok()
                && AccountId::parse(account).is_ok()
                && LayerName::parse(name).is_ok()
        }
        _ => false,
    };
    match version {
        None if is_layer && !layer.is_empty() => {
            Ok(Origin::Layer { layer: layer.to_owned(), version: None })
        }
        Some(Some(number)) if is_layer && number > 0 => {
            Ok(Origin::Layer { layer: layer.to_owned(), version: Some(number) })
        }
        _ => Err(format!(
            "expected arn:aws:lambda:REGION:ACCOUNT:layer:NAME, or with :VERSION, found {arn:?}"
        )),
    }
}
