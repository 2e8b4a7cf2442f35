use std::path::Path;

use async_trait::async_trait;

use super::PortError;
use crate::definition::ScanHook;
use crate::names::{Digest, LayerName};

/// Something that looks at a zip before any layer version is made of it: a command, a function, a service of AWS.
///
/// # Contract
/// - `scan` asks once. A scanner that is not finished says [`Opinion::Wait`]; it is asked again.
/// - What a scanner does not say clearly is an error: nothing is published.
/// - A scanner learns nothing but what [`Scanned`] says.
#[async_trait]
pub trait Scanner: Send + Sync {
    /// Asks for an opinion about a zip that the store has.
    ///
    /// # Errors
    /// What the adapter says: the scanner is missing, or it gave no clear answer.
    async fn scan(&self, hook: &ScanHook, scanned: Scanned<'_>) -> Result<Opinion, PortError>;
}

/// What a scanner is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Scanned<'a> {
    /// The layer.
    pub layer: &'a LayerName,
    /// The release.
    pub release: u64,
    /// The zip's SHA-256, by which the store keeps it.
    pub sha256: &'a Digest,
    /// The zip on this machine.
    pub zip: &'a Path,
}

/// What a scanner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// The zip may be published.
    Proceed,
    /// It must not be, with the scanner's words.
    Abort(String),
    /// It is not known yet, with the scanner's words.
    Wait(String),
}
