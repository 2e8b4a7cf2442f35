use async_trait::async_trait;
use serde_json::Value;

use super::PortError;

/// Signs provenance documents, so that others can trust it more than the store that keeps it.
///
/// # Contract
/// - An envelope is one of DSSE (<https://github.com/secure-systems-lab/dsse>): the payload as it was handed in, its type, and
///   a signature over both.
/// - `None` where no key is set up.
#[async_trait]
pub trait Notary: Send + Sync {
    /// Puts a document into a signed envelope.
    ///
    /// # Errors
    /// What the adapter says.
    async fn envelope(
        &self,
        payload_type: &str,
        payload: &[u8],
    ) -> Result<Option<Value>, PortError>;
}

/// No key is set up.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned;

#[async_trait]
impl Notary for Unsigned {
    async fn envelope(&self, _type: &str, _payload: &[u8]) -> Result<Option<Value>, PortError> {
        Ok(None)
    }
}
