use std::fmt;

/// A text that is never printed. It reaches the client's request and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text, without the white space around it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A MaxMind account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account's number.
    pub account_id: String,
    /// A licence key of the account.
    pub license_key: Secret,
}
