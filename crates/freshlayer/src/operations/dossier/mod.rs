//! Everything that a page of the layers shows, in one value.
//!
//! ```text
//! the head, records, rollouts ─┐
//! what was seen of functions  ─┼─ Facts ── LayerDossier (pure) ── Dossier ── a page, `--json`, the state
//! what prune would free       ─┘
//! ```

mod change;
mod moving;
mod passed;
mod room;
mod served;
mod shelf;
mod word;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::glance::{RolloutGlance, glance};
use super::history::{ROLLOUTS_LISTED_MAX, RolloutState, read_records, read_rollouts};
use super::prune::{Prune, Pruned, prune};
use super::status::{LayerStatus, StorageLine, asked};
use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::LayerName;
use crate::report::{ConsumerReport, Report};
use crate::rollout::Target;
use crate::state::{Acceptance, Head, Outline, Release, Rollout, Session};

pub use change::{ChangeDossier, CountChange, CountriesDossier, DatasetCounts};
pub use moving::{Group, OpenDossier, WaitDossier, WaveDossier};
pub use passed::{ReleaseDataset, ReleaseDossier, RolloutDossier};
pub use room::{CondemnedRelease, KeptRelease, PruneDossier, RoomDossier};
pub use served::{AgeWord, DatasetDossier, RejectedDossier, ServedDossier};
pub use shelf::shelve;
pub use word::LayerWord;

/// Number of the dossier's format.
const FORMAT: u32 = 1;
/// How many of the newest releases `freshlayer prune` keeps by default.
const KEEP: usize = 10;
/// How many records a run reads for the page that it stores.
const RECORDS_OF_A_RUN_MAX: usize = 50;
/// How many rollouts a run reads for the page that it stores: the journal of one may be large.
const ROLLOUTS_OF_A_RUN_MAX: usize = 20;

/// How layers stand and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dossier {
    /// Number of this format.
    pub format: u32,
    /// When it was put together.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The layers, by name.
    pub layers: Vec<LayerDossier>,
    /// The layers that could not be read, with the reason.
    pub failures: Vec<String>,
}

/// How one layer stands and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerDossier {
    /// The layer.
    pub layer: LayerName,
    /// What the layer is for.
    pub description: Option<String>,
    /// When it was looked at.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How it stands, in one word.
    pub word: LayerWord,
    /// Why, one sentence each; the first is why the word is this one.
    pub reasons: Vec<String>,
    /// The release that functions shall be on; absent before the first one.
    pub served: Option<ServedDossier>,
    /// The data of that release, with its age.
    pub datasets: Vec<DatasetDossier>,
    /// The builds that are not released, newest first, each with its reasons.
    pub rejected: Vec<RejectedDossier>,
    /// The builds that a person let pass, newest first.
    pub accepted: Vec<Acceptance>,
    /// The rollout that is not over.
    pub open: Option<OpenDossier>,
    /// How many functions use the layer.
    pub functions: usize,
    /// How many of them are on the release that they shall be on.
    pub functions_there: usize,
    /// The functions, by place and release.
    pub groups: Vec<Group>,
    /// The functions that are elsewhere or stay, by the reason.
    pub waits: Vec<WaitDossier>,
    /// The places whose functions could not be listed, and why.
    pub unknown: Vec<String>,
    /// Every function; a page that the publisher stores has none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub consumers: Vec<ConsumerReport>,
    /// How many release numbers were given out.
    pub releases_total: u64,
    /// The newest releases, newest first.
    pub releases: Vec<ReleaseDossier>,
    /// The median time from an upstream's build to the end of the last wave, in seconds.
    pub stable_after_secs_median: Option<i64>,
    /// What the release differs in from the one before it.
    pub change: Option<ChangeDossier>,
    /// How many rollouts there were.
    pub rollouts_total: u64,
    /// The newest rollouts, newest first.
    pub rollouts: Vec<RolloutDossier>,
    /// What takes room, and what a prune would free.
    pub room: RoomDossier,
}

impl Dossier {
    /// Puts layers together, by name.
    pub fn of(at: Timestamp, mut layers: Vec<LayerDossier>, failures: Vec<String>) -> Self {
        layers.sort_by(|a, b| a.layer.cmp(&b.layer));
        Self { format: FORMAT, at, layers, failures }
    }
}

