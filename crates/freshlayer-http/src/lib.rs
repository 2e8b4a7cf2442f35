//! HTTP sources: plain `https` addresses, and MaxMind's download protocol.
//!
//! ```text
//! HttpSource ──┬── https: conditional GET, checksum sidecar ──┐
//!              └── maxmind: metadata, then download by date ──┴── transfer: resumes, never restarts
//! ```

mod client;
mod https;
mod maxmind;
mod redirect;
mod secret;
mod transfer;
mod words;

use std::time::Duration;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, Request, Source, SourceError};

pub use client::BuildError;
pub use secret::{Credentials, Secret};

use client::Client;

/// How the client behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account for `maxmind` sources, or what to tell a person who needs one.
    pub maxmind: Result<Credentials, String>,
    /// The first pause before another try; each one after it is twice as long. Default: 500 ms.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            maxmind: Err("a maxmind source needs an account".to_owned()),
            pause: Duration::from_millis(500),
        }
    }
}

/// The sources that are reached over HTTP.
#[derive(Debug, Clone)]
pub struct HttpSource {
    client: Client,
    maxmind: Result<Credentials, String>,
}

impl HttpSource {
    /// Makes the client: one pool of connections, TLS 1.2 or newer, the system's roots.
    ///
    /// # Errors
    /// Where the TLS set-up fails.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        Ok(Self { client: Client::new(settings.pause)?, maxmind: settings.maxmind })
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match &request.source.origin {
            Origin::Https { url, plain_http } => {
                https::fetch(&self.client, &request, url, *plain_http).await
            }
            Origin::Maxmind { edition, host } => match &self.maxmind {
                Ok(account) => maxmind::fetch(&self.client, &request, edition, host, account).await,
                Err(problem) => Err(SourceError::Setup(problem.clone())),
            },
            Origin::File { .. } => {
                Err(SourceError::Setup("this adapter reads no files".to_owned()))
            }
        }
    }
}
