//! Why a release stays: values for machines, and one wording for people.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::names::RegionName;
use crate::report::minute;

/// Why a prune leaves a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stays {
    /// Consumers shall be on it.
    Current,
    /// The layer is pinned to it.
    Pinned,
    /// A person keeps a function on it.
    FunctionPinned,
    /// Every consumer that can be moved has reached it.
    Stable,
    /// A rollback leads to it.
    WayBack,
    /// The open rollout leads to it.
    RolloutTo,
    /// The open rollout comes from it.
    RolloutFrom,
    /// A Region's readers were told to use it.
    Announced,
    /// A function's tag pins it.
    Tagged,
    /// It is one of the newest.
    Newest,
    /// A Region's parameter named it in the last 30 days.
    Named {
        /// The Region.
        region: RegionName,
        /// Until when it stays.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// A function uses it.
    Used {
        /// The function.
        user: String,
    },
    /// Others may use it, whose functions cannot be listed.
    Readable {
        /// Who, in words.
        words: String,
    },
    /// It is published in a Region that the definition does not name any more.
    RegionNotNamed {
        /// The Region.
        region: RegionName,
    },
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "it is the current one",
            Self::Pinned => "the layer is pinned to it",
            Self::FunctionPinned => "a function is pinned to it",
            Self::Stable => "it is the stable one",
            Self::WayBack => "a rollback leads to it",
            Self::RolloutTo => "a rollout leads to it",
            Self::RolloutFrom => "a rollout comes from it",
            Self::Announced => "a Region's parameter names it",
            Self::Tagged => "a function's tag pins it",
            Self::Newest => "it is one of the newest",
            Self::Named { region, until } => {
                let until = minute(*until);
                return write!(
                    f,
                    "the parameter of {region} named it, and a deployment may go back to it: it stays until {until}"
                );
            }
            Self::Used { user } => return write!(f, "{user} uses it"),
            Self::Readable { words } => words,
            Self::RegionNotNamed { region } => {
                let words = "the definition does not name that Region any more, so its functions are not looked at";
                return write!(f, "it is published in {region}; {words}");
            }
        })
    }
}
