//! What this machine keeps without need: copies of pruned releases, and what runs that were killed left behind.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use freshlayer::Digest;
use freshlayer::ports::Clock as _;

use crate::clock::SystemClock;
use crate::durable::UNFINISHED;
use crate::opt::PARTS;

/// No run takes so long: what is older belongs to none.
const OLD: Duration = Duration::from_hours(24);

/// The folders of a host, as [`clear`] needs them.
#[derive(Debug, Clone, Copy)]
pub struct HostFolders<'a> {
    /// The host's own folder.
    pub root: &'a Path,
    /// Where the state is, under it.
    pub state: &'a Path,
    /// Where pulled zips are.
    pub pulled: &'a Path,
    /// Where layers are merged.
    pub merged: &'a Path,
}

/// Removes the copies of pruned zips, merged folders whose layers are gone, files that were never finished and zips that
/// no record names. What cannot be removed stays, and is tried again by the next prune.
pub fn clear<'a>(folders: HostFolders<'_>, pruned: impl Iterator<Item = &'a Digest>) {
    for digest in pruned {
        let zip = folders.pulled.join(format!("{digest}.zip"));
        let _may_stay = fs::remove_dir_all(zip.with_extension("opt"));
        let _may_stay = fs::remove_file(zip);
    }
    clear_merged(folders.merged);
    clear_unfinished(folders.root);
    let _may_stay = clear_unnamed_zips(folders.state);
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

/// A merged folder has a list of its parts beside it; one part that is gone makes it stale.
fn clear_merged(merged: &Path) {
    for list in entries(merged).map(|entry| entry.path()) {
        if list.extension().is_none_or(|extension| extension != PARTS) {
            continue;
        }
        let parts = fs::read_to_string(&list).unwrap_or_default();
        if parts.lines().any(|part| !Path::new(part).exists()) {
            let _may_stay = fs::remove_dir_all(list.with_extension(""));
            let _may_stay = fs::remove_file(list);
        }
    }
}

fn clear_unfinished(folder: &Path) {
    for entry in entries(folder) {
        let (path, is_folder) = (entry.path(), entry.path().is_dir());
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            if is_old(&path) {
                let _may_stay =
                    if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            }
        } else if is_folder && !entry.file_name().to_string_lossy().ends_with("opt") {
            clear_unfinished(&path);
        }
    }
}

/// A run that was killed between storing a zip and recording it leaves one that nothing names.
fn clear_unnamed_zips(state: &Path) -> io::Result<()> {
    let old: Vec<PathBuf> =
        entries(&state.join("blobs")).map(|entry| entry.path()).filter(|zip| is_old(zip)).collect();
    if old.is_empty() {
        return Ok(());
    }
    let named = named_zips(state)?;
    for zip in old {
        let digest = zip.file_stem().and_then(|name| Digest::parse(name.to_str()?).ok());
        if digest.is_some_and(|digest| !named.contains(&digest)) {
            fs::remove_file(zip)?;
        }
    }
    Ok(())
}

fn named_zips(state: &Path) -> io::Result<BTreeSet<Digest>> {
    let mut named = BTreeSet::new();
    for layer in fs::read_dir(state.join("layers"))? {
        let releases = layer?.path().join("releases");
        // A layer that was frozen before its first release has a head only.
        if !releases.exists() {
            continue;
        }
        for record in fs::read_dir(releases)? {
            let path = record?.path();
            // A folder holds the provenance documents of a release.
            if path.is_dir() {
                continue;
            }
            let record = fs::read(path)?;
            let record: ZipOfRecord = serde_json::from_slice(&record)?;
            named.insert(record.zip_sha256);
        }
    }
    Ok(named)
}

#[derive(serde::Deserialize)]
struct ZipOfRecord {
    zip_sha256: Digest,
}

fn is_old(path: &Path) -> bool {
    let now = SystemTime::from(SystemClock::start().now());
    let modified = File::open(path).and_then(|file| file.metadata()?.modified());
    modified.is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age > OLD))
}
