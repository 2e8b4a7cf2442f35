use std::fmt;

use async_trait::async_trait;

use crate::definition::SecretRef;

/// Where secrets are kept. The adapters of sources ask it; the engine itself needs no secret.
///
/// # Contract
/// - Each call reads the value as it is now: who keeps one decides when it is read again.
/// - Reading is free of effects; calling again is safe.
/// - No error and no log holds a value.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Reads a secret.
    ///
    /// # Errors
    /// [`SecretError`], which says what to do.
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError>;
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the secret {reference} cannot be read: {problem}")]
pub struct SecretError {
    /// Which one, as the definition writes it.
    pub reference: SecretRef,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl SecretError {
    /// Says what is wrong with a secret.
    pub fn new(reference: &SecretRef, problem: impl Into<String>) -> Self {
        Self { reference: reference.clone(), problem: problem.into() }
    }
}

/// A text that is never printed. It reaches a request and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text, without the white space around it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Returns the text. It goes into a request and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("s3cret")), "(secret)");
    }
}
