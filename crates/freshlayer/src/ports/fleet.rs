use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PortError;
use crate::definition::Architecture;
use crate::names::LayerVersionArn;

/// The functions of one Region of one account. It brings facts and does steps; it decides nothing.
///
/// # Contract
/// - `observe` lists every function that uses any version of the layer in `$LATEST` or in a published version, and every
///   function with the tag `freshlayer:<layer>`. It may leave out what only a closer look tells ([`Consumer::look`]).
///   The list may lag behind what was changed a moment ago.
/// - `apply` does one step if the function is still as it was observed (its revision id), and answers with the function
///   as it is then. It changes nothing but what the step names (I5). A step that is already done answers as done.
/// - A function that was changed meanwhile gives [`FleetError::Changed`], and nothing is written.
/// - `storage` is the account's, with all that others keep there.
/// - `in_use` reports every reference: `$LATEST` and all published versions, with or without an alias.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Lists the consumers of the layer that this is a version of.
    ///
    /// # Errors
    /// What the adapter says.
    async fn observe(&self, target: &LayerVersionArn) -> Result<Vec<Consumer>, PortError>;

    /// Tells at the smallest cost what may have changed since the last look: `$LATEST` and tags.
    ///
    /// # Errors
    /// What the adapter says.
    async fn glance(&self, target: &LayerVersionArn) -> Result<Glimpse, PortError>;

    /// Lists the versions of a layer that any function names, in `$LATEST` or in any published version, each with one
    /// that names it. The layer is that of the version which is handed in.
    ///
    /// # Errors
    /// What the adapter says.
    async fn in_use(
        &self,
        of: &LayerVersionArn,
    ) -> Result<BTreeMap<LayerVersionArn, User>, PortError>;

    /// Tells how full the code storage is; `None` where the host has no limit.
    ///
    /// # Errors
    /// What the adapter says.
    async fn storage(&self) -> Result<Option<CodeStorage>, PortError>;

    /// Calls a function once and waits for its answer, at most a minute. An error is that of the host: what the function
    /// itself answers, fails with or exceeds is an [`Answer`].
    ///
    /// # Errors
    /// What the adapter says.
    async fn call(&self, call: Call<'_>) -> Result<Answer, PortError>;

    /// Does one step.
    ///
    /// # Errors
    /// [`FleetError`].
    async fn apply(&self, step: &Step) -> Result<Consumer, FleetError>;
}

/// One call of a function.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The function.
    pub function: &'a FunctionName,
    /// Its published version; `None` for `$LATEST`.
    pub version: Option<u64>,
    /// What it is called with.
    pub payload: &'a Value,
}

/// What a call brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What the function returned.
    Returned(Value),
    /// The function failed, or took too long: its own words.
    Failed(String),
    /// There is nothing to call: the local host knows no program of the function.
    NotCallable,
    /// No answer came within this time, and the call may still run.
    NotYet {
        /// How long it was waited for.
        secs: u64,
    },
}

/// The alarm `FullCodeStorage` of the template begins here, too.
const NEARLY_FULL_PERCENT: u64 = 80;

/// The code storage of an account in a Region: layer versions and function versions share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodeStorage {
    /// Bytes that are used.
    pub used_bytes: u64,
    /// Bytes that there are.
    pub limit_bytes: u64,
}

impl CodeStorage {
    /// Returns how full it is, in whole percent.
    pub fn percent(self) -> u64 {
        self.used_bytes.saturating_mul(100) / self.limit_bytes.max(1)
    }

    /// Tells whether a person should make room: deployments of every team stop when it is full.
    pub fn is_nearly_full(self) -> bool {
        self.percent() >= NEARLY_FULL_PERCENT
    }
}

/// What a glance tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// How many functions use another version of the layer in `$LATEST`.
    pub elsewhere: usize,
    /// The tag `freshlayer:<layer>` of each function that has it.
    pub tags: BTreeMap<FunctionName, String>,
}

/// A function's name: 1 to 64 of `a-z A-Z 0-9 - _`, as the Lambda API takes it.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(String);

impl FunctionName {
    /// Parses a name.
    ///
    /// # Errors
    /// A sentence that says what a name may hold.
    pub fn parse(name: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err(format!("expected 1 to 64 of a-z A-Z 0-9 - _, found {name:?}"));
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FunctionName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name)
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version of a function that names a layer version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The function.
    pub function: FunctionName,
    /// Its published version; `None` for what is not published.
    pub version: Option<u64>,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "version {version} of function {}", self.function),
            None => write!(f, "function {}", self.function),
        }
    }
}

/// A function as it was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The function.
    pub function: FunctionName,
    /// `$LATEST`.
    pub latest: Configuration,
    /// `$LATEST`'s revision id.
    pub revision_id: String,
    /// What a caller without a qualifier gets.
    pub unqualified: Unqualified,
    /// How long a call of it may take, in seconds; 0 where the host does not say.
    pub timeout_secs: u32,
    /// The processor architectures that it runs on; empty where the host does not say.
    pub architectures: Vec<Architecture>,
    /// The published versions, oldest first.
    pub versions: Vec<PublishedVersion>,
    /// What only a closer look tells; absent where only a list was read.
    pub look: Option<Look>,
    /// The tags, of which `freshlayer:<layer>` and `freshlayer:wave` are for us; the others may be missing.
    pub tags: BTreeMap<String, String>,
}

