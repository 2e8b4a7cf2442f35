//! Evidence that errors became more frequent, which may be looked at as often as one likes: an e-process.
//!
//! Errors come in bursts, so a function and minute counts once, whatever the number of its errors: a larger share of them
//! failed with the new data, or with the old. Where nothing changed, the new data is the worse one with the probability q at
//! most: one half, or the new data's part of all calls where that is more. A bet on odds that are r times higher gains
//! `theta / q` or `(1 - theta) / (1 - q)`, with `theta = rq / (1 - q + rq)`; the mean over several r is the evidence. Where
//! minutes are independent of each other, it exceeds 1 / alpha at any time with a probability of at most alpha (Ville's
//! inequality). No minute counts twice, so the evidence of all waves of a rollout is one: their minutes are added up. q is
//! taken from the calls of all minutes together, and errors that last are not independent: `rehearsal.rs` measures what
//! that costs.
//!
//! Where an alias sends a part of its calls to the new data, chance alone decides which version answers a call. Where nothing
//! changed, an error is the new version's with the probability q, its part of all calls, whoever calls and however errors
//! cluster. So each error is a bet of its own, and the product of both kinds of evidence is evidence again.

use crate::ports::Calls;
use crate::state::{Sums, Tally};

/// From here on the errors count as more frequent: a false alarm in two thousand rollouts where errors are independent, and in
/// fewer than one of a hundred where callers repeat failed calls.
pub(super) const ENOUGH: f64 = 2_000.0;
/// From here on a wave does not pass yet: it is watched until the evidence is enough or gone. Chance comes so far in a third of
/// all rollouts at most.
pub(super) const SUSPICIOUS: f64 = 3.0;
/// From here on the errors of functions that have not moved excuse those of the wave. Two minutes of all of them are enough.
pub(super) const EXCUSE: f64 = 10.0;
/// Many functions may fail at once for one reason: one minute counts at most so many more worse functions than better ones.
/// One minute alone is never enough.
const MINUTE_MAX: u64 = 5;
/// A new version begins with cold starts: one minute counts at most so many more of its errors than of the version beside it.
const PART_MINUTE_MAX: u64 = 3;
/// How many times higher the odds may be.
const RATIOS: [f64; 6] = [1.5, 3.0, 6.0, 15.0, 40.0, 100.0];

/// The calls of one function in two minutes that are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pair {
    pub(super) new: Calls,
    pub(super) old: Calls,
}

impl Pair {
    /// Tells whether both of them have calls.
    pub(super) fn compares(&self) -> bool {
        self.new.calls > 0 && self.old.calls > 0
    }

    fn sums(self, of: Calls) -> Sums {
        let bad_minutes = u64::from(self.compares() && of.errors > 0);
        Sums { calls: of.calls, errors: of.errors, bad_minutes }
    }
}

/// Adds up one minute, with the pairs of all functions.
pub(super) fn minute(pairs: impl IntoIterator<Item = Pair>) -> Tally {
    let mut tally = Tally::default();
    for pair in pairs {
        let Pair { new, old } = pair;
        (tally.new, tally.old) = (tally.new + pair.sums(new), tally.old + pair.sums(old));
        // Where one of them has no call, neither is worse.
        let (with, before) = (new.errors * old.calls, old.errors * new.calls);
        tally.worse += u64::from(with > before);
        tally.better += u64::from(with < before);
    }
    tally.worse = tally.worse.min(tally.better + MINUTE_MAX);
    tally
}

/// Adds up one minute of functions in part, with the calls of the new version and of the one beside it: each error counts.
pub(super) fn minute_in_part(pairs: impl IntoIterator<Item = Pair>) -> Tally {
    let mut tally = Tally::default();
    for pair in pairs {
        (tally.new, tally.old) = (tally.new + pair.sums(pair.new), tally.old + pair.sums(pair.old));
        tally.worse += pair.new.errors;
        tally.better += pair.old.errors;
    }
    tally.worse = tally.worse.min(tally.better + PART_MINUTE_MAX);
    tally
}

/// Returns the evidence of minutes that were added up.
pub(super) fn evidence(tally: &Tally) -> f64 {
    bets(tally, share(tally).clamp(0.5, 0.999))
}

