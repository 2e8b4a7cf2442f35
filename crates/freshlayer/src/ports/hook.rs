use async_trait::async_trait;

use super::PortError;
use crate::definition::RolloutHook;

/// Something of people's own that is asked about an open wave: a command, a function, a web service. It carries the question
/// and the answer, and reads neither.
///
/// # Contract
/// - `ask` asks once, and never again by itself.
/// - The answer comes as it was given. One of more than [`ANSWER_BYTES_MAX`] bytes is an error; so is one of a hook that
///   failed or that is missing.
/// - An answer that repeats a secret which the hook was sent is an error, and none of it is told.
#[async_trait]
pub trait Hook: Send + Sync {
    /// Asks a question, which is a JSON object.
    ///
    /// # Errors
    /// What the adapter says.
    async fn ask(&self, hook: &RolloutHook, question: &str) -> Result<String, PortError>;
}

/// The longest answer, in bytes.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;
