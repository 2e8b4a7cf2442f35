use async_trait::async_trait;
use freshlayer::definition::RolloutHook;
use freshlayer::ports::{Hook, PortError};
use freshlayer_http::HttpHook;
use freshlayer_local::CommandHook;

#[cfg(feature = "aws")]
use crate::account::Account;

/// Asks the hook that a definition names: a command of this machine, a web service, or a function in the AWS account of the
/// target.
pub(crate) struct Hooks {
    pub(crate) command: CommandHook,
    pub(crate) http: HttpHook,
    #[cfg(feature = "aws")]
    pub(crate) account: Option<std::sync::Arc<Account>>,
}

#[async_trait]
impl Hook for Hooks {
    async fn ask(&self, hook: &RolloutHook, question: &str) -> Result<String, PortError> {
        match hook {
            RolloutHook::Https { .. } => self.http.ask(hook, question).await,
            #[cfg(feature = "aws")]
            RolloutHook::Lambda(_) if self.account.is_some() => {
                let account = self.account.as_ref().ok_or("there is no account")?;
                account.connected().await?.hook().ask(hook, question).await
            }
            RolloutHook::Command(_) | RolloutHook::Lambda(_) => {
                self.command.ask(hook, question).await
            }
        }
    }
}
