//! What serves, how old it is, and what was refused.

use std::collections::BTreeMap;

use freshlayer_reader::Format;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::names::{DatasetName, Digest, LayerVersionArn, RegionName};
use crate::problem::Problem;
use crate::state::{Head, SnapshotOutline};

/// The release that functions shall be on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServedDossier {
    /// Its number.
    pub release: u64,
    /// Its data version.
    pub version: String,
    /// When functions began to go to it.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// The last stable release: every function that can be moved reached it, and its last bake passed.
    pub stable: Option<u64>,
    /// Its layer version in each Region.
    pub layer_versions: BTreeMap<RegionName, LayerVersionArn>,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Size of its files in bytes.
    pub unzipped_bytes: u64,
}

/// One dataset of the release, with its age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetDossier {
    /// The dataset.
    pub name: DatasetName,
    /// Its format.
    #[schemars(with = "String")]
    pub format: Format,
    /// Its path below `/opt`.
    pub path: String,
    /// When the upstream built it, by the data's own word or else by `Last-Modified`.
    #[schemars(with = "Option<String>")]
    pub built: Option<Timestamp>,
    /// When it was downloaded.
    #[schemars(with = "String")]
    pub fetched: Timestamp,
    /// Its age in seconds, by the upstream's build time or else the download's.
    pub age_secs: i64,
    /// Its age beside what the definition wants.
    pub age: AgeWord,
    /// From which age on, in days, it gives a warning (`expect.build_age_days_warn`).
    pub build_age_days_warn: Option<u32>,
    /// From which age on, in days, a build is refused (`expect.build_age_days_max`).
    pub build_age_days_max: Option<u32>,
}

/// An age beside what the definition wants.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AgeWord {
    /// The definition names no limit, or the upstream no build time.
    Unjudged,
    /// Below every limit.
    Fresh,
    /// Beyond `expect.build_age_days_warn`.
    Ageing,
    /// Beyond `expect.build_age_days_max`.
    Stale,
}

/// A build that is not released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RejectedDossier {
    /// The dataset.
    pub dataset: DatasetName,
    /// The snapshot's digest, or the download's where nothing could be extracted.
    pub digest: Digest,
    /// When it was refused, or left by a person.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Whether it is the newest build that the upstream has.
    pub newest: bool,
    /// Why.
    pub problems: Vec<Problem>,
}

impl ServedDossier {
    pub(super) fn of(facts: &Facts<'_>) -> Option<Self> {
        let release = facts.status.release.as_ref()?;
        let mut rollouts = facts.rollouts.iter().map(|rollout| &rollout.line);
        let brought = rollouts.find(|line| line.to == release.seq).map(|line| line.started);
        let made = facts.serving().map(|record| record.created);
        Some(Self {
            release: release.seq,
            version: release.version.clone(),
            since: brought.or(made).unwrap_or(facts.now),
            stable: facts.status.stable,
            layer_versions: release.layer_versions.clone(),
            zip_bytes: release.zip_bytes,
            unzipped_bytes: release.unzipped_bytes,
        })
    }
}

/// The data of the release that functions shall be on.
pub(super) fn datasets(facts: &Facts<'_>) -> Vec<DatasetDossier> {
    let snapshots = facts.outline.iter().flat_map(|outline| &outline.snapshots);
    snapshots.map(|snapshot| dataset(facts, snapshot)).collect()
}

fn dataset(facts: &Facts<'_>, snapshot: &SnapshotOutline) -> DatasetDossier {
    let mut wanted = facts.definition.datasets.iter();
    let expect = wanted.find(|wanted| wanted.name == snapshot.dataset).map(|found| &found.expect);
    let (warn, max) = (
        expect.and_then(|expect| expect.build_age_days_warn),
        expect.and_then(|expect| expect.build_age_days_max),
    );
    let mut ages = facts.status.datasets.iter();
    let age = ages.find(|age| age.name == snapshot.dataset).map(|age| age.age_secs);
    DatasetDossier {
        name: snapshot.dataset.clone(),
        format: snapshot.format,
        path: snapshot.path.to_string(),
        built: snapshot.built,
        fetched: snapshot.fetched,
        age_secs: age.unwrap_or_default(),
        age: judged(snapshot.built, warn, max, facts.now),
        build_age_days_warn: warn,
        build_age_days_max: max,
    }
}

fn judged(
    built: Option<Timestamp>,
    warn: Option<u32>,
    max: Option<u32>,
    now: Timestamp,
) -> AgeWord {
    let beyond = |days: Option<u32>| {
        let allowed = SignedDuration::from_hours(24 * i64::from(days?));
        Some(now.duration_since(built?) > allowed)
    };
    match (beyond(warn), beyond(max)) {
        (_, Some(true)) => AgeWord::Stale,
        (Some(true), _) => AgeWord::Ageing,
        (None, None) => AgeWord::Unjudged,
        _ => AgeWord::Fresh,
    }
}

/// What is not released: verdicts, and what a person left behind.
pub(super) fn rejected(head: &Head) -> Vec<RejectedDossier> {
    let of = |dataset: &DatasetName, digest: &Digest, at, problems| RejectedDossier {
        dataset: dataset.clone(),
        digest: digest.clone(),
        at,
        newest: head.upstream(dataset).is_some_and(|seen| seen.digest == *digest),
        problems,
    };
    let verdicts = head.rejected().iter();
    let verdicts =
        verdicts.map(|known| of(&known.dataset, &known.digest, known.at, known.problems.clone()));
    let left = head.left_behind().iter();
    let left = left.map(|left| of(&left.dataset, &left.digest, left.at, vec![left.problem()]));
    let mut all: Vec<RejectedDossier> = verdicts.chain(left).collect();
    all.sort_by_key(|rejected| std::cmp::Reverse(rejected.at));
    all
}
