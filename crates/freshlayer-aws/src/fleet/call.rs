use std::time::Duration;

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::primitives::Blob;
use freshlayer::ports::{Answer, Call};
use serde_json::Value;

use super::{LATEST, LambdaFleet};
use crate::Fault;

/// How long a call may take.
const LONGEST: Duration = Duration::from_mins(1);

impl LambdaFleet {
    /// Invokes a function at a version, once, and waits for its answer.
    pub(super) async fn invoke(&self, call: Call<'_>) -> Result<Answer, Fault> {
        let patience = TimeoutConfig::builder().operation_timeout(LONGEST).build();
        let once = aws_sdk_lambda::config::Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(patience);
        let qualifier = call.version.map_or(LATEST.to_owned(), |version| version.to_string());
        let asked = self.lambda.invoke().function_name(call.function.as_str());
        let answer = asked
            .qualifier(qualifier)
            .payload(Blob::new(call.payload.to_string()))
            .customize()
            .config_override(once)
            .send()
            .await;
        let answer = match answer {
            Err(SdkError::TimeoutError(_)) => {
                return Ok(Answer::NotYet { secs: LONGEST.as_secs() });
            }
            answer => answer.map_err(Fault::of("Invoke"))?,
        };
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        let value: Value = serde_json::from_slice(payload).unwrap_or_default();
        match answer.function_error() {
            None => Ok(Answer::Returned(value)),
            Some(kind) => {
                let words = value["errorMessage"].as_str().unwrap_or("it gave no message");
                Ok(Answer::Failed(format!("{kind}: {words}")))
            }
        }
    }
}
