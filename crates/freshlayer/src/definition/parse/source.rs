//! `source`: where a dataset comes from.

use std::path::{Path, PathBuf};

use freshlayer_reader::Format;
use url::Url;

use super::super::expand::{expand, literal};
use super::super::raw::{PlainHttp, RawSource};
use super::super::source::{
    ChecksumSpec, Globs, MAXMIND_HOST, Origin, Select, SourceSpec, SourceUrl, is_loopback,
};
use super::Parser;
use super::aws::layer;
use crate::names::Digest;

/// Stands for a value whose problem is noted.
struct Noted;

impl Parser<'_> {
    pub(super) fn source(
        &mut self,
        at: &str,
        format: Format,
        raw: &RawSource,
    ) -> Option<SourceSpec> {
        let given = [
            raw.https.is_some(),
            raw.maxmind.is_some(),
            raw.s3.is_some(),
            raw.layer.is_some(),
            raw.file.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let message = "expected exactly one of `https`, `maxmind`, `s3`, `layer` and `file`";
            self.problem(&["dataset", at, "source"], message);
            return None;
        }
        self.only_with_https(at, raw);
        self.only_with_aws(at, raw);
        let checksum = self.checksum(at, raw);
        let select = self.select(at, format, raw);
        let origin = if let Some(text) = &raw.https {
            Origin::Https(self.https(at, text, raw)?)
        } else if let Some(edition) = &raw.maxmind {
            let host = raw.host.as_deref().unwrap_or(MAXMIND_HOST);
            let host = self.url(&["dataset", at, "source", "host"], host, raw.plain_http)?;
            if has_credentials(host.expose()) {
                let message = "a maxmind source takes its account from the environment";
                self.problem(&["dataset", at, "source", "host"], message);
            }
            if matches!(checksum, Ok(Some(_))) {
                let message = "a maxmind source brings its own checksum; remove this one";
                self.problem(&["dataset", at, "source"], message);
            }
            Origin::Maxmind { edition: edition.clone(), host }
        } else if let Some(text) = &raw.s3 {
            self.s3(at, text, raw.region.as_deref())?
        } else if let Some(arn) = &raw.layer {
            self.noted(&["dataset", at, "source", "layer"], layer(arn))?
        } else {
            let path = expand(raw.file.as_deref().unwrap_or_default(), self.variables);
            let path = self.noted(&["dataset", at, "source", "file"], path)?;
            let folder = self.file.parent().unwrap_or(Path::new(""));
            let path = absolute(folder.join(path));
            if format != Format::Archive && path.is_dir() {
                let message = "this is a folder, and a folder goes with format `archive`";
                self.problem(&["dataset", at, "source", "file"], message);
            }
            Origin::File { path }
        };
        Some(SourceSpec { origin, checksum: checksum.ok()?, select: select? })
    }

    fn checksum(&mut self, at: &str, raw: &RawSource) -> Result<Option<ChecksumSpec>, Noted> {
        match (&raw.sha256, &raw.sha256_url) {
            (Some(_), Some(_)) => {
                let message = "expected one of `sha256` and `sha256_url`, found both";
                self.problem(&["dataset", at, "source"], message);
                Err(Noted)
            }
            (Some(hex), None) => {
                let digest = self.noted(&["dataset", at, "source", "sha256"], Digest::parse(hex));
                Ok(Some(ChecksumSpec::Sha256(digest.ok_or(Noted)?)))
            }
            (None, Some(text)) => {
                let path = ["dataset", at, "source", "sha256_url"];
                let url = self.url(&path, text, raw.plain_http).ok_or(Noted)?;
                Ok(Some(ChecksumSpec::Sha256Url(url)))
            }
            (None, None) => Ok(None),
        }
    }

    fn select(&mut self, at: &str, format: Format, raw: &RawSource) -> Option<Select> {
        let mut globs = raw.select.clone();
        if let (true, Some(edition)) = (globs.is_empty(), &raw.maxmind) {
            globs.push(format!("*/{edition}.mmdb"));
        }
        if raw.strip_components > 0 && format != Format::Archive {
            let message = "goes with format `archive` only; name the file with `select`";
            self.problem(&["dataset", at, "source", "strip_components"], message);
        }
        let globs = match Globs::parse(globs) {
            Ok(globs) => globs,
            Err(faults) => {
                for fault in faults {
                    self.problem(&["dataset", at, "source", "select"], fault);
                }
                return None;
            }
        };
        Some(Select { globs, strip_components: raw.strip_components })
    }

    pub(super) fn url(
        &mut self,
        path: &[&str],
        template: &str,
        plain: PlainHttp,
    ) -> Option<SourceUrl> {
        let expanded = expand(template, self.variables);
        let expanded = self.noted(path, expanded)?;
        let url = Url::parse(&expanded).map_err(|error| format!("expected an address: {error}"));
        let url = self.noted(path, url)?;
        let fault = match url.scheme() {
            _ if writes_out_credentials(template, &url) => {
                "a user or password that is written here ends up in version control and in logs; write a variable in \
                 its place, as in https://${USER}:${PASSWORD}@example.org"
            }
            "https" => return Some(SourceUrl::new(template, url)),
            "http" if plain == PlainHttp::Anywhere || is_loopback(&url) => {
                return Some(SourceUrl::new(template, url));
            }
            "http" if path[0] == "dataset" => {
                "plain http can be changed on its way; use https, or allow it with \
                 `source.plain_http = \"anywhere\"`"
            }
            "http" => "plain http can be changed on its way; use https",
            _ => "expected an https address",
        };
        self.problem(path, fault);
        None
    }
}

pub(super) fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Tells whether the password of an address, or the user of one without a password, stands in the definition's text.
fn writes_out_credentials(template: &str, url: &Url) -> bool {
    if !has_credentials(url) {
        return false;
    }
    let (user, password) = userinfo(&literal(template));
    let secret = if url.password().is_some() { password } else { user };
    !secret.is_empty()
}

/// Returns user and password of an address that may lack any other part.
fn userinfo(text: &str) -> (String, String) {
    if let Ok(url) = Url::parse(text) {
        return (url.username().to_owned(), url.password().unwrap_or_default().to_owned());
    }
    let authority = text.split_once("//").map_or(text, |(_, behind)| behind);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let userinfo = authority.rsplit_once('@').map_or("", |(userinfo, _)| userinfo);
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    (user.to_owned(), password.to_owned())
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_by_where_they_stand() {
        for (template, filled, written_out) in [
            ("https://${UP}@h/a", "https://user:pass@h/a", false),
            ("https://${USER}:${PASS}@h/a", "https://user:pass@h/a", false),
            ("https://user:${PASS}@h/a", "https://user:pass@h/a", false),
            ("https://${TOKEN}@h/a", "https://token@h/a", false),
            ("${BASE}/a", "https://user:pass@h/a", false),
            ("https://user:pass@h/a", "https://user:pass@h/a", true),
            ("https://${USER}:pass@h/a", "https://user:pass@h/a", true),
            ("https://token@h/a", "https://token@h/a", true),
            ("https:user:pass@h/a", "https:user:pass@h/a", true),
            ("${SCHEME}://user:pass@h/a", "https://user:pass@h/a", true),
            ("https://${UP:-user:pass}@h/a", "https://user:pass@h/a", true),
            ("https://h/a@b", "https://h/a@b", false),
        ] {
            let url = Url::parse(filled).expect("an address");
            assert_eq!(writes_out_credentials(template, &url), written_out, "{template}");
        }
    }
}
