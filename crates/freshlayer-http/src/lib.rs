//! HTTP sources: plain `https` addresses, and MaxMind's download protocol.
//!
//! ```text
//! HttpSource ──┬── https: conditional GET, checksum sidecar ──┐
//!              └── maxmind: metadata, then download by date ──┴── transfer: resumes, never restarts
//! ```

mod base64;
mod client;
mod hook;
mod https;
mod keyring;
mod maxmind;
mod redirect;
mod transfer;
mod words;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use freshlayer::definition::{Origin, SecretRef};
use freshlayer::ports::{Fetch, News, Request, Secrets, Source, SourceError};

pub use client::BuildError;
pub use hook::HttpHook;

use client::Client;
use keyring::Keyring;

/// How the client behaves.
#[derive(Clone)]
pub struct Settings {
    /// The account for `maxmind` sources, or what to tell a person who needs one.
    pub maxmind: Result<MaxmindAccount, String>,
    /// Where secrets are read.
    pub secrets: Arc<dyn Secrets>,
    /// The first pause before another try; each one after it is twice as long.
    pub pause: Duration,
}

impl Settings {
    /// The usual pause before another try.
    pub const PAUSE: Duration = Duration::from_millis(500);
}

/// A MaxMind account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxmindAccount {
    /// The account's number.
    pub account_id: String,
    /// A licence key of the account.
    pub license_key: SecretRef,
}

/// The sources that are reached over HTTP.
#[derive(Clone)]
pub struct HttpSource {
    client: Client,
    keyring: Arc<Keyring>,
    maxmind: Result<MaxmindAccount, String>,
}

impl HttpSource {
    /// Makes the client: one pool of connections, TLS 1.2 or newer, the system's roots.
    ///
    /// # Errors
    /// Where the TLS set-up fails.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        Ok(Self {
            client: Client::new(settings.pause)?,
            keyring: Arc::new(Keyring::new(settings.secrets)),
            maxmind: settings.maxmind,
        })
    }

    /// Returns who asks web services, over the same connections and with the same secrets.
    pub fn hook(&self) -> HttpHook {
        HttpHook::new(self.client.clone(), Arc::clone(&self.keyring))
    }
}

/// What answers a request.
enum Reached<'a> {
    Site(https::Site<'a>),
    Service(maxmind::Service<'a>),
}

impl HttpSource {
    fn of<'a>(&'a self, request: &'a Request<'a>) -> Result<Reached<'a>, SourceError> {
        let (client, keyring) = (&self.client, &*self.keyring);
        match &request.source.origin {
            Origin::Https(source) => {
                Ok(Reached::Site(https::Site { client, keyring, request, source }))
            }
            Origin::Maxmind { edition, host } => {
                let account = self.maxmind.as_ref();
                let account = account.map_err(|problem| SourceError::Setup(problem.clone()))?;
                let service = maxmind::Service { client, keyring, request, edition, host, account };
                Ok(Reached::Service(service))
            }
            origin => Err(SourceError::Setup(format!("{origin}: no source over HTTP"))),
        }
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match self.of(&request)? {
            Reached::Site(site) => site.fetch().await,
            Reached::Service(service) => service.fetch().await,
        }
    }

    async fn news(&self, request: Request<'_>) -> Result<News, SourceError> {
        match self.of(&request)? {
            Reached::Site(site) => Ok(site.fetch().await?.news()),
            Reached::Service(service) => service.news().await,
        }
    }
}
