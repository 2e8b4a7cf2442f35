use async_trait::async_trait;
use freshlayer::definition::{Origin, SecretRef};
use freshlayer::ports::{Fetch, News, Request, Secret, SecretError, Secrets, Source, SourceError};
use freshlayer_aws::{Aws, AwsSecrets, AwsSource};
use freshlayer_http::{HttpSource, MaxmindAccount};
use freshlayer_local::LocalSecrets;

use crate::settings::{self, read};

/// The sources that this function reaches.
pub(crate) struct Upstreams {
    pub(crate) http: HttpSource,
    pub(crate) aws: AwsSource,
}

impl Upstreams {
    fn of(&self, origin: &Origin) -> &dyn Source {
        match origin {
            Origin::S3 { .. } | Origin::Layer { .. } => &self.aws,
            Origin::Https(_) | Origin::Maxmind { .. } | Origin::File { .. } => &self.http,
        }
    }
}

#[async_trait]
impl Source for Upstreams {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        self.of(&request.source.origin).fetch(request).await
    }

    async fn news(&self, request: Request<'_>) -> Result<News, SourceError> {
        self.of(&request.source.origin).news(request).await
    }
}

/// What this function can read: its environment and package, Secrets Manager and Systems Manager.
pub(crate) struct Vault {
    local: LocalSecrets,
    account: AwsSecrets,
}

impl Vault {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { local: LocalSecrets::new(read), account: aws.secrets() }
    }
}

#[async_trait]
impl Secrets for Vault {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        match reference {
            SecretRef::Variable(_) | SecretRef::File { .. } => self.local.read(reference).await,
            SecretRef::SecretsManager { .. } | SecretRef::Parameter(_) => {
                self.account.read(reference).await
            }
        }
    }
}

/// Names the account of `maxmind` sources, or says what is missing.
pub(crate) fn maxmind(account: Option<settings::MaxmindAccount>) -> Result<MaxmindAccount, String> {
    let missing = "a maxmind source needs MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY_SECRET";
    let settings::MaxmindAccount { id, key_secret } = account.ok_or(missing)?;
    let is_parameter = key_secret.starts_with("arn:") && key_secret.contains(":ssm:");
    let license_key = if is_parameter {
        SecretRef::Parameter(key_secret)
    } else {
        SecretRef::SecretsManager { id: key_secret, key: None }
    };
    Ok(MaxmindAccount { account_id: id, license_key })
}
