//! The `/opt` of a list of layer versions, as Lambda merges it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use freshlayer::{LAYER_BYTES_MAX, LayerName, LayerVersionArn};
use sha2::{Digest as _, Sha256};

use crate::durable::{self, UNFINISHED};
use crate::registry::{FolderRegistry, OPT};

/// Ends the name of the list of folders that a merged one was made of.
pub(crate) const PARTS: &str = "parts";

/// Why an `/opt` cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptError {
    /// There is no such layer version.
    #[error("Layer version {0} does not exist.")]
    NotFound(LayerVersionArn),
    /// The zip is damaged.
    #[error("unpack {what}: {problem}")]
    Damaged {
        /// The layer version, or the zip.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// The operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Returns a folder that holds layer versions merged in list order, where later ones win. It is made once
/// and stays; nobody may write to it.
///
/// # Errors
/// [`OptError`].
pub fn merged_opt(
    registry: &FolderRegistry,
    layers: &[LayerVersionArn],
    merged: &Path,
) -> Result<PathBuf, OptError> {
    let unpacked: Vec<PathBuf> =
        layers.iter().map(|arn| unpacked(registry, arn)).collect::<Result<_, _>>()?;
    merge(&unpacked, merged)
}

/// As [`merged_opt`], from zips whose names are their digests. Each is unpacked beside its zip; one of ours is
/// proved on the way.
///
/// # Errors
/// [`OptError`].
pub fn merged_zips(zips: &[(LayerName, PathBuf)], merged: &Path) -> Result<PathBuf, OptError> {
    let mut unpacked = Vec::new();
    for (layer, zip) in zips {
        let target = zip.with_extension("opt");
        let damaged =
            |problem: String| OptError::Damaged { what: zip.display().to_string(), problem };
        finished_once(&target, |fresh| {
            if !is_ours(zip, layer)? {
                return unpack(zip, fresh).map_err(damaged);
            }
            let proved = freshlayer::prove(zip, layer, fresh, &|_| ());
            proved.map(drop).map_err(|error| damaged(freshlayer::chain(&error)))
        })?;
        unpacked.push(target);
    }
    merge(&unpacked, merged)
}

/// A layer of ours carries its manifest.
fn is_ours(zip: &Path, layer: &LayerName) -> Result<bool, OptError> {
    let file = fs::File::open(zip).map_err(durable::at("open", zip))?;
    let archive = zip::ZipArchive::new(io::BufReader::new(file));
    let manifest = freshlayer::manifest_path(layer.as_str());
    Ok(archive.is_ok_and(|archive| {
        let mut names = archive.file_names();
        names.any(|name| name.is_ok_and(|name| Path::new(&*name) == manifest))
    }))
}

/// Unpacks somebody else's layer as Lambda does.
fn unpack(zip: &Path, folder: &Path) -> Result<(), String> {
    let file = fs::File::open(zip).map_err(|error| error.to_string())?;
    let mut archive =
        zip::ZipArchive::new(io::BufReader::new(file)).map_err(|error| error.to_string())?;
    let mut bytes = 0;
    for at in 0..archive.len() {
        bytes += archive.by_index_raw(at).map_err(|error| error.to_string())?.size();
    }
    if bytes > LAYER_BYTES_MAX {
        return Err(format!("expected at most {LAYER_BYTES_MAX} bytes, found {bytes}"));
    }
    archive.extract(folder).map_err(|error| error.to_string())
}

/// Merges folders in order, once per list. The list is kept beside the result.
fn merge(unpacked: &[PathBuf], merged: &Path) -> Result<PathBuf, OptError> {
    if let [only] = unpacked {
        return Ok(only.clone());
    }
    let mut parts = String::new();
    for folder in unpacked {
        let folder = folder.canonicalize().map_err(durable::at("find", folder))?;
        let _ = writeln!(parts, "{}", folder.display());
    }
    let name = freshlayer::Digest::of(Sha256::new_with_prefix(&parts));
    let target = merged.join(name.short());
    durable::create(&target.with_extension(PARTS), parts.as_bytes())?;
    finished_once(&target, |fresh| {
        for folder in unpacked {
            overlay(folder, fresh)?;
        }
        Ok(())
    })?;
    Ok(target)
}

/// Unpacks a layer version beside its zip at the first call; every file is proved on the way.
fn unpacked(registry: &FolderRegistry, arn: &LayerVersionArn) -> Result<PathBuf, OptError> {
    let folder = registry.folder(arn);
    if registry.unzipped_bytes(arn)?.is_none() {
        return Err(OptError::NotFound(arn.clone()));
    }
    let damaged = |problem: String| OptError::Damaged { what: arn.to_string(), problem };
    let layer = LayerName::parse(arn.layer_name()).map_err(damaged)?;
    let target = folder.join(OPT);
    finished_once(&target, |fresh| {
        freshlayer::prove(&registry.zip(arn), &layer, fresh, &|_| ())
            .map(|_| ())
            .map_err(|error| damaged(freshlayer::chain(&error)))
    })?;
    Ok(target)
}

/// Makes a folder under another name and renames it into place, so that it is whole or absent.
fn finished_once(
    target: &Path,
    make: impl FnOnce(&Path) -> Result<(), OptError>,
) -> Result<(), OptError> {
    if target.exists() {
        return Ok(());
    }
    let parent = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(durable::at("make the folder", parent))?;
    let fresh = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(parent)
        .map_err(durable::at("write in", parent))?;
    make(fresh.path())?;
    match fs::rename(fresh.path(), target) {
        Err(error) if durable::is_taken(&error) => Ok(()),
        done => Ok(done.map_err(durable::at("write", target))?),
    }
}

/// Links every file of a folder into another one, over what is there.
fn overlay(folder: &Path, target: &Path) -> Result<(), OptError> {
    for entry in fs::read_dir(folder).map_err(durable::at("list", folder))? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            if to.is_file() {
                fs::remove_file(&to).map_err(durable::at("replace", &to))?;
            }
            fs::create_dir_all(&to).map_err(durable::at("make the folder", &to))?;
            overlay(&from, &to)?;
        } else {
            if to.is_dir() {
                fs::remove_dir_all(&to).map_err(durable::at("replace", &to))?;
            } else if to.exists() {
                fs::remove_file(&to).map_err(durable::at("replace", &to))?;
            }
            fs::hard_link(&from, &to).map_err(durable::at("link", &to))?;
        }
    }
    Ok(())
}
