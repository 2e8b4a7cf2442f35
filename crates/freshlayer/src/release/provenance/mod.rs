//! What is stored beside a release, for machines that know nothing of freshlayer: in-toto statements of its checks, of
//! what it is, and of the decision to promote it; and a bill of materials in CycloneDX. All follow from the record.

mod bom;
mod statement;

use serde_json::Value;

use crate::error::Error;
use crate::names::LayerName;
use crate::ports::{Key, Payload, Store};
use crate::state::{Release, Versions, print};

/// What can be known of a release beside its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// in-toto `test-result`: every check of every dataset.
    Checks,
    /// in-toto `release`: which zip the data version is.
    Release,
    /// in-toto `deployment`: the decision that consumers shall be on it. A release that was never promoted has none.
    Promotion,
    /// CycloneDX 1.6: what the zip holds, and where that came from.
    Bom,
}

impl Evidence {
    /// Every kind, in the order in which they come to be.
    pub const ALL: &[Self] = &[Self::Checks, Self::Release, Self::Bom, Self::Promotion];

    /// Returns the file name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Checks => "checks.intoto.json",
            Self::Release => "release.intoto.json",
            Self::Promotion => "promotion.intoto.json",
            Self::Bom => "bom.cdx.json",
        }
    }
}

/// Stores what follows from a release's record. A run that crashed meanwhile does it again, with the same result.
pub(crate) async fn attest(store: &dyn Store, release: &Release) -> Result<(), Error> {
    for (evidence, document) in [
        (Evidence::Checks, statement::checks(release)),
        (Evidence::Release, statement::release(release)),
        (Evidence::Bom, bom::bom(release)),
    ] {
        write(store, release, evidence, &document).await?;
    }
    Ok(())
}

/// Stores the decision that consumers shall be on a release, just before the head says so.
pub(crate) async fn attest_promotion(
    store: &dyn Store,
    release: &Release,
    versions: &Versions,
    decided: jiff::Timestamp,
) -> Result<(), Error> {
    let document = statement::promotion(release, versions, decided);
    write(store, release, Evidence::Promotion, &document).await
}

async fn write(
    store: &dyn Store,
    release: &Release,
    evidence: Evidence,
    document: &Value,
) -> Result<(), Error> {
    let key = Key::evidence(&release.layer, release.seq, evidence.file_name());
    let bytes = print(document);
    let created = store.create(&key, Payload::Bytes(&bytes)).await;
    created.map(drop).map_err(|source| Error::Store { key: key.to_string(), source })
}

/// Reads what is stored beside a release.
pub(crate) async fn read(
    store: &dyn Store,
    layer: &LayerName,
    release: u64,
    evidence: Evidence,
) -> Result<Option<Value>, Error> {
    let key = Key::evidence(layer, release, evidence.file_name());
    let stored = store.read(&key).await;
    let stored = stored.map_err(|source| Error::Store { key: key.to_string(), source })?;
    let Some(stored) = stored else { return Ok(None) };
    let fault = |error: serde_json::Error| Error::State {
        key: key.to_string(),
        problem: error.to_string(),
    };
    serde_json::from_slice(&stored.bytes).map(Some).map_err(fault)
}
