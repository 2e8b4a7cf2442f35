use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::{DatasetName, LayerName};
use crate::problem::Problem;
use crate::report::{ConsumerReport, ReleaseReport};
use crate::rollout::converge::release_report;
use crate::rollout::{standing, survey};
use crate::state::{Pin, Rejection};

/// How a layer stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LayerStatus {
    /// The layer.
    pub layer: LayerName,
    /// The release that consumers shall be on; absent before the first one.
    pub release: Option<ReleaseReport>,
    /// The last release that every consumer reached.
    pub stable: Option<u64>,
    /// Age of each dataset in seconds, by the upstream's build time or else the download's.
    pub datasets: Vec<DatasetAge>,
    /// Every consumer.
    pub consumers: Vec<ConsumerReport>,
    /// The places whose consumers could not be asked, and why.
    pub unknown: Vec<String>,
    /// A person's order to stay on a release.
    pub pinned: Option<Pin>,
    /// The release of a rollout that is not finished.
    pub rolling_to: Option<u64>,
    /// Why the upstream's newest data is not released.
    pub rejected: Vec<Problem>,
    /// Who works on the layer, until when at the latest.
    pub lease: Option<String>,
}

/// The age of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DatasetAge {
    /// The dataset.
    pub name: DatasetName,
    /// Seconds since it was built.
    pub age_secs: i64,
}

/// Tells how a layer stands. Changes nothing.
///
/// # Errors
/// The store's and the host's errors.
pub async fn status(engine: &Engine, definition: &Definition) -> Result<LayerStatus, Error> {
    let layer = &definition.layer;
    let session = engine.session(layer).await?;
    let head = session.head();
    let mut status = LayerStatus {
        layer: layer.clone(),
        release: None,
        stable: head.stable,
        datasets: Vec::new(),
        consumers: Vec::new(),
        unknown: Vec::new(),
        pinned: head.pin.clone(),
        rolling_to: head.rollout.as_ref().map(|rollout| rollout.to),
        rejected: Vec::new(),
        lease: head.lease.as_ref().map(|lease| format!("{} until {}", lease.owner, lease.expires)),
    };
    let newest = |known: &&Rejection| {
        head.upstream.get(&known.dataset).is_some_and(|seen| seen.digest == known.digest)
    };
    let rejected = head.rejected.iter().filter(newest);
    status.rejected = rejected.flat_map(|rejection| rejection.problems.clone()).collect();
    let Some(seq) = head.desired() else {
        return Ok(status);
    };
    let release = session.release(seq).await?;
    let now = engine.ports.clock.now();
    status.datasets = release
        .snapshots
        .iter()
        .map(|snapshot| DatasetAge {
            name: snapshot.dataset.clone(),
            age_secs: age_secs(now, snapshot.built_or_fetched()),
        })
        .collect();
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let unknown;
    (status.consumers, unknown) = standing(survey(head, &release, &regions).await);
    status.unknown =
        unknown.into_iter().map(|(place, reason)| format!("{place}: {reason}")).collect();
    status.release = Some(release_report(head, &release));
    Ok(status)
}

fn age_secs(now: Timestamp, then: Timestamp) -> i64 {
    now.as_second().saturating_sub(then.as_second())
}
