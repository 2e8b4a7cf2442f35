use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::release::provenance::{Evidence, Wrapping, read};

/// What is stored beside a release, for machines that know nothing of freshlayer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Proof {
    /// The layer.
    pub layer: LayerName,
    /// The release.
    pub seq: u64,
    /// in-toto statements (`test-result`, `release`, `deployment`) and a CycloneDX bill of materials.
    pub documents: Vec<Value>,
}

/// Reads what is stored beside a release: some kinds of evidence, or all.
///
/// # Errors
/// [`Error::NotPossible`] where there is no such release, or an earlier version of freshlayer made it and stored nothing
/// of this kind; the store's errors.
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
        return Err(Error::NotPossible(format!(
            "nothing of this kind is stored beside release {seq} of layer `{layer}`: there is no such release, it was \
             never promoted, an earlier version of freshlayer made it, or no key was set up to sign it"
        )));
    }
    Ok(Proof { layer: layer.clone(), seq, documents })
}
