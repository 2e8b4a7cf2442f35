use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Lambda's control plane takes 15 calls a second per account and Region, and that is not to be raised
/// (AWS Lambda quotas). People and pipelines need their part.
pub const CALLS_PER_SEC_DEFAULT: u32 = 8;

/// Spaces calls evenly. Clones share one pace.
#[derive(Clone)]
pub struct Pace(Arc<Mutex<Interval>>);

impl Pace {
    /// Allows so many calls a second; at least one.
    pub fn per_sec(calls: u32) -> Self {
        let mut interval = interval(Duration::from_secs(1) / calls.max(1));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Arc::new(Mutex::new(interval)))
    }

    /// Waits for the next turn.
    pub(crate) async fn turn(&self) {
        self.0.lock().await.tick().await;
    }
}
