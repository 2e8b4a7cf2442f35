//! The newtypes for names, paths, digests and ARNs. Each is parsed once, at the edge.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A layer's name: 1 to 140 of `a-z A-Z 0-9 - _`, as the Lambda API takes it (`LayerName`).
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct LayerName(String);

/// A dataset's name: the same alphabet, 1 to 64 long.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct DatasetName(String);

const LAYER_NAME_CHARS_MAX: usize = 140;
const DATASET_NAME_CHARS_MAX: usize = 64;

impl LayerName {
    /// Parses a name.
    ///
    /// # Errors
    /// A sentence that says what a name may hold.
    pub fn parse(name: &str) -> Result<Self, String> {
        checked(name, LAYER_NAME_CHARS_MAX).map(Self)
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DatasetName {
    /// Parses a name.
    ///
    /// # Errors
    /// A sentence that says what a name may hold.
    pub fn parse(name: &str) -> Result<Self, String> {
        checked(name, DATASET_NAME_CHARS_MAX).map(Self)
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn checked(name: &str, chars_max: usize) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > chars_max || !name.chars().all(allowed) {
        return Err(format!("expected 1 to {chars_max} of a-z A-Z 0-9 - _, found {name:?}"));
    }
    Ok(name.to_owned())
}

/// A Region's name, such as `eu-west-1`; the local host's is `local`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct RegionName(String);

impl RegionName {
    /// Parses a name: lower-case letters, digits and dashes. Whether AWS has such a Region, AWS knows.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(name: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(allowed) {
            return Err(format!("expected a Region such as eu-west-1, found {name:?}"));
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An AWS account, by its twelve digits.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// Parses twelve digits.
    ///
    /// # Errors
    /// A sentence that says what was found.
    pub fn parse(digits: &str) -> Result<Self, String> {
        if digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(digits.to_owned()));
        }
        Err(format!("expected the twelve digits of an account, found {digits:?}"))
    }

    /// Returns the twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One Region of one account: where functions are.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Place {
    /// The Region.
    pub region: RegionName,
    /// The account; absent for the publisher's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{} of {account}", self.region),
            None => self.region.fmt(f),
        }
    }
}

/// A SHA-256, as 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Parses 64 hex digits of either case.
    ///
    /// # Errors
    /// A sentence that says what was found.
    pub fn parse(hex: &str) -> Result<Self, String> {
        if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(hex.to_ascii_lowercase()));
        }
        Err(format!("expected 64 hex digits of a SHA-256, found {hex:?}"))
    }

    /// Makes a digest of a finished hash.
    pub fn of(hasher: impl sha2::Digest) -> Self {
        Self(hex(&hasher.finalize()))
    }

    /// Returns the 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ARN of one layer version: `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION`.
///
/// The local host uses the same form with Region `local`, so one rule reads both.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct LayerVersionArn {
    text: String,
    version_at: usize,
    version: u64,
}

impl LayerVersionArn {
    /// Parses an ARN that ends in a version number.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = || format!("expected arn:…:layer:NAME:VERSION, found {text:?}");
        let mut parts = text.split(':').skip(5);
        let (kind, name, version) = (parts.next(), parts.next(), parts.next());
        let ends = text.starts_with("arn:") && kind == Some("layer") && parts.next().is_none();
        let version: u64 = version.and_then(|v| v.parse().ok()).ok_or_else(fault)?;
        if !ends || name.is_none_or(str::is_empty) || version == 0 {
            return Err(fault());
        }
        let version_at = text.rfind(':').ok_or_else(fault)?;
        Ok(Self { text: text.to_owned(), version_at, version })
    }

    /// Takes an entry of a function's layer list. AWS's own layers have a form without a version; such an entry is
    /// kept as it is, with version 0, and is equal to no layer of ours.
    pub fn listed(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|_| Self {
            text: text.to_owned(),
            version_at: text.len(),
            version: 0,
        })
    }

    /// Returns the whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the ARN without the version: what two versions of one layer share.
    pub fn layer(&self) -> &str {
        &self.text[..self.version_at]
    }

    /// Returns the layer's name.
    pub fn layer_name(&self) -> &str {
        self.layer().rsplit(':').next().unwrap_or_default()
    }

    /// Returns the Region.
    pub fn region(&self) -> &str {
        self.text.split(':').nth(3).unwrap_or_default()
    }

    /// Returns the account that the layer belongs to.
    pub fn account(&self) -> &str {
        self.text.split(':').nth(4).unwrap_or_default()
    }

    /// Returns the version number.
    pub fn version(&self) -> u64 {
        self.version
    }
}

macro_rules! text_conversions {
    ($($name:ident => $field:tt),+) => {$(
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.$field
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.$field)
            }
        }
    )+};
}
text_conversions!(
    LayerName => 0, DatasetName => 0, RegionName => 0, AccountId => 0, Digest => 0, LayerVersionArn => text
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_gives_its_parts() {
        let arn = LayerVersionArn::parse("arn:aws:lambda:eu-west-1:123456789012:layer:geo:7");
        let arn = arn.expect("well formed");
        assert_eq!((arn.layer_name(), arn.version()), ("geo", 7));
        assert_eq!(arn.layer(), "arn:aws:lambda:eu-west-1:123456789012:layer:geo");
    }

    #[test]
    fn what_is_no_layer_version_is_refused() {
        for text in [
            "",
            "geo:1",
            "arn:aws:lambda:eu-west-1:1:layer:geo",
            "arn:aws:lambda:eu-west-1:1:layer:geo:0",
            "arn:aws:lambda:eu-west-1:1:function:geo:1",
            "arn:aws:lambda:eu-west-1:1:layer:geo:1:2",
        ] {
            assert!(LayerVersionArn::parse(text).is_err(), "{text}");
        }
    }
}
