use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::definition::Origin;
use freshlayer::ports::{Fetch, Request, Source, SourceError};
use freshlayer_aws::Aws;
use freshlayer_http::{Credentials, HttpSource, Secret, Settings};
use lambda_runtime::Error;
use tokio::sync::Mutex;

use crate::settings::MaxmindAccount;

/// Upstreams over HTTP, MaxMind's with the account's key.
pub(crate) struct Upstreams {
    plain: HttpSource,
    maxmind: SignedIn<Account>,
}

impl Upstreams {
    pub(crate) fn new(aws: Aws, account: Option<MaxmindAccount>) -> Result<Self, Error> {
        Ok(Self {
            plain: HttpSource::new(Settings::default())?,
            maxmind: SignedIn { known: Mutex::default(), account: Account { aws, account } },
        })
    }
}

#[async_trait]
impl Source for Upstreams {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match &request.source.origin {
            Origin::Maxmind { .. } => self.maxmind.fetch(request).await,
            _ => self.plain.fetch(request).await,
        }
    }
}

/// A service that wants a key. The key is read when a source needs it, and again where it could not be read or the service
/// refused it: it may have been rotated.
struct SignedIn<A> {
    known: Mutex<Option<Arc<dyn Source>>>,
    account: A,
}

#[async_trait]
trait SignIn: Send + Sync {
    /// Makes a client with the key as it is now.
    async fn sign_in(&self) -> Result<Arc<dyn Source>, SourceError>;
}

impl<A: SignIn> SignedIn<A> {
    /// Returns a client with the key as it was read last.
    async fn known(&self) -> Result<Arc<dyn Source>, SourceError> {
        let mut known = self.known.lock().await;
        if let Some(source) = &*known {
            return Ok(Arc::clone(source));
        }
        let source = self.account.sign_in().await?;
        Ok(Arc::clone(known.insert(source)))
    }
}

#[async_trait]
impl<A: SignIn> Source for SignedIn<A> {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match self.known().await?.fetch(request).await {
            Err(SourceError::Refused { .. }) => {
                *self.known.lock().await = None;
                self.known().await?.fetch(request).await
            }
            answer => answer,
        }
    }
}

/// The MaxMind account, with its key in Secrets Manager or Systems Manager.
struct Account {
    aws: Aws,
    account: Option<MaxmindAccount>,
}

#[async_trait]
impl SignIn for Account {
    async fn sign_in(&self) -> Result<Arc<dyn Source>, SourceError> {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use freshlayer::Limits;
    use freshlayer::definition::{Select, SourceSpec};

    use super::*;

    /// The key as the service knows it, and how often it was read.
    #[derive(Default)]
    struct Service {
        key: AtomicU32,
        reads: AtomicU32,
    }

    struct Client {
        service: Arc<Service>,
        key: u32,
    }

    #[async_trait]
    impl SignIn for Arc<Service> {
        async fn sign_in(&self) -> Result<Arc<dyn Source>, SourceError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            let key = self.key.load(Ordering::SeqCst);
            Ok(Arc::new(Client { service: Self::clone(self), key }))
        }
    }

    #[async_trait]
    impl Source for Client {
        async fn fetch(&self, _request: Request<'_>) -> Result<Fetch, SourceError> {
            if self.service.key.load(Ordering::SeqCst) == self.key {
                return Ok(Fetch::Unchanged);
            }
            Err(SourceError::Refused { url: String::new(), reason: "another key".to_owned() })
        }
    }

    /// F20: the key was kept for the life of the environment, also after it was rotated.
    #[tokio::test]
    async fn a_key_that_was_rotated_is_read_again() {
        let service = Arc::new(Service::default());
        let source = SignedIn { known: Mutex::default(), account: Arc::clone(&service) };
        let origin = Origin::File { path: "any".into() };
        let spec = SourceSpec { origin, checksum: None, select: Select::default() };
        for (key, reads) in [(0, 1), (0, 1), (1, 2), (1, 2)] {
            service.key.store(key, Ordering::SeqCst);
            let request = Request { source: &spec, known: None, limits: &Limits::default() };
            assert!(source.fetch(request).await.is_ok(), "key {key}");
            assert_eq!(service.reads.load(Ordering::SeqCst), reads);
        }
    }
}
