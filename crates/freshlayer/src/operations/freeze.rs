//! A person's order that nothing moves. It needs no lease, and a running publisher obeys within seconds.

use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::state::{Lease, Ordered};

/// Lets nothing of a layer move until it is unfrozen.
///
/// # Errors
/// The store's errors.
pub async fn freeze(
    engine: &Engine,
    layer: &LayerName,
    by: &str,
    reason: Option<String>,
) -> Result<(), Error> {
    let mut session = engine.session(layer).await?;
    let freeze = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    session.order(|head| Ok(head.freeze(freeze.clone()))).await
}

/// Takes a freeze back; `false` where there is none.
///
/// # Errors
/// The store's errors.
pub async fn unfreeze(engine: &Engine, layer: &LayerName) -> Result<bool, Error> {
    let mut session = engine.session(layer).await?;
    let was_frozen = session.head().frozen().is_some();
    session.order(|head| Ok(head.unfreeze())).await?;
    Ok(was_frozen)
}

/// Takes a layer's lease away from the publisher that has it, and says which one that was. That publisher stops at its
/// next look at the head.
///
/// # Errors
/// The store's errors.
pub async fn break_lease(engine: &Engine, layer: &LayerName) -> Result<Option<Lease>, Error> {
    let mut session = engine.session(layer).await?;
    let mut broken = None;
    session.order(|head| Ok(broken = head.end_lease())).await?;
    Ok(broken)
}

/// Gives this publisher's own lease back, where it still has it: a run that was cut off could not.
///
/// # Errors
/// The store's errors.
pub async fn give_lease_back(engine: &Engine, layer: &LayerName) -> Result<(), Error> {
    let mut session = engine.session(layer).await?;
    session
        .order(|head| {
            if head.lease().is_some_and(|lease| lease.owner == engine.owner.name) {
                head.end_lease();
            }
            Ok(())
        })
        .await
}
