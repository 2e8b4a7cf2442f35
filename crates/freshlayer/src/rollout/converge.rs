//! Ends a run: makes a release current, moves the consumers, writes down what was learned, and says so.

use jiff::SignedDuration;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::intake::gather::Gathered;
use crate::names::LayerName;
use crate::problem::{Code, Level};
use crate::progress::Stages;
use crate::release::catch_up::{Caught, Wanted, catch_up};
use crate::release::publish::Published;
use crate::report::{ConsumerState, DatasetState, Outcome, PlaceReport, ReleaseReport, Report};
use crate::rollout::{Driven, drive, glance};
use crate::state::{Head, Lease, Leased, Release, Session, Snapshot};

/// How long after a run that ran out of time the next one begins.
const BREATH: SignedDuration = SignedDuration::from_mins(1);

/// Makes a published release the one that consumers shall be on.
pub(crate) async fn promote(
    engine: &Engine,
    session: &mut Session<'_>,
    release: &Release,
    published: &Published,
    gathered: &mut Gathered,
) -> Result<(), Error> {
    let now = engine.ports.clock.now();
    gathered.keep();
    gathered.released = Some((release.seq, release.version.to_string()));
    session
        .change(|head| {
            let versions = head.versions.entry(release.seq).or_default();
            versions.extend(published.versions.clone());
            gathered.remember(head);
            head.promote(release, now);
        })
        .await?;
    gathered.unpublished.clone_from(&published.failures);
    Ok(())
}

/// Brings every Region to the release, moves the consumers to where they shall be, and gives the lease back. A
/// run that has nothing to move and nothing to remember writes nothing.
pub(crate) async fn settle(
    engine: &Engine,
    session: &mut Session<'_>,
    definition: &Definition,
    gathered: Gathered,
    stages: &Stages,
) -> Result<Report, Error> {
    let layer = session.head().layer.clone();
    let Some(seq) = session.head().desired() else {
        if session.holds_lease() {
            session.release_lease(|head| gathered.remember(head)).await?;
        }
        return Ok(report(session.head(), None, gathered, None));
    };
    let release = session.release(seq).await?;
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let wanted = Wanted {
        definition,
        release: &release,
        regions: &regions,
        given_up: &gathered.unpublished,
    };
    let failures = match catch_up(engine, session, &wanted, stages).await? {
        Caught::Up(failures) => failures,
        Caught::Busy(lease) => return Ok(busy(&layer, &lease)),
    };
    let survey = glance(session.head(), &release, &regions).await;
    if !survey.nothing_to_do()
        && let Leased::Theirs(lease) = session.lease().await?
    {
        return Ok(busy(&layer, &lease));
    }
    let mut driven = drive(engine, session, seq, survey, stages).await?;
    for gone in &mut driven.places {
        if let Some(failure) = failures.get(&gone.place.region) {
            gone.failure = Some(failure.clone());
        }
    }
    let finishes = driven.converged() && session.head().rollout.is_some();
    if finishes && let Leased::Theirs(lease) = session.lease().await? {
        return Ok(busy(&layer, &lease));
    }
    if session.holds_lease() {
        session.release_lease(|head| write_down(head, seq, &gathered, &driven)).await?;
    }
    // A run that got nowhere would get nowhere again: that is the schedule's to find out.
    let reordered = session.head().desired() != Some(seq);
    let got_somewhere = driven.moved() > 0 || gathered.released.is_some() || reordered;
    let mut report = report(session.head(), Some(&release), gathered, Some(driven));
    if got_somewhere && report.is_on_its_way() {
        report.wake_at = engine.ports.clock.now().checked_add(BREATH).ok();
    }
    Ok(report)
}

fn write_down(head: &mut Head, seq: u64, gathered: &Gathered, driven: &Driven) {
    gathered.remember(head);
    let Some(rollout) = head.rollout.as_mut().filter(|rollout| rollout.to == seq) else {
        return;
    };
    for gone in &driven.places {
        let journal = rollout.journal.entry(gone.place.to_string()).or_default();
        journal.extend(gone.journal.clone());
    }
    if driven.reached() {
        head.reached();
    }
    if driven.converged() {
        head.rollout = None;
    }
}

