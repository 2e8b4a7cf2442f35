//! Why something is as it is: values for machines, and one wording for people.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::Architecture;
use crate::names::LayerVersionArn;

/// A reason with its wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The reason as a value.
    pub why: Why,
    /// The reason as a sentence.
    pub text: String,
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        let text = why.to_string();
        Self { why, text }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a run ended as it did, or a function stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// Nothing is new, and no function had to move.
    NothingNew,
    /// A new release.
    Released {
        /// Its number.
        release: u64,
        /// Its data version.
        version: String,
        /// How many functions moved.
        moved: usize,
        /// How many functions use the layer.
        functions: usize,
    },
    /// No new release; functions moved to the current one.
    Moved {
        /// How many.
        moved: usize,
        /// How many functions use the layer.
        functions: usize,
    },
    /// A person moved the layer back.
    RolledBack {
        /// The release.
        release: u64,
        /// Its data version.
        version: String,
    },
    /// A person handed an adopted layer's functions back to what they had before.
    HandedBack {
        /// Who said so.
        by: String,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// A person's order stands, and another publisher carries it out.
    Ordered {
        /// The release that functions go to.
        release: u64,
        /// The publisher that works on the layer.
        owner: String,
        /// When its lease ends at the latest.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// A person pinned the layer.
    Pinned {
        /// The release.
        release: u64,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Who said so.
        by: String,
        /// Why, in the person's words.
        reason: Option<String>,
    },
    /// A person froze the layer.
    Frozen {
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Who said so.
        by: String,
        /// Why, in the person's words.
        reason: Option<String>,
    },
    /// Another publisher works on the layer.
    Busy {
        /// The publisher.
        owner: String,
        /// When its lease ends at the latest.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// The layer has versions that freshlayer did not make.
    Foreign {
        /// How many.
        versions: usize,
        /// The newest of them.
        newest: LayerVersionArn,
        /// How many functions use the layer; absent where they could not be listed.
        functions: Option<usize>,
    },
    /// The upstream still has what a person rolled back.
    StillRolledBack {
        /// The release that keeps serving.
        serving: Option<u64>,
    },
    /// The upstream's data is not good.
    BadData {
        /// The release that the rest became.
        released: Option<u64>,
        /// The release that keeps serving.
        serving: Option<u64>,
    },
    /// Upstreams could not be asked.
    Upstream {
        /// What each said.
        failures: Vec<String>,
        /// The release that the rest became.
        released: Option<u64>,
        /// The release that keeps serving.
        serving: Option<u64>,
    },
    /// Places could not be reached or finished.
    Places {
        /// What each said.
        failures: Vec<String>,
        /// How many are done.
        done: usize,
        /// How many there are.
        places: usize,
    },
    /// Functions did not reach their release.
    Unmoved {
        /// How many.
        waiting: usize,
        /// How many functions use the layer.
        functions: usize,
    },
    /// An error, with its causes.
    Error {
        /// The error.
        error: String,
    },

    /// The function's tag says hold.
    TagHold {
        /// The tag's key.
        tag: String,
    },
    /// The function's tag cannot be understood.
    TagUnclear {
        /// The tag's key.
        tag: String,
        /// The tag's value.
        value: String,
    },
    /// The function's tag asks for another data version.
    TagVersion {
        /// What it asks for.
        wanted: String,
        /// The data version of the release.
        version: String,
    },
    /// The function's tag pins it where it is.
    TagPin {
        /// The tag's key.
        tag: String,
    },
    /// The function's tag pins a release without a layer version.
    TagPinMissing {
        /// The release.
        release: u64,
    },
    /// `$LATEST` holds code or settings that are not behind the alias.
    Unreleased {
        /// The alias.
        alias: String,
        /// The version behind it.
        version: u64,
    },
    /// The alias splits its traffic between two versions.
    SplitAlias {
        /// The alias.
        alias: String,
    },
    /// Lambda prepares provisioned concurrency behind the alias.
    Shifting {
        /// The alias.
        alias: String,
    },
    /// The function runs on Managed Instances without an alias.
    OnInstances,
    /// The layer is not made for the function's processor.
    WrongArchitecture {
        /// What the function runs on.
        function: Vec<Architecture>,
        /// What the layer is made for.
        layer: Vec<Architecture>,
    },
    /// The function uses a version of the layer that freshlayer did not make.
    ForeignVersion {
        /// The version.
        version: LayerVersionArn,
    },
    /// The function has no earlier layer version to go back to.
    NothingBefore,
    /// The release has no layer version in the function's Region yet.
    NotPublished {
        /// The release.
        release: u64,
    },
    /// An old version of the function that freshlayer published could not be deleted.
    NotRetired {
        /// What happened.
        words: String,
    },
    /// The host refuses the change.
    Refused {
        /// The host's words.
        words: String,
    },
    /// The change failed; the next run tries it again.
    FailedForNow {
        /// What happened.
        words: String,
    },
    /// The function was changed by other hands at every attempt.
    Restless,
    /// The run ended before the function's turn.
    OutOfTime,
    /// The next refresh moves the function.
    NextRun,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingNew => f.write_str("nothing new"),
            Self::Released { release, version, moved, functions } => {
                write!(f, "release {release}, version {version}; {}", moved_of(*moved, *functions))
            }
            Self::Moved { moved, functions } => {
                write!(f, "nothing new; {} to where they belong", moved_of(*moved, *functions))
            }
            Self::RolledBack { release, version } => {
                write!(f, "rolled back to release {release}, version {version}")
            }
            Self::HandedBack { by, at } => write!(
                f,
                "functions are back on what they used before freshlayer, by order of {by} at {}; unpin the layer to go on",
                minute(*at)
            ),
            Self::Ordered { release, owner, until } => write!(
                f,
                "the order to go to release {release} stands; publisher {owner} carries it out, and its lease ends at \
                 {} at the latest (`freshlayer break-lease` takes the lease away)",
                minute(*until)
            ),
            Self::Pinned { release, at, by, reason } => {
                write!(f, "pinned to release {release} since {}{}", minute(*at), said(by, reason))?;
                f.write_str("; unpin to go on")
            }
            Self::Frozen { at, by, reason } => {
                write!(f, "frozen since {}{}; unfreeze to go on", minute(*at), said(by, reason))
            }
            Self::Busy { owner, until } => {
                write!(f, "publisher {owner} works on this layer, until {} at the latest", minute(*until))
            }
            Self::Foreign { versions, newest, functions } => {
                let have = if *versions == 1 { "1 version" } else { &format!("{versions} versions") };
                let users = match functions {
                    None => "functions could not be counted".to_owned(),
                    Some(1) => "1 function uses the layer".to_owned(),
                    Some(count) => format!("{count} functions use the layer"),
                };
                write!(
                    f,
                    "the layer has {have} that freshlayer did not make, the newest is {newest}, and {users}; to take \
                     the layer over write `adopt = true` into its definition or run `refresh --adopt`, else choose \
                     another layer name"
                )
            }
            Self::StillRolledBack { serving } => {
                write!(f, "the upstream still has what a person rolled back; {}", keeps_serving(*serving))
            }
            Self::BadData { released, serving } => {
                write!(f, "the upstream's data is not good; {}", rest(*released, *serving))
            }
            Self::Upstream { failures, released, serving } => {
                write!(f, "{}; {}", failures.join("; "), rest(*released, *serving))
            }
            Self::Places { failures, done: 0, .. } => {
                write!(f, "{}; the next run goes on", failures.join("; "))
            }
            Self::Places { failures, done, places } => {
                write!(f, "{}; {done} of {places} places are done, the next run goes on", failures.join("; "))
            }
            Self::Unmoved { waiting, functions } => {
                write!(f, "{waiting} of {functions} functions were not moved")
            }
            Self::Error { error } => f.write_str(error),

            Self::TagHold { tag } => write!(f, "its tag {tag} says hold"),
            Self::TagUnclear { tag, value } => write!(
                f,
                "its tag {tag} says {value:?}; use hold, pin=<release> or a version such as 1"
            ),
            Self::TagVersion { wanted, version } => {
                write!(f, "its tag asks for {wanted}; the data is {version}")
            }
            Self::TagPin { tag } => write!(f, "its tag {tag} pins it there"),
            Self::TagPinMissing { release } => {
                write!(f, "its tag pins release {release}, which has no layer version")
            }
            Self::Unreleased { alias, version } => write!(
                f,
                "$LATEST differs from version {version} behind alias {alias} in more than this layer; release or \
                 revert it, then run again"
            ),
            Self::SplitAlias { alias } => {
                write!(f, "alias {alias} splits its traffic between two versions; finish that first")
            }
            Self::Shifting { alias } => {
                write!(f, "Lambda prepares provisioned concurrency behind alias {alias}")
            }
            Self::OnInstances => f.write_str(
                "it runs on Managed Instances, where callers get $LATEST.PUBLISHED and not $LATEST; give it an alias, \
                 and the alias moves",
            ),
            Self::WrongArchitecture { function, layer } => {
                write!(f, "it runs on {}, and the layer is made for {}", words(function), words(layer))
            }
            Self::ForeignVersion { version } => write!(
                f,
                "it uses {version}, which freshlayer did not make; write `adopt = true` into the definition or run \
                 `refresh --adopt` to move it"
            ),
            Self::NothingBefore => {
                f.write_str("it used no version of the layer before freshlayer, so it stays where it is")
            }
            Self::NotPublished { release } => {
                write!(f, "release {release} is not published there yet")
            }
            Self::NotRetired { words } => {
                write!(f, "an old version that freshlayer published could not be deleted: {words}")
            }
            Self::Refused { words } | Self::FailedForNow { words } => f.write_str(words),
            Self::Restless => {
                f.write_str("someone changed it during every attempt; the next run tries again")
            }
            Self::OutOfTime => f.write_str("the run ended before its turn; the next run goes on"),
            Self::NextRun => f.write_str("the next refresh moves it"),
        }
    }
}

/// Writes a time to the minute, in UTC.
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn said(by: &str, reason: &Option<String>) -> String {
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    match reason {
        Some(reason) => format!("{by} ({reason})"),
        None => by,
    }
}

fn moved_of(moved: usize, functions: usize) -> String {
    match functions {
        0 => "no function uses it yet".to_owned(),
        1 => format!("{moved} of 1 function moved"),
        _ => format!("{moved} of {functions} functions moved"),
    }
}

fn keeps_serving(serving: Option<u64>) -> String {
    match serving {
        Some(release) => format!("release {release} keeps serving"),
        None => "there is no release yet".to_owned(),
    }
}

fn rest(released: Option<u64>, serving: Option<u64>) -> String {
    match released {
        Some(release) => format!("the rest is released as {release}"),
        None => keeps_serving(serving),
    }
}

fn words(architectures: &[Architecture]) -> String {
    let words: Vec<String> = architectures.iter().map(ToString::to_string).collect();
    words.join(" and ")
}
