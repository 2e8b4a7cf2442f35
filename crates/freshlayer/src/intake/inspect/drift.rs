use crate::problem::{Code, Problem};
use crate::state::Profile;

/// Counts below this on both sides are too small for a percentage to mean anything.
const COUNT_MIN: u64 = 100;

/// Compares the counts of new data with those of the live release.
pub(super) fn drift(live: &Profile, new: &Profile, percent_max: u32) -> Vec<Problem> {
    let compared = live.counts.iter().filter_map(|(name, &before)| {
        let after = *new.counts.get(name)?;
        let large = before.max(after) >= COUNT_MIN;
        let change = before.abs_diff(after).saturating_mul(100) / before.max(1);
        (large && change > u64::from(percent_max)).then(|| {
            let expected = format!("within {percent_max} % of the live {before}");
            Problem::fail(Code::Drift, expected, format!("{after}")).at(name.clone())
        })
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
        for (before, after, problems) in [
            (1000, 1400, 0),
            (1000, 1410, 1),
            (1000, 590, 1),
            (1000, 0, 1),
            (0, 1000, 1),
            (3, 9, 0),
        ] {
            let found = drift(&profile(before), &profile(after), 40);
            assert_eq!(found.len(), problems, "{before} to {after}: {found:?}");
        }
    }
}
