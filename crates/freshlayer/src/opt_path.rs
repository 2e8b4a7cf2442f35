//! Paths below `/opt`.
//!
//! Threats: a name that leaves `/opt` (`..`, absolute, backslash), one that a file system folds or
//! truncates (control characters, over-long parts), one that takes the manifest's place. Defence: a path
//! is parsed into [`OptPath`] or refused; nothing else reaches the packager.

use std::fmt;

use serde::{Deserialize, Serialize};

const PART_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 1024;

/// A relative path below `/opt` with `/` between its parts: no `.`, no `..`, nothing outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptPath(String);

impl OptPath {
    /// Parses a path.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > PATH_BYTES_MAX {
            return Err(format!("expected 1 to {PATH_BYTES_MAX} bytes, found {}", text.len()));
        }
        for part in text.split('/') {
            let fault = match part {
                "" => "an empty part (a leading, doubled or closing slash)",
                "." | ".." => "a `.` or `..` part",
                _ if part.len() > PART_BYTES_MAX => "a part of over 255 bytes",
                _ if part.contains('\\') => "a backslash",
                _ if part.chars().any(char::is_control) => "a control character",
                _ => continue,
            };
            return Err(format!("expected a path inside /opt, found {fault} in {text:?}"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Appends a path that is itself a valid one.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self(format!("{}/{}", self.0, below.0))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the path lies in the folder of the manifests.
    pub fn is_reserved(&self) -> bool {
        self.0.split('/').next().is_some_and(|part| part.eq_ignore_ascii_case("freshlayer"))
    }
}

impl TryFrom<String> for OptPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<OptPath> for String {
    fn from(path: OptPath) -> Self {
        path.0
    }
}

impl fmt::Display for OptPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
