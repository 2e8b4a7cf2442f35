//! What a refresh that failed leaves behind. No lease is needed: it may be what could not be had.

use jiff::Timestamp;

use super::Head;
use crate::state::noted::FailedRun;

/// How much of a reason a head keeps (I11).
const REASON_CHARS_MAX: usize = 500;

impl Head {
    /// Returns why the last refresh failed; absent where it did not.
    pub fn failed(&self) -> Option<&FailedRun> {
        self.failed.as_ref()
    }

    /// Notes why a refresh failed, or that it did not. The same reason again changes nothing.
    pub(crate) fn note_failure(&mut self, reason: Option<&str>, now: Timestamp) {
        let reason: Option<String> =
            reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
        if self.failed.as_ref().map(|known| &known.reason) != reason.as_ref() {
            self.failed = reason.map(|reason| FailedRun { since: now, reason });
        }
    }
}
