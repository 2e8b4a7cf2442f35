//! `regions`, `[[account]]` and `[publish]`.

use std::collections::BTreeSet;

use super::super::destinations::{Destinations, MemberAccount, Reader, Terms, ZipStorage};
use super::super::raw::{RawAccount, RawPublish, RawRollout};
use super::Parser;
use crate::names::{AccountId, RegionName};

/// Lambda's bounds of what a layer version is published with. Source: the Lambda API, `PublishLayerVersion`.
const LICENSE_CHARS_MAX: usize = 512;
const RUNTIMES_MAX: usize = 15;
const ARCHITECTURES_MAX: usize = 2;
/// Bounds of a signing profile's name. Source: the AWS Signer API, `PutSigningProfile`.
const PROFILE_CHARS: std::ops::RangeInclusive<usize> = 2..=64;
/// What Lambda's control plane takes in a second, per account and Region. Source: AWS Lambda quotas.
const CALLS_PER_SEC: std::ops::RangeInclusive<u32> = 1..=15;

impl Parser<'_> {
    pub(super) fn destinations(
        &mut self,
        regions: &[String],
        accounts: &[RawAccount],
    ) -> Destinations {
        let mut names = Vec::new();
        for (at, region) in regions.iter().enumerate() {
            let path = ["regions", &at.to_string()];
            let Some(name) = self.noted(&path, RegionName::parse(region)) else {
                continue;
            };
            if names.contains(&name) {
                self.problem(&path, format!("`{name}` is named twice"));
            }
            names.push(name);
        }
        let members = accounts.iter().enumerate();
        Destinations {
            regions: names,
            accounts: members
                .filter_map(|(at, raw)| self.account(&at.to_string(), raw, accounts))
                .collect(),
            calls_per_sec_max: None,
        }
    }

    pub(super) fn calls_per_sec_max(&mut self, raw: Option<&RawRollout>) -> Option<u32> {
        let calls = raw?.max_calls_per_sec?;
        if !CALLS_PER_SEC.contains(&calls) {
            let message = format!("expected 1 to {} calls, found {calls}", CALLS_PER_SEC.end());
            self.problem(&["rollout", "max_calls_per_sec"], message);
        }
        Some(calls)
    }

    fn account(&mut self, at: &str, raw: &RawAccount, all: &[RawAccount]) -> Option<MemberAccount> {
        let id = self.noted(&["account", at, "id"], AccountId::parse(&raw.id))?;
        if all.iter().filter(|other| other.id == raw.id).count() > 1 {
            self.problem(&["account", at, "id"], format!("`{id}` is named twice"));
        }
        let is_role =
            raw.role_arn.starts_with("arn:") && raw.role_arn.contains(&format!(":iam::{id}:role/"));
        if !is_role {
            let message = format!(
                "expected arn:aws:iam::{id}:role/NAME, a role of that account, found {:?}",
                raw.role_arn
            );
            self.problem(&["account", at, "role_arn"], message);
        }
        Some(MemberAccount { id, role_arn: raw.role_arn.clone() })
    }

    pub(super) fn terms(&mut self, raw: RawPublish, destinations: &Destinations) -> Terms {
        let license = raw.license.as_deref().unwrap_or_default();
        let bounds = [
            ("license", license.chars().count(), LICENSE_CHARS_MAX, "characters"),
            ("runtimes", raw.runtimes.len(), RUNTIMES_MAX, "runtimes"),
            ("architectures", raw.architectures.len(), ARCHITECTURES_MAX, "architectures"),
        ];
        for (key, found, most, what) in bounds {
            if found > most {
                let message = format!("expected at most {most} {what}, found {found}");
                self.problem(&["publish", key], message);
            }
        }
        let mut readers: BTreeSet<Reader> = BTreeSet::new();
        for (at, text) in raw.readers.iter().enumerate() {
            let path = ["publish", "readers", &at.to_string()];
            readers.extend(self.noted(&path, Reader::parse(text)));
        }
        // An account whose functions are rolled has to read the layer.
        let members = destinations.accounts.iter();
        readers.extend(members.map(|account| Reader::Account(account.id.clone())));
        if let Some(profile) = &raw.signing_profile {
            self.signing(profile, raw.storage);
        }
        Terms {
            license: raw.license,
            runtimes: raw.runtimes,
            architectures: raw.architectures,
            storage: raw.storage,
            readers,
            signing_profile: raw.signing_profile,
        }
    }

    fn signing(&mut self, profile: &str, storage: ZipStorage) {
        let path = ["publish", "signing_profile"];
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !PROFILE_CHARS.contains(&profile.len()) || !profile.chars().all(allowed) {
            let message = format!("expected 2 to 64 of a-z A-Z 0-9 _, found {profile:?}");
            self.problem(&path, message);
        }
        if storage == ZipStorage::Reference {
            let message = "a signed zip is Lambda's to keep: leave out `storage = \"reference\"`";
            self.problem(&path, message.to_owned());
        }
    }
}
