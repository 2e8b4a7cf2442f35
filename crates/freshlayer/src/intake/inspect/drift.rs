use crate::problem::{Code, Level, Problem};
use crate::state::Profile;

/// Counts below this on both sides are too small for a percentage to mean anything.
const COUNT_MIN: u64 = 100;

/// Compares the counts of new data with those of the live release. Half of what fails gives a warning.
pub(super) fn drift(live: &Profile, new: &Profile, percent_max: u32) -> Vec<Problem> {
    let compared = live.counts.iter().filter_map(|(name, &before)| {
        let after = *new.counts.get(name)?;
        let large = before.max(after) >= COUNT_MIN;
        let change = before.abs_diff(after).saturating_mul(100) / before.max(1);
        let (level, bound) = match change {
            _ if !large => return None,
            _ if change > u64::from(percent_max) => (Level::Fail, percent_max),
            _ if change > u64::from(percent_max / 2) => (Level::Warn, percent_max / 2),
            _ => return None,
        };
        let expected = format!("within {bound} % of the live {before}");
        let problem = Problem::fail(Code::Drift, expected, after.to_string()).at(name.clone());
        Some(Problem { level, ..problem })
    });
    compared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(count: u64) -> Profile {
        Profile { counts: [("rows".to_owned(), count)].into(), ..Profile::default() }
    }

    #[test]
    fn a_change_over_the_threshold_is_a_problem_in_both_directions() {
        for (before, after, level) in [
            (1000, 1150, None),
            (1000, 1160, Some(Level::Warn)),
            (1000, 700, Some(Level::Warn)),
            (1000, 1310, Some(Level::Fail)),
            (1000, 690, Some(Level::Fail)),
            (1000, 0, Some(Level::Fail)),
            (0, 1000, Some(Level::Fail)),
            (3, 9, None),
        ] {
            let found = drift(&profile(before), &profile(after), 30);
            let levels: Vec<Level> = found.iter().map(|problem| problem.level).collect();
            assert_eq!(levels, Vec::from_iter(level), "{before} to {after}: {found:?}");
        }
    }
}
