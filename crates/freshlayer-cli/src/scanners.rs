use async_trait::async_trait;
use freshlayer::definition::ScanHook;
use freshlayer::ports::{Opinion, PortError, Scanned, Scanner};
use freshlayer_local::CommandScanner;

#[cfg(feature = "aws")]
use crate::account::Account;

/// Asks the scanner that a definition names: a command of this machine, or one in the AWS account of the target.
pub(crate) struct Scanners {
    pub(crate) local: CommandScanner,
    #[cfg(feature = "aws")]
    pub(crate) account: Option<std::sync::Arc<Account>>,
}

#[async_trait]
impl Scanner for Scanners {
    async fn scan(&self, hook: &ScanHook, scanned: Scanned<'_>) -> Result<Opinion, PortError> {
        match hook {
            ScanHook::Command(_) => self.local.scan(hook, scanned).await,
            #[cfg(feature = "aws")]
            ScanHook::Lambda(_) | ScanHook::GuardDuty if self.account.is_some() => {
                let account = self.account.as_ref().ok_or("there is no account")?;
                account.connected().await?.scanner().scan(hook, scanned).await
            }
            ScanHook::Lambda(_) | ScanHook::GuardDuty => self.local.scan(hook, scanned).await,
        }
    }
}
