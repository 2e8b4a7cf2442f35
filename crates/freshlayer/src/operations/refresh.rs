//! The whole refresh of one layer, on one screen.

use super::tell::{note_failure, release_published, tell_refused, tell_stale};
use crate::definition::Definition;
use crate::engine::{Engine, Retry, Run};
use crate::error::{Error, chain};
use crate::intake::download::{Candidate, Downloaded, UpstreamAnswer, download};
use crate::intake::gather::{Accepted, Baseline, Brought, Served, gather};
use crate::progress::Stages;
use crate::release::foreign::foreign;
use crate::release::live::live_files;
use crate::release::make::{Base, Completion, complete, make_release, rearranged};
use crate::release::provenance::{attest, attest_promotion};
use crate::release::publish::{Published, publish};
use crate::release::recover::zip_of;
use crate::release::scan::{Heard, heed, scan};
use crate::report::{ConsumerReport, Happening, Outcome, Report, Why};
use crate::rollout::{Converge, Outset, busy, goes_on};
use crate::state::{LayerZip, Leased, Ordered, Release, Session, Work};

/// Brings one layer up to date: downloads what is new, proves it, packages it, publishes it, and moves the
/// consumers. Says what it did and why; an error is an outcome of the report, too.
pub async fn refresh(engine: &Engine, definition: &Definition, retry: Retry) -> Report {
    let stages = Stages::new(&engine.ports, &definition.layer);
    let run = Run { engine, definition, stages: &stages };
    match engine.session(&definition.layer).await {
        Ok(mut session) => {
            let done = Box::pin(refresh_layer(run, &mut session, retry)).await;
            let result = session.end(done).await;
            // The next run tells what this one could not write down.
            let _told_later = tell_stale(&run, &mut session).await;
            let _noted_later = note_failure(&run, &mut session, &result).await;
            reported(definition, result, stages, session.into_happened())
        }
        Err(error) => reported(definition, Err(error), stages, Vec::new()),
    }
}

/// Goes on with what is ordered already: Regions that lack the release, consumers on their way. No upstream is
/// asked.
pub async fn advance(engine: &Engine, definition: &Definition) -> Report {
    let stages = Stages::new(&engine.ports, &definition.layer);
    let run = Run { engine, definition, stages: &stages };
    match engine.session(&definition.layer).await {
        Ok(mut session) => {
            let outset = Outset::default();
            let done = Converge { run, session: &mut session, outset }.converge().await;
            let result = session.end(done).await;
            reported(definition, result, stages, session.into_happened())
        }
        Err(error) => reported(definition, Err(error), stages, Vec::new()),
    }
}

pub(super) fn reported(
    definition: &Definition,
    result: Result<Report, Error>,
    stages: Stages,
    happened: Vec<Happening>,
) -> Report {
    let mut report = result.unwrap_or_else(|error| {
        let outcome = match error {
            Error::LeaseLost { .. } => Outcome::held(Why::TakenOver),
            error => Outcome::failed(Why::Error { error: chain(&error) }),
        };
        Report::of(definition.layer.clone(), outcome)
    });
    report.stages = stages.into_reports();
    report.happened = happened;
    report.named()
}

async fn refresh_layer(
    run: Run<'_>,
    session: &mut Session<'_>,
    retry: Retry,
) -> Result<Report, Error> {
    let mut outset = Outset::default();
    if session.head().asks_no_upstream() {
        return Converge { run, session, outset }.converge().await;
    }
    if session.head().versions().is_empty()
        && let Some(why) = foreign(&run, session.head()).await?
    {
        return Ok(Report::of(run.definition.layer.clone(), Outcome::held(why)));
    }
    if retry == Retry::Now {
        session.order(|head| Ok(head.forget_rejections())).await?;
    }
    if goes_on(session, run.definition, run.engine.ports.clock.now()).await? {
        let thawed = session.head().rollout().filter(|open| open.thawed.is_some());
        let thawed = thawed.map(|open| open.number);
        let report = Converge { run, session: &mut *session, outset }.converge().await?;
        if let Some(number) = thawed.filter(|_| went_back(&report)) {
            // Where that cannot be written, the next run goes back first once more.
            let _again = session.order(|head| Ok(head.carried_out(number))).await;
        }
        return Ok(report);
    }
    let folder = run.engine.run_folder()?;
    let pulled = match download(&run, session, folder.path(), retry).await? {
        Downloaded::Answers(pulled) => pulled,
        Downloaded::Busy(lease) => return Ok(busy(&run.definition.layer, &lease)),
    };
    let (live, stored) = base(&run, session, &pulled).await?;
    let stable = if fresh(&pulled).is_empty() { None } else { session.stable_release().await? };
    let head = session.head();
    let served =
        Served { current: live.as_ref(), stable: stable.as_ref(), accepted: head.accepted() };
    let files = live_files(&run, head, served, &fresh(&pulled), folder.path()).await;
    let baseline = Baseline { run: &run, head, served, files, retry };
    let Brought { proven, ledger } = gather(&baseline, pulled).await?;
    outset.ledger = ledger;
    tell_refused(session, &mut outset.ledger, run.engine.ports.clock.now());

    let base = Base { live: live.as_ref(), stored: stored.as_ref() };
    let made = match complete(&run, session.head(), base, proven, folder.path()).await? {
        Completion::Nothing => None,
        Completion::SameContent => {
            outset.ledger.same_content();
            outset.accepted = Accepted::Yes;
            None
        }
        Completion::Refused(problems) => {
            outset.ledger.refuse_layer(problems);
            tell_refused(session, &mut outset.ledger, run.engine.ports.clock.now());
            None
        }
        Completion::Stored(release) => Some(Made::Stored(release)),
        Completion::Assembled(assembled) => Some(Made::New(assembled)),
    };
    let Some(made) = made else {
        return Converge { run, session, outset }.converge().await;
    };
    if let Leased::Theirs(lease) = session.lease(Work::Preparing).await? {
        return Ok(busy(&run.definition.layer, &lease));
    }
    let (release, zip) = match made {
        Made::New(assembled) => {
            let problems = &outset.ledger.problems;
            make_release(&run, session, live.as_ref(), assembled, problems, folder.path()).await?
        }
        Made::Stored(release) => {
            let file = folder.path().join("stored.zip");
            let zip = zip_of(run.engine, run.definition, session.head(), &release, &file).await?;
            (*release, zip)
        }
    };
    let said = scan(&run, &release, &zip).await;
    // Packaging, storing and scanning may have taken longer than the lease.
    if let Leased::Theirs(lease) = session.lease(Work::Preparing).await? {
        return Ok(busy(&run.definition.layer, &lease));
    }
    let ledger = &mut outset.ledger;
    match heed(&run, session, &release, live.as_ref(), said, ledger).await? {
        Heard::Go => {
            let made = Judged { release: &release, against: live.as_ref().map(|live| live.seq) };
            publish_and_promote(&run, session, made, &zip, &mut outset).await?;
        }
        Heard::Stay => outset.accepted = Accepted::Yes,
    }
    tell_refused(session, &mut outset.ledger, run.engine.ports.clock.now());
    Converge { run, session, outset }.converge().await
}

