use std::fmt;

/// Who looks at each zip before it is published, and how long one question may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Who.
    pub hook: ScanHook,
    /// The longest that one question may take, in seconds.
    pub timeout_secs: u32,
}

/// Who looks at each zip before it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanHook {
    /// A command of the machine that freshlayer runs on; the zip's path is its last argument.
    Command(Vec<String>),
    /// A Lambda function, by name or ARN.
    Lambda(String),
    /// Malware Protection for S3 of GuardDuty, on the bucket of the state.
    GuardDuty,
}

impl fmt::Display for ScanHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => {
                write!(f, "the command `{}`", words.first().map_or("", String::as_str))
            }
            Self::Lambda(function) => write!(f, "the function {function}"),
            Self::GuardDuty => f.write_str("GuardDuty"),
        }
    }
}