/// Returns the evidence of minutes of functions in part that were added up.
pub(super) fn evidence_in_part(tally: &Tally) -> f64 {
    bets(tally, share(tally).clamp(0.001, 0.999))
}

/// The new data's part of all calls.
fn share(tally: &Tally) -> f64 {
    let (new, old) = (tally.new.calls as f64, tally.old.calls as f64);
    new / (new + old).max(1.0)
}

fn bets(tally: &Tally, q: f64) -> f64 {
    let bets = RATIOS.iter().map(|ratio| {
        let theta = ratio * q / (1.0 - q + ratio * q);
        let (worse, better) = ((theta / q).ln(), ((1.0 - theta) / (1.0 - q)).ln());
        (tally.worse as f64 * worse + tally.better as f64 * better).exp()
    });
    bets.sum::<f64>() / RATIOS.len() as f64
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    const FUNCTIONS: usize = 10;

    fn pair(new: (u64, u64), old: (u64, u64)) -> Pair {
        let calls = |(calls, errors)| Calls { calls, errors, slow: 0 };
        Pair { new: calls(new), old: calls(old) }
    }

    /// Minutes of ten functions with up to ten calls a minute before and after, whose calls fail with these shares. In one
    /// minute of twenty a function's callers meet a burst in which every other call fails, whatever the data.
    fn minutes(rng: &mut Rng, minutes: usize, old: f64, new: f64) -> Vec<Vec<Pair>> {
        let mut calls = |share: f64| {
            let share = if rng.f64() < 0.05 { 0.5 } else { share };
            let calls = rng.u64(0..=10);
            Calls {
                calls,
                errors: (0..calls).filter(|_| rng.f64() < share).count() as u64,
                slow: 0,
            }
        };
        let mut pair = || Pair { old: calls(old), new: calls(new) };
        (0..minutes).map(|_| (0..FUNCTIONS).map(|_| pair()).collect()).collect()
    }

    fn of(minutes: &[Vec<Pair>]) -> f64 {
        let minutes = minutes.iter().map(|pairs| minute(pairs.iter().copied()));
        evidence(&minutes.fold(Tally::default(), |sum, one| sum + one))
    }

    /// The first minute at whose end the evidence is enough.
    fn found_at(minutes: &[Vec<Pair>]) -> Option<usize> {
        (1..=minutes.len()).find(|end| of(&minutes[..*end]) >= ENOUGH)
    }

    #[test]
    fn good_data_is_stopped_in_one_rollout_of_a_hundred_at_most() {
        let mut rng = Rng::with_seed(7);
        for share in [0.0, 0.001, 0.01, 0.05] {
            let alarms =
                (0..400).filter(|_| found_at(&minutes(&mut rng, 30, share, share)).is_some());
            let alarms = alarms.count();
            assert!(alarms <= 4, "{alarms} of 400 at an error rate of {share}");
        }
    }

    #[test]
    fn bad_data_is_found_while_few_calls_have_met_it() {
        let mut rng = Rng::with_seed(8);
        for (new, latest, at_least) in [(1.0, 4, 95), (0.2, 8, 95), (0.05, 30, 80)] {
            let found = (0..100).filter(|_| {
                let at = found_at(&minutes(&mut rng, 30, 0.002, new));
                at.is_some_and(|minute| minute <= latest)
            });
            let found = found.count();
            assert!(found >= at_least, "{found} of 100 with {new} by minute {latest}");
        }
    }

    #[test]
    fn one_minute_alone_is_never_enough() {
        let burst = pair((1_000, 1_000), (1_000, 0));
        assert!(of(&[vec![burst]]) < EXCUSE);
        assert!(of(&[vec![burst; FUNCTIONS]]) < ENOUGH, "not even one of all functions");
        assert!(of(&vec![vec![burst]; 14]) >= ENOUGH);
        let alone = pair((9, 9), (0, 0));
        assert!((of(&[vec![alone]]) - 1.0).abs() < 1e-9, "nothing to hold it against");
    }

    /// More callers meet more errors.
    #[test]
    fn a_function_that_is_called_more_often_is_no_evidence() {
        let busier = pair((3, 1), (1, 0));
        let quieter = pair((3, 0), (1, 1));
        let minutes = [vec![vec![busier]; 30], vec![vec![quieter]; 10]].concat();
        assert!(of(&minutes) < SUSPICIOUS, "{}", of(&minutes));
    }
}
