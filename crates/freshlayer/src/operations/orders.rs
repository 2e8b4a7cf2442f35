//! A person's orders: roll back, pin, unpin.

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::intake::gather::Gathered;
use crate::names::LayerName;
use crate::problem::{Code, Problem};
use crate::progress::Stages;
use crate::report::{Outcome, Report};
use crate::rollout::converge::{busy, settle};
use crate::state::{Head, Leased, Pin, Rejection, Release, Session};

/// Moves consumers back to an earlier release, and keeps the data that is left behind from coming back by
/// itself: it is rejected until the upstream or a person changes that.
///
/// Without a number it goes to the last stable release, or, from there, to the one before it.
///
/// # Errors
/// [`Error::Order`] where there is no such release or a pin forbids it, and the store's errors.
pub async fn rollback(
    engine: &Engine,
    definition: &Definition,
    to: Option<u64>,
) -> Result<Report, Error> {
    let stages = Stages::new(&engine.ports, &definition.layer);
    let mut session = engine.session(&definition.layer).await?;
    let done = back(engine, &mut session, definition, to, &stages).await;
    let mut report = session.end(done).await?;
    report.stages = stages.into_reports();
    Ok(report)
}

async fn back(
    engine: &Engine,
    session: &mut Session<'_>,
    definition: &Definition,
    to: Option<u64>,
    stages: &Stages,
) -> Result<Report, Error> {
    let to = target(session.head(), to)?;
    if let Some(pin) = session.head().pin.as_ref().filter(|pin| pin.seq != to) {
        let layer = &definition.layer;
        return Err(Error::Order(format!(
            "layer `{layer}` is pinned to release {}; unpin it first, or pin it to {to}",
            pin.seq
        )));
    }
    if let Leased::Theirs(lease) = session.lease().await? {
        return Ok(busy(&definition.layer, &lease));
    }
    // The head that the lease was taken on may be another one: a prune may have come between.
    let to = target(session.head(), Some(to))?;
    let from = session.current_release().await?;
    let target = session.release(to).await?;
    let rejections = left_behind(engine, definition, from.as_ref(), &target);
    let now = engine.ports.clock.now();
    session
        .change(|head| {
            for rejection in &rejections {
                head.reject(rejection.clone());
            }
            // What a person goes to is what the person wants.
            head.rejected.retain(|known| {
                let kept = target.snapshot(&known.dataset);
                kept.is_none_or(|snapshot| snapshot.digest != known.digest)
            });
            head.promote(&target, now);
        })
        .await?;
    let mut report = settle(engine, session, definition, Gathered::default(), stages).await?;
    if let Outcome::Unchanged { .. } | Outcome::Refreshed { .. } = report.outcome {
        let reason = format!("rolled back to release {to}, version {}", target.version);
        report.outcome = Outcome::Refreshed { reason };
    }
    Ok(report)
}

fn target(head: &Head, to: Option<u64>) -> Result<u64, Error> {
    let layer = &head.layer;
    let current = head
        .current
        .ok_or_else(|| Error::Order(format!("layer `{layer}` has no release to roll back from")))?;
    let known = head.versions.keys().copied();
    match to {
        Some(to) if to == current => {
            Err(Error::Order(format!("layer `{layer}` is on release {to} already")))
        }
        Some(to) if head.versions.contains_key(&to) => Ok(to),
        Some(to) => {
            let known: Vec<String> = known.map(|seq| seq.to_string()).collect();
            let known = known.join(", ");
            Err(Error::Order(format!(
                "layer `{layer}` has no published release {to}; it has {known}"
            )))
        }
        None => head.fallback().ok_or_else(|| {
            Error::Order(format!("layer `{layer}` has no release before {current} to roll back to"))
        }),
    }
}

/// The snapshots of the release that is left which the target does not have.
fn left_behind(
    engine: &Engine,
    definition: &Definition,
    from: Option<&Release>,
    target: &Release,
) -> Vec<Rejection> {
    let snapshots = from.into_iter().flat_map(|release| &release.snapshots);
    let left = snapshots.filter(|snapshot| {
        target.snapshot(&snapshot.dataset).is_none_or(|kept| kept.digest != snapshot.digest)
    });
    let rejected = left.filter_map(|snapshot| {
        let dataset = definition.datasets.iter().find(|d| d.name == snapshot.dataset)?;
        let from = from?;
        let found = format!("release {}, rolled back to {}", from.seq, target.seq);
        let expected = "another build from the upstream, or a person's --retry-rejected";
        let problem = Problem::fail(Code::RolledBack, expected, found).of(&snapshot.dataset);
        Some(Rejection {
            dataset: snapshot.dataset.clone(),
            digest: snapshot.digest.clone(),
            fingerprint: dataset.verdict_fingerprint(&definition.limits),
            at: engine.ports.clock.now(),
            problems: vec![problem],
        })
    });
    rejected.collect()
}

/// What a layer is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The release.
    pub seq: u64,
    /// The release that was current.
    pub current: u64,
}

/// Orders a layer to stay on a release: refreshes look for nothing, and move consumers only there.
///
/// # Errors
/// [`Error::Order`] where there is no such release, and the store's errors.
pub async fn pin(
    engine: &Engine,
    layer: &LayerName,
    seq: Option<u64>,
    reason: Option<String>,
) -> Result<Pinned, Error> {
    let mut session = engine.session(layer).await?;
    let at = engine.ports.clock.now();
    session
        .order(|head| {
            let current = head.current.ok_or_else(|| no_release(layer))?;
            let seq = seq.or(head.desired()).unwrap_or(current);
            if !head.versions.contains_key(&seq) {
                let problem = format!("layer `{layer}` has no published release {seq}");
                return Err(Error::Order(problem));
            }
            let known = head.pin.take().filter(|pin| pin.seq == seq).and_then(|pin| pin.reason);
            head.pin = Some(Pin { seq, at, reason: reason.clone().or(known) });
            head.roll(seq, at);
            Ok(())
        })
        .await?;
    let head = session.head();
    let seq = head.desired().ok_or_else(|| no_release(layer))?;
    Ok(Pinned { seq, current: head.current.unwrap_or(seq) })
}

/// Takes a pin back; `false` where there is none.
///
/// # Errors
/// The store's errors.
pub async fn unpin(engine: &Engine, layer: &LayerName) -> Result<bool, Error> {
    let mut session = engine.session(layer).await?;
    if session.head().pin.is_none() {
        return Ok(false);
    }
    let now = engine.ports.clock.now();
    session
        .order(|head| {
            head.pin = None;
            if let Some(current) = head.current {
                head.roll(current, now);
            }
            Ok(())
        })
        .await?;
    Ok(true)
}

fn no_release(layer: &LayerName) -> Error {
    Error::Order(format!("layer `{layer}` has no release yet; refresh it first"))
}
