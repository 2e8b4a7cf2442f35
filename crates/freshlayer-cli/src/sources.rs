use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, Request, Source, SourceError};
use freshlayer_http::HttpSource;
use freshlayer_local::FileSource;

use crate::progress::Progress;

/// Sends each request to the adapter of its origin, and shows while it waits for the answer.
pub(crate) struct Sources {
    pub(crate) http: HttpSource,
    pub(crate) file: FileSource,
    pub(crate) progress: Arc<Progress>,
}

#[async_trait]
impl Source for Sources {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        let _asking = self.progress.ask(&request.source.origin);
        match request.source.origin {
            Origin::Https(_) | Origin::Maxmind { .. } => self.http.fetch(request).await,
            Origin::File { .. } => self.file.fetch(request).await,
        }
    }
}
