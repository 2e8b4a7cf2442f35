use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::state::Ordered;

/// Takes a layer over that has versions which freshlayer did not make: from now on its functions move, too. Where each
/// one stands is kept, as the way back.
///
/// # Errors
/// The store's errors.
pub async fn adopt(engine: &Engine, layer: &LayerName, by: &str) -> Result<(), Error> {
    let mut session = engine.session(layer).await?;
    let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason: None };
    session.order(|head| Ok(head.adopt(&order))).await
}
