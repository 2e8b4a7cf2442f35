use std::fmt;

use super::{Binding, RequestHeaders, SourceUrl};

/// A gate of people's own making, asked while a wave bakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookGate {
    /// Who is asked.
    pub hook: RolloutHook,
    /// The longest that one question may take, in seconds.
    pub timeout_secs: u32,
    /// Whether its verdict counts.
    pub binding: Binding,
}

/// Who is asked about a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one per layer")]
pub enum RolloutHook {
    /// A command of the machine that freshlayer runs on.
    Command(Vec<String>),
    /// A Lambda function, by name or ARN.
    Lambda(String),
    /// A web service.
    Https {
        /// Its address.
        url: SourceUrl,
        /// What it is sent beside the question.
        headers: RequestHeaders,
    },
}

impl fmt::Display for RolloutHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => {
                write!(f, "the command `{}`", words.first().map_or("", String::as_str))
            }
            Self::Lambda(function) => write!(f, "the function {function}"),
            Self::Https { url, .. } => url.fmt(f),
        }
    }
}
