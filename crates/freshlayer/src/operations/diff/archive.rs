use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::side::{DataFile, Dataset};

/// What differs in one entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EntryDiff {
    /// Its path below the dataset's folder.
    pub path: String,
    /// What became of it.
    pub change: EntryChange,
    /// Its earlier size in bytes; absent where it is new.
    pub bytes_before: Option<u64>,
    /// Its later size in bytes; absent where it is gone.
    pub bytes_after: Option<u64>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntryChange {
    /// Only the later archive has it.
    New,
    /// Only the earlier archive has it.
    Gone,
    /// It has other bytes.
    Changed,
    /// It has the same bytes, and its executable bit changed.
    Mode,
}

/// Compares two archives entry by entry, sorted by path.
pub(super) fn compare(before: &Dataset, after: &Dataset) -> Vec<EntryDiff> {
    let by_path = |dataset: &'_ Dataset| -> BTreeMap<String, DataFile> {
        dataset.files.iter().map(|file| (file.path.clone(), file.clone())).collect()
    };
    let (old, new) = (by_path(before), by_path(after));
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let entry = |path: &String| {
        let (was, is) = (old.get(path), new.get(path));
        let change = match (was, is) {
            (None, _) => EntryChange::New,
            (_, None) => EntryChange::Gone,
            (Some(was), Some(is)) if was.sha256 != is.sha256 => EntryChange::Changed,
            (Some(was), Some(is)) if was.mode != is.mode => EntryChange::Mode,
            _ => return None,
        };
        Some(EntryDiff {
            path: path.clone(),
            change,
            bytes_before: was.map(|file| file.size_bytes),
            bytes_after: is.map(|file| file.size_bytes),
        })
    };
    paths.into_iter().filter_map(entry).collect()
}
