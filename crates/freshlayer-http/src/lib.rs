//! HTTP sources: plain `https` addresses, and MaxMind's download protocol.
//!
//! ```text
//! HttpSource ──┬── https: conditional GET, checksum sidecar ──┐
//!              └── maxmind: metadata, then download by date ──┴── transfer: resumes, never restarts
//! ```

mod client;
mod https;
mod maxmind;
mod secret;
mod transfer;

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
    /// The account for `maxmind` sources, where there is one.
    pub maxmind: Option<Credentials>,
    /// The first pause before another try; each one after it is twice as long. Default: 500 ms.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            maxmind: None,
            pause: Duration::from_millis(500),
        }
    }
}

/// The sources that are reached over HTTP.
#[derive(Debug, Clone)]
pub struct HttpSource {
    client: Client,
    maxmind: Option<Credentials>,
}

impl HttpSource {
    /// Makes the client: one pool of connections, TLS 1.2 or newer, the system's roots.
    ///
    /// # Errors
    /// Where the TLS set-up fails.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        Ok(Self {
            client: Client::new(settings.pause)?,
            maxmind: settings.maxmind,
        })
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
                Some(account) => {
                    maxmind::fetch(&self.client, &request, edition, host, account).await
                }
                None => Err(SourceError::Setup(
                    "a maxmind source needs an account: set MAXMIND_ACCOUNT_ID and \
                     MAXMIND_LICENSE_KEY, or MAXMIND_LICENSE_KEY_FILE"
                        .to_owned(),
                )),
            },
            Origin::File { .. } => {
                Err(SourceError::Setup("this adapter reads no files".to_owned()))
            }
        }
    }
}
