use async_trait::async_trait;
use freshlayer::definition::RolloutHook;
use freshlayer::ports::{ANSWER_BYTES_MAX, Hook, PortError};
use tokio::process::Command;

use crate::child;

/// Asks commands about waves: they read the question, and print the answer.
pub struct CommandHook {
    variables: fn(&str) -> Option<String>,
}

impl CommandHook {
    /// Takes the way to read an environment variable.
    pub fn new(variables: fn(&str) -> Option<String>) -> Self {
        Self { variables }
    }
}

#[async_trait]
impl Hook for CommandHook {
    async fn ask(&self, hook: &RolloutHook, question: &str) -> Result<String, PortError> {
        let RolloutHook::Command(words) = hook else {
            return Err(format!("{hook} needs an AWS account: `--target aws`").into());
        };
        let (program, arguments) = words.split_first().ok_or("`rollout.hook.command` is empty")?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(child::kept(self.variables));
        let ended = child::run(&mut command, Some(question.as_bytes())).await?;
        match ended.code {
            Some(0) if ended.out.len() > ANSWER_BYTES_MAX => {
                Err(format!("expected at most {ANSWER_BYTES_MAX} bytes, found more").into())
            }
            Some(0) => Ok(String::from_utf8_lossy(&ended.out).into_owned()),
            Some(code) => Err(format!("it ended with exit code {code}: {}", ended.words()).into()),
            None => Err(format!("a signal ended it: {}", ended.words()).into()),
        }
    }
}
