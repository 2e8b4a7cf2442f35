//! From proven snapshots to a recorded release with its zip.

use std::path::{Path, PathBuf};

use super::recover::zip_of;
use crate::definition::{Dataset, Definition};
use crate::engine::Run;
use crate::error::Error;
use crate::formats::pipe::blocking;
use crate::intake::inspect::{LayerFile, Proven};
use crate::ports::{Key, Payload, Stage, Store};
use crate::problem::{Level, Problem};
use crate::progress::Stages;
use crate::release::package::{Assembled, assemble, carry, package, prove_made};
use crate::state::{
    Head, LayerZip, Outline, RELEASE_FORMAT, Release, Session, Snapshot, decide, read_release,
};

/// How many abandoned records are passed over before giving up: a crash leaves one at most.
const ABANDONED_MAX: u64 = 100;

/// What the new snapshots come to, with those that are carried.
pub(crate) enum Completion {
    /// Nothing to release: nothing is new, a dataset was never good yet, or something that serves would be lost for a
    /// dataset that is not good.
    Nothing,
    /// The content of the live release.
    SameContent,
    /// The content of a release that is stored already, and that no Region took yet.
    Stored(Box<Release>),
    /// A layer.
    Assembled(Assembled),
    /// No layer: what speaks against it.
    Refused(Vec<Problem>),
}

/// What new snapshots are completed from.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a> {
    /// The release that serves.
    pub(crate) live: Option<&'a Release>,
    /// The release that is stored, and that no Region took yet.
    pub(crate) stored: Option<&'a Release>,
}

impl<'a> Base<'a> {
    fn newest(self) -> Option<&'a Release> {
        self.stored.or(self.live)
    }
}

/// Completes the new snapshots with those of the newest release, without a download.
pub(crate) async fn complete(
    run: &Run<'_>,
    head: &Head,
    base: Base<'_>,
    proven: Vec<Proven>,
    folder: &Path,
) -> Result<Completion, Error> {
    let definition = run.definition;
    let newest = base.newest();
    if proven.is_empty() && !rearranged(definition, newest.map(Release::outline).as_ref()) {
        return Ok(match base.stored {
            Some(stored) => Completion::Stored(Box::new(stored.clone())),
            None => Completion::Nothing,
        });
    }
    let mut new = proven;
    let mut parts: Vec<Proven> = Vec::new();
    for dataset in &definition.datasets {
        if let Some(at) = new.iter().position(|p| p.snapshot().dataset == dataset.name) {
            parts.push(new.swap_remove(at));
            continue;
        }
        // A first release needs every dataset; one that comes later must not hold back the others, but nothing is
        // taken away before what stands in its place is good.
        let Some(newest) = newest else { return Ok(Completion::Nothing) };
        let Some(snapshot) = carried(newest, dataset) else {
            if loses(definition, newest) {
                return Ok(Completion::Nothing);
            }
            continue;
        };
        let zip = base_zip(run, head, newest, folder).await?;
        let (snapshot, path) = (snapshot.clone(), dataset.path.clone());
        let into = folder.join(format!("carried-{}", dataset.name));
        parts.push(blocking(move || carry(&zip, &snapshot, &path, &into)).await?);
    }
    let has = |release: Option<&Release>, assembled: &Assembled| {
        release.is_some_and(|release| release.content == assembled.content)
    };
    Ok(match assemble(parts) {
        Err(problems) => Completion::Refused(problems),
        Ok(assembled) if has(base.live, &assembled) => Completion::SameContent,
        Ok(assembled) => match base.stored.filter(|stored| has(Some(stored), &assembled)) {
            Some(stored) => Completion::Stored(Box::new(stored.clone())),
            None => Completion::Assembled(assembled),
        },
    })
}

