//! Web services that are asked about waves.

use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::{RequestHeaders, RolloutHook, SourceUrl};
use freshlayer::ports::{ANSWER_BYTES_MAX, Hook, PortError};

use serde_json::Value;

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
        let read = serde_json::from_str(&answer).map(|value| strings(&value)).unwrap_or_default();
        let repeats = |text: &str| sent.is_repeated_in(text) || url.is_repeated_in(text);
        if repeats(&answer) || repeats(&read) {
            return Err("its answer repeats a secret".into());
        }
        Ok(answer)
    }
}

/// Every text of an answer, as it is read: what is escaped is hidden in the answer itself.
fn strings(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(strings).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key}\n{}", strings(value)));
            fields.collect::<Vec<_>>().join("\n")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
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
