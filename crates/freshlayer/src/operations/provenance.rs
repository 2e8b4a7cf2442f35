use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::release::provenance::{Evidence, Wrapping, read};
use crate::state::read_release;

/// The provenance documents of a release, in formats that other tools read.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Proof {
    /// The layer.
    pub layer: LayerName,
    /// The release.
    pub seq: u64,
    /// in-toto statements (`test-result`, `release`, `deployment`) and a CycloneDX bill of materials.
    pub documents: Vec<Value>,
}

/// Reads the provenance documents of a release: some kinds, or all.
///
/// # Errors
/// [`Error::NotPossible`] where there is no such release or no such document, with the reason; the store's errors.
pub async fn provenance(
    engine: &Engine,
    definition: &Definition,
    seq: Option<u64>,
    kinds: &[Evidence],
    wrapping: Wrapping,
) -> Result<Proof, Error> {
    let layer = &definition.layer;
    let session = engine.session(layer).await?;
    let none = || Error::NotPossible(format!("layer `{layer}` has no release yet"));
    let seq = seq.or(session.head().desired()).ok_or_else(none)?;
    let mut documents = Vec::new();
    for kind in kinds {
        documents.extend(read(engine.ports.store.as_ref(), layer, seq, *kind, wrapping).await?);
    }
    if documents.is_empty() {
        let release = read_release(engine.ports.store.as_ref(), layer, seq).await?;
        let reason = missing(kinds, wrapping, release.is_some());
        return Err(Error::NotPossible(format!("release {seq} of layer `{layer}` {reason}")));
    }
    Ok(Proof { layer: layer.clone(), seq, documents })
}

/// Says why there is no document.
fn missing(kinds: &[Evidence], wrapping: Wrapping, exists: bool) -> &'static str {
    match (wrapping, kinds) {
        _ if !exists => "does not exist; `freshlayer status LAYER` names the current one",
        (Wrapping::Plain, [Evidence::Promotion]) => {
            "was never promoted, so it has no promotion document"
        }
        (Wrapping::Plain, _) => {
            "has no provenance documents: an earlier version of freshlayer made it"
        }
        (Wrapping::Signed, _) => {
            "has no signed documents: no key was set in `FRESHLAYER_SIGNING_KEY` when it was made"
        }
    }
}
