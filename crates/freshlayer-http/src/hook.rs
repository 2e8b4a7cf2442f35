//! Web services that are asked about waves.

use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::{RequestHeaders, RolloutHook, SourceUrl};
use freshlayer::ports::{ANSWER_BYTES_MAX, Hook, PortError};

use crate::client::Client;
use crate::keyring::Keyring;

/// Posts questions to web services.
#[derive(Clone)]
pub struct HttpHook {
    client: Client,
    keyring: Arc<Keyring>,
}

impl HttpHook {
    pub(crate) fn new(client: Client, keyring: Arc<Keyring>) -> Self {
        Self { client, keyring }
    }

    async fn post(
        &self,
        url: &SourceUrl,
        headers: &RequestHeaders,
        question: &str,
    ) -> Result<String, PortError> {
        let address = url.expose();
        let sent = self.keyring.sent(headers, address).await?;
        let posted = self.client.post_once(address, sent.headers(), question, ANSWER_BYTES_MAX);
        let answer = posted.await;
        if answer.is_err() && sent.has_secrets() {
            // It may have been rotated: the next question is sent with what it is then.
            self.keyring.read_again(&sent).await?;
        }
        let answer = answer?;
        if sent.is_repeated_in(&answer) || url.is_repeated_in(&answer) {
            return Err("its answer repeats a secret".into());
        }
        Ok(answer)
    }
}

#[async_trait]
impl Hook for HttpHook {
    async fn ask(&self, hook: &RolloutHook, question: &str) -> Result<String, PortError> {
        match hook {
            RolloutHook::Https { url, headers } => self.post(url, headers, question).await,
            RolloutHook::Command(_) | RolloutHook::Lambda(_) => {
                Err(format!("{hook} is no web service").into())
            }
        }
    }
}