/// Another publisher works on the layer: look again when its lease ends.
pub(crate) fn busy(layer: &LayerName, lease: &Lease) -> Report {
    let Lease { owner, expires } = lease;
    let reason = format!("publisher {owner} works on this layer, until {expires} at the latest");
    let report = Report::of(layer.clone(), Outcome::Held { reason });
    Report { wake_at: Some(*expires), ..report }
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
        places: places(head, driven.as_ref()),
        consumers: driven.map(|driven| driven.consumers().cloned().collect()).unwrap_or_default(),
        wake_at: None,
        stages: Vec::new(),
    }
}

fn places(head: &Head, driven: Option<&Driven>) -> Vec<PlaceReport> {
    let seq = head.desired().unwrap_or_default();
    let gone = driven.into_iter().flat_map(|driven| &driven.places);
    let reports = gone.map(|gone| PlaceReport {
        layer_version: head.version(seq, &gone.place.region).cloned(),
        place: gone.place.clone(),
        failure: gone.failure.clone(),
    });
    reports.collect()
}

/// Says which places failed; where there is only one it needs no name.
fn place_failures(driven: Option<&Driven>) -> Option<String> {
    let places = &driven?.places;
    let failed = places.iter().filter_map(|gone| Some((&gone.place, gone.failure.as_ref()?)));
    let said: Vec<String> = match places.len() {
        1 => failed.map(|(_, failure)| failure.clone()).collect(),
        _ => failed.map(|(place, failure)| format!("{place}: {failure}")).collect(),
    };
    let rest = match places.len() - said.len() {
        0 => "the next run goes on".to_owned(),
        done => format!("{done} of {} places are done, the next run goes on", places.len()),
    };
    (!said.is_empty()).then(|| format!("{}; {rest}", said.join("; ")))
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
        return Outcome::Failed { reason: format!("{failures}; {tail}") };
    }
    if let Some(reason) = place_failures(driven) {
        return Outcome::Failed { reason };
    }
    let failing = || gathered.problems.iter().filter(|problem| problem.level == Level::Fail);
    if failing().count() > 0 && failing().all(|problem| problem.code == Code::RolledBack) {
        let reason = format!("the upstream still has what a person rolled back; {serving}");
        return Outcome::Held { reason };
    }
    let refused = gathered.problems.iter().any(|p| p.level == Level::Fail);
    if refused || gathered.datasets.iter().any(|d| d.state == DatasetState::Rejected) {
        let tail = match &gathered.released {
            Some((seq, _)) => format!("the rest is released as {seq}"),
            None => serving,
        };
        return Outcome::Rejected { reason: format!("the upstream's data is not good; {tail}") };
    }
    let waiting: usize = driven.map_or(0, |d| {
        use ConsumerState::{Behind, Failed, Held};
        [Behind, Failed, Held].map(|state| d.count(state)).iter().sum()
    });
    let total = driven.map_or(0, |driven| driven.consumers().count());
    if waiting > 0 {
        return Outcome::Held { reason: format!("{waiting} of {total} functions were not moved") };
    }
    if let Some(pin) = &head.pin {
        let why = pin.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let reason = format!("pinned to release {} since {}{why}; unpin to go on", pin.seq, pin.at);
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
        (None, 0) => Outcome::Unchanged { reason: "nothing new".to_owned() },
        (None, _) => {
            Outcome::Refreshed { reason: format!("nothing new; {functions} to where they belong") }
        }
    }
}

pub(crate) fn release_report(head: &Head, release: &Release) -> ReleaseReport {
    ReleaseReport {
        seq: release.seq,
        version: release.version.to_string(),
        version_reasons: release.version_reasons.clone(),
        oldest_data: release.snapshots.iter().map(Snapshot::built_or_fetched).min(),
        upstream_modified: release
            .snapshots
            .iter()
            .filter_map(|snapshot| snapshot.upstream.last_modified)
            .min(),
        layer_versions: head.versions.get(&release.seq).cloned().unwrap_or_default(),
        zip_bytes: release.zip_bytes,
        unzipped_bytes: release.unzipped_bytes,
    }
}