/// Asks the state and every function about a layer. Changes nothing.
///
/// # Errors
/// The store's and the host's errors.
pub async fn dossier(engine: &Engine, definition: &Definition) -> Result<LayerDossier, Error> {
    let session = engine.session(&definition.layer).await?;
    let status = asked(engine, &session, definition).await?;
    let pruned = prune(engine, definition, KEEP, Prune::Preview).await;
    let pruned = pruned.map_err(|error| chain(&error));
    let depth = Depth { records: usize::MAX, rollouts: ROLLOUTS_LISTED_MAX };
    let facts = Facts::read(engine, &session, definition, status, Some(pruned), depth).await?;
    Ok(LayerDossier::of(&facts))
}

/// Tells of a layer after a run that looked at all functions, from its report and the state: no function is asked again.
/// Such a dossier lists no single functions and goes less far back.
///
/// # Errors
/// The store's errors.
pub async fn dossier_after(
    engine: &Engine,
    definition: &Definition,
    report: &Report,
) -> Result<LayerDossier, Error> {
    let session = engine.session(&definition.layer).await?;
    let target = Target::of(&session).await?;
    let outline = target.as_ref().map(|target| &target.outline);
    let mut status = LayerStatus::by_state(session.head(), outline, engine.ports.clock.now());
    let failed = report
        .places
        .iter()
        .filter_map(|place| Some(format!("{}: {}", place.place, place.failure.as_ref()?)));
    let storage = report.places.iter().filter_map(|place| {
        Some(StorageLine { place: place.place.clone(), storage: place.storage? })
    });
    status.storage = storage.collect();
    status.seen(report.consumers.clone(), failed.collect());
    let depth = Depth { records: RECORDS_OF_A_RUN_MAX, rollouts: ROLLOUTS_OF_A_RUN_MAX };
    let facts = Facts::read(engine, &session, definition, status, None, depth).await?;
    Ok(LayerDossier { consumers: Vec::new(), ..LayerDossier::of(&facts) })
}

/// How far back one reads.
#[derive(Clone, Copy)]
struct Depth {
    records: usize,
    rollouts: usize,
}

/// What a dossier is made of.
struct Facts<'a> {
    definition: &'a Definition,
    head: &'a Head,
    status: LayerStatus,
    /// The release that functions shall be on.
    outline: Option<Outline>,
    glance: RolloutGlance,
    /// The newest records, newest first.
    records: Vec<Release>,
    /// The newest rollouts, newest first.
    rollouts: Vec<RolloutDossier>,
    /// What a prune would do, or why that is not known; absent where it was not asked.
    pruned: Option<Result<Pruned, String>>,
    now: Timestamp,
}

impl<'a> Facts<'a> {
    async fn read(
        engine: &Engine,
        session: &'a Session<'_>,
        definition: &'a Definition,
        status: LayerStatus,
        pruned: Option<Result<Pruned, String>>,
        depth: Depth,
    ) -> Result<Self, Error> {
        let (mut records, mut rollouts) = (Vec::new(), Vec::new());
        read_records(engine, session, depth.records, |record| records.push(record)).await?;
        let each = |rollout: &Rollout, state: RolloutState| {
            rollouts.push(RolloutDossier::of(rollout, state));
        };
        read_rollouts(session, depth.rollouts, each).await?;
        Ok(Self {
            definition,
            head: session.head(),
            glance: glance(engine, session, definition).await?,
            status,
            outline: Target::of(session).await?.map(|target| target.outline),
            records,
            rollouts,
            pruned,
            now: engine.ports.clock.now(),
        })
    }

    /// The record of the release that functions shall be on.
    fn serving(&self) -> Option<&Release> {
        let seq = self.status.release.as_ref()?.seq;
        self.records.iter().find(|record| record.seq == seq)
    }
}

impl LayerDossier {
    fn of(facts: &Facts<'_>) -> Self {
        let (head, status) = (facts.head, &facts.status);
        let datasets = served::datasets(facts);
        let open = OpenDossier::of(facts);
        let (word, reasons) = word::word(facts, &datasets, open.as_ref());
        let releases = passed::releases(facts);
        Self {
            layer: status.layer.clone(),
            description: facts.definition.description.clone(),
            at: facts.now,
            word,
            reasons,
            served: ServedDossier::of(facts),
            datasets,
            rejected: served::rejected(head),
            accepted: head.accepted().iter().rev().cloned().collect(),
            open,
            functions: status.consumers.len(),
            functions_there: moving::there(&status.consumers),
            groups: moving::groups(facts),
            waits: moving::waits(&status.consumers),
            unknown: status.unknown.clone(),
            consumers: status.consumers.clone(),
            releases_total: head.newest(),
            stable_after_secs_median: passed::median(&releases),
            releases,
            change: ChangeDossier::of(facts),
            rollouts_total: head.rollouts(),
            rollouts: facts.rollouts.clone(),
            room: RoomDossier::of(facts),
        }
    }
}
