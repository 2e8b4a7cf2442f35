use std::process::Stdio;

use async_trait::async_trait;
use freshlayer::definition::ScanHook;
use freshlayer::ports::{Opinion, PortError, Scanned, Scanner};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// What a scanner gets of the environment: none of it is a secret.
const KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "USER"];
/// How much of what a scanner prints is kept, from its end.
const WORDS_BYTES_MAX: usize = 400;

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
        let kept = KEPT.iter().filter_map(|name| Some((name, (self.variables)(name)?)));
        command
            .args(arguments)
            .arg(scanned.zip)
            .env_clear()
            .envs(kept)
            .env("FRESHLAYER_LAYER", scanned.layer.as_str())
            .env("FRESHLAYER_RELEASE", scanned.release.to_string())
            .env("FRESHLAYER_ZIP_SHA256", scanned.sha256.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
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
        let mut child =
            command.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
        let _group = Group::of(child.id());
        let (out, err) = (last_words(child.stdout.take()), last_words(child.stderr.take()));
        let (out, err, ended) = tokio::join!(out, err, child.wait());
        let words = said(&out, &err);
        match ended?.code() {
            Some(0) => Ok(Opinion::Proceed),
            Some(ABORT) => Ok(Opinion::Abort(words)),
            Some(WAIT) => Ok(Opinion::Wait(words)),
            Some(code) => Err(format!("it ended with exit code {code}: {words}").into()),
            None => Err(format!("a signal ended it: {words}").into()),
        }
    }
}

/// All processes of a scanner: they end with the question, also where it was given up.
struct Group(Option<Pid>);

impl Group {
    fn of(id: Option<u32>) -> Self {
        Self(id.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _gone_already = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Reads all that is printed, and keeps its end.
async fn last_words(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let Some(mut stream) = stream else { return Vec::new() };
    let (mut kept, mut part) = (Vec::new(), [0; 8_192]);
    while let Ok(read @ 1..) = stream.read(&mut part).await {
        kept.extend_from_slice(&part[..read]);
        let surplus = kept.len().saturating_sub(WORDS_BYTES_MAX);
        kept.drain(..surplus);
    }
    kept
}

/// Makes one line of what was printed.
fn said(out: &[u8], err: &[u8]) -> String {
    let text = format!("{} {}", String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    let clean = text.replace(|c: char| c.is_control(), " ");
    let words: Vec<&str> = clean.split_whitespace().collect();
    if words.is_empty() { "it printed nothing".to_owned() } else { words.join(" ") }
}
