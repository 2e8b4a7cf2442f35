//! Ends a run: makes a release current, moves the consumers, writes down what was learned, and says so.

use crate::definition::Definition;
use crate::engine::{Engine, Stages};
use crate::error::Error;
use crate::gather::Gathered;
use crate::ports::LayerVersion;
use crate::problem::{Code, Level};
use crate::report::{ConsumerState, DatasetState, Outcome, ReleaseReport, Report};
use crate::rollout::{Driven, drive, glance};
use crate::state::{Head, Lease, Leased, Release, Session, Snapshot};

/// Makes a published release the one that consumers shall be on.
pub(crate) async fn promote(
    engine: &Engine,
    session: &mut Session<'_>,
    release: &Release,
    version: LayerVersion,
    gathered: &mut Gathered,
) -> Result<(), Error> {
    let region = engine.ports.registry.region().to_owned();
    let now = engine.ports.clock.now();
    gathered.keep();
    gathered.released = Some((release.seq, release.version.to_string()));
    session
        .change(|head| {
            let versions = head.versions.entry(release.seq).or_default();
            versions.insert(region.clone(), version.arn.clone());
            gathered.remember(head);
            head.promote(release, now);
        })
        .await
}

/// Moves the consumers to where they shall be, and gives the lease back. A run that has nothing to move and
/// nothing to remember writes nothing.
pub(crate) async fn settle(
    engine: &Engine,
    session: &mut Session<'_>,
    gathered: Gathered,
    stages: &mut Stages,
) -> Result<Report, Error> {
    let layer = session.head().layer.clone();
    let Some(seq) = session.head().desired() else {
        if session.holds_lease() {
            session
                .release_lease(|head| gathered.remember(head))
                .await?;
        }
        return Ok(report(session.head(), None, gathered, None));
    };
    let release = session.release(seq).await?;
    let survey = glance(engine, session.head(), &release).await?;
    if !survey.nothing_to_do()
        && let Leased::Theirs(lease) = session.lease().await?
    {
        return Ok(Report::of(layer, held_by(&lease)));
    }
    let driven = drive(engine, session, survey, stages).await?;
    let finishes = driven.converged() && session.head().rollout.is_some();
    if finishes && let Leased::Theirs(lease) = session.lease().await? {
        return Ok(Report::of(layer, held_by(&lease)));
    }
    if session.holds_lease() {
        session
            .release_lease(|head| write_down(head, seq, &gathered, &driven))
            .await?;
    }
    Ok(report(
        session.head(),
        Some(&release),
        gathered,
        Some(driven),
    ))
}

fn write_down(head: &mut Head, seq: u64, gathered: &Gathered, driven: &Driven) {
    gathered.remember(head);
    let Some(rollout) = head.rollout.as_mut().filter(|rollout| rollout.to == seq) else {
        return;
    };
    rollout.journal.extend(driven.journal.clone());
    if driven.converged() {
        head.converged();
    }
}

pub(crate) fn busy(definition: &Definition, lease: &Lease) -> Report {
    Report::of(definition.layer.clone(), held_by(lease))
}

pub(crate) fn held_by(lease: &Lease) -> Outcome {
    let Lease { owner, expires } = lease;
    let reason = format!("publisher {owner} works on this layer, until {expires} at the latest");
    Outcome::Held { reason }
}

fn report(
    head: &Head,
    release: Option<&Release>,
    gathered: Gathered,
    driven: Option<Driven>,
) -> Report {
    let outcome = outcome(head, &gathered, driven.as_ref());
    Report {
        layer: head.layer.clone(),
        outcome,
        release: release.map(|release| release_report(head, release)),
        datasets: gathered.datasets,
        problems: gathered.problems,
        consumers: driven.map(|driven| driven.consumers).unwrap_or_default(),
        stages: Vec::new(),
    }
}

/// Says how the run ended. What needs a person comes first.
fn outcome(head: &Head, gathered: &Gathered, driven: Option<&Driven>) -> Outcome {
    let serving = match head.desired() {
        Some(seq) => format!("release {seq} keeps serving"),
        None => "there is no release yet".to_owned(),
    };
    if !gathered.failures.is_empty() {
        let failures = gathered.failures.join("; ");
        let tail = match &gathered.released {
            Some((seq, _)) => format!("the rest is released as {seq}"),
            None => serving,
        };
        return Outcome::Failed {
            reason: format!("{failures}; {tail}"),
        };
    }
    let failing = || {
        gathered
            .problems
            .iter()
            .filter(|problem| problem.level == Level::Fail)
    };
    if failing().count() > 0 && failing().all(|problem| problem.code == Code::RolledBack) {
        let reason = format!("the upstream still has what a person rolled back; {serving}");
        return Outcome::Held { reason };
    }
    let refused = gathered.problems.iter().any(|p| p.level == Level::Fail);
    if refused
        || gathered
            .datasets
            .iter()
            .any(|d| d.state == DatasetState::Rejected)
    {
        let tail = match &gathered.released {
            Some((seq, _)) => format!("the rest is released as {seq}"),
            None => serving,
        };
        return Outcome::Rejected {
            reason: format!("the upstream's data is not good; {tail}"),
        };
    }
    let waiting = driven.map_or(0, |d| {
        d.count(ConsumerState::Held) + d.count(ConsumerState::Failed)
    });
    let total = driven.map_or(0, |driven| driven.consumers.len());
    if waiting > 0 {
        return Outcome::Held {
            reason: format!("{waiting} of {total} functions were not moved"),
        };
    }
    if let Some(pin) = &head.pin {
        let why = pin
            .reason
            .as_ref()
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        let reason = format!(
            "pinned to release {} since {}{why}; unpin to go on",
            pin.seq, pin.at
        );
        return Outcome::Held { reason };
    }
    let moved = driven.map_or(0, Driven::moved);
    let functions = match total {
        0 => "no function uses it yet".to_owned(),
        _ => format!("{moved} of {total} functions moved"),
    };
    match (&gathered.released, moved) {
        (Some((seq, version)), _) => {
            let reason = format!("release {seq}, version {version}; {functions}");
            Outcome::Refreshed { reason }
        }
        (None, 0) => Outcome::Unchanged {
            reason: "nothing new".to_owned(),
        },
        (None, _) => Outcome::Refreshed {
            reason: format!("nothing new; {functions} to where they belong"),
        },
    }
}

pub(crate) fn release_report(head: &Head, release: &Release) -> ReleaseReport {
    ReleaseReport {
        seq: release.seq,
        version: release.version.to_string(),
        version_reasons: release.version_reasons.clone(),
        oldest_data: release
            .snapshots
            .iter()
            .map(Snapshot::built_or_fetched)
            .min(),
        layer_versions: head.versions.get(&release.seq).cloned().unwrap_or_default(),
        zip_bytes: release.zip_bytes,
        unzipped_bytes: release.unzipped_bytes,
    }
}
