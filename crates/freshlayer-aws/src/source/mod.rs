//! Sources in AWS: objects of S3, and layers of any account.

mod layer;
mod object;

use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, News, Request, Source, SourceError};

use crate::{Aws, Fault};

/// Objects and layers that this account may read.
pub struct AwsSource {
    aws: Aws,
    /// Fetches the zip of a layer from its signed address.
    download: Arc<dyn Source>,
}

impl AwsSource {
    pub(crate) fn new(aws: Aws, download: Arc<dyn Source>) -> Self {
        Self { aws, download }
    }
}

#[async_trait]
impl Source for AwsSource {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match &request.source.origin {
            Origin::S3 { bucket, key, region } => {
                let region = region.as_ref().unwrap_or(self.aws.region());
                self.object(&request, region, bucket, key).await
            }
            Origin::Layer { layer, version } => self.layer(&request, layer, *version).await,
            origin => Err(SourceError::Setup(format!("{origin}: no source in AWS"))),
        }
    }

    async fn news(&self, request: Request<'_>) -> Result<News, SourceError> {
        Ok(self.fetch(request).await?.news())
    }
}

/// What AWS answers where something is not there or not allowed, and what to do then.
type Remedies<'a> = &'a [(&'a [&'a str], &'a str)];

/// Says why a source in AWS gave nothing. What has a remedy is AWS's last word.
fn refused(url: &str, fault: &Fault, remedies: Remedies<'_>) -> SourceError {
    let known = remedies.iter().find(|(codes, _)| codes.iter().any(|code| fault.is(code)));
    let url = url.to_owned();
    match known {
        Some((_, remedy)) => SourceError::Refused { url, reason: format!("{remedy} ({fault})") },
        None => SourceError::Unreachable { url, tries: 1, reason: fault.to_string(), source: None },
    }
}
