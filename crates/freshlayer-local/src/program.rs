//! A function's program, called as Lambda calls a function: with the layers of the asked version at `/opt`.

use std::path::PathBuf;
use std::time::Duration;

use freshlayer::LayerVersionArn;
use freshlayer::ports::{Answer, PortError};
use serde_json::Value;
use tokio::process::Command;

use crate::child;

/// How long a call may take.
const LONGEST: Duration = Duration::from_mins(1);
/// How `freshlayer exec` ends where a program cannot be started.
const NOT_STARTED: [i32; 2] = [126, 127];

/// Starts programs with layers at `/opt`: by `freshlayer exec`, in a process of its own.
#[derive(Debug, Clone)]
pub struct Runner {
    /// The program `freshlayer`.
    pub freshlayer: PathBuf,
    /// The local host's folder.
    pub host: PathBuf,
    /// Reads an environment variable.
    pub variables: fn(&str) -> Option<String>,
}

impl Runner {
    /// Calls a program: it reads the payload, and the last line that it prints is its answer.
    pub(crate) async fn call(
        &self,
        program: &[String],
        layers: &[LayerVersionArn],
        payload: &Value,
    ) -> Result<Answer, PortError> {
        let mut command = Command::new(&self.freshlayer);
        command.env_clear().envs(child::kept(self.variables));
        command.arg("exec").arg("--host").arg(&self.host);
        command.args(layers.iter().map(|arn| format!("{}:{}", arn.layer_name(), arn.version())));
        command.arg("--").args(program);
        let input = payload.to_string();
        let run = child::run(&mut command, Some(input.as_bytes()));
        let Ok(ended) = tokio::time::timeout(LONGEST, run).await else {
            let secs = LONGEST.as_secs();
            return Ok(Answer::Failed(format!("it gave no answer within {secs} s")));
        };
        let ended = ended?;
        match ended.code {
            Some(0) => Ok(Answer::Returned(last_line(&ended.out))),
            Some(code) if NOT_STARTED.contains(&code) => Err(ended.words().into()),
            Some(code) => Ok(Answer::Failed(format!("exit code {code}: {}", ended.words()))),
            None => Ok(Answer::Failed(format!("a signal ended it: {}", ended.words()))),
        }
    }
}

/// Reads the answer; a line that is no JSON is a text.
fn last_line(out: &[u8]) -> Value {
    let text = String::from_utf8_lossy(out);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("null").trim();
    serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned()))
}
