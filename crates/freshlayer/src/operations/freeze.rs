//! A person's order that nothing of a layer moves, or that single functions stay where they are. It needs no lease, and a
//! running publisher obeys within seconds.

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::ports::FunctionName;
use crate::rollout::{Places, World};
use crate::state::{Head, Lease, Ordered};

/// How many functions a message names.
const NAMED_MAX: usize = 10;

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

/// Lets some functions of a layer stay where they are, in every place, until they are unfrozen.
///
/// # Errors
/// [`Error::NotPossible`] where the layer has no such function, and the store's errors.
pub async fn freeze_functions(
    engine: &Engine,
    definition: &Definition,
    functions: &[FunctionName],
    by: &str,
    reason: Option<String>,
) -> Result<(), Error> {
    let mut session = engine.session(&definition.layer).await?;
    known(engine, definition, session.head(), functions).await?;
    let freeze = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    session.order(|head| Ok(head.freeze_functions(functions, &freeze))).await
}

/// Lets some functions move again; returns those that were frozen.
///
/// # Errors
/// The store's errors.
pub async fn unfreeze_functions(
    engine: &Engine,
    layer: &LayerName,
    functions: &[FunctionName],
    by: &str,
    reason: Option<String>,
) -> Result<Vec<FunctionName>, Error> {
    let mut session = engine.session(layer).await?;
    let frozen = session.head().frozen_functions();
    let frozen: Vec<_> = functions.iter().filter(|one| frozen.contains_key(one)).cloned().collect();
    if !frozen.is_empty() {
        let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
        session.order(|head| Ok(head.unfreeze_functions(&frozen, &order))).await?;
    }
    Ok(frozen)
}

/// A name with a typing mistake would freeze nothing, and be believed to.
pub(super) async fn known(
    engine: &Engine,
    definition: &Definition,
    head: &Head,
    functions: &[FunctionName],
) -> Result<World, Error> {
    let layer = &definition.layer;
    let no_release = || Error::NotPossible(format!("layer `{layer}` has no release yet"));
    let release = head.desired().ok_or_else(no_release)?;
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let world = Places::of(head, release, &regions).observe(head, release).await;
    let consumers = world.places.iter().flat_map(|view| view.consumers.iter().flatten());
    let mut names: Vec<&FunctionName> = consumers.map(|consumer| &consumer.function).collect();
    let unknown = functions.iter().find(|function| !names.contains(function));
    let Some(unknown) = unknown.filter(|_| world.unknown().is_empty()) else { return Ok(world) };
    if names.is_empty() {
        let words = format!("layer `{layer}` has no function `{unknown}`: no function uses it yet");
        return Err(Error::NotPossible(words));
    }
    names.sort();
    names.dedup();
    let few = names.iter().take(NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED_MAX { " and more" } else { "" };
    Err(Error::NotPossible(format!(
        "layer `{layer}` has no function `{unknown}`; it has {few}{more}"
    )))
}

/// Takes a freeze back; `false` where there is none.
///
/// # Errors
/// The store's errors.
pub async fn unfreeze(
    engine: &Engine,
    layer: &LayerName,
    by: &str,
    reason: Option<String>,
) -> Result<bool, Error> {
    let mut session = engine.session(layer).await?;
    if session.head().frozen().is_none() {
        return Ok(false);
    }
    let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    session.order(|head| Ok(head.unfreeze(&order))).await?;
    Ok(true)
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
