use semver::Version;

use super::Snapshot;
use crate::schema::{
    Change, Contract, Element, PromiseChange, Schema, compare, gone_values, new_types, promises,
};

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
/// MAJOR: something that consumers rely on went away or changed (a dataset, its path or format, an executable, a field or
/// column that its contract names, the types of the values of one, a value that its contract lists, or the contract promises
/// less). Where a dataset has no contract, all of its fields and columns count as named. MINOR: something came, or something that no
/// contract names went. PATCH: only data changed.
pub fn decide(previous: Option<(&Version, &[Snapshot])>, next: &[Snapshot]) -> Decision {
    let Some((version, previous)) = previous else {
        let reasons = vec!["first release".to_owned()];
        return Decision { version: Version::new(1, 0, 0), reasons };
    };
    let found = differences(previous, next);
    let reasons = |bump: Bump| -> Vec<String> {
        let some = found.iter().filter(|(of, _)| *of == bump);
        some.map(|(_, reason)| reason.clone()).collect()
    };
    let breaking = reasons(Bump::Major);
    if !breaking.is_empty() {
        return decision(Version::new(version.major + 1, 0, 0), breaking);
    }
    let other = reasons(Bump::Minor);
    if !other.is_empty() {
        return decision(Version::new(version.major, version.minor + 1, 0), other);
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

/// How much of the version a difference moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bump {
    Major,
    Minor,
}

fn differences(previous: &[Snapshot], next: &[Snapshot]) -> Vec<(Bump, String)> {
    let mut found = Vec::new();
    for before in previous {
        match next.iter().find(|after| after.dataset == before.dataset) {
            Some(after) => dataset_differences(before, after, &mut found),
            None => found.push((Bump::Major, format!("dataset {} is gone", before.dataset))),
        }
    }
    let is_new = |after: &&Snapshot| previous.iter().all(|before| before.dataset != after.dataset);
    let new = next.iter().filter(is_new);
    found.extend(new.map(|after| (Bump::Minor, format!("dataset {} is new", after.dataset))));
    found
}

fn dataset_differences(before: &Snapshot, after: &Snapshot, found: &mut Vec<(Bump, String)>) {
    let name = &before.dataset;
    if before.format != after.format {
        found.push((Bump::Major, format!("{name}: format {} is gone", before.format)));
    }
    if before.path != after.path {
        found.push((Bump::Major, format!("{name}: path {} is gone", before.path)));
    }
    let [old, new] = [before, after].map(|snapshot| Schema::parse(&snapshot.profile.shape));
    found.extend(compare(&old, &new).iter().map(|change| match change {
        Change::Gone(element) if !is_named(element, &before.contract) => {
            (Bump::Minor, format!("{name}: {change}; the contract does not name it"))
        }
        Change::Gone(_) => (Bump::Major, format!("{name}: {change}")),
        Change::New(Element::Field { path, kind })
            if old.has_other_types(path, *kind)
                && (before.contract.is_empty() || before.contract.contains_key(path)) =>
        {
            let other = format!("{name}: {change} beside other types of it");
            (Bump::Major, other)
        }
        Change::New(_) => (Bump::Minor, format!("{name}: {change}")),
    }));
    let [was, is] = [before, after].map(|snapshot| &snapshot.profile.value_types);
    found.extend(new_types(was, is, &old, &before.contract).iter().map(|change| {
        if before.contract.is_empty() || before.contract.contains_key(&change.path()) {
            (Bump::Major, format!("{name}: {change}"))
        } else {
            (Bump::Minor, format!("{name}: {change}; the contract does not name it"))
        }
    }));
    let [was, is] = [before, after].map(|snapshot| &snapshot.profile.named_values);
    let gone = gone_values(was, is);
    found.extend(gone.iter().map(|value| (Bump::Major, format!("{name}: {value}"))));
    found.extend(promises(&before.contract, &after.contract).into_iter().map(
        |change| match change {
            PromiseChange::Weaker(sentence) => (Bump::Major, format!("{name}: {sentence}")),
            PromiseChange::Other(sentence) => (Bump::Minor, format!("{name}: {sentence}")),
        },
    ));
}

/// Tells whether consumers may rely on an element: a contract, where there is one, names its fields and columns.
fn is_named(element: &Element, contract: &Contract) -> bool {
    if contract.is_empty() {
        return true;
    }
    match element {
        Element::Field { path, .. } => contract.contains_key(path),
        Element::Column { table, name, .. } => contract.contains_key(&format!("{table}.{name}")),
        Element::DatabaseType(_)
        | Element::IpVersion(_)
        | Element::Executable(_)
        | Element::Other(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use proptest::prelude::*;
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
            contract: Contract::new(),
            gates: crate::problem::GateReport::default(),
            countries_moved: None,
        }
    }

    /// What stands in one build, and what the next ones lack and have.
    #[derive(Debug, Clone)]
    struct Builds {
        old: [Snapshot; 2],
        /// Some changes.
        few: Vec<Snapshot>,
        /// The same ones and more.
        more: Vec<Snapshot>,
    }

    /// Fields by number: even ones stand in the first build, odd ones are new.
    fn shape(lines: impl Iterator<Item = u8>) -> Vec<String> {
        lines.map(|line| format!("field f{line} string")).collect()
    }

    fn named(name: &str, lines: &[String], contract: &[u8]) -> Snapshot {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let promise = |field: &u8| (format!("f{field}"), crate::schema::FieldContract::default());
        Snapshot {
            dataset: DatasetName::parse(name).expect("valid"),
            contract: contract.iter().map(promise).collect(),
            ..snapshot("geo/city.mmdb", &lines)
        }
    }

    fn builds() -> impl Strategy<Value = Builds> {
        let some = || prop::collection::btree_set(0..16_u8, 0..6);
        let contract = prop::collection::vec((0..8_u8).prop_map(|field| field * 2), 0..4);
        (some(), some(), contract, any::<[bool; 2]>()).prop_map(|(few, more, contract, gone)| {
            let before = shape((0..16).filter(|line| line % 2 == 0));
            let after = |changed: &BTreeSet<u8>| {
                shape((0..16).filter(|line| (line % 2 == 0) != changed.contains(line)))
            };
            let all = few.union(&more).copied().collect();
            let side = |changed: &BTreeSet<u8>, is_gone: &[bool]| -> Vec<Snapshot> {
                let city = named("city", &after(changed), &contract);
                let other = (!is_gone.contains(&true)).then(|| named("other", &before, &[]));
                [Some(city), other].into_iter().flatten().collect()
            };
            let old = [named("city", &before, &contract), named("other", &before, &[])];
            Builds { old, few: side(&few, &gone[..1]), more: side(&all, &gone) }
        })
    }

    proptest! {
        #[test]
        fn a_version_rises_and_more_changes_raise_it_no_less(
            builds in builds(),
            numbers in any::<[u16; 3]>(),
        ) {
            let [major, minor, patch] = numbers.map(u64::from);
            let previous = Version::new(major, minor, patch);
            let next = |to: &[Snapshot]| decide(Some((&previous, &builds.old)), to).version;
            let (few, more) = (next(&builds.few), next(&builds.more));
            prop_assert!(previous < few, "{previous} {few}");
            prop_assert!(few <= more, "{few} {more}");
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

    #[test]
    fn a_contract_says_what_breaks() {
        let contract = |toml: &str| -> Contract { toml::from_str(toml).expect("it holds") };
        let shape = ["field a string", "field b string", "column t.c TEXT", "database_type X"];
        let with = |shape: &[&str], toml: &str| {
            [Snapshot { contract: contract(toml), ..snapshot("geo/city.mmdb", shape) }]
        };
        let promised = "a = { type = 'string' }";
        let previous = Version::new(1, 2, 3);
        for (next, expected, reason) in [
            (with(&shape, promised), "1.2.4", "only data changed"),
            (with(&shape[1..], promised), "2.0.0", "city: field a string is gone"),
            (
                with(&[&shape[..], &["field a uint32"]].concat(), promised),
                "2.0.0",
                "city: field a uint32 is new beside other types of it",
            ),
            (
                with(&[&shape[..], &["field b uint32"]].concat(), promised),
                "1.3.0",
                "city: field b uint32 is new",
            ),
            (
                with(&["field a string", "column t.c TEXT", "database_type X"], promised),
                "1.3.0",
                "city: field b string is gone; the contract does not name it",
            ),
            (with(&shape[..3], promised), "2.0.0", "city: database_type X is gone"),
            (with(&shape, "b = {}"), "2.0.0", "city: the contract no longer names a"),
            (with(&shape, ""), "1.2.4", "only data changed"),
        ] {
            let decision = decide(Some((&previous, &with(&shape, promised))), &next);
            assert_eq!(decision.version.to_string(), expected, "{:?}", decision.reasons);
            assert_eq!(decision.reasons[0], reason);
        }
    }
}
