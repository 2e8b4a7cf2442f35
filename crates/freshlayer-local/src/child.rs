//! Commands of other hands: bounded in what they may say, without our secrets, and gone when nothing waits for them.

use std::process::Stdio;

use freshlayer::ports::PortError;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// What a command gets of the environment: none of it is a secret.
const KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "USER"];
/// How much of what a command prints is kept of each stream, from its end.
const PRINTED_BYTES_MAX: usize = 64 * 1024;
/// How much of that is told, from its end.
const WORDS_CHARS_MAX: usize = 400;

/// Returns the variables that a command gets.
pub(crate) fn kept(
    variables: fn(&str) -> Option<String>,
) -> impl Iterator<Item = (&'static str, String)> {
    KEPT.into_iter().filter_map(move |name| Some((name, variables(name)?)))
}

/// How a command ended.
pub(crate) struct Ended {
    /// Its exit code; absent where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    err: Vec<u8>,
}

impl Ended {
    /// Makes one line of what was printed.
    pub(crate) fn words(&self) -> String {
        let (out, err) = (String::from_utf8_lossy(&self.out), String::from_utf8_lossy(&self.err));
        let clean = format!("{out} {err}").replace(|c: char| c.is_control(), " ");
        let words: Vec<&str> = clean.split_whitespace().collect();
        let text = words.join(" ");
        let surplus = text.chars().count().saturating_sub(WORDS_CHARS_MAX);
        let end: String = text.chars().skip(surplus).collect();
        if end.is_empty() { "it printed nothing".to_owned() } else { end.trim_start().to_owned() }
    }
}

/// Runs a command to its end, and gives it something to read.
pub(crate) async fn run(command: &mut Command, input: Option<&[u8]>) -> Result<Ended, PortError> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
    let _group = Group::of(child.id());
    let (out, err) = (printed(child.stdout.take()), printed(child.stderr.take()));
    let mut stdin = child.stdin.take();
    let fed = async {
        if let (Some(stdin), Some(input)) = (&mut stdin, input) {
            let _ends_without_reading = stdin.write_all(input).await;
        }
        drop(stdin.take());
    };
    let (out, err, (), ended) = tokio::join!(out, err, fed, child.wait());
    Ok(Ended { code: ended?.code(), out, err })
}

/// All processes of a command: they end with the question, also where it was given up.
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
async fn printed(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let Some(mut stream) = stream else { return Vec::new() };
    let (mut kept, mut part) = (Vec::new(), vec![0; 8_192]);
    while let Ok(read @ 1..) = stream.read(&mut part).await {
        kept.extend_from_slice(&part[..read]);
        let surplus = kept.len().saturating_sub(PRINTED_BYTES_MAX);
        kept.drain(..surplus);
    }
    kept
}
