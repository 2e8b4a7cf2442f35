use semver::Version;

use super::Snapshot;

/// A data version with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The version.
    pub version: Version,
    /// One sentence per change that decided it.
    pub reasons: Vec<String>,
}

/// How many reasons are listed before the rest is counted.
const REASONS_MAX: usize = 100;

/// Decides the data version of the next release.
///
/// MAJOR: something that consumers rely on went away or changed (a dataset, its path or format, a field, a
/// column, an executable). MINOR: something came. PATCH: only data changed.
pub fn decide(previous: Option<(&Version, &[Snapshot])>, next: &[Snapshot]) -> Decision {
    let Some((version, previous)) = previous else {
        let reasons = vec!["first release".to_owned()];
        return Decision { version: Version::new(1, 0, 0), reasons };
    };
    let lost = differences(previous, next, "is gone");
    if !lost.is_empty() {
        return decision(Version::new(version.major + 1, 0, 0), lost);
    }
    let gained = differences(next, previous, "is new");
    if !gained.is_empty() {
        return decision(Version::new(version.major, version.minor + 1, 0), gained);
    }
    let version = Version::new(version.major, version.minor, version.patch + 1);
    decision(version, vec!["only data changed".to_owned()])
}

fn decision(version: Version, mut reasons: Vec<String>) -> Decision {
    if reasons.len() > REASONS_MAX {
        let more = reasons.len() - REASONS_MAX;
        reasons.truncate(REASONS_MAX);
        reasons.push(format!("and {more} more"));
    }
    Decision { version, reasons }
}

/// Lists what `these` have and `others` have not.
fn differences(these: &[Snapshot], others: &[Snapshot], verb: &str) -> Vec<String> {
    let mut found = Vec::new();
    for this in these {
        let name = &this.dataset;
        let Some(other) = others.iter().find(|other| other.dataset == *name) else {
            found.push(format!("dataset {name} {verb}"));
            continue;
        };
        if this.format != other.format {
            found.push(format!("{name}: format {} {verb}", this.format));
        }
        if this.path != other.path {
            found.push(format!("{name}: path {} {verb}", this.path));
        }
        let shape = this.profile.shape.difference(&other.profile.shape);
        found.extend(shape.map(|element| format!("{name}: {element} {verb}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use sha2::Digest as _;

    use super::*;
    use crate::names::{DatasetName, Digest};
    use crate::opt_path::OptPath;
    use crate::ports::UpstreamFacts;
    use crate::state::Profile;

    fn snapshot(path: &str, shape: &[&str]) -> Snapshot {
        Snapshot {
            dataset: DatasetName::parse("city").expect("valid"),
            format: freshlayer_reader::Format::Mmdb,
            path: OptPath::parse(path).expect("valid"),
            digest: Digest::of(sha2::Sha256::new()),
            files: Vec::new(),
            upstream: UpstreamFacts { url: String::new(), etag: None, last_modified: None },
            built: None,
            fetched: Timestamp::UNIX_EPOCH,
            profile: Profile {
                shape: shape.iter().map(|&element| element.to_owned()).collect(),
                ..Profile::default()
            },
            gates: crate::problem::GateReport::default(),
        }
    }

    #[test]
    fn what_changed_decides_the_version() {
        let before = [snapshot("geo/city.mmdb", &["a", "b"])];
        let previous = Version::new(1, 2, 3);
        for (next, expected) in [
            (vec![snapshot("geo/city.mmdb", &["a", "b"])], "1.2.4"),
            (vec![snapshot("geo/city.mmdb", &["a", "b", "c"])], "1.3.0"),
            (vec![snapshot("geo/city.mmdb", &["a"])], "2.0.0"),
            (vec![snapshot("geo/city.mmdb", &["a", "c"])], "2.0.0"),
            (vec![snapshot("other/city.mmdb", &["a", "b"])], "2.0.0"),
            (vec![], "2.0.0"),
        ] {
            let decision = decide(Some((&previous, &before)), &next);
            assert_eq!(decision.version.to_string(), expected, "{:?}", decision.reasons);
        }
        assert_eq!(decide(None, &before).version, Version::new(1, 0, 0));
    }
}
