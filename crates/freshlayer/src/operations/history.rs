use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::Engine;
use crate::error::Error;
use crate::names::{LayerName, LayerVersionArn, RegionName};
use crate::state::read_release;

/// One release in a layer's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HistoryLine {
    /// Its number.
    pub seq: u64,
    /// Its data version.
    pub version: String,
    /// Why it is that version.
    pub version_reasons: Vec<String>,
    /// When it was made.
    #[schemars(with = "String")]
    pub created: Timestamp,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Its layer version in each Region; none for a release that was pruned, or never published.
    pub layer_versions: BTreeMap<RegionName, LayerVersionArn>,
    /// What it is now: `current`, `stable`, `pinned`.
    pub marks: Vec<String>,
}

/// Lists a layer's releases, newest first.
///
/// # Errors
/// [`Error::NotPossible`] where the layer has no history, and the store's errors.
pub async fn history(engine: &Engine, layer: &LayerName) -> Result<Vec<HistoryLine>, Error> {
    let session = engine.session(layer).await?;
    let head = session.head();
    if head.newest() == 0 {
        return Err(Error::NotPossible(format!("layer `{layer}` has no release yet")));
    }
    let mut lines = Vec::new();
    for seq in (1..=head.newest()).rev() {
        let Some(release) = read_release(engine.ports.store.as_ref(), layer, seq).await? else {
            continue;
        };
        let marks = [
            ("current", head.current() == Some(seq)),
            ("stable", head.stable() == Some(seq)),
            ("pinned", head.pinned().is_some_and(|pin| pin.release == seq)),
        ];
        lines.push(HistoryLine {
            seq,
            version: release.version.to_string(),
            version_reasons: release.version_reasons,
            created: release.created,
            zip_bytes: release.zip_bytes,
            layer_versions: head.versions().get(&seq).cloned().unwrap_or_default(),
            marks: marks.iter().filter(|(_, is)| *is).map(|(m, _)| (*m).to_owned()).collect(),
        });
    }
    Ok(lines)
}
