use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, Request, Source, SourceError};
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
    #[cfg(feature = "aws")]
    async fn of_account(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        let aws = self.account.connected().await;
        let aws = aws.map_err(|fault| SourceError::Setup(fault.to_string()))?;
        aws.source(Arc::new(self.http.clone())).fetch(request).await
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as in a build with AWS")]
    async fn of_account(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        Err(SourceError::Setup(format!("{}: {NO_AWS}", request.source.origin)))
    }
}

#[async_trait]
impl Source for Sources {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        let _asking = self.progress.ask(&request.source.origin);
        match request.source.origin {
            Origin::Https(_) | Origin::Maxmind { .. } => self.http.fetch(request).await,
            Origin::S3 { .. } | Origin::Layer { .. } => self.of_account(request).await,
            Origin::File { .. } => self.file.fetch(request).await,
        }
    }
}
