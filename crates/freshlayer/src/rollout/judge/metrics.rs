//! Calls that failed: those of the wave's functions since they moved, against those of the same functions just before.

use jiff::{SignedDuration, Timestamp};

use super::evalue::{ENOUGH, Pair, SUSPICIOUS, evidence};
use super::{Calls, Measured, Said, observed};
use crate::definition::MetricsGate;
use crate::ports::{Minutes, Window};
use crate::state::{Says, Wave};

/// How long a minute may take until its calls are counted.
const LAG: SignedDuration = SignedDuration::from_mins(3);
/// Fewer errors never stop a release.
const ERRORS_MIN: u64 = 3;
/// A smaller growth of the share of errors never stops a release.
const GROWTH_MIN: f64 = 1.5;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What to count for a wave: as many whole minutes before it opened as have passed since it was complete. `None` where
/// none has passed.
pub(in crate::rollout) fn window(wave: &Wave, now: Timestamp) -> Option<Window> {
    let reached = next_minute(wave.reached?);
    let until = last_counted(now);
    let span = until.duration_since(reached);
    if span < MINUTE {
        return None;
    }
    Some(Window { from: minute_of(wave.opened).saturating_sub(span).ok()?, until })
}

/// The minute behind the last one whose calls are counted by now.
pub(in crate::rollout) fn last_counted(now: Timestamp) -> Timestamp {
    minute_of(now.saturating_sub(LAG).unwrap_or(now))
}

pub(super) fn judge(gate: &MetricsGate, wave: &Wave, measured: &Measured) -> Said {
    observed(gate.binding, judged(gate, wave, measured))
}

fn judged(gate: &MetricsGate, wave: &Wave, measured: &Measured) -> Said {
    let uncounted =
        |words: &String| Said::of(Says::Unmeasured, format!("calls cannot be counted: {words}"));
    let moved = match &measured.moved {
        Ok(calls) => Compared::of(calls, wave),
        Err(words) => return uncounted(words),
    };
    let sentence = moved.sentence();
    if moved.is_worse() {
        let others = match &measured.others {
            None => return Said::of(Says::Fail, sentence),
            Some(Ok(calls)) => Compared::of(calls, wave),
            Some(Err(words)) => return uncounted(words),
        };
        if !others.is_worse() {
            return Said::of(Says::Fail, sentence);
        }
        let words =
            format!("{sentence}; calls of functions that have not moved fail more often as well");
        return Said::of(Says::Inconclusive, words);
    }
    if moved.is_suspicious() {
        let words = format!("{sentence}; that may be chance, and more calls will tell");
        return Said::of(Says::Inconclusive, words);
    }
    if moved.sum.new_calls >= gate.calls_min {
        return Said::of(Says::Pass, sentence);
    }
    let words = format!("{sentence}; {} calls are needed to pass", gate.calls_min);
    let says = if moved.sum.new_errors == 0 { Says::TooFew } else { Says::Inconclusive };
    Said::of(says, words)
}

/// Tells whether the calls look bad enough to ask how the other functions fare.
pub(in crate::rollout) fn looks_bad(wave: &Wave, calls: &Calls) -> bool {
    Compared::of(calls, wave).is_worse()
}

/// Calls since a wave was complete against those before it opened.
struct Compared {
    /// Every minute with a pair for each function.
    minutes: Vec<Vec<Pair>>,
    sum: Pair,
    /// How many functions had no call since they moved.
    silent: usize,
}

impl Compared {
    /// Holds the first minute after the wave against the last one before it, the second against the last but one, and so on.
    fn of(calls: &Calls, wave: &Wave) -> Self {
        let (opened, reached) = (minute_of(wave.opened), wave.reached.map(next_minute));
        let last = calls.values().filter_map(|minutes| minutes.keys().next_back()).max();
        let spans = reached
            .zip(last.copied())
            .map_or(0, |(reached, last)| last.duration_since(reached).as_mins() + 1);
        let at = |from: Timestamp, minutes: i64| {
            from.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(from)
        };
        let pair = |number: i64, minutes: &Minutes| {
            let count = |minute: Timestamp| minutes.get(&minute).copied().unwrap_or_default();
            let new = count(at(reached.unwrap_or(opened), number));
            let old = count(at(opened, -1 - number));
            Pair {
                new_calls: new.calls,
                new_errors: new.errors.min(new.calls),
                old_calls: old.calls,
                old_errors: old.errors.min(old.calls),
            }
        };
        let minutes: Vec<Vec<Pair>> = (0..spans)
            .map(|number| calls.values().map(|minutes| pair(number, minutes)).collect())
            .collect();
        let sum = minutes.iter().flatten().fold(Pair::default(), |sum, pair| Pair {
            new_calls: sum.new_calls + pair.new_calls,
            new_errors: sum.new_errors + pair.new_errors,
            old_calls: sum.old_calls + pair.old_calls,
            old_errors: sum.old_errors + pair.old_errors,
        });
        let was_called = |minutes: &Minutes| {
            let mut since = minutes.range(reached.unwrap_or(opened)..);
            since.any(|(_, one)| one.calls > 0)
        };
        let silent = calls.values().filter(|minutes| !was_called(minutes)).count();
        Self { minutes, sum, silent }
    }

    fn is_worse(&self) -> bool {
        self.has_grown() && evidence(&self.minutes) >= ENOUGH
    }

    fn is_suspicious(&self) -> bool {
        self.has_grown() && evidence(&self.minutes) >= SUSPICIOUS
    }

    fn has_grown(&self) -> bool {
        let share = |errors: u64, calls: u64| errors as f64 / calls.max(1) as f64;
        let Pair { new_calls, new_errors, old_calls, old_errors } = self.sum;
        let grown = share(new_errors, new_calls) >= GROWTH_MIN * share(old_errors, old_calls);
        new_errors >= ERRORS_MIN && grown
    }

    fn sentence(&self) -> String {
        let Pair { new_calls, new_errors, old_calls, old_errors } = self.sum;
        let silent = match self.silent {
            0 => String::new(),
            1 => "; 1 function had no call".to_owned(),
            silent => format!("; {silent} functions had no call"),
        };
        match (new_calls, new_errors) {
            (0, _) => format!("no call was counted{silent}"),
            (calls, 0) => {
                let bound = 100.0 * (1.0 - 0.05_f64.powf(1.0 / calls as f64));
                format!(
                    "none of {calls} calls failed, so at most {bound:.1} % of calls fail, with 95 % confidence{silent}"
                )
            }
            (calls, errors) => format!(
                "{errors} of {calls} calls failed, and {old_errors} of {old_calls} in as many minutes before the wave opened{silent}"
            ),
        }
    }
}

fn minute_of(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(at)
}

fn next_minute(at: Timestamp) -> Timestamp {
    let begun = minute_of(at);
    if begun == at { at } else { begun.saturating_add(MINUTE).unwrap_or(at) }
}
