//! The page and its dossier in the state, for those who have no tool at hand.
//!
//! Guarantees: of writers at the same time none loses what another one says of its layer, and the page that stays shows what the
//! dossier that stays says. Caveats: between the two writes the page is the older one.

use std::collections::BTreeSet;

use super::{Dossier, FORMAT, LayerDossier};
use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::ports::{Created, Etag, Key, Payload, Replaced, Store};
use crate::state::print;

/// Tries to write an object against other writers before giving up; each loss means that another one won.
const WRITES_MAX: u32 = 10;

/// Puts a layer's dossier among those of the other layers in the state, and the page of all beside it.
///
/// # Errors
/// The store's errors.
pub async fn shelve(
    engine: &Engine,
    definitions: &[Definition],
    layer: &LayerDossier,
    render: impl Fn(&Dossier) -> String,
) -> Result<(), Error> {
    let store = engine.ports.store.as_ref();
    let wanted: BTreeSet<_> = definitions.iter().map(|definition| &definition.layer).collect();
    let joined = |stored: Option<&[u8]>| {
        let known = stored.and_then(|bytes| serde_json::from_slice::<Dossier>(bytes).ok());
        let known = known.filter(|known| known.format == FORMAT).into_iter();
        let others = known.flat_map(|known| known.layers);
        let others = others.filter(|one| wanted.contains(&one.layer) && one.layer != layer.layer);
        let layers = others.chain([layer.clone()]).collect();
        print(&Dossier::of(engine.ports.clock.now(), layers, Vec::new()))
    };
    let mut shown = write(store, &Key::dossier(), joined).await?;
    for _ in 0..WRITES_MAX {
        let page = serde_json::from_slice(&shown).map(|dossier| render(&dossier));
        let page = page.map_err(|source| Error::Store {
            key: Key::dossier().to_string(),
            source: source.into(),
        })?;
        write(store, &Key::page(), |_| page.clone().into_bytes()).await?;
        let newest = read(store, &Key::dossier()).await?.map(|(bytes, _)| bytes);
        match newest {
            Some(newest) if newest != shown => shown = newest,
            _ => break,
        }
    }
    Ok(())
}

async fn read(store: &dyn Store, key: &Key) -> Result<Option<(Vec<u8>, Etag)>, Error> {
    let stored = store.read(key).await;
    let stored = stored.map_err(|source| Error::Store { key: key.to_string(), source })?;
    Ok(stored.map(|stored| (stored.bytes, stored.etag)))
}

/// Writes what follows from what stands there; returns it.
async fn write(
    store: &dyn Store,
    key: &Key,
    next: impl Fn(Option<&[u8]>) -> Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let fault = |source| Error::Store { key: key.to_string(), source };
    for _ in 0..WRITES_MAX {
        let stored = read(store, key).await?;
        let bytes = next(stored.as_ref().map(|(bytes, _)| &bytes[..]));
        let written = if let Some((_, etag)) = stored {
            let replaced = store.replace(key, &etag, &bytes).await.map_err(fault)?;
            matches!(replaced, Replaced::Replaced(_))
        } else {
            let created = store.create(key, Payload::Bytes(&bytes)).await.map_err(fault)?;
            matches!(created, Created::Created(_))
        };
        if written {
            return Ok(bytes);
        }
    }
    let words = format!("other writers changed it at each of {WRITES_MAX} tries");
    Err(fault(words.into()))
}
