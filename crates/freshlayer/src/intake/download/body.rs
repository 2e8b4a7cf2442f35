use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::intake::extract::Staged;
use crate::limits::Limits;
use crate::names::Digest;
use crate::ports::{Body, SourceError};
use crate::problem::{Code, Problem};
use crate::progress::Meter;

/// How a transfer ended.
pub(super) enum Streamed {
    Whole(Staged),
    TooLarge(Problem),
    Broken(SourceError),
}

/// Writes a body to a file while hashing it, under the bounds on bytes, time and speed.
pub(super) async fn to_file(
    mut body: Body,
    limits: &Limits,
    end: Instant,
    path: &Path,
    meter: &Meter,
) -> Result<Streamed, Error> {
    if let Some(length) = body.length_bytes.filter(|length| *length > limits.download_bytes_max) {
        return Ok(Streamed::TooLarge(too_large(limits, &format!("{length} bytes announced"))));
    }
    let mut file = File::create(path).map_err(Error::io("write", path))?;
    let mut sha256 = Sha256::new();
    let mut size_bytes = 0_u64;
    let mut pace = Pace::new(limits, end);
    loop {
        let chunk = match timeout_at(pace.deadline(), body.chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Ok(Streamed::Broken(error)),
            Ok(None) => break,
            Err(_elapsed) => {
                if let Err(reason) = pace.next_window() {
                    return Ok(Streamed::Broken(pace.broken(&body.facts.url, reason)));
                }
                continue;
            }
        };
        size_bytes += chunk.len() as u64;
        if size_bytes > limits.download_bytes_max {
            return Ok(Streamed::TooLarge(too_large(limits, "more; the download was stopped")));
        }
        if let Err(reason) = pace.keeps_up(chunk.len() as u64) {
            return Ok(Streamed::Broken(pace.broken(&body.facts.url, reason)));
        }
        file.write_all(&chunk).map_err(Error::io("write", path))?;
        sha256.update(&chunk);
        meter.add(chunk.len());
    }
    let sha256 = Digest::of(sha256);
    Ok(Streamed::Whole(Staged { file: path.to_owned(), size_bytes, sha256 }))
}

fn too_large(limits: &Limits, found: &str) -> Problem {
    let expected = format!("at most {} bytes to download", limits.download_bytes_max);
    Problem::fail(Code::DownloadTooLarge, expected, found)
}

/// Holds a transfer to its slowest speed, window by window, and to its longest time.
///
/// A source takes a transfer up again that stood still; so a window that was too slow is a failed try, and the
/// transfer ends when all tries in a row failed.
struct Pace<'a> {
    limits: &'a Limits,
    end: Instant,
    window_start: Instant,
    window_bytes: u64,
    slow_windows: u32,
}

impl<'a> Pace<'a> {
    fn new(limits: &'a Limits, end: Instant) -> Self {
        let now = Instant::now();
        Self { limits, end, window_start: now, window_bytes: 0, slow_windows: 0 }
    }

    fn deadline(&self) -> Instant {
        self.end.min(self.window_start + Duration::from_secs(self.limits.stall_secs_max))
    }

    /// Counts bytes; says why the transfer ends where they come too slowly.
    fn keeps_up(&mut self, bytes: u64) -> Result<(), String> {
        self.window_bytes += bytes;
        if Instant::now() < self.deadline() { Ok(()) } else { self.next_window() }
    }

    /// Judges the window that is over and begins the next one.
    fn next_window(&mut self) -> Result<(), String> {
        let now = Instant::now();
        let Limits { throughput_bytes_per_sec_min: speed, stall_secs_max: window, .. } =
            self.limits;
        if now >= self.end {
            let most = self.limits.download_secs_max;
            return Err(format!(
                "the transfer takes longer than limits.download_secs_max, {most} s"
            ));
        }
        let slow = self.window_bytes < speed.saturating_mul(*window);
        self.slow_windows = if slow { self.slow_windows + 1 } else { 0 };
        (self.window_start, self.window_bytes) = (now, 0);
        if self.slow_windows < self.limits.tries_max {
            return Ok(());
        }
        Err(format!(
            "the transfer is too slow or stands still: under limits.throughput_bytes_per_sec_min, {speed}, for \
             limits.stall_secs_max, {window} s, each time"
        ))
    }

    fn broken(&self, url: &str, reason: String) -> SourceError {
        let tries = self.slow_windows.max(1);
        SourceError::Unreachable { url: url.to_owned(), tries, reason, source: None }
    }
}
