use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Lambda's control plane takes 15 calls a second per account and Region, and that is not to be raised
/// (AWS Lambda quotas). People and pipelines need their part.
pub const CALLS_PER_SEC_DEFAULT: u32 = 8;
/// So many calls may come at once after a pause; with the calls of the next second it stays below 15.
const BURST: u32 = 5;

/// Spaces calls, in any order of the callers. Clones share one pace.
#[derive(Clone)]
pub struct Pace {
    period: Duration,
    /// How many calls may come at once after a pause.
    burst: u32,
    /// When the next call would be due if all of them were spaced evenly.
    due: Arc<Mutex<Instant>>,
    /// The pace that its calls keep, too.
    within: Option<Arc<Pace>>,
}

impl Pace {
    /// Allows so many calls a second; at least one.
    pub fn per_sec(calls: u32) -> Self {
        Self {
            period: Duration::from_secs(1) / calls.max(1),
            burst: BURST,
            due: Arc::new(Mutex::new(Instant::now())),
            within: None,
        }
    }

    /// Makes a pace of its own, as fast: another account or Region has its own limit.
    pub(crate) fn another(&self) -> Self {
        Self { due: Arc::new(Mutex::new(Instant::now())), ..self.clone() }
    }

    /// Makes a pace within this one that allows at most so many calls a second, none of them at once.
    pub(crate) fn at_most(&self, calls: u32) -> Self {
        Self { burst: 1, within: Some(Arc::new(self.clone())), ..Self::per_sec(calls) }
    }

    /// Waits for the next turn, here and then in the pace around it.
    pub(crate) async fn turn(&self) {
        let mut next = Some(self);
        while let Some(pace) = next {
            pace.own_turn().await;
            next = pace.within.as_deref();
        }
    }

    async fn own_turn(&self) {
        let turn = {
            let mut due = self.due.lock().await;
            let turn = due.checked_sub(self.period * (self.burst - 1));
            *due = (*due).max(Instant::now()) + self.period;
            turn
        };
        if let Some(turn) = turn {
            sleep_until(turn).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_within_another_keeps_both() {
        let account = Pace::per_sec(10);
        let (slow, started) = (account.at_most(2), Instant::now());
        for _ in 0..5 {
            slow.turn().await;
        }
        assert!(started.elapsed().as_millis() >= 2_000, "no burst, then two a second");
        let mut others = 0;
        while started.elapsed().as_millis() < 4_000 {
            account.turn().await;
            others += 1;
        }
        assert!(others > 15, "the others have the rest: {others}");
        let hurry = account.at_most(1_000);
        let begun = Instant::now();
        for _ in 0..20 {
            hurry.turn().await;
        }
        assert!(begun.elapsed().as_millis() >= 1_400, "none is faster than the account's");
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_the_rest_is_spaced() {
        let (pace, started) = (Pace::per_sec(10), Instant::now());
        let mut passed = Vec::new();
        for _ in 0..15 {
            pace.turn().await;
            passed.push(started.elapsed().as_millis());
        }
        assert_eq!(passed[..5], [0; 5], "the burst");
        assert!(passed[14] >= 1_000, "then ten a second: {passed:?}");
        assert!(passed[14] <= 1_050, "and no fewer: {passed:?}");
        tokio::time::sleep(Duration::from_mins(1)).await;
        let pause_over = Instant::now();
        for _ in 0..5 {
            pace.turn().await;
        }
        assert_eq!(pause_over.elapsed().as_millis(), 0, "a pause earns one burst");
        pace.turn().await;
        assert!(pause_over.elapsed().as_millis() >= 100, "and not more");
    }
}
