//! The zip of a release, from wherever it still is: the store, or else a layer version that holds the same bytes.

use std::path::Path;

use futures_util::TryStreamExt as _;

use crate::definition::{Definition, Select, SourceSpec};
use crate::engine::Engine;
use crate::error::Error;
use crate::limits::Limits;
use crate::ports::{Fetch, Key, Located, Payload, Region, Request, SourceError};
use crate::state::{Head, LayerZip, Release, prove_zip};

/// Brings the zip of a release to a file. One that the store lost is taken from a layer version, and stored again.
pub(crate) async fn zip_of(
    engine: &Engine,
    definition: &Definition,
    head: &Head,
    release: &Release,
    file: &Path,
) -> Result<LayerZip, Error> {
    let store = engine.ports.store.as_ref();
    let missing = match release.fetch_zip(store, file).await {
        Err(error @ Error::ZipMissing { .. }) => error,
        found => return found,
    };
    for region in engine.ports.regions.of(&definition.destinations).await {
        if from_version(engine, &region, head, release, file).await.is_some() {
            let key = Key::blob(&release.zip_sha256);
            let stored = store.create(&key, Payload::File(file)).await;
            stored.map_err(|source| Error::Store { key: key.to_string(), source })?;
            let (path, sha256) = (file.to_owned(), release.zip_sha256.clone());
            return Ok(LayerZip { path, sha256, size_bytes: release.zip_bytes });
        }
    }
    Err(missing)
}

/// Fetches a layer version's zip, where it is the recorded one. A signed version holds other bytes.
async fn from_version(
    engine: &Engine,
    region: &Region,
    head: &Head,
    release: &Release,
    file: &Path,
) -> Option<()> {
    let arn = head.version(release.seq, region.registry.region())?;
    let located = region.registry.locate(arn).await.ok()??;
    fetch(engine, &located, file).await.ok()?;
    prove_zip(file, &release.zip_sha256, "the zip of a layer version").ok()
}

/// Downloads the zip of a layer version to a file.
pub(crate) async fn fetch(
    engine: &Engine,
    located: &Located,
    file: &Path,
) -> Result<(), SourceError> {
    let source =
        SourceSpec { origin: located.origin.clone(), checksum: None, select: Select::default() };
    let limits = Limits::default();
    let request = Request { source: &source, known: None, passed_over: 0, limits: &limits };
    let Fetch::Body(mut body) = engine.ports.source.fetch(request).await? else {
        return Err(SourceError::Setup("it answers that nothing changed".to_owned()));
    };
    let written =
        |error: std::io::Error| SourceError::Setup(format!("write {}: {error}", file.display()));
    let mut output = std::fs::File::create(file).map_err(written)?;
    while let Some(chunk) = body.chunks.try_next().await? {
        std::io::Write::write_all(&mut output, &chunk).map_err(written)?;
    }
    Ok(())
}
