//! What a refresh tells beside its rollout: a release that is published, data that is refused, data that has grown old.

use jiff::{SignedDuration, Timestamp};

use crate::definition::{Dataset, Definition};
use crate::engine::Run;
use crate::error::{Error, chain};
use crate::intake::gather::{Ledger, Refusal};
use crate::names::DatasetName;
use crate::problem::{Code, Level, Problem};
use crate::release::publish::Published;
use crate::report::{About, Exit, Happening, Listed, Outcome, Reason, Report};
use crate::state::{Head, Release, Session};

/// A release has layer versions. A rollout to it may be open, or a person's order keeps it from functions.
pub(super) fn release_published(
    head: &Head,
    release: &Release,
    published: &Published,
    at: Timestamp,
) -> Happening {
    let open = head.rollout().filter(|open| open.to == release.seq);
    let missing = published.failures.iter();
    Happening::ReleasePublished {
        about: About {
            layer: head.layer().clone(),
            at,
            release: Some(release.seq),
            version: Some(release.version.to_string()),
            rollout: open.map(|open| open.number),
        },
        version_reasons: Listed::sentences(&release.version_reasons),
        layer_versions: published.versions.clone(),
        missing: missing
            .map(|(region, reason)| {
                (region.clone(), Reason::in_an_event(&reason.why, head.layer()))
            })
            .collect(),
    }
}

/// Tells what was refused for the first time.
pub(super) fn tell_refused(session: &mut Session<'_>, ledger: &mut Ledger, at: Timestamp) {
    let about = serving(session.head(), at);
    let rejected = ledger.refused.drain(..).map(|refusal| {
        let Refusal { dataset, digest, problems } = refusal;
        let problems = Listed::problems(&problems);
        Happening::DataRejected { about: about.clone(), dataset, digest, problems }
    });
    session.tell(rejected);
}

/// Notes in the head why a refresh failed, for `status`; one that asked the upstreams and did not fail ends the note. A refusal
/// that no verdict on the data remembers, such as of a signature, is noted, too. Where nothing changes, nothing is written.
pub(super) async fn note_failure(
    run: &Run<'_>,
    session: &mut Session<'_>,
    result: &Result<Report, Error>,
) -> Result<(), Error> {
    let reason = match result {
        Ok(Report { outcome: Outcome::Failed { reason }, .. }) => Some(reason.text.clone()),
        Ok(report) if !report.datasets.is_empty() => unremembered(session.head(), report),
        Ok(_) | Err(Error::LeaseLost { .. }) => return Ok(()),
        Err(error) => Some(chain(error)),
    };
    let now = run.engine.ports.clock.now();
    session.order(|head| Ok(head.note_failure(reason.as_deref(), now))).await
}

/// Returns the first problem that kept data out and that the head does not remember.
fn unremembered(head: &Head, report: &Report) -> Option<String> {
    if report.exit() != Exit::Rejected {
        return None;
    }
    let known = |problem: &Problem| {
        let mut verdicts = head.rejected().iter().flat_map(|known| &known.problems);
        verdicts.any(|known| (known.code, &known.dataset) == (problem.code, &problem.dataset))
            || problem.code == Code::RolledBack
    };
    let failing = report.problems.iter().filter(|problem| problem.level == Level::Fail);
    failing.filter(|problem| !known(problem)).map(ToString::to_string).next()
}

/// Tells of data that serves and is older than `expect.build_age_days_warn`, once per build.
pub(super) async fn tell_stale(run: &Run<'_>, session: &mut Session<'_>) -> Result<(), Error> {
    let at = run.engine.ports.clock.now();
    let found = stale(session.head(), run.definition, at);
    if found.is_empty() {
        return Ok(());
    }
    let mut new = Vec::new();
    session
        .order(|head| {
            new.clone_from(&found);
            new.retain(|one| !head.is_known_as_stale(&one.dataset, one.built));
            for Stale { dataset, built, .. } in &new {
                head.becomes_stale(dataset.clone(), *built);
            }
            Ok(())
        })
        .await?;
    let about = serving(session.head(), at);
    session.tell(new.into_iter().map(|Stale { dataset, built, problem }| Happening::DataStale {
        about: about.clone(),
        dataset,
        built,
        problem,
    }));
    Ok(())
}

/// A build that is older than the definition wants.
#[derive(Clone)]
struct Stale {
    dataset: DatasetName,
    built: Timestamp,
    problem: Problem,
}

/// The builds of the release that functions are on or go to which are too old and not known as such.
fn stale(head: &Head, definition: &Definition, now: Timestamp) -> Vec<Stale> {
    let serves = head.outline().filter(|outline| head.desired() == Some(outline.seq));
    let judged = |dataset: &Dataset| {
        let built = serves?.snapshot(&dataset.name)?.built?;
        let days = dataset.expect.build_age_days_warn?;
        let age = SignedDuration::from_hours(24 * i64::from(days));
        let is_old = built < now.saturating_sub(age).ok()?;
        let is_news = is_old && !head.is_known_as_stale(&dataset.name, built);
        is_news.then(|| {
            let expected = format!("a build of the last {days} days");
            let found = format!("one of {built}");
            let problem = Problem::warn(Code::BuildTooOld, expected, found).of(&dataset.name);
            Stale { dataset: dataset.name.clone(), built, problem }
        })
    };
    definition.datasets.iter().filter_map(judged).collect()
}

/// What is told beside any rollout is about the release that functions are on or go to.
fn serving(head: &Head, at: Timestamp) -> About {
    let release = head.desired();
    let outline = head.outline().filter(|outline| Some(outline.seq) == release);
    About {
        layer: head.layer().clone(),
        at,
        release,
        version: outline.map(|outline| outline.version.to_string()),
        rollout: head.rollout().map(|open| open.number),
    }
}
