//! The page and what it shows in the state, for those who have no tool at hand.
//!
//! ```text
//! reports/layers/<layer>.json   one writer: the layer's own run
//! reports/index.html            of all of them, written by the run that ends last
//! ```
//!
//! Guarantees: the page that stays shows the newest dossier of each layer. Caveat: between the two writes the page is older than
//! the dossier.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Dossier, FORMAT, LayerDossier};
use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::ports::{Created, Etag, Key, Payload, PortError, Replaced, Store};
use crate::state::print;

/// A writer that lost twice leaves the page alone: the second winner has read what this one says of its layer.
const WRITES_MAX: u32 = 2;
/// How many dossiers are read at the same time.
const READS_AT_ONCE: usize = 8;

/// Puts a layer's dossier into the state, and the page of all layers beside it.
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
    let shown = Dossier::of(layer.at, vec![layer.clone()], Vec::new());
    let (key, bytes) = (Key::dossier(&layer.layer), print(&shown));
    while !put(store, &key, etag(store, &key).await?, &bytes).await? {}
    for _ in 0..WRITES_MAX {
        let before = etag(store, &Key::page()).await?;
        let page = render(&together(store, definitions).await?);
        if put(store, &Key::page(), before, page.as_bytes()).await? {
            break;
        }
    }
    Ok(())
}

/// Reads what the state says of the layers that have a definition.
async fn together(store: &dyn Store, definitions: &[Definition]) -> Result<Dossier, Error> {
    let keys = definitions.iter().map(|definition| Key::dossier(&definition.layer));
    let reads = stream::iter(keys).map(async |key| read(store, &key).await);
    let found: Vec<_> = reads.buffered(READS_AT_ONCE).try_collect().await?;
    let known = found.into_iter().flatten();
    let known = known.filter_map(|(bytes, _)| serde_json::from_slice::<Dossier>(&bytes).ok());
    let known = known.filter(|known| known.format == FORMAT);
    let layers: Vec<LayerDossier> = known.flat_map(|known| known.layers).collect();
    let newest = layers.iter().map(|layer| layer.at).max().unwrap_or_default();
    Ok(Dossier::of(newest, layers, Vec::new()))
}

async fn read(store: &dyn Store, key: &Key) -> Result<Option<(Vec<u8>, Etag)>, Error> {
    let stored = store.read(key).await.map_err(|source| fault(key, source))?;
    Ok(stored.map(|stored| (stored.bytes, stored.etag)))
}

async fn etag(store: &dyn Store, key: &Key) -> Result<Option<Etag>, Error> {
    Ok(read(store, key).await?.map(|(_, etag)| etag))
}

/// Writes an object where it still is the one that was read; `false` where another writer was faster.
async fn put(
    store: &dyn Store,
    key: &Key,
    before: Option<Etag>,
    bytes: &[u8],
) -> Result<bool, Error> {
    let failed = |source| fault(key, source);
    Ok(if let Some(etag) = before {
        let replaced = store.replace(key, &etag, bytes).await.map_err(failed)?;
        matches!(replaced, Replaced::Replaced(_))
    } else {
        let created = store.create(key, Payload::Bytes(bytes)).await.map_err(failed)?;
        matches!(created, Created::Created(_))
    })
}

fn fault(key: &Key, source: PortError) -> Error {
    Error::Store { key: key.to_string(), source }
}
