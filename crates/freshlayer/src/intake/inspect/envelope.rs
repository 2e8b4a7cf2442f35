//! A change far beyond all that the last releases brought gives a warning. It keeps nothing out: real releases pulse, and
//! fixed bounds judge.

use std::collections::BTreeMap;

use crate::problem::{Code, GateReport, Problem};
use crate::state::Profile;

/// How many releases a change is held against; with fewer of them nothing is usual yet.
const RELEASES: usize = 8;
/// How many times the largest of them it may be.
const TIMES: u32 = 3;
/// Below this, in parts per million, no change is worth a word.
const FLOOR_PPM: u32 = 1_000;

/// Shares by their names, in parts per million.
pub(super) type Shares = BTreeMap<String, u32>;

/// Judges how much new data differs from the live one, and keeps that for the next releases. Of single `places` it is kept
/// alone: there are too many for one of them never to be the first of its kind.
pub(super) fn judge(live: &Profile, new: &mut Profile, places: Shares, gates: &mut GateReport) {
    let mut now = shares(live, new, gates);
    if let Some(past) = live.changes.last_chunk::<RELEASES>() {
        gates.judge(Code::Unusual, unusual(past, &now));
    }
    now.extend(places);
    let kept = live.changes.len().saturating_sub(RELEASES - 1);
    new.changes = live.changes[kept..].to_vec();
    new.changes.push(now);
}

/// Tells whether the last releases brought about so much of one kind; `None` where none of them measured it.
pub(super) fn is_usual(past: &[Shares], name: &str, ppm: u32) -> Option<bool> {
    let largest = past.iter().filter_map(|one| one.get(name)).max()?;
    Some(ppm <= largest.saturating_mul(TIMES))
}

/// Names every share that was measured, and how much each count changed.
fn shares(live: &Profile, new: &Profile, gates: &GateReport) -> Shares {
    let counts = live.counts.iter().filter_map(|(name, &before)| {
        let after = *new.counts.get(name)?;
        let ppm = u128::from(before.abs_diff(after)) * 1_000_000 / u128::from(before.max(1));
        Some((name.clone(), u32::try_from(ppm).unwrap_or(u32::MAX)))
    });
    gates.shares().chain(counts).collect()
}

fn unusual(past: &[Shares; RELEASES], now: &Shares) -> Vec<Problem> {
    let problems = now.iter().filter_map(|(name, &ppm)| {
        let before: Option<Vec<u32>> = past.iter().map(|one| one.get(name).copied()).collect();
        let largest = before?.into_iter().max()?;
        let beyond = ppm > largest.saturating_mul(TIMES).max(FLOOR_PPM);
        let expected = format!(
            "at most {TIMES} times the largest change of the last {RELEASES} releases, {}",
            percent(largest)
        );
        let problem = || Problem::warn(Code::Unusual, expected, percent(ppm)).at(name.clone());
        beyond.then(problem)
    });
    problems.collect()
}

fn percent(ppm: u32) -> String {
    format!("{:.2} %", f64::from(ppm) / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Level;

    fn profile(rows: u64) -> Profile {
        Profile { counts: BTreeMap::from([("rows".to_owned(), rows)]), ..Profile::default() }
    }

    /// Releases one after the other; returns what the last one raises.
    fn released(rows: &[u64]) -> Vec<Problem> {
        let mut live = profile(rows[0]);
        let mut raised = Vec::new();
        for &count in &rows[1..] {
            let (mut new, mut gates) = (profile(count), GateReport::default());
            judge(&live, &mut new, Shares::new(), &mut gates);
            raised = gates.problems().cloned().collect();
            live = new;
        }
        assert!(live.changes.len() <= RELEASES);
        raised
    }

    #[test]
    fn a_change_is_held_against_those_of_the_last_eight_releases() {
        let steady = [1_000, 1_010, 1_000, 1_010, 1_000, 1_010, 1_000, 1_010, 1_000];
        let then = |rows: u64| [&steady[..], &[rows]].concat();
        assert_eq!(released(&then(1_030)), []);
        let raised = released(&then(1_040));
        assert_eq!(raised.len(), 1, "{raised:?}");
        assert_eq!((raised[0].code, raised[0].level), (Code::Unusual, Level::Warn));
        assert_eq!(released(&steady[..4]), [], "with few releases nothing is usual yet");
        assert_eq!(released(&[&steady[1..], &[2_000]].concat()), [], "seven are too few");
    }

    #[test]
    fn after_releases_without_a_change_a_small_one_is_no_news() {
        let still = [100_000; 9];
        assert_eq!(released(&[&still[..], &[100_100]].concat()), []);
        assert_eq!(released(&[&still[..], &[100_200]].concat()).len(), 1);
    }
}
