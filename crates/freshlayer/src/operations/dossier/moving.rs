//! Where functions are, who waits and why, and the rollout that is not over.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::names::{LayerVersionArn, Place};
use crate::ports::FunctionName;
use crate::report::{ConsumerReport, ConsumerState};
use crate::state::{Cause, ConsumerNote, Rollout, Says, Wave};

/// How many functions of a group are named.
const NAMED_MAX: usize = 50;

/// The functions of one place that are on one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Where they are.
    #[serde(flatten)]
    pub place: Place,
    /// The release; absent where freshlayer did not make the layer version, or it is not known.
    pub release: Option<u64>,
    /// The number of the layer version; absent where the layer is not there.
    pub layer_version: Option<u64>,
    /// How many functions.
    pub functions: usize,
    /// The first of them, at most 50.
    pub names: Vec<FunctionName>,
}

/// Functions that are elsewhere or stay for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitDossier {
    /// What became of them.
    pub state: ConsumerState,
    /// Why.
    pub reason: String,
    /// How many functions.
    pub functions: usize,
    /// The first of them with their places, at most 50.
    pub names: Vec<String>,
}

/// The rollout that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenDossier {
    /// Its number in the layer.
    pub number: u64,
    /// The release that functions come from.
    pub from: Option<u64>,
    /// The release that functions go to.
    pub to: u64,
    /// Why it began.
    pub cause: Cause,
    /// Who ordered it; empty where the publisher did.
    pub by: String,
    /// When it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// How many functions it met.
    pub functions: usize,
    /// How many of them reached the release.
    pub reached: usize,
    /// How many functions move with a later wave.
    pub later: usize,
    /// The waves that are open, in their order.
    pub waves: Vec<WaveDossier>,
    /// What comes next; absent where nothing does.
    pub next: Option<String>,
    /// What it waits for a person for.
    pub held: Option<String>,
}

/// A wave of the open rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveDossier {
    /// How many functions it has.
    pub functions: usize,
    /// The first of them with their places, at most 50.
    pub names: Vec<String>,
    /// How many of the calls of an alias come to the release, in percent; absent for all.
    pub percent: Option<u8>,
    /// When it opened.
    #[schemars(with = "String")]
    pub opened: Timestamp,
    /// When every function that can be moved was there: from then on they are watched.
    #[schemars(with = "Option<String>")]
    pub watched_from: Option<Timestamp>,
    /// Until when they are watched, unless the gates need longer.
    #[schemars(with = "Option<String>")]
    pub watched_until: Option<Timestamp>,
    /// When it was over.
    #[schemars(with = "Option<String>")]
    pub done: Option<Timestamp>,
    /// What its gates said at the last look; absent where they were not asked.
    pub says: Option<Says>,
    /// What each gate found, with its numbers.
    pub sentences: Vec<String>,
}

impl OpenDossier {
    pub(super) fn of(facts: &Facts<'_>) -> Option<Self> {
        let to = facts.status.rolling_to?;
        let rollout = facts.glance.newest.as_ref().filter(|rollout| rollout.to == to)?;
        let Rollout { number, from, to, cause, by, started, .. } = rollout;
        Some(Self {
            number: *number,
            from: *from,
            to: *to,
            cause: *cause,
            by: by.clone(),
            started: *started,
            functions: rollout.notes().count(),
            reached: rollout.notes().filter(|note: &&ConsumerNote| note.done).count(),
            later: rollout.later(),
            waves: rollout.waves.iter().map(WaveDossier::of).collect(),
            next: facts.glance.next(),
            held: facts.glance.held(),
        })
    }
}

impl WaveDossier {
    fn of(wave: &Wave) -> Self {
        let members = wave.members.iter().flat_map(|(place, functions)| {
            functions.iter().map(move |function| format!("{function} in {place}"))
        });
        let evidence = wave.evidence.as_ref();
        Self {
            functions: wave.count(),
            names: members.take(NAMED_MAX).collect(),
            percent: wave.percent,
            opened: wave.opened,
            watched_from: wave.reached,
            watched_until: wave.until,
            done: wave.done,
            says: evidence.map(|found| found.says),
            sentences: evidence.map(|found| found.sentences.clone()).unwrap_or_default(),
        }
    }
}

/// How many functions are on the release that they shall be on.
pub(super) fn there(consumers: &[ConsumerReport]) -> usize {
    let is_there =
        |one: &&ConsumerReport| matches!(one.state, ConsumerState::Current | ConsumerState::Moved);
    consumers.iter().filter(is_there).count()
}

/// The functions, by place and layer version.
pub(super) fn groups(facts: &Facts<'_>) -> Vec<Group> {
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for consumer in &facts.status.consumers {
        let key = (&consumer.place, &consumer.layer_version);
        let group = groups.entry(key).or_insert_with(|| Group {
            place: consumer.place.clone(),
            release: consumer.layer_version.as_ref().and_then(|arn| facts.head.release_of(arn)),
            layer_version: consumer.layer_version.as_ref().map(LayerVersionArn::version),
            functions: 0,
            names: Vec::new(),
        });
        group.functions += 1;
        if group.names.len() < NAMED_MAX {
            group.names.push(consumer.function.clone());
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|a, b| (&a.place, b.release).cmp(&(&b.place, a.release)));
    groups
}

/// The functions that are elsewhere or stay, by the reason; the largest group first.
pub(super) fn waits(consumers: &[ConsumerReport]) -> Vec<WaitDossier> {
    let elsewhere =
        consumers.iter().filter(|one| one.waits() || one.state == ConsumerState::Ordered);
    let mut waits: BTreeMap<(&str, &str), WaitDossier> = BTreeMap::new();
    for consumer in elsewhere {
        let reason = consumer.reason.as_ref().map(|reason| reason.text.as_str());
        let reason = reason.unwrap_or("no reason is known");
        let wait = waits.entry((consumer.state.word(), reason)).or_insert_with(|| WaitDossier {
            state: consumer.state,
            reason: reason.to_owned(),
            functions: 0,
            names: Vec::new(),
        });
        wait.functions += 1;
        if wait.names.len() < NAMED_MAX {
            wait.names.push(format!("{} in {}", consumer.function, consumer.place));
        }
    }
    let mut waits: Vec<WaitDossier> = waits.into_values().collect();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.functions));
    waits
}
