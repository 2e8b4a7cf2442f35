use std::io::{self, Read};

use crate::limits::Limits;
use crate::problem::{Code, Problem};

/// Small bodies may expand freely up to here; the ratio counts from there on.
const FREE_BYTES: u64 = 1024 * 1024;

/// What unpacking one body may still produce.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    bytes_max: u64,
    ratio: u64,
    body_bytes: u64,
    unpacked_bytes_max: u64,
    used: u64,
}

impl Budget {
    /// Makes the budget of a body of a given size.
    pub(crate) fn new(limits: &Limits, body_bytes: u64) -> Self {
        let by_ratio = body_bytes.saturating_mul(limits.expansion_ratio_max).max(FREE_BYTES);
        // What is passed over counts too: licence texts and other files beside the one that is taken.
        let by_size = limits.unpacked_bytes_max.saturating_mul(2);
        Self {
            bytes_max: by_ratio.min(by_size),
            ratio: limits.expansion_ratio_max,
            body_bytes,
            unpacked_bytes_max: limits.unpacked_bytes_max,
            used: 0,
        }
    }

    /// Counts bytes; gives the problem once there are too many.
    pub(crate) fn spend(&mut self, bytes: u64) -> Result<(), Problem> {
        self.used = self.used.saturating_add(bytes);
        if self.used <= self.bytes_max {
            return Ok(());
        }
        let expected = format!(
            "at most {} bytes: {} times the body of {} bytes, and twice the {} bytes of a dataset",
            self.bytes_max, self.ratio, self.body_bytes, self.unpacked_bytes_max
        );
        Err(Problem::fail(Code::ExpansionLimit, expected, "more; unpacking was stopped"))
    }
}

/// A problem on its way through a reader.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) Problem);

/// A reader that counts against a budget, and knows how the bytes so far end.
pub(super) struct Bounded<R> {
    inner: R,
    budget: Budget,
    /// How many were read.
    pub(super) bytes: u64,
    pub(super) zeros_at_end: u64,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, budget: Budget) -> Self {
        Self { inner, budget, bytes: 0, zeros_at_end: 0 }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        let zeros = buffer[..read].iter().rev().take_while(|byte| **byte == 0).count();
        let before = if zeros == read { self.zeros_at_end } else { 0 };
        self.zeros_at_end = before + zeros as u64;
        match self.budget.spend(read as u64) {
            Ok(()) => Ok(read),
            Err(problem) => Err(io::Error::other(Refusal(problem))),
        }
    }
}

/// Says what a failed read of a container means for the data.
pub(super) fn problem_of(error: &io::Error) -> Problem {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
    if let Some(Refusal(problem)) = refusal {
        return problem.clone();
    }
    let found = match error.kind() {
        io::ErrorKind::UnexpectedEof => "an end in the middle: the file is cut short".to_owned(),
        _ => error.to_string(),
    };
    Problem::fail(Code::ContainerCorrupt, "a container that can be read to its end", found)
}
