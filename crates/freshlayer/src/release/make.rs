//! From proven snapshots to a recorded release with its zip.

use std::path::{Path, PathBuf};

use crate::definition::{Dataset, Definition};
use crate::engine::Engine;
use crate::error::Error;
use crate::formats::pipe::blocking;
use crate::intake::gather::Gathered;
use crate::intake::inspect::{LayerFile, Proven};
use crate::ports::{Key, Payload, Stage, Store};
use crate::problem::Level;
use crate::progress::Stages;
use crate::release::package::{Assembled, assemble, carry, package, prove};
use crate::state::LayerZip;
use crate::state::{Release, STATE_FORMAT, Session, Snapshot, decide, read_release};

/// How many abandoned records are passed over before giving up: a crash leaves one at most.
const ABANDONED_MAX: u64 = 100;

/// Completes the new snapshots with those of the live release, without a download.
///
/// `None` where there is nothing to release: nothing is new, a dataset was never good yet, the content is the live one,
/// or something that serves would be lost for a dataset that is not good.
pub(crate) async fn complete(
    engine: &Engine,
    definition: &Definition,
    live: Option<&Release>,
    gathered: &mut Gathered,
    folder: &Path,
) -> Result<Option<Assembled>, Error> {
    if gathered.proven.is_empty() && !rearranged(definition, live) {
        return Ok(None);
    }
    let mut new = std::mem::take(&mut gathered.proven);
    let mut parts: Vec<Proven> = Vec::new();
    for dataset in &definition.datasets {
        if let Some(at) = new.iter().position(|p| p.snapshot().dataset == dataset.name) {
            parts.push(new.swap_remove(at));
            continue;
        }
        // A first release needs every dataset; one that comes later must not hold back the others, but nothing is
        // taken away before what stands in its place is good.
        let Some(live) = live else { return Ok(None) };
        let Some(snapshot) = carried(live, dataset) else {
            match loses(definition, live) {
                true => return Ok(None),
                false => continue,
            }
        };
        let zip = live_zip(engine, live, folder).await?;
        let (snapshot, path) = (snapshot.clone(), dataset.path.clone());
        let into = folder.join(format!("carried-{}", dataset.name));
        parts.push(blocking(move || carry(&zip, &snapshot, &path, &into)).await?);
    }
    match assemble(parts) {
        Ok(assembled) if live.is_some_and(|live| live.content == assembled.content) => {
            gathered.same_content();
            Ok(None)
        }
        Ok(assembled) => Ok(Some(assembled)),
        Err(problems) => {
            gathered.problems.extend(problems);
            Ok(None)
        }
    }
}

/// What the live release has of a dataset, in the format that is wanted now.
fn carried<'a>(live: &'a Release, dataset: &Dataset) -> Option<&'a Snapshot> {
    let snapshot = live.snapshot(&dataset.name);
    snapshot.filter(|snapshot| snapshot.format == dataset.format())
}

/// Tells whether the live release has something that the definition leaves out or wants in another format.
fn loses(definition: &Definition, live: &Release) -> bool {
    let kept = definition.datasets.iter();
    let kept = kept.filter(|dataset| carried(live, dataset).is_some());
    kept.count() < live.snapshots.len()
}

/// Tells whether the definition wants less than the live release carries, or other places for it.
fn rearranged(definition: &Definition, live: Option<&Release>) -> bool {
    let Some(live) = live else { return false };
    let wanted = definition.datasets.iter().filter(|wanted| live.snapshot(&wanted.name).is_some());
    let wanted = wanted.map(|dataset| (&dataset.name, &dataset.path));
    !wanted.eq(live.snapshots.iter().map(|snapshot| (&snapshot.dataset, &snapshot.path)))
}

/// Brings the live release's zip to this machine, once per run.
async fn live_zip(engine: &Engine, live: &Release, folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join("live.zip");
    if path.exists() {
        return Ok(path);
    }
    Ok(live.fetch_zip(engine.ports.store.as_ref(), &path).await?.path)
}

