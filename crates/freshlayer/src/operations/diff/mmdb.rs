use freshlayer_reader::{map_file, maxminddb};
use maxminddb::Reader;
use schemars::JsonSchema;
use serde::Serialize;

use super::side::Dataset;
use super::{DatasetDiff, Traffic};
use crate::error::Error;
use crate::formats::mmdb::{
    Comparison, Extent, Family, Fault, FieldChange, Tree, Watch, compare_at, data_end, read_tree,
    shape,
};
use crate::limits::Limits;
use crate::schema::{self, Element, Schema};

/// How many movements of a field are told.
const MOVEMENTS_MAX: usize = 5;

/// What differs between two builds of an mmdb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MmdbDiff {
    /// What is counted: `addresses`, `/64 networks` or `requests`.
    pub unit: &'static str,
    /// All requests of `--traffic`, also those of addresses without a record; absent else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<u64>,
    /// How many have a record in the earlier build.
    pub before: u64,
    /// How many have a record in the later build.
    pub after: u64,
    /// How many have a record in the later build only.
    pub added: u64,
    /// How many have a record in the earlier build only.
    pub removed: u64,
    /// How many have a record in both that differs in some field.
    pub changed: u64,
    /// The fields that differ, the largest difference first.
    pub fields: Vec<FieldDiff>,
}

/// What differs in one field, of what has a record in both builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldDiff {
    /// The keys that lead to it, joined by dots; `[]` is any item of a list.
    pub path: String,
    /// How many lost the value.
    pub lost: u64,
    /// How many gained a value.
    pub gained: u64,
    /// How many have another value.
    pub changed: u64,
    /// The largest movements from text to text.
    pub movements: Vec<MovementDiff>,
}

/// How many moved from one text to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MovementDiff {
    /// The earlier text; absent where there was none.
    pub from: Option<String>,
    /// The later text; absent where there is none.
    pub to: Option<String>,
    /// How many.
    pub count: u64,
    /// One network of them.
    pub network: Option<String>,
}

/// Compares two builds, all addresses.
pub(super) fn compare(
    before: &Dataset,
    after: &Dataset,
    traffic: Option<&Traffic>,
    diff: &mut DatasetDiff,
) -> Result<(), Error> {
    let maps = [before, after].map(|dataset| {
        let file = &dataset.single()?.file;
        map_file(file).map_err(|error| Error::io("map", file)(std::io::Error::other(error)))
    });
    let [old_map, new_map] = maps;
    let (old_map, new_map) = (old_map?, new_map?);
    let old = opened(&old_map).map_err(|problem| before.fault(problem))?;
    let new = opened(&new_map).map_err(|problem| after.fault(problem))?;
    let values_max = Limits::default().decoded_values_max;
    let words = |fault: Fault| after.fault(fault.to_string());
    let found =
        crate::formats::mmdb::compare(old.tree.paths, new.tree.paths, Extent::Whole, values_max)
            .map_err(words)?;
    for (family, found) in found {
        let (part, unit) = match family {
            Family::Ipv4 => (&mut diff.mmdb, "addresses"),
            Family::Ipv6 => (&mut diff.mmdb_ipv6, "/64 networks"),
        };
        *part = Some(of(found, unit, None));
    }
    let changes = schema::compare(&old.schema, &new.schema);
    diff.schema = changes.iter().map(ToString::to_string).collect();
    if let Some(traffic) = traffic {
        let found = compare_at(old.tree.paths, new.tree.paths, traffic.addresses(), values_max);
        diff.traffic = Some(of(found.map_err(words)?, "requests", Some(traffic.requests())));
    }
    Ok(())
}

struct Opened<'a> {
    tree: Tree<'a>,
    schema: Schema,
}

fn opened(bytes: &[u8]) -> Result<Opened<'_>, String> {
    let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
    let metadata = reader.metadata();
    let end = data_end(bytes).ok_or("it has no metadata")?;
    let words = |fault: Fault| fault.to_string();
    let tree = read_tree(bytes, metadata, end).and_then(Tree::with_sound_paths).map_err(words)?;
    let shape =
        shape(&tree, &Watch::default(), Limits::default().decoded_values_max).map_err(words)?;
    let fields = shape.fields.into_keys().map(|(path, kind)| Element::Field { path, kind });
    let whole = [
        Element::DatabaseType(metadata.database_type.clone()),
        Element::IpVersion(metadata.ip_version),
    ];
    let schema = whole.into_iter().chain(fields).collect();
    Ok(Opened { tree, schema })
}

fn of(found: Comparison, unit: &'static str, all: Option<u64>) -> MmdbDiff {
    let mut fields: Vec<FieldDiff> = found.fields.into_iter().map(field).collect();
    let differs = |field: &FieldDiff| field.lost.saturating_add(field.gained);
    let differs = |field: &FieldDiff| differs(field).saturating_add(field.changed);
    fields.sort_by_key(|field| std::cmp::Reverse(differs(field)));
    MmdbDiff {
        unit,
        all,
        before: found.before,
        after: found.after,
        added: found.added,
        removed: found.removed,
        changed: found.changed,
        fields,
    }
}

fn field((path, change): (String, FieldChange)) -> FieldDiff {
    let FieldChange { lost, gained, changed, movements, .. } = change;
    let mut movements: Vec<MovementDiff> = movements
        .into_iter()
        .map(|((from, to), moved)| MovementDiff {
            from,
            to,
            count: moved.weight,
            network: moved.first.map(|network| network.to_string()),
        })
        .collect();
    movements.sort_by_key(|movement| std::cmp::Reverse(movement.count));
    movements.truncate(MOVEMENTS_MAX);
    FieldDiff { path, lost, gained, changed, movements }
}
