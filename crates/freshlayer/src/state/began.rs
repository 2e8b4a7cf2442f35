use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When functions of a place began to move in waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Began {
    /// When: the last try, until one function has the release; then it stays.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Whether a function has had the release.
    pub arrived: bool,
    /// Whether the run that tried last came to its end. A function may have had the release since one that did not.
    #[serde(default)]
    pub over: bool,
}