/// What a release has of a dataset, in the format that is wanted now.
fn carried<'a>(newest: &'a Release, dataset: &Dataset) -> Option<&'a Snapshot> {
    let snapshot = newest.snapshot(&dataset.name);
    snapshot.filter(|snapshot| snapshot.format == dataset.format())
}

/// Tells whether a release has something that the definition leaves out or wants in another format.
fn loses(definition: &Definition, newest: &Release) -> bool {
    let kept = definition.datasets.iter();
    let kept = kept.filter(|dataset| carried(newest, dataset).is_some());
    kept.count() < newest.snapshots.len()
}

/// Tells whether the definition wants less than a release carries, or other places for it.
pub(crate) fn rearranged(definition: &Definition, newest: Option<&Outline>) -> bool {
    let Some(newest) = newest else { return false };
    let wanted =
        definition.datasets.iter().filter(|wanted| newest.snapshot(&wanted.name).is_some());
    let wanted = wanted.map(|dataset| (&dataset.name, &dataset.path));
    !wanted.eq(newest.snapshots.iter().map(|snapshot| (&snapshot.dataset, &snapshot.path)))
}

/// Brings the zip of the release that is carried from to this machine, once per run.
pub(super) async fn base_zip(
    run: &Run<'_>,
    head: &Head,
    newest: &Release,
    folder: &Path,
) -> Result<PathBuf, Error> {
    let path = folder.join(format!("zip-{}", newest.seq));
    if path.exists() {
        return Ok(path);
    }
    Ok(zip_of(run.engine, run.definition, head, newest, &path).await?.path)
}

/// Packages a release, proves its zip, and records both.
///
/// Guarantees: a run that crashed after the record was written is found by its number and content, and
/// leads to the same release and the same bytes.
pub(crate) async fn make_release(
    run: &Run<'_>,
    session: &Session<'_>,
    live: Option<&Release>,
    assembled: Assembled,
    problems: &[Problem],
    folder: &Path,
) -> Result<(Release, LayerZip), Error> {
    let Run { engine, stages, .. } = *run;
    let store = engine.ports.store.as_ref();
    let layer = session.head().layer();
    let Assembled { snapshots, files, content } = assembled;
    let highest = read_release(store, layer, session.head().newest()).await?;
    let mut draft = draft(run, session, live, highest.as_ref(), snapshots, problems);
    draft.content = content;
    let first = session.head().newest() + 1;
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
        let proved = proved(&release, &zip, &files, &place, stages);
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
    run: &Run<'_>,
    session: &Session<'_>,
    live: Option<&Release>,
    newest: Option<&Release>,
    snapshots: Vec<Snapshot>,
    problems: &[Problem],
) -> Release {
    // After a rollback the shape is judged against what serves, and the number goes on from the newest.
    let highest = live.into_iter().chain(newest).map(|release| &release.version).max();
    let previous = highest.zip(live.map(|live| &live.snapshots[..]));
    let decision = decide(previous, &snapshots);
    let nothing = crate::names::Digest::of(<sha2::Sha256 as sha2::Digest>::new());
    let warnings = problems.iter().filter(|problem| problem.level == Level::Warn);
    Release {
        format: RELEASE_FORMAT,
        layer: session.head().layer().clone(),
        seq: 0,
        version: decision.version,
        version_reasons: decision.reasons,
        content: nothing.clone(),
        zip_sha256: nothing,
        zip_bytes: 0,
        unzipped_bytes: 0,
        created: run.engine.ports.clock.now(),
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
    files: &[LayerFile],
    folder: &Path,
    stages: &Stages,
) -> Result<(), Error> {
    let (layer, total) = (release.layer.clone(), release.unzipped_bytes);
    let running = stages.start(Stage::Prove, layer.as_str(), Some(total));
    let meter = running.meter();
    let (path, files, opt) = (zip.path.clone(), files.to_vec(), folder.join("opt"));
    let proved =
        blocking(move || prove_made(&path, &layer, &files, &opt, &|bytes| meter.add(bytes)));
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
