use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, Request, Source, SourceError};
use freshlayer_aws::Aws;
use freshlayer_http::{Credentials, HttpSource, Secret, Settings};
use lambda_runtime::Error;
use tokio::sync::OnceCell;

use crate::settings::MaxmindAccount;

/// Upstreams over HTTP. A MaxMind account's key is read when the first source needs it, and again at the next need
/// where it could not be read.
pub(crate) struct Upstreams {
    aws: Aws,
    account: Option<MaxmindAccount>,
    plain: HttpSource,
    maxmind: OnceCell<Arc<HttpSource>>,
}

impl Upstreams {
    pub(crate) fn new(aws: Aws, account: Option<MaxmindAccount>) -> Result<Self, Error> {
        Ok(Self {
            aws,
            account,
            plain: HttpSource::new(Settings::default())?,
            maxmind: OnceCell::new(),
        })
    }

    async fn signed_in(&self) -> Result<Arc<HttpSource>, SourceError> {
        let missing = "a maxmind source needs MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY_SECRET";
        let account = self.account.as_ref();
        let account = account.ok_or_else(|| SourceError::Setup(missing.to_owned()))?;
        let key = self.aws.secret(&account.key_secret).await;
        let key = key.map_err(|fault| {
            SourceError::Setup(format!("a maxmind source needs its licence key: {fault}"))
        })?;
        let settings = Settings {
            maxmind: Ok(Credentials {
                account_id: account.id.clone(),
                license_key: Secret::new(key.trim()),
            }),
            ..Settings::default()
        };
        let source = HttpSource::new(settings);
        let source = source.map_err(|error| SourceError::Setup(error.to_string()))?;
        Ok(Arc::new(source))
    }
}

#[async_trait]
impl Source for Upstreams {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match &request.source.origin {
            Origin::Maxmind { .. } => {
                let source = self.maxmind.get_or_try_init(|| self.signed_in()).await?;
                source.fetch(request).await
            }
            _ => self.plain.fetch(request).await,
        }
    }
}