impl Consumer {
    /// Returns the aliases, as far as they are known.
    pub fn aliases(&self) -> &[Alias] {
        self.look.as_ref().map(|look| &look.aliases[..]).unwrap_or_default()
    }

    /// Returns a published version.
    pub fn version(&self, number: u64) -> Option<&PublishedVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// What only a closer look at a function tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// How the last update of `$LATEST` ended.
    pub update: Update,
    /// The aliases that point to published versions.
    pub aliases: Vec<Alias>,
}

/// How the last update of `$LATEST` ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Update {
    /// What is configured is served.
    #[default]
    Done,
    /// It still runs: what was served before is served.
    Running,
    /// It failed: what was served before is served, and what is configured is not. With the host's reason.
    Failed(String),
}

/// What a caller without a qualifier gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unqualified {
    /// `$LATEST`.
    #[default]
    Latest,
    /// On Managed Instances: `$LATEST.PUBLISHED`, which only a publish changes.
    LatestPublished,
}

/// A function's code and settings, reduced to what a decision needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The code's digest, as the host gives it.
    pub code_sha256: String,
    /// A digest over all settings but the layers.
    pub settings_sha256: String,
    /// All layers, in their order.
    pub layers: Vec<LayerVersionArn>,
}

/// A published, immutable version of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedVersion {
    /// Its number.
    pub number: u64,
    /// What it froze.
    pub configuration: Configuration,
    /// The description that it was published with.
    #[serde(default)]
    pub description: String,
}

/// A name that points to a published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The alias.
    pub name: String,
    /// The version that it points to.
    pub version: u64,
    /// Its own revision id.
    pub revision_id: String,
    /// Whether another version gets a part of its calls.
    #[serde(default)]
    pub routing: Routing,
}

/// Where the calls of an alias go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Routing {
    /// All to its version.
    #[default]
    Whole,
    /// A part to another version.
    Split {
        /// The other version.
        version: u64,
        /// Its part of the calls, in percent. Lambda itself routes 100 % to the old version while provisioned
        /// concurrency for the new one gets ready.
        percent: u8,
    },
    /// All to another version: the alias's own one could not start with the concurrency that is provisioned for it.
    Failed {
        /// The other version.
        version: u64,
    },
}

/// One idempotent change of one function, with the precondition under which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Reads what only a closer look tells. Changes nothing.
    Look {
        /// The function.
        function: FunctionName,
    },
    /// Writes `$LATEST`'s layer list.
    SetLayers {
        /// The function.
        function: FunctionName,
        /// The whole list.
        layers: Vec<LayerVersionArn>,
        /// The revision id that was observed.
        revision_id: String,
    },
    /// Publishes `$LATEST` as a new version.
    PublishVersion {
        /// The function.
        function: FunctionName,
        /// The code that was observed.
        code_sha256: String,
        /// The revision id that was observed.
        revision_id: String,
        /// What the version is described with.
        description: String,
    },
    /// Asks the function with the definition's probe, at a published version or `$LATEST`. Changes nothing, and is done by
    /// [`Fleet::call`].
    Probe {
        /// The function.
        function: FunctionName,
        /// The version.
        version: Option<u64>,
    },
    /// Points an alias to another version, whole or with a part of its calls. A host that splits no calls of the alias points all
    /// of it there.
    MoveAlias {
        /// The function.
        function: FunctionName,
        /// The alias.
        alias: String,
        /// The version that is wanted.
        version: u64,
        /// How many of the calls it gets, in percent: 100 for all. The others stay where the alias points to.
        percent: u8,
        /// The alias's revision id that was observed.
        revision_id: String,
    },
    /// Deletes a published version that no alias points to.
    RetireVersion {
        /// The function.
        function: FunctionName,
        /// The version.
        version: u64,
    },
}

impl Step {
    /// Tells whether it only reads.
    pub(crate) fn is_look(&self) -> bool {
        matches!(self, Self::Look { .. })
    }

    /// Returns the function that the step changes.
    pub fn function(&self) -> &FunctionName {
        match self {
            Self::Look { function }
            | Self::SetLayers { function, .. }
            | Self::PublishVersion { function, .. }
            | Self::Probe { function, .. }
            | Self::MoveAlias { function, .. }
            | Self::RetireVersion { function, .. } => function,
        }
    }
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// Someone changed the function since it was observed: observe and decide again.
    #[error("function {function} changed meanwhile")]
    Changed {
        /// The function.
        function: FunctionName,
    },
    /// The host refuses this step for this function, and will again.
    #[error("the change of function {function} was refused: {reason}")]
    Refused {
        /// The function.
        function: FunctionName,
        /// The host's words.
        reason: String,
    },
    /// A published version cannot start, so no alias leads to it.
    #[error("a version of function {function} cannot start: {reason}")]
    NotStarted {
        /// The function.
        function: FunctionName,
        /// The host's words.
        reason: String,
    },
    /// Anything else.
    #[error("change function {function}")]
    Other {
        /// The function.
        function: FunctionName,
        /// The cause.
        source: PortError,
    },
}