/// Packages a release, proves its zip, and records both.
///
/// Guarantees: a run that crashed after the record was written is found by its number and content, and
/// leads to the same release and the same bytes.
pub(crate) async fn make_release(
    engine: &Engine,
    session: &Session<'_>,
    live: Option<&Release>,
    assembled: Assembled,
    gathered: &Gathered,
    folder: &Path,
    stages: &Stages,
) -> Result<(Release, LayerZip), Error> {
    let store = engine.ports.store.as_ref();
    let layer = &session.head().layer;
    let Assembled { snapshots, files, content } = assembled;
    let highest = read_release(store, layer, session.head().newest).await?;
    let mut draft = draft(engine, session, live, highest.as_ref(), snapshots, gathered);
    draft.content = content;
    let first = session.head().newest + 1;
    for seq in first..first + ABANDONED_MAX {
        let recorded = read_release(store, layer, seq).await?;
        draft.seq = seq;
        match recorded {
            Some(recorded) if recorded.content != draft.content => continue,
            Some(recorded) => draft = Release { warnings: draft.warnings.clone(), ..recorded },
            None => {}
        }
        let place = folder.join(seq.to_string());
        let zip = zip(&draft, &files, &place, stages).await?;
        let release = Release {
            zip_sha256: zip.sha256.clone(),
            zip_bytes: zip.size_bytes,
            unzipped_bytes: files.iter().map(|file| file.deflated.size_bytes).sum(),
            ..draft.clone()
        };
        // Nothing names a stored zip until its record is written, and that waits for the proof.
        let proved = proved(&release, &zip, &place, stages);
        let (proved, stored) = tokio::join!(proved, stored(store, &zip));
        proved?;
        stored?;
        match release.record(store).await? {
            None => return Ok((release, zip)),
            Some(recorded) if recorded.zip_sha256 == zip.sha256 => return Ok((recorded, zip)),
            // Another engine version wrote other bytes under this number: leave them alone.
            Some(_other) => {}
        }
    }
    let key = Key::release(layer, first).to_string();
    let problem = format!("{ABANDONED_MAX} records in a row belong to no release");
    Err(Error::State { key, problem })
}

fn draft(
    engine: &Engine,
    session: &Session<'_>,
    live: Option<&Release>,
    newest: Option<&Release>,
    snapshots: Vec<Snapshot>,
    gathered: &Gathered,
) -> Release {
    // After a rollback the shape is judged against what serves, and the number goes on from the newest.
    let highest = live.into_iter().chain(newest).map(|release| &release.version).max();
    let previous = highest.zip(live.map(|live| &live.snapshots[..]));
    let decision = decide(previous, &snapshots);
    let nothing = crate::names::Digest::of(<sha2::Sha256 as sha2::Digest>::new());
    let warnings = gathered.problems.iter().filter(|problem| problem.level == Level::Warn);
    Release {
        format: STATE_FORMAT,
        layer: session.head().layer.clone(),
        seq: 0,
        version: decision.version,
        version_reasons: decision.reasons,
        content: nothing.clone(),
        zip_sha256: nothing,
        zip_bytes: 0,
        unzipped_bytes: 0,
        created: engine.ports.clock.now(),
        snapshots,
        warnings: warnings.cloned().collect(),
    }
}

async fn zip(
    release: &Release,
    files: &[LayerFile],
    folder: &Path,
    stages: &Stages,
) -> Result<LayerZip, Error> {
    let opt = folder.join("opt");
    std::fs::create_dir_all(&opt).map_err(Error::io("make the folder", &opt))?;
    let deflated = files.iter().map(|file| file.deflated.stream_bytes).sum();
    let layer = release.layer.as_str();
    let running = stages.start(Stage::Package, layer, Some(deflated));
    let meter = running.meter();
    let (record, parts, into) = (release.clone(), files.to_vec(), folder.to_owned());
    let zip = blocking(move || package(&record, &parts, &into, &meter)).await?;
    running.done(zip.size_bytes);
    Ok(zip)
}

/// Unpacks a zip and opens it as a consumer will.
async fn proved(
    release: &Release,
    zip: &LayerZip,
    folder: &Path,
    stages: &Stages,
) -> Result<(), Error> {
    let (layer, total) = (release.layer.clone(), release.unzipped_bytes);
    let running = stages.start(Stage::Prove, layer.as_str(), Some(total));
    let meter = running.meter();
    let (path, opt) = (zip.path.clone(), folder.join("opt"));
    let proved = blocking(move || prove(&path, &layer, &opt, &|bytes| meter.add(bytes)));
    let (manifest, bytes) = proved.await?;
    if manifest != release.manifest() {
        let problem = "its manifest is not the one of the release".to_owned();
        return Err(Error::Proof { what: format!("the zip of release {}", release.seq), problem });
    }
    running.done(bytes);
    Ok(())
}

async fn stored(store: &dyn Store, zip: &LayerZip) -> Result<(), Error> {
    let key = Key::blob(&zip.sha256);
    let created = store.create(&key, Payload::File(&zip.path)).await;
    created.map(drop).map_err(|source| Error::Store { key: key.to_string(), source })
}
