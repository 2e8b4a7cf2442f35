//! A clock that counts virtual time.

use std::time::Duration;

use freshlayer::ports::Clock;
use jiff::Timestamp;
use tokio::time::Instant;

/// What the clock says at its origin: 2026-11-01T00:00:00Z, some weeks after the databases' first build.
pub const EPOCH: Timestamp = Timestamp::constant(1_793_491_200, 0);

/// Tokio's time, which a paused runtime moves by itself: [`EPOCH`] and what went by since an origin. Copies
/// agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    origin: Instant,
}

impl VirtualClock {
    /// Starts at the epoch.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Tells what the clock says at a moment.
    ///
    /// # Panics
    /// Thousands of years after the epoch.
    pub fn at(&self, moment: Instant) -> Timestamp {
        let since = self.since_origin(moment);
        EPOCH.checked_add(since).expect("a test is over long before time is")
    }

    pub(crate) fn since_origin(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.origin)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}
