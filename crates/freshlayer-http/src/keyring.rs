//! What identifies us to an upstream: the secrets that a definition names, kept until an upstream refuses them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use freshlayer::definition::{Authorization, HeaderText, RequestHeaders, SecretRef};
use freshlayer::ports::{Secret, SecretError, Secrets, SourceError};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::{Origin, Url};

use crate::base64::base64;

/// Values of secrets, each read when it is needed, and again where an upstream refused it: it may have been rotated.
pub(crate) struct Keyring {
    secrets: Arc<dyn Secrets>,
    known: Mutex<HashMap<SecretRef, Secret>>,
}

/// Headers with their secrets filled in. They go to one origin only.
#[derive(Clone)]
pub(crate) struct Sent {
    headers: HeaderMap,
    origin: Origin,
    used: Vec<(SecretRef, Secret)>,
}

impl Sent {
    /// Tells whether an address may see the headers.
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Tells whether a refusal may be one of an old secret.
    pub(crate) fn has_secrets(&self) -> bool {
        !self.used.is_empty()
    }

    /// Returns a text of the upstream, unless it repeats what was sent.
    pub(crate) fn discreet(&self, text: String) -> Option<String> {
        (!self.is_repeated_in(&text)).then_some(text)
    }

    /// Tells whether a text repeats what was sent.
    pub(crate) fn is_repeated_in(&self, text: &str) -> bool {
        let values = self.headers.values().filter_map(|value| value.to_str().ok());
        let secrets = self.used.iter().map(|(_, secret)| secret.expose());
        values.chain(secrets).any(|value| !value.is_empty() && text.contains(value))
    }
}

impl Keyring {
    pub(crate) fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, known: Mutex::default() }
    }

    /// Fills in the secrets of headers for the origin of an address.
    pub(crate) async fn sent(
        &self,
        headers: &RequestHeaders,
        url: &Url,
    ) -> Result<Sent, SourceError> {
        let mut filled = Filled { keyring: self, headers: HeaderMap::new(), used: Vec::new() };
        for (name, text) in &headers.named {
            let value = filled.text(text).await?;
            filled.add(name, &value, &text.to_string())?;
        }
        match &headers.authorization {
            None => {}
            Some(Authorization::Bearer(token)) => {
                let value = format!("Bearer {}", filled.secret(token).await?.expose());
                filled.add(AUTHORIZATION.as_str(), &value, &token.to_string())?;
            }
            Some(Authorization::Basic { user, password }) => {
                let user = filled.text(user).await?;
                let secret = filled.secret(password).await?;
                let pair = base64(format!("{user}:{}", secret.expose()).as_bytes());
                let value = format!("Basic {pair}");
                filled.add(AUTHORIZATION.as_str(), &value, &password.to_string())?;
            }
        }
        Ok(Sent { headers: filled.headers, origin: url.origin(), used: filled.used })
    }

    /// Reads the secrets of a refused request again. Tells whether one of them is another by now.
    pub(crate) async fn read_again(&self, refused: &Sent) -> Result<bool, SourceError> {
        let mut changed = false;
        for (reference, used) in &refused.used {
            let now = self.secrets.read(reference).await.map_err(|error| setup(&error))?;
            changed |= now != *used;
            self.keep(reference, &now);
        }
        Ok(changed)
    }

    async fn value(&self, reference: &SecretRef) -> Result<Secret, SourceError> {
        if let Some(secret) = self.kept(reference) {
            return Ok(secret);
        }
        let secret = self.secrets.read(reference).await.map_err(|error| setup(&error))?;
        self.keep(reference, &secret);
        Ok(secret)
    }

    fn kept(&self, reference: &SecretRef) -> Option<Secret> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(reference).cloned()
    }

    fn keep(&self, reference: &SecretRef, secret: &Secret) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(reference.clone(), secret.clone());
    }
}

fn setup(error: &SecretError) -> SourceError {
    SourceError::Setup(error.to_string())
}

/// Headers that are being filled in.
struct Filled<'a> {
    keyring: &'a Keyring,
    headers: HeaderMap,
    used: Vec<(SecretRef, Secret)>,
}

impl Filled<'_> {
    async fn text(&mut self, text: &HeaderText) -> Result<String, SourceError> {
        match text {
            HeaderText::Written(text) => Ok(text.clone()),
            HeaderText::Secret(reference) => Ok(self.secret(reference).await?.expose().to_owned()),
        }
    }

    async fn secret(&mut self, reference: &SecretRef) -> Result<Secret, SourceError> {
        let secret = self.keyring.value(reference).await?;
        self.used.push((reference.clone(), secret.clone()));
        Ok(secret)
    }

    fn add(&mut self, name: &str, value: &str, shown: &str) -> Result<(), SourceError> {
        let odd = |what: &str| SourceError::Setup(format!("{shown}: expected {what}"));
        let named = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd("a header's name"))?;
        let value = HeaderValue::from_str(value).map_err(|_| odd("one line for a header"))?;
        self.headers.insert(named, sensitive(value));
        Ok(())
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
