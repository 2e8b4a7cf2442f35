//! Where a layer goes, and on what terms its versions are published.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{AccountId, RegionName};

/// Where a layer goes. A host without Regions and accounts has one place, and ignores this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations {
    /// The Regions; none means the one that the publisher is in.
    pub regions: Vec<RegionName>,
    /// Other accounts whose functions use the layer.
    pub accounts: Vec<MemberAccount>,
    /// How many calls a second the layer makes at most there, per account and Region; absent where only the share of the whole
    /// publisher bounds them.
    pub calls_per_sec_max: Option<u32>,
}

/// Another account whose functions are rolled. The layer's versions stay in the publisher's account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberAccount {
    /// The account.
    pub id: AccountId,
    /// The role to assume there.
    pub role_arn: String,
}

/// What each layer version is published with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The licence text, at most 512 characters.
    pub license: Option<String>,
    /// Lambda runtimes that the console shows the layer for.
    pub runtimes: Vec<String>,
    /// Processor architectures that the console shows the layer for.
    pub architectures: Vec<Architecture>,
    /// Who keeps the zip.
    pub storage: ZipStorage,
    /// Who else may use the versions, beside the publisher's account.
    pub readers: BTreeSet<Reader>,
    /// The profile that zips are signed with before they are published.
    pub signing_profile: Option<String>,
}

/// A processor architecture, in Lambda's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Architecture {
    /// Intel and AMD, 64 bit.
    #[serde(rename = "x86_64")]
    X86,
    /// ARM, 64 bit (Graviton).
    #[serde(rename = "arm64")]
    Arm,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        })
    }
}

/// Who keeps the zip of a layer version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ZipStorage {
    /// Lambda keeps a copy, within the account's code storage.
    #[default]
    Copy,
    /// The state bucket keeps it, and Lambda refers to it.
    Reference,
}

/// Who may use a layer version.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub enum Reader {
    /// One account.
    Account(AccountId),
    /// Every account of an organisation.
    Organization(String),
}

impl Reader {
    /// Parses an account's twelve digits, or an organisation's id.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let organization = text.strip_prefix("o-").filter(|rest| {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            (10..=32).contains(&rest.len()) && rest.chars().all(allowed)
        });
        match organization {
            Some(_) => Ok(Self::Organization(text.to_owned())),
            None => AccountId::parse(text).map(Self::Account).map_err(|_| {
                format!("expected an account's twelve digits or an organisation's id (o-…), found {text:?}")
            }),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Organization(id) => f.write_str(id),
        }
    }
}

impl TryFrom<String> for Reader {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Reader> for String {
    fn from(reader: Reader) -> Self {
        reader.to_string()
    }
}
