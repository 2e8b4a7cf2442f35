use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::names::LayerVersionArn;

/// The functions of one Region of one account.
///
/// # Contract
/// - `observe` lists every function that uses any version of the layer in `$LATEST` or behind an alias,
///   and every function with the tag `freshlayer:<layer>`.
/// - `apply` does one step if the function is still as it was observed (its revision id), and answers with
///   the function as it is then. It changes nothing but what the step names (I5). A step that is already
///   done answers as done.
/// - A function that someone else changed meanwhile gives [`FleetError::Changed`], and nothing is written.
/// - `in_use` leaves out nothing that Lambda would miss: published versions count, whether an alias leads there
///   or not.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Lists the consumers of the layer that this is a version of.
    ///
    /// # Errors
    /// What the adapter says.
    async fn observe(&self, target: &LayerVersionArn) -> Result<Vec<Consumer>, PortError>;

    /// Tells, at the smallest cost, whether nobody uses another version of the layer than this one in
    /// `$LATEST`. Aliases and tags are not looked at. `false` says nothing; it is the answer of a host where a
    /// whole look costs no more.
    ///
    /// # Errors
    /// What the adapter says.
    async fn is_settled(&self, target: &LayerVersionArn) -> Result<bool, PortError> {
        let _unseen = target;
        Ok(false)
    }

    /// Lists the versions of a layer that any function names, in `$LATEST` or in any published version, each with one
    /// that names it. The layer is that of the version which is handed in.
    ///
    /// # Errors
    /// What the adapter says.
    async fn in_use(
        &self,
        of: &LayerVersionArn,
    ) -> Result<BTreeMap<LayerVersionArn, User>, PortError>;

    /// Does one step.
    ///
    /// # Errors
    /// [`FleetError`].
    async fn apply(&self, step: &Step) -> Result<Consumer, FleetError>;
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
    /// The published versions that aliases point to, and the newest one.
    pub versions: Vec<PublishedVersion>,
    /// The aliases.
    pub aliases: Vec<Alias>,
    /// The tags, of which `freshlayer:…` are orders to us.
    pub tags: BTreeMap<String, String>,
}

/// A function's code and settings, reduced to what a decision needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The code's digest, as the host gives it.
    pub code_sha256: String,
    /// A digest over all settings but the layers.
    pub settings_sha256: String,
    /// The layers, in their order.
    pub layers: Vec<LayerVersionArn>,
}

/// A published, immutable version of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedVersion {
    /// Its number.
    pub number: u64,
    /// What it froze.
    pub configuration: Configuration,
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
}

/// One idempotent change of one function, with the precondition under which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Puts our layer's version into `$LATEST`'s layer list, in its place, or behind the others.
    SetLayer {
        /// The function.
        function: FunctionName,
        /// The version that is wanted.
        layer: LayerVersionArn,
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
    },
    /// Points an alias to another version.
    MoveAlias {
        /// The function.
        function: FunctionName,
        /// The alias.
        alias: String,
        /// The version that is wanted.
        version: u64,
        /// The alias's revision id that was observed.
        revision_id: String,
    },
}

impl Step {
    /// Returns the function that the step changes.
    pub fn function(&self) -> &FunctionName {
        match self {
            Self::SetLayer { function, .. }
            | Self::PublishVersion { function, .. }
            | Self::MoveAlias { function, .. } => function,
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
    #[error("function {function} refused: {reason}")]
    Refused {
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
