use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use aws_smithy_types::base64;
use freshlayer::ports::{Notary, PortError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Fault;

/// Signs with a key of KMS that never leaves it: ECDSA on P-256 over SHA-256.
pub struct KmsNotary {
    client: Client,
    key: String,
}

impl KmsNotary {
    pub(crate) fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }
}

#[async_trait]
impl Notary for KmsNotary {
    async fn envelope(
        &self,
        payload_type: &str,
        payload: &[u8],
    ) -> Result<Option<Value>, PortError> {
        let digest = Sha256::digest(authenticated(payload_type, payload));
        let asked = self.client.sign().key_id(&self.key).message(Blob::new(digest.to_vec()));
        let asked = asked.message_type(MessageType::Digest);
        let asked = asked.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let signed = asked.send().await.map_err(Fault::of("Sign"))?;
        let signature = signed.signature().map(Blob::as_ref).unwrap_or_default();
        Ok(Some(json!({
            "payloadType": payload_type,
            "payload": base64::encode(payload),
            "signatures": [{
                "keyid": signed.key_id().unwrap_or(&self.key),
                "sig": base64::encode(signature),
            }],
        })))
    }
}

/// What a signature of DSSE is over: the pre-authentication encoding, version 1.
fn authenticated(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the example of the DSSE protocol.
    #[test]
    fn the_example_of_the_standard_holds() {
        let encoded = authenticated("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
