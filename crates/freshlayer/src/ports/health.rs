use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FunctionName, PortError};

/// What callers of functions meet, in one Region of one account. It measures and never judges.
///
/// # Contract
/// - `alarms` answers once for every alarm that a pattern names. An alarm without an answer does not exist there. Of an alarm's
///   tags it tells those that a pattern asks for. Mute rules are known of ringing alarms only.
/// - `minutes` counts the calls of each function minute by minute, whichever version answered them; `minutes_behind` counts
///   those that one version answered behind an alias. A minute without calls may be missing. The last minutes may still
///   grow, and a minute may come late. A window that begins before `minutes_kept` may lack any minute, or be refused.
/// - `hours` counts the same calls hour by hour, for two weeks at least. An hour without calls may be missing.
/// - All of them only read, so asking again is safe. `minutes_kept` calls nothing.
#[async_trait]
pub trait Health: Send + Sync {
    /// Reads how alarms stand.
    ///
    /// # Errors
    /// What the adapter says.
    async fn alarms(&self, patterns: &[AlarmPattern]) -> Result<Vec<Alarm>, PortError>;

    /// Counts the calls of functions.
    ///
    /// # Errors
    /// What the adapter says.
    async fn minutes(
        &self,
        functions: &[FunctionName],
        window: Window,
    ) -> Result<BTreeMap<FunctionName, Minutes>, PortError>;

    /// Counts the calls of functions in the hours from the one of `from` to the one before `until`.
    ///
    /// # Errors
    /// What the adapter says.
    async fn hours(
        &self,
        functions: &[FunctionName],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<FunctionName, Hours>, PortError>;

    /// Counts the calls of versions behind their aliases.
    ///
    /// # Errors
    /// What the adapter says.
    async fn minutes_behind(
        &self,
        versions: &[Behind],
        window: Window,
    ) -> Result<BTreeMap<Behind, Minutes>, PortError>;

    /// Returns for how long the host keeps the calls of single minutes.
    fn minutes_kept(&self) -> SignedDuration;
}

/// Alarms by name: one, or all that begin alike (`checkout-*`); or by tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmPattern {
    /// The one of this name.
    Name(String),
    /// Every one whose name begins like this.
    Prefix(String),
    /// Every one that has this tag.
    Tag(AlarmTag),
}

impl AlarmPattern {
    /// Reads a name, or a beginning with `*` behind it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        if name.is_empty() || name.contains('*') || name.len() > 255 {
            return Err(format!(
                "expected an alarm's name, or its beginning and `*`, found {text:?}"
            ));
        }
        let name = name.to_owned();
        Ok(if is_prefix { Self::Prefix(name) } else { Self::Name(name) })
    }

    /// Tells whether it names an alarm.
    pub fn names(&self, alarm: &Alarm) -> bool {
        match self {
            Self::Name(name) => alarm.name == *name,
            Self::Prefix(prefix) => alarm.name.starts_with(prefix.as_str()),
            Self::Tag(tag) => alarm.tags.contains(tag),
        }
    }

    /// Says that no alarm is like this.
    pub(crate) fn names_none(&self) -> String {
        match self {
            Self::Name(name) => format!("alarm {name} does not exist"),
            Self::Prefix(prefix) => format!("no alarm's name begins with {prefix}"),
            Self::Tag(tag) => format!("no alarm has the tag {tag}"),
        }
    }
}

/// A tag that alarms have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct AlarmTag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl AlarmTag {
    /// Reads `key=value`. The value may hold more `=`. Source of the lengths:
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Tag.html>.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').filter(|(key, value)| {
            (1..=128).contains(&key.chars().count()) && (1..=256).contains(&value.chars().count())
        });
        let (key, value) =
            parts.ok_or(format!("expected a tag such as team=geo, found {text:?}"))?;
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for AlarmTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// How an alarm stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// Since when; absent where the host does not say.
    pub since: Option<Timestamp>,
    /// Why, in the host's words.
    pub reason: String,
    /// Those of its tags that a pattern asks for.
    pub tags: BTreeSet<AlarmTag>,
    /// Whether it calls people.
    pub notifications: Notifications,
}

/// Whether an alarm that rings calls people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notifications {
    /// It does.
    Sent,
    /// Its actions are off, or a mute rule is on.
    Muted,
}

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// All is well.
    Quiet,
    /// It rings.
    Rings,
    /// It has too little data.
    Unknown,
}

/// A span of whole minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first minute.
    pub from: Timestamp,
    /// The minute behind the last one.
    pub until: Timestamp,
    /// Calls that take longer are counted as slow; absent where none is.
    pub slow_after: Option<SignedDuration>,
}

/// A published version that gets calls of an alias.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Behind {
    /// The function.
    pub function: FunctionName,
    /// The alias.
    pub alias: String,
    /// The version.
    pub version: u64,
}

/// The calls of a function, by the minute in which they began.
pub type Minutes = BTreeMap<Timestamp, Calls>;

/// How many calls a function had, by the hour in which they began.
pub type Hours = BTreeMap<Timestamp, u64>;

/// The calls of one function in one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many there were.
    pub calls: u64,
    /// How many ended with an error.
    pub errors: u64,
    /// How many took longer than was asked for. A call that failed may be one of them.
    pub slow: u64,
}

impl Calls {
    /// Returns how many were bad at least: failed, or slow. A call may be both, so the larger number is taken.
    pub fn bad(self) -> u64 {
        self.errors.max(self.slow).min(self.calls)
    }
}
