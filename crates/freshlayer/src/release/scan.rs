//! The last word before a zip is published: the layer's scanner's.

use std::time::Duration;

use crate::definition::{Scan, ScanHook};
use crate::engine::Run;
use crate::error::Error;
use crate::intake::gather::{Accepted, Ledger};
use crate::ports::{Opinion, PortError, Scanned, Stage};
use crate::problem::{Code, Problem};
use crate::report::Why;
use crate::state::{Head, LayerZip, Rejection, Release, Session, Snapshot};

/// Asks the layer's scanner about a stored zip; a layer without one has nothing to ask. One that wants to wait is asked
/// again for a while.
///
/// # Errors
/// [`Error::Scan`] where it gives no clear answer in time.
pub(crate) async fn scan(
    run: &Run<'_>,
    release: &Release,
    zip: &LayerZip,
) -> Result<Opinion, Error> {
    let Some(Scan { hook, timeout_secs }) = &run.definition.scan else {
        return Ok(Opinion::Proceed);
    };
    let running = run.stages.start(Stage::Scan, &hook.to_string(), Some(zip.size_bytes));
    let longest = Duration::from_secs(u64::from(*timeout_secs));
    let asked = Scanned {
        layer: &release.layer,
        release: release.seq,
        sha256: &zip.sha256,
        zip: &zip.path,
    };
    let mut pauses = run.engine.retry_pauses.iter();
    loop {
        let opinion = ask(run, hook, asked, longest).await.map_err(|source| Error::Scan {
            scanner: hook.to_string(),
            release: release.seq,
            source,
        })?;
        let pause = match &opinion {
            Opinion::Wait(_) if !run.engine.is_out_of_time() => pauses.next(),
            _ => None,
        };
        let Some(pause) = pause else {
            running.done(zip.size_bytes);
            return Ok(opinion);
        };
        tokio::time::sleep(*pause).await;
    }
}

async fn ask(
    run: &Run<'_>,
    hook: &ScanHook,
    asked: Scanned<'_>,
    longest: Duration,
) -> Result<Opinion, PortError> {
    let scanned = tokio::time::timeout(longest, run.engine.ports.scanner.scan(hook, asked)).await;
    scanned.unwrap_or_else(|_| {
        let secs = longest.as_secs();
        Err(format!("it gave no answer within the {secs} s of `scan.timeout_secs`").into())
    })
}

/// What follows from a scanner's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The release is published.
    Go,
    /// It is not: it waits, or it is refused.
    Stay,
}

/// Follows a scanner's word. A release that may not be published yet stays stored, so that the next run asks about it
/// without a download; one that is refused is withdrawn, and its new data is remembered as bad.
pub(crate) async fn heed(
    run: &Run<'_>,
    session: &mut Session<'_>,
    release: &Release,
    live: Option<&Release>,
    said: Result<Opinion, Error>,
    ledger: &mut Ledger,
) -> Result<Heard, Error> {
    match said {
        Ok(Opinion::Proceed) => return Ok(Heard::Go),
        Ok(Opinion::Abort(words)) => {
            let expected = "a zip that the scanner lets pass";
            let problem = Problem::fail(Code::Scan, expected, words);
            let rejections = rejections(run, release, live, &problem);
            ledger.refuse_release(&problem, rejections);
            let lessons = &ledger.lessons;
            session
                .change(|head| {
                    lessons.write(head, Accepted::Yes);
                    head.withdraw(release.seq);
                })
                .await?;
        }
        Ok(Opinion::Wait(words)) => {
            keep(session, release, ledger).await?;
            ledger.waits = Some(Why::ScanWaits { release: release.seq, words });
        }
        Err(error) => {
            keep(session, release, ledger).await?;
            return Err(error);
        }
    }
    Ok(Heard::Stay)
}

async fn keep(session: &mut Session<'_>, release: &Release, ledger: &Ledger) -> Result<(), Error> {
    let keep = |head: &mut Head| {
        head.not_published(release);
        ledger.lessons.write(head, Accepted::Yes);
    };
    session.change(keep).await
}

/// The verdict is on all data of the release that does not serve already, because a scanner judges the whole zip.
fn rejections(
    run: &Run<'_>,
    release: &Release,
    live: Option<&Release>,
    problem: &Problem,
) -> Vec<Rejection> {
    let serves = |snapshot: &Snapshot| {
        let live = live.and_then(|live| live.snapshot(&snapshot.dataset));
        live.is_some_and(|live| live.digest == snapshot.digest)
    };
    let new = release.snapshots.iter().filter(|snapshot| !serves(snapshot));
    let rejections = new.filter_map(|snapshot| {
        let mut datasets = run.definition.datasets.iter();
        let dataset = datasets.find(|dataset| dataset.name == snapshot.dataset)?;
        Some(Rejection {
            dataset: snapshot.dataset.clone(),
            digest: snapshot.digest.clone(),
            fingerprint: dataset.verdict_fingerprint(&run.definition.limits),
            at: run.engine.ports.clock.now(),
            problems: vec![problem.clone()],
        })
    });
    rejections.collect()
}
