//! Evidence that errors became more frequent, which may be looked at as often as one likes: an e-process.
//!
//! Errors come in bursts, so a function and minute counts once, whatever the number of its errors: a larger share of them
//! failed with the new data, or with the old. Where nothing changed, the new data is the worse one with the probability q at
//! most: one half, or its part of the calls where that is more. A bet on odds that are r times higher gains `theta / q` or
//! `(1 - theta) / (1 - q)`, with `theta = rq / (1 - q + rq)`; the mean over several r is the evidence. It exceeds 1 / alpha at any
//! time with a probability of at most alpha (Ville's inequality).

use std::cmp::Ordering;

/// From here on the errors count as more frequent: a false alarm in three hundred waves at most, whatever the number of looks.
pub(super) const ENOUGH: f64 = 300.0;
/// From here on a wave does not pass yet: it is watched until the evidence is enough or gone. Chance comes so far in a third of
/// all waves at most.
pub(super) const SUSPICIOUS: f64 = 3.0;
/// How many times higher the odds may be.
const RATIOS: [f64; 6] = [1.5, 3.0, 6.0, 15.0, 40.0, 100.0];
/// Many functions may fail at once for one reason: one minute alone is never enough.
const MINUTE_MAX: f64 = 10.0;

/// The calls of one function in two minutes that are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pair {
    pub(super) new_calls: u64,
    pub(super) new_errors: u64,
    pub(super) old_calls: u64,
    pub(super) old_errors: u64,
}

/// Returns the evidence of pairs, minute by minute; each minute has the pairs of all functions.
pub(super) fn evidence(minutes: &[Vec<Pair>]) -> f64 {
    let bets = RATIOS.iter().map(|ratio| {
        let gains = minutes.iter().map(|pairs| {
            let gain: f64 = pairs.iter().map(|pair| log_gain(pair, *ratio)).sum();
            gain.min(MINUTE_MAX.ln())
        });
        gains.sum::<f64>().exp()
    });
    bets.sum::<f64>() / RATIOS.len() as f64
}

fn log_gain(pair: &Pair, ratio: f64) -> f64 {
    let Pair { new_calls, new_errors, old_calls, old_errors } = *pair;
    if new_calls == 0 || old_calls == 0 {
        return 0.0;
    }
    let part = new_calls as f64 / (new_calls + old_calls) as f64;
    let q = part.max(0.5);
    let theta = ratio * q / (1.0 - q + ratio * q);
    match (new_errors * old_calls).cmp(&(old_errors * new_calls)) {
        Ordering::Greater => (theta / q).ln(),
        Ordering::Less => ((1.0 - theta) / (1.0 - q)).ln(),
        Ordering::Equal => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    const FUNCTIONS: usize = 10;

    /// Minutes of ten functions with up to ten calls a minute before and after, whose calls fail with these shares. In one
    /// minute of twenty a function's callers meet a burst in which every other call fails, whatever the data.
    fn minutes(rng: &mut Rng, minutes: usize, old: f64, new: f64) -> Vec<Vec<Pair>> {
        let mut calls = |share: f64| {
            let share = if rng.f64() < 0.05 { 0.5 } else { share };
            let calls = rng.u64(0..=10);
            (calls, (0..calls).filter(|_| rng.f64() < share).count() as u64)
        };
        let mut pair = || {
            let ((old_calls, old_errors), (new_calls, new_errors)) = (calls(old), calls(new));
            Pair { new_calls, new_errors, old_calls, old_errors }
        };
        (0..minutes).map(|_| (0..FUNCTIONS).map(|_| pair()).collect()).collect()
    }

    /// The first minute at whose end the evidence is enough.
    fn found_at(minutes: &[Vec<Pair>]) -> Option<usize> {
        (1..=minutes.len()).find(|end| evidence(&minutes[..*end]) >= ENOUGH)
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
        let burst = Pair { new_calls: 1_000, new_errors: 1_000, old_calls: 1_000, old_errors: 0 };
        assert!(evidence(&[vec![burst]]) < ENOUGH);
        assert!(evidence(&[vec![burst; FUNCTIONS]]) < ENOUGH, "not even one of all functions");
        assert!(evidence(&vec![vec![burst]; 10]) >= ENOUGH);
        let alone = Pair { new_calls: 9, new_errors: 9, old_calls: 0, old_errors: 0 };
        assert!((evidence(&[vec![alone]]) - 1.0).abs() < 1e-9, "nothing to hold it against");
    }
}
