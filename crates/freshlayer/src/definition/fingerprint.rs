//! Short names for the parts of a definition that a decision depends on.
//!
//! A fingerprint is made of values, and whatever equals its default is left out: a later freshlayer that knows one
//! more expectation or limit gives today's definitions the fingerprints that they have today.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::Digest as _;

use super::format::FormatSpec;
use super::source::{Authorization, ChecksumSpec, Origin};
use super::{Dataset, Expectations};
use crate::limits::Limits;
use crate::names::hex;
use crate::opt_path::Mode;
use crate::schema::Contract;
use freshlayer_reader::Format;

/// A fingerprint's length: 64 bits tell the few definitions of a dataset apart.
const BYTES: usize = 8;

/// What decides which bytes of the upstream become the dataset.
#[derive(Default, Serialize)]
struct SourceParts<'a> {
    origin: String,
    headers: Vec<String>,
    checksum: Option<String>,
    signature: Option<String>,
    select: &'a [String],
    strip_components: usize,
    format: Option<Format>,
    mode: Mode,
}

#[derive(Serialize)]
struct VerdictParts {
    source: String,
    format: Value,
    expect: Value,
    #[serde(skip_serializing_if = "Contract::is_empty")]
    contract: Contract,
    limits: Value,
}

impl Dataset {
    /// Names all that decides what a download turns into; validators hold only while it is the same.
    pub fn source_fingerprint(&self) -> String {
        let source = &self.source;
        let mode = match self.spec {
            FormatSpec::File { mode, .. } => mode,
            _ => Mode::Plain,
        };
        let parts = SourceParts {
            origin: source.origin.to_string(),
            headers: source.origin.headers(),
            checksum: source.checksum.as_ref().map(|checksum| match checksum {
                ChecksumSpec::Sha256(digest) => digest.to_string(),
                ChecksumSpec::Sha256Url(url) => url.to_string(),
            }),
            signature: source.origin.signature(),
            select: source.select.globs.patterns(),
            strip_components: source.select.strip_components,
            format: Some(self.format()),
            mode,
        };
        fingerprint(given(&parts, &SourceParts::default()))
    }

    /// Names all that decides whether data is good; a rejection holds only while it is the same.
    pub fn verdict_fingerprint(&self, limits: &Limits) -> String {
        let parts = VerdictParts {
            source: self.source_fingerprint(),
            format: given(&self.spec, &FormatSpec::plain(self.format())),
            expect: given(&self.expect, &Expectations::default()),
            contract: self.contract.clone(),
            limits: given(limits, &Limits::default()),
        };
        fingerprint(value(&parts))
    }
}

impl Origin {
    fn signature(&self) -> Option<String> {
        let Self::Https(source) = self else { return None };
        source.signature.as_ref().map(|signature| signature.key.clone())
    }

    /// Returns what is sent along: an upstream may give another one other data.
    fn headers(&self) -> Vec<String> {
        let Self::Https(source) = self else { return Vec::new() };
        let named = source.headers.named.iter().map(|(name, text)| format!("{name}: {text}"));
        let authorization = source.headers.authorization.as_ref().map(|given| match given {
            Authorization::Bearer(token) => format!("bearer {token}"),
            Authorization::Basic { user, password } => format!("basic {user} {password}"),
        });
        named.chain(authorization).collect()
    }
}

fn fingerprint(parts: Value) -> String {
    hex(&sha2::Sha256::digest(sorted(parts).to_string())[..BYTES])
}

fn value(parts: &impl Serialize) -> Value {
    serde_json::to_value(parts).expect("texts, numbers, lists and maps with text keys serialise")
}

/// Serialises a value without the parts that are as in its default.
fn given<T: Serialize>(parts: &T, default: &T) -> Value {
    differences(value(parts), &value(default))
}

fn differences(parts: Value, default: &Value) -> Value {
    let Value::Object(parts) = parts else { return parts };
    let differs = |(key, part): (String, Value)| {
        let usual = default.get(&key).unwrap_or(&Value::Null);
        let nested = part.is_object() && usual.is_object();
        (part != *usual).then(|| {
            let part = if nested { differences(part, usual) } else { part };
            (key, part)
        })
    };
    Value::Object(parts.into_iter().filter_map(differs).collect())
}

/// Orders the keys of all maps, whatever order the map type keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(parts) => {
            let mut parts: Vec<(String, Value)> = parts.into_iter().collect();
            parts.sort_by(|a, b| a.0.cmp(&b.0));
            let parts = parts.into_iter().map(|(key, part)| (key, sorted(part)));
            Value::Object(parts.collect::<Map<String, Value>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::definition::{Definition, parse};

    fn definition(more: &str) -> Definition {
        let text = format!(
            "[[dataset]]\nname = 'city'\nformat = 'mmdb'\nsource.https = 'https://example.org/a'\n{more}"
        );
        parse::definition(Path::new("geo.toml"), &text, &|_| None).expect("it holds")
    }

    fn verdict(more: &str) -> String {
        let definition = definition(more);
        definition.datasets[0].verdict_fingerprint(&definition.limits)
    }

    #[test]
    fn what_equals_its_default_is_left_out() {
        let today = json!({ "old": 1, "map": { "a": 1, "b": 2 }, "same": [] });
        let default = json!({ "old": 0, "map": { "a": 1, "b": 0 }, "same": [] });
        let kept = json!({ "old": 1, "map": { "b": 2 } });
        assert_eq!(differences(today.clone(), &default), kept);
        let (mut later, mut later_default) = (today, default);
        for of in [&mut later, &mut later_default] {
            of["map"]["new"] = json!(7);
            of["new"] = json!(null);
        }
        assert_eq!(differences(later, &later_default), kept, "one more key, as by default");
    }

    /// A change of these forgets every rejection that a state holds: a decision, and never an accident.
    #[test]
    fn fingerprints_stay_from_version_to_version() {
        let plain = definition("");
        assert_eq!(plain.datasets[0].source_fingerprint(), "962bb579cb9146af");
        assert_eq!(verdict(""), "65549d29997fb890");
    }

    #[test]
    fn a_default_that_is_written_out_changes_nothing() {
        for written in [
            "expect.drift_percent_max = 30",
            "expect.older_build = 'reject'",
            "expect.nodes_min = 1",
            "expect.probes = []",
            "source.strip_components = 0",
            "[limits]\ntries_max = 4",
        ] {
            assert_eq!(verdict(written), verdict(""), "{written}");
        }
    }

    #[test]
    fn every_value_counts() {
        let mut seen = vec![verdict("")];
        for written in [
            "expect.drift_percent_max = 41",
            "expect.size_bytes_max = 262144000",
            "expect.older_build = 'accept'",
            "expect.build_age_days_max = 30",
            "expect.database_type = 'x'",
            "expect.nodes_min = 2",
            "expect.probes = [{ ip = '1.1.1.1' }]",
            "expect.probes = [{ ip = '1.1.1.1', path = 'a' }]",
            "expect.probes = [{ ip = '1.1.1.1', equals = 1 }]",
            "source.select = ['*']",
            "source.headers = { Accept = 'text/csv' }",
            "source.headers = { Accept = 'text/xml' }",
            "source.bearer = '${TOKEN}'",
            "[limits]\ntries_max = 5",
        ] {
            let fingerprint = verdict(written);
            assert!(!seen.contains(&fingerprint), "{written}");
            seen.push(fingerprint);
        }
    }
}
