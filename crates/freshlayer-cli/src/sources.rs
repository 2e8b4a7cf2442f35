use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, News, Request, Source, SourceError};
use freshlayer_http::HttpSource;
use freshlayer_local::FileSource;

#[cfg(feature = "aws")]
use crate::account::Account;
#[cfg(not(feature = "aws"))]
use crate::arguments::NO_AWS;
use crate::progress::Progress;

/// Sends each request to the adapter of its origin, and shows while it waits for the answer.
pub(crate) struct Sources {
    pub(crate) http: HttpSource,
    pub(crate) file: FileSource,
    pub(crate) progress: Arc<Progress>,
    #[cfg(feature = "aws")]
    pub(crate) account: Arc<Account>,
}

impl Sources {
    async fn of(&self, origin: &Origin) -> Result<Arc<dyn Source>, SourceError> {
        match origin {
            Origin::Https(_) | Origin::Maxmind { .. } => Ok(Arc::new(self.http.clone())),
            Origin::S3 { .. } | Origin::Layer { .. } => self.of_account(origin).await,
            Origin::File { .. } => Ok(Arc::new(self.file)),
        }
    }

    #[cfg(feature = "aws")]
    async fn of_account(&self, _origin: &Origin) -> Result<Arc<dyn Source>, SourceError> {
        let aws = self.account.connected().await;
        let aws = aws.map_err(|fault| SourceError::Setup(fault.to_string()))?;
        Ok(Arc::new(aws.source(Arc::new(self.http.clone()))))
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as in a build with AWS")]
    async fn of_account(&self, origin: &Origin) -> Result<Arc<dyn Source>, SourceError> {
        Err(SourceError::Setup(format!("{origin}: {NO_AWS}")))
    }
}

#[async_trait]
impl Source for Sources {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        let _asking = self.progress.ask(&request.source.origin);
        self.of(&request.source.origin).await?.fetch(request).await
    }

    async fn news(&self, request: Request<'_>) -> Result<News, SourceError> {
        let _asking = self.progress.ask(&request.source.origin);
        self.of(&request.source.origin).await?.news(request).await
    }
}
