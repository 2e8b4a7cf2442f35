//! Deletes the layer versions and zips of old releases that nobody can need any more (I6).
//!
//! Lambda keeps a deleted version for the functions that have it, but refuses every later change of them. So a
//! release goes only where no `$LATEST`, published version, pin, rollout or way back leads to it, and where everyone
//! who may use it could be asked. Its zip goes last: a layer version may be nothing but a reference to it.

mod delete;
mod evidence;
mod stays;

use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::{Digest, LayerName, LayerVersionArn};
use crate::ports::Region;
use crate::report::{Exit, Reason, Why};
use crate::rollout::frozen;
use crate::state::{Head, Lease, Leased, Release, Session, Work};
use evidence::Evidence;
pub(super) use evidence::unseen_reader;
pub use stays::Stays;

/// Whether anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prune {
    /// What can go goes.
    Delete,
    /// Nothing: it is only said what would go.
    Preview,
}

/// What was pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pruned {
    /// The layer.
    pub layer: LayerName,
    /// Whether anything was deleted.
    pub mode: Prune,
    /// The releases that are gone, or would be, oldest first.
    pub releases: Vec<PrunedRelease>,
    /// The releases that stay, oldest first.
    pub kept: Vec<Kept>,
    /// What could not be deleted, and why; the next prune tries again.
    pub failures: Vec<String>,
    /// Why nothing was done.
    pub held: Option<Reason>,
}

/// A release that is gone, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PrunedRelease {
    /// Its number.
    pub seq: u64,
    /// Size of its zip in bytes.
    pub zip_bytes: u64,
    /// SHA-256 of its zip.
    pub zip_sha256: Digest,
    /// Its layer versions.
    pub layer_versions: Vec<LayerVersionArn>,
}

/// A release that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// Its number.
    pub seq: u64,
    /// Why, as a value.
    pub why: Stays,
    /// Why, as a sentence.
    pub reason: String,
}

impl Pruned {
    fn nothing(layer: &LayerName, mode: Prune) -> Self {
        Self {
            layer: layer.clone(),
            mode,
            releases: Vec::new(),
            kept: Vec::new(),
            failures: Vec::new(),
            held: None,
        }
    }

    /// Says that a layer could not be pruned, and why.
    pub fn failed(layer: &LayerName, mode: Prune, error: &Error) -> Self {
        Self { failures: vec![chain(error)], ..Self::nothing(layer, mode) }
    }

    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        match (self.failures.is_empty(), &self.held) {
            (false, _) => Exit::Failed,
            (true, Some(_)) => Exit::Held,
            (true, None) => Exit::Done,
        }
    }
}

/// Prunes a layer, but for its newest `keep` releases.
///
/// # Errors
/// Where the state or some place cannot be asked: then nothing was deleted.
pub async fn prune(
    engine: &Engine,
    definition: &Definition,
    keep: usize,
    mode: Prune,
) -> Result<Pruned, Error> {
    let mut session = engine.session(&definition.layer).await?;
    let done = run(engine, &mut session, definition, keep, mode).await;
    session.end(done).await
}

async fn run(
    engine: &Engine,
    session: &mut Session<'_>,
    definition: &Definition,
    keep: usize,
    mode: Prune,
) -> Result<Pruned, Error> {
    let mut pruned = Pruned::nothing(&definition.layer, mode);
    if session.head().versions().is_empty() && session.head().deleting().is_empty() {
        return Ok(pruned);
    }
    if mode == Prune::Delete
        && let Some(why) = frozen(session.head())
    {
        pruned.held = Some(why.into());
        return Ok(pruned);
    }
    if mode == Prune::Delete
        && let Leased::Theirs(Lease { owner, expires, .. }) = session.lease(Work::Moving).await?
    {
        let why = Why::Busy { owner, until: expires };
        pruned.held = Some(why.into());
        return Ok(pruned);
    }
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let evidence = Evidence::look(session.head(), definition, &regions, keep).await?;
    for seq in evidence.sort(session.head()).gone.into_keys() {
        if mode == Prune::Delete && !session.holds_lease_now() {
            pruned.failures.push(format!(
                "the lease ended before release {seq} had its turn, and functions may have changed since"
            ));
            break;
        }
        let done = match mode {
            Prune::Delete => prune_release(engine, session, &regions, &evidence, seq).await,
            Prune::Preview => {
                let release = session.release(seq).await;
                release.map(|release| Some(described(&release, session.head())))
            }
        };
        match done {
            Ok(release) => pruned.releases.extend(release),
            Err(error) => {
                let reason = format!("release {seq}: {}", chain(&error));
                pruned.failures.push(reason);
                let of_this_release = matches!(error, Error::NotPossible(_) | Error::State { .. });
                // What stops this one stops the next one, too, and each that is begun is lost to rollbacks.
                if !of_this_release {
                    break;
                }
            }
        }
    }
    pruned.kept = evidence.sort(session.head()).kept;
    if session.holds_lease()
        && let Err(error) = session.release_lease(|_| ()).await
    {
        pruned.failures.push(chain(&error));
    }
    Ok(pruned)
}

/// Takes a release from where anybody is led to it, then deletes it. `None` where it stays after all: a pin may have
/// come meanwhile.
async fn prune_release(
    engine: &Engine,
    session: &mut Session<'_>,
    regions: &[Region],
    evidence: &Evidence<'_>,
    seq: u64,
) -> Result<Option<PrunedRelease>, Error> {
    let release = session.release(seq).await?;
    let described = described(&release, session.head());
    session.change(|head| evidence.start_deleting(head, seq)).await?;
    let Some(versions) = session.head().deleting().get(&seq).cloned() else {
        return Ok(None);
    };
    evidence.delete(engine, session, regions, &release, &versions).await?;
    Ok(Some(described))
}

fn described(release: &Release, head: &Head) -> PrunedRelease {
    let seq = release.seq;
    let versions = head.versions().get(&seq).or(head.deleting().get(&seq));
    PrunedRelease {
        seq,
        zip_bytes: release.zip_bytes,
        zip_sha256: release.zip_sha256.clone(),
        layer_versions: versions
            .into_iter()
            .flat_map(|versions| versions.values().cloned())
            .collect(),
    }
}
