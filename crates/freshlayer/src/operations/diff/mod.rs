//! What differs between the data of two releases, layer versions, files or addresses. Nothing is judged, nothing changes.

mod archive;
mod mmdb;
mod side;
mod sqlite;
mod traffic;

use std::path::PathBuf;

use freshlayer_reader::Format;
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::Engine;
use crate::error::Error;
use crate::formats::pipe::blocking;
use crate::names::LayerName;

pub use archive::{EntryChange, EntryDiff};
pub use mmdb::{FieldDiff, MmdbDiff, MovementDiff};
pub use sqlite::{ColumnDiff, TableDiff, ValuesDiff};
pub use traffic::Traffic;

use side::{Dataset, Side, open};

/// One of the two things that are compared.
#[derive(Debug, Clone)]
pub enum Compared {
    /// The zip of a layer on this machine; `name` is what people call it.
    Zip {
        /// What people call it.
        name: String,
        /// The layer.
        layer: LayerName,
        /// Its zip.
        zip: PathBuf,
    },
    /// A file, a folder (an absolute path) or an address.
    Source(String),
}

/// What differs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Diff {
    /// The earlier one.
    pub before: String,
    /// The later one.
    pub after: String,
    /// One entry per dataset, in the order of the earlier one; then those that are new.
    pub datasets: Vec<DatasetDiff>,
}

/// What differs in one dataset.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DatasetDiff {
    /// Its name.
    pub name: String,
    /// Whether it is the same, changed, new or gone.
    pub state: DatasetChange,
    /// Its earlier format.
    pub format_before: Option<String>,
    /// Its later format.
    pub format_after: Option<String>,
    /// Its earlier size in bytes.
    pub bytes_before: u64,
    /// Its later size in bytes.
    pub bytes_after: u64,
    /// What consumers rely on and is gone or new, one sentence each.
    pub schema: Vec<String>,
    /// An mmdb's addresses of IPv4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmdb: Option<MmdbDiff>,
    /// An mmdb's addresses of IPv6, in networks of 64 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mmdb_ipv6: Option<MmdbDiff>,
    /// The addresses of `--traffic`, by how often they ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<MmdbDiff>,
    /// A SQLite database's tables that differ, and those whose rows no key pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<Vec<TableDiff>>,
    /// An archive's entries that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<EntryDiff>>,
}

/// What became of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetChange {
    /// The same bytes.
    Same,
    /// Other bytes.
    Changed,
    /// Another format: it cannot be compared.
    OtherFormat,
    /// Only the later one has it.
    New,
    /// Only the earlier one has it.
    Gone,
}

/// Compares the data of two things. `traffic` weighs an mmdb's addresses by how often they ask.
///
/// # Errors
/// Where one cannot be had, unpacked or read, and this machine's errors.
pub async fn diff(
    engine: &Engine,
    before: &Compared,
    after: &Compared,
    traffic: Option<&Traffic>,
) -> Result<Diff, Error> {
    let folder = engine.run_folder()?;
    let before = open(engine, before, &folder.path().join("before")).await?;
    let after = open(engine, after, &folder.path().join("after")).await?;
    let mut datasets = Vec::new();
    for (old, new) in pairs(&before, &after) {
        let (old, new) = (old.cloned(), new.cloned());
        let traffic = traffic.cloned();
        datasets
            .push(blocking(move || dataset(old.as_ref(), new.as_ref(), traffic.as_ref())).await?);
    }
    Ok(Diff { before: before.name, after: after.name, datasets })
}

/// Compares two databases that lie on this machine; `None` where one of them is none.
#[cfg(feature = "fuzzing")]
pub(crate) fn databases(
    before: &std::path::Path,
    after: &std::path::Path,
) -> Result<Option<DatasetDiff>, Error> {
    let side = |path: &std::path::Path| side::in_place(&path.to_string_lossy());
    let (Some(before), Some(after)) = (side(before)?, side(after)?) else { return Ok(None) };
    dataset(before.datasets.first(), after.datasets.first(), None).map(Some)
}

/// Pairs datasets by name. Where both have one only, its name does not matter.
fn pairs<'a>(before: &'a Side, after: &'a Side) -> Vec<(Option<&'a Dataset>, Option<&'a Dataset>)> {
    if let ([old], [new]) = (&before.datasets[..], &after.datasets[..]) {
        return vec![(Some(old), Some(new))];
    }
    let find = |side: &'a Side, name: &str| side.datasets.iter().find(|one| one.name == name);
    let old = before.datasets.iter().map(|old| (Some(old), find(after, &old.name)));
    let is_new = |new: &&Dataset| find(before, &new.name).is_none();
    let new = after.datasets.iter().filter(is_new).map(|new| (None, Some(new)));
    old.chain(new).collect()
}

fn dataset(
    old: Option<&Dataset>,
    new: Option<&Dataset>,
    traffic: Option<&Traffic>,
) -> Result<DatasetDiff, Error> {
    let name = new.or(old).map_or(String::new(), |dataset| dataset.name.clone());
    let format = |dataset: Option<&Dataset>| dataset.map(|dataset| dataset.format.to_string());
    let bytes = |dataset: Option<&Dataset>| dataset.map_or(0, Dataset::size_bytes);
    let state = match (old, new) {
        (None, _) => DatasetChange::New,
        (_, None) => DatasetChange::Gone,
        (Some(old), Some(new)) if old.format != new.format => DatasetChange::OtherFormat,
        (Some(old), Some(new)) if old.is_same(new) => DatasetChange::Same,
        (Some(_), Some(_)) => DatasetChange::Changed,
    };
    let mut diff = DatasetDiff {
        name,
        state,
        format_before: format(old),
        format_after: format(new),
        bytes_before: bytes(old),
        bytes_after: bytes(new),
        schema: Vec::new(),
        mmdb: None,
        mmdb_ipv6: None,
        traffic: None,
        tables: None,
        entries: None,
    };
    let (DatasetChange::Changed, Some(old), Some(new)) = (state, old, new) else {
        return Ok(diff);
    };
    match old.format {
        Format::Mmdb => mmdb::compare(old, new, traffic, &mut diff)?,
        Format::Sqlite => sqlite::compare(old, new, &mut diff)?,
        Format::Archive => diff.entries = Some(archive::compare(old, new)),
        Format::File => {}
    }
    Ok(diff)
}
