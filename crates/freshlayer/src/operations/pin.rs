//! A person's order to stay on a release. It needs no lease, and a running publisher obeys within seconds.

use jiff::Timestamp;

use super::pin_functions::published;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::report::minute;
use crate::state::{Aim, Freeze, Ordered, Pin};

/// What a layer is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The release.
    pub seq: u64,
    /// The release that every function was to be on before; absent where some were on their way, or on what they used before
    /// the layer was adopted.
    pub before: Option<u64>,
    /// A person's order that nothing moves, which comes first.
    pub frozen: Option<Freeze>,
}

/// Orders a layer to stay on a release: refreshes look for nothing, and move consumers only there. The order ends by itself
/// at `until`, if it says so.
///
/// # Errors
/// [`Error::NotPossible`] where there is no such release, the end has passed, or a rollout is open and no release is
/// named; and the store's errors.
pub async fn pin(
    engine: &Engine,
    layer: &LayerName,
    to: Option<u64>,
    by: &str,
    reason: Option<String>,
    until: Option<Timestamp>,
) -> Result<Pinned, Error> {
    let mut session = engine.session(layer).await?;
    let at = engine.ports.clock.now();
    if let Some(until) = until.filter(|until| *until <= at) {
        let problem = format!("a pin until {} would have ended already", minute(until));
        return Err(Error::NotPossible(problem));
    }
    let mut before = None;
    session
        .order(|head| {
            let settled = head.rollout().is_none() && matches!(head.aim(), Some(Aim::Release(_)));
            before = head.desired().filter(|_| settled);
            let current = head.current().ok_or_else(|| no_release(layer))?;
            if let Some(open) = head.rollout().filter(|open| to.is_none() && open.is_judged()) {
                return Err(unclear(layer, open.to, head.before_rollout()));
            }
            let release = to.or(head.desired()).unwrap_or(current);
            published(head, release)?;
            let known = head.pinned().filter(|pin| pin.release == release);
            let reason = reason.clone().or(known.and_then(|pin| pin.reason.clone()));
            head.pin(Pin { release, at, by: by.to_owned(), reason, until });
            Ok(())
        })
        .await?;
    let head = session.head();
    let seq = head.desired().ok_or_else(|| no_release(layer))?;
    Ok(Pinned { seq, before, frozen: head.frozen().cloned() })
}

/// Takes back a pin, and an order to go back to what functions used before; `false` where there is none.
///
/// # Errors
/// The store's errors.
pub async fn unpin(
    engine: &Engine,
    layer: &LayerName,
    by: &str,
    reason: Option<String>,
) -> Result<bool, Error> {
    let mut session = engine.session(layer).await?;
    let head = session.head();
    if head.pinned().is_none() && head.is_handed_back().is_none() {
        return Ok(false);
    }
    let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    session.order(|head| Ok(head.unpin(&order))).await?;
    Ok(true)
}

/// A pin moves every function at once: in the middle of a rollout a person says where to.
fn unclear(layer: &LayerName, to: u64, before: Option<u64>) -> Error {
    let back = before.map(|before| format!("`--to {before}` brings every function back, "));
    let back = back.unwrap_or_default();
    Error::NotPossible(format!(
        "layer `{layer}` has an open rollout to release {to}: {back}`--to {to}` moves every function there at once, and \
         `freshlayer rollout pause {layer}` only stops it"
    ))
}

fn no_release(layer: &LayerName) -> Error {
    Error::NotPossible(format!("layer `{layer}` has no release yet; refresh it first"))
}
