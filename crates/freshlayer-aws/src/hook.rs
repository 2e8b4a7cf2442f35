//! Lambda functions that are asked about waves.

use async_trait::async_trait;
use freshlayer::definition::RolloutHook;
use freshlayer::ports::{ANSWER_BYTES_MAX, Hook, PortError};

use crate::Aws;

/// Asks functions of this account.
pub struct LambdaHook {
    aws: Aws,
}

impl LambdaHook {
    pub(crate) fn new(aws: Aws) -> Self {
        Self { aws }
    }
}

#[async_trait]
impl Hook for LambdaHook {
    async fn ask(&self, hook: &RolloutHook, question: &str) -> Result<String, PortError> {
        let RolloutHook::Lambda(function) = hook else {
            let remedy = "name a function in `rollout.hook.lambda`, or a web service in `rollout.hook.https`";
            return Err(format!("{hook} cannot be asked on AWS; {remedy}").into());
        };
        let answer = self.aws.ask(function, question).await?;
        if answer.len() > ANSWER_BYTES_MAX {
            let found = answer.len();
            return Err(format!("expected at most {ANSWER_BYTES_MAX} bytes, found {found}").into());
        }
        Ok(answer)
    }
}
