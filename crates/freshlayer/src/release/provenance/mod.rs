//! The provenance documents of a release, in formats that other tools read: in-toto statements of its checks, of
//! what it is, and of the decision to promote it; and a bill of materials in CycloneDX. All follow from the record.

mod bom;
mod statement;

use jiff::Timestamp;
use serde_json::Value;

use crate::error::Error;
use crate::names::LayerName;
use crate::ports::{Created, Key, Payload, Ports, Store};
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

    fn media_type(self) -> &'static str {
        match self {
            Self::Checks | Self::Release | Self::Promotion => "application/vnd.in-toto+json",
            Self::Bom => "application/vnd.cyclonedx+json",
        }
    }
}

/// Stores what follows from a release's record. A run that crashed meanwhile does it again, with the same result.
pub(crate) async fn attest(ports: &Ports, release: &Release) -> Result<(), Error> {
    for (evidence, document) in [
        (Evidence::Checks, statement::checks(release)),
        (Evidence::Release, statement::release(release)),
        (Evidence::Bom, bom::bom(release)),
    ] {
        write(ports, release, evidence, &document).await?;
    }
    Ok(())
}

/// Stores the decision that consumers shall be on a release, just before the head says so.
pub(crate) async fn attest_promotion(
    ports: &Ports,
    release: &Release,
    versions: &Versions,
    decided: Timestamp,
) -> Result<(), Error> {
    let document = statement::promotion(release, versions, decided);
    write(ports, release, Evidence::Promotion, &document).await
}

/// Stores a document, and an envelope with its signature where a notary signs. What is stored already stays, so the
/// envelope is made of what is stored.
async fn write(
    ports: &Ports,
    release: &Release,
    evidence: Evidence,
    document: &Value,
) -> Result<(), Error> {
    let (store, layer, seq) = (ports.store.as_ref(), &release.layer, release.seq);
    let key = Key::evidence(layer, seq, evidence.file_name());
    let fault = |source| Error::Store { key: key.to_string(), source };
    let mut bytes = print(document);
    let created = store.create(&key, Payload::Bytes(&bytes)).await.map_err(fault)?;
    if created == Created::Exists {
        let stored = store.read(&key).await.map_err(fault)?;
        bytes = stored.map_or(bytes, |stored| stored.bytes);
    }
    let signed = ports.notary.envelope(evidence.media_type(), &bytes).await;
    let unsigned = |source| Error::Sign { document: evidence.file_name(), release: seq, source };
    let Some(envelope) = signed.map_err(unsigned)? else { return Ok(()) };
    let key = Key::evidence(layer, seq, &envelope_name(evidence));
    let created = store.create(&key, Payload::Bytes(&print(&envelope))).await;
    created.map(drop).map_err(|source| Error::Store { key: key.to_string(), source })
}

fn envelope_name(evidence: Evidence) -> String {
    format!("{}.dsse", evidence.file_name())
}

/// Whether a document is read as it is, or in its signed envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// As it is.
    Plain,
    /// In its envelope.
    Signed,
}

/// Reads what is stored beside a release.
pub(crate) async fn read(
    store: &dyn Store,
    layer: &LayerName,
    release: u64,
    evidence: Evidence,
    wrapping: Wrapping,
) -> Result<Option<Value>, Error> {
    let name = match wrapping {
        Wrapping::Plain => evidence.file_name().to_owned(),
        Wrapping::Signed => envelope_name(evidence),
    };
    let key = Key::evidence(layer, release, &name);
    let stored = store.read(&key).await;
    let stored = stored.map_err(|source| Error::Store { key: key.to_string(), source })?;
    let Some(stored) = stored else { return Ok(None) };
    let fault = |error: serde_json::Error| Error::State {
        key: key.to_string(),
        problem: error.to_string(),
    };
    serde_json::from_slice(&stored.bytes).map(Some).map_err(fault)
}
