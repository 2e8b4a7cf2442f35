use async_trait::async_trait;
use freshlayer::definition::ScanHook;
use freshlayer::ports::{Opinion, PortError, Scanned, Scanner};
use tokio::process::Command;

use crate::child;

/// `refused`, by clamscan and most others.
const ABORT: i32 = 1;
/// `EX_TEMPFAIL` of sysexits.h.
const WAIT: i32 = 75;

/// Runs a command for each zip.
pub struct CommandScanner {
    variables: fn(&str) -> Option<String>,
}

impl CommandScanner {
    /// Takes the way to read an environment variable.
    pub fn new(variables: fn(&str) -> Option<String>) -> Self {
        Self { variables }
    }

    fn command(&self, words: &[String], scanned: Scanned<'_>) -> Option<Command> {
        let (program, arguments) = words.split_first()?;
        let mut command = Command::new(program);
        let kept = child::kept(self.variables);
        command
            .args(arguments)
            .arg(scanned.zip)
            .env_clear()
            .envs(kept)
            .env("FRESHLAYER_LAYER", scanned.layer.as_str())
            .env("FRESHLAYER_RELEASE", scanned.release.to_string())
            .env("FRESHLAYER_ZIP_SHA256", scanned.sha256.as_str());
        Some(command)
    }
}

#[async_trait]
impl Scanner for CommandScanner {
    async fn scan(&self, hook: &ScanHook, scanned: Scanned<'_>) -> Result<Opinion, PortError> {
        let ScanHook::Command(words) = hook else {
            return Err(format!("{hook} needs an AWS account: `--target aws`").into());
        };
        let mut command = self.command(words, scanned).ok_or("`scan.command` is empty")?;
        let ended = child::run(&mut command, None).await?;
        let words = ended.words();
        match ended.code {
            Some(0) => Ok(Opinion::Proceed),
            Some(ABORT) => Ok(Opinion::Abort(words)),
            Some(WAIT) => Ok(Opinion::Wait(words)),
            Some(code) => Err(format!("it ended with exit code {code}: {words}").into()),
            None => Err(format!("a signal ended it: {words}").into()),
        }
    }
}
