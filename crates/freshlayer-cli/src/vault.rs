//! Where secrets are read: this machine's own, and those of AWS where a definition names one.

use async_trait::async_trait;
use freshlayer::definition::SecretRef;
use freshlayer::ports::{Secret, SecretError, Secrets};
use freshlayer_local::LocalSecrets;

#[cfg(feature = "aws")]
use crate::account::Account;
#[cfg(not(feature = "aws"))]
use crate::arguments::NO_AWS;

/// The secrets that the binary can read.
pub(crate) struct Vault {
    pub(crate) local: LocalSecrets,
    #[cfg(feature = "aws")]
    pub(crate) account: std::sync::Arc<Account>,
}

#[async_trait]
impl Secrets for Vault {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        match reference {
            SecretRef::Variable(_) | SecretRef::File { .. } => self.local.read(reference).await,
            SecretRef::SecretsManager { .. } | SecretRef::Parameter(_) => {
                self.of_account(reference).await
            }
        }
    }
}

impl Vault {
    #[cfg(feature = "aws")]
    async fn of_account(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let aws = self.account.connected().await;
        let aws = aws.map_err(|fault| SecretError::new(reference, fault.to_string()))?;
        aws.secrets().read(reference).await
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as in a build with AWS")]
    async fn of_account(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        Err(SecretError::new(reference, NO_AWS))
    }
}