/// Tells whether a way back was carried out: every function was seen, and none is on its way.
fn went_back(report: &Report) -> bool {
    let is_seen = report.places.iter().all(|place| place.failure.is_none());
    let on_the_way = report.consumers.iter().any(ConsumerReport::is_on_its_way);
    is_seen && !report.consumers.is_empty() && !on_the_way
}

/// What becomes the next release.
enum Made {
    New(crate::release::package::Assembled),
    Stored(Box<Release>),
}

fn fresh(pulled: &[UpstreamAnswer]) -> Vec<&Candidate> {
    let new = pulled.iter().filter_map(|answer| match answer {
        UpstreamAnswer::Fresh(candidate) => Some(candidate.as_ref()),
        _ => None,
    });
    new.collect()
}

/// Reads the releases that new data is judged against and completed from, where there is new data.
async fn base(
    run: &Run<'_>,
    session: &Session<'_>,
    pulled: &[UpstreamAnswer],
) -> Result<(Option<Release>, Option<Release>), Error> {
    let head = session.head();
    let fresh = pulled.iter().any(|pulled| matches!(pulled, UpstreamAnswer::Fresh(_)));
    let stored = head.unpublished().map(|unpublished| unpublished.release);
    if !fresh && stored.is_none() && !rearranged(run.definition, head.outline()) {
        return Ok((None, None));
    }
    let stored = match stored {
        Some(release) => Some(session.release(release).await?),
        None => None,
    };
    Ok((session.current_release().await?, stored))
}

/// The provenance documents are stored before any Region has the release.
async fn attested_and_published(
    run: &Run<'_>,
    head: &crate::state::Head,
    release: &Release,
    zip: &LayerZip,
) -> Result<Published, Error> {
    attest(&run.engine.ports, release).await?;
    publish(run, head, release, zip).await
}

/// A release with the one that served when it was judged. A rollback may come between: then it waits for the next run.
struct Judged<'a> {
    release: &'a Release,
    against: Option<u64>,
}

/// Publishes a release, and makes it the one that consumers shall be on. Where no Region takes it the head remembers
/// that it is stored, so that the next run publishes it without a download.
async fn publish_and_promote(
    run: &Run<'_>,
    session: &mut Session<'_>,
    made: Judged<'_>,
    zip: &LayerZip,
    outset: &mut Outset,
) -> Result<(), Error> {
    let Judged { release, against: judged_against } = made;
    let is_new = !session.head().versions().contains_key(&release.seq);
    let (lessons, now) = (&outset.ledger.lessons, run.engine.ports.clock.now());
    let ports = &run.engine.ports;
    let published = match attested_and_published(run, session.head(), release, zip).await {
        Ok(published) => published,
        Err(error) => {
            let remember = |head: &mut crate::state::Head| {
                head.not_published(release);
                lessons.write(head, Accepted::Yes);
            };
            session.change(remember).await?;
            return Err(error);
        }
    };
    let (adopt, by) = (run.definition.adopt, run.engine.owner.name.clone());
    let order = Ordered { at: now, by, reason: None };
    if !session.head().asks_no_upstream() {
        attest_promotion(ports, release, &published.versions, now).await?;
    }
    session
        .change(|head| {
            head.published(release.seq, published.versions.clone());
            lessons.write(head, Accepted::Yes);
            if adopt {
                head.adopt(&order);
            }
            // A person may have ordered otherwise meanwhile.
            if head.asks_no_upstream() || head.current() != judged_against {
                head.not_published(release);
            } else if !head.carries_left_behind(release) {
                head.promote(release, now);
            }
        })
        .await?;
    outset.accepted = Accepted::Yes;
    if session.head().current() == Some(release.seq) {
        outset.released = Some((release.seq, release.version.to_string()));
    }
    if is_new && !published.versions.is_empty() {
        session.tell([release_published(session.head(), release, &published, now)]);
    }
    outset.unpublished = published.failures;
    Ok(())
}
