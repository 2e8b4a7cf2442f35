use async_trait::async_trait;
use freshlayer::definition::RolloutHook;
use freshlayer::ports::{Hook, PortError};
use freshlayer_aws::LambdaHook;
use freshlayer_http::HttpHook;

/// The hooks that this function reaches.
pub(crate) struct Hooks {
    pub(crate) lambda: LambdaHook,
    pub(crate) http: HttpHook,
}

#[async_trait]
impl Hook for Hooks {
    async fn ask(&self, hook: &RolloutHook, question: &str) -> Result<String, PortError> {
        match hook {
            RolloutHook::Https { .. } => self.http.ask(hook, question).await,
            RolloutHook::Lambda(_) | RolloutHook::Command(_) => {
                self.lambda.ask(hook, question).await
            }
        }
    }
}
