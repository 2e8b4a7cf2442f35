use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;

use freshlayer_reader::map_file;
use freshlayer_reader::maxminddb::Reader;

use super::Sample;
use crate::formats::mmdb::{
    Fault, FieldFacts, Tree, Watch, data_end, facts, read_tree, shape, watched,
};
use crate::formats::rule::Rule;
use crate::limits::Limits;
use crate::schema::{Contract, FieldContract, Kind};

/// As many as a definition may name.
const FIELDS_MAX: usize = 48;
/// Names are told in one language of many; English is in every record that has one.
const NAMES: &str = "names.";
const NAMES_KEPT: &str = "names.en";

pub(super) fn suggest(file: &Path, limits: &Limits) -> Result<Contract, String> {
    let map = map_file(file).map_err(|error| error.to_string())?;
    let reader = Reader::from_source(&map[..]).map_err(|error| error.to_string())?;
    let end = data_end(&map).ok_or("it has no metadata")?;
    let words = |fault: Fault| fault.to_string();
    let tree = read_tree(&map, reader.metadata(), end).map_err(words)?;
    let whole = shape(&tree, &Watch::default(), limits.decoded_values_max).map_err(words)?;
    let fields: BTreeMap<&str, Kind> = whole
        .fields
        .keys()
        .map(|(path, kind)| (path.as_str(), *kind))
        .filter(|(path, kind)| is_promise(path, *kind))
        .take(FIELDS_MAX)
        .collect();
    let watch = Watch::new(fields.keys().map(|path| (*path, Rule::default())));
    let seen = shape(&tree, &watch, limits.decoded_values_max).map_err(words)?;
    let (networks, counts) = watched(&tree, &seen);
    let facts = facts_of(&tree, fields.keys().copied()).map_err(words)?;
    let mut contract = Contract::new();
    for (((path, kind), count), facts) in fields.into_iter().zip(counts).zip(facts.into_values()) {
        let sample = Sample {
            kind: Some(kind.to_string()),
            whole: networks,
            values: count.values,
            facts: &facts,
        };
        let mut field = sample.contract();
        if kind == Kind::Boolean {
            field = FieldContract { null_share_max: None, absent: Some(false), ..field };
        }
        contract.insert(path.to_owned(), field);
    }
    Ok(contract)
}

/// Looks at each field, on all cores.
fn facts_of<'a>(
    tree: &Tree<'_>,
    paths: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<&'a str, FieldFacts>, Fault> {
    let paths: Vec<&str> = paths.collect();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let shares = (0..cores).map(|core| {
            let share = paths.iter().skip(core).step_by(cores);
            scope.spawn(move || share.map(|path| Ok((*path, facts(tree, path)?))).collect())
        });
        let shares: Vec<_> = shares.collect();
        let mut all = BTreeMap::new();
        for share in shares {
            let share: Result<Vec<_>, Fault> =
                share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.extend(share?);
        }
        Ok(all)
    })
}

/// Leaves out what holds other fields, and names in all languages but one.
fn is_promise(path: &str, kind: Kind) -> bool {
    let is_name = path.contains(NAMES) && !path.ends_with(NAMES_KEPT);
    !matches!(kind, Kind::Map | Kind::Array) && !is_name && !path.starts_with('(')
}
