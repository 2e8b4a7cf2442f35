use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, Request, Source, SourceError};
use freshlayer_aws::Aws;
use freshlayer_http::{Credentials, HttpSource, Secret, Settings};
use lambda_runtime::Error;
use tokio::sync::Mutex;

use crate::settings::MaxmindAccount;

/// Upstreams over HTTP. A MaxMind account's key is read when a source needs it, and again where it could not be read or
/// the service refused it: it may have been rotated.
pub(crate) struct Upstreams {
    aws: Aws,
    account: Option<MaxmindAccount>,
    plain: HttpSource,
    maxmind: Mutex<Option<Arc<HttpSource>>>,
}

impl Upstreams {
    pub(crate) fn new(aws: Aws, account: Option<MaxmindAccount>) -> Result<Self, Error> {
        Ok(Self {
            aws,
            account,
            plain: HttpSource::new(Settings::default())?,
            maxmind: Mutex::default(),
        })
    }

    /// Returns a client with the key as it was read last.
    async fn known(&self) -> Result<Arc<HttpSource>, SourceError> {
        let mut known = self.maxmind.lock().await;
        if let Some(source) = &*known {
            return Ok(Arc::clone(source));
        }
        let source = self.signed_in().await?;
        Ok(Arc::clone(known.insert(source)))
    }

    /// Asks with the key as it was read last, and once more with the key as it is now where the service refuses it.
    async fn fetch_maxmind(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match self.known().await?.fetch(request).await {
            Err(SourceError::Refused { .. }) => {
                *self.maxmind.lock().await = None;
                self.known().await?.fetch(request).await
            }
            answer => answer,
        }
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
            Origin::Maxmind { .. } => self.fetch_maxmind(request).await,
            _ => self.plain.fetch(request).await,
        }
    }
}
