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
            Err(_elapsed) if pace.next_window() => continue,
            Err(_elapsed) => return Ok(Streamed::Broken(pace.too_slow(&body.facts.url))),
        };
        size_bytes += chunk.len() as u64;
        if size_bytes > limits.download_bytes_max {
            return Ok(Streamed::TooLarge(too_large(limits, "more; the download was stopped")));
        }
        if !pace.keeps_up(chunk.len() as u64) {
            return Ok(Streamed::Broken(pace.too_slow(&body.facts.url)));
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
struct Pace {
    end: Instant,
    window: Duration,
    window_start: Instant,
    window_bytes: u64,
    window_bytes_min: u64,
    said: String,
}

impl Pace {
    fn new(limits: &Limits, end: Instant) -> Self {
        let now = Instant::now();
        let speed = limits.throughput_bytes_per_sec_min;
        Self {
            end,
            window: Duration::from_secs(limits.stall_secs_max),
            window_start: now,
            window_bytes: 0,
            window_bytes_min: speed.saturating_mul(limits.stall_secs_max),
            said: format!(
                "expected at least {speed} bytes per second over {} s, and {} s in all",
                limits.stall_secs_max, limits.download_secs_max
            ),
        }
    }

    fn deadline(&self) -> Instant {
        self.end.min(self.window_start + self.window)
    }

    /// Counts bytes; `false` where they come too slowly.
    fn keeps_up(&mut self, bytes: u64) -> bool {
        self.window_bytes += bytes;
        Instant::now() < self.deadline() || self.next_window()
    }

    /// Judges the window that is over and begins the next one; `false` where it was too slow.
    fn next_window(&mut self) -> bool {
        let now = Instant::now();
        let enough = self.window_bytes >= self.window_bytes_min;
        (self.window_start, self.window_bytes) = (now, 0);
        enough && now < self.end
    }

    fn too_slow(&self, url: &str) -> SourceError {
        let reason = format!("the transfer is too slow or stands still: {}", self.said);
        SourceError::Unreachable { url: url.to_owned(), tries: 1, reason, source: None }
    }
}
