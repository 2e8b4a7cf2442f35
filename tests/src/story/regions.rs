use std::collections::BTreeSet;

use freshlayer::definition::Definition;
use freshlayer::report::{Report, Why};
use freshlayer::state::{Rollout, Wave};

/// I4, Region by Region: one is whole and watched before functions of another one move.
#[derive(Debug, Default)]
pub(super) struct Regions {
    /// The rollouts whose waves were seen to leave their first Region.
    left: BTreeSet<u64>,
}

impl Regions {
    /// Holds a rollout that is watched against the gap between its Regions. Where a Region cannot be read, it is not known
    /// whether it is whole; the gap is kept all the same.
    ///
    /// # Panics
    /// Where the promise is broken.
    pub(super) fn one_after_the_other(
        &mut self,
        rollout: &Rollout,
        definition: &Definition,
        report: Option<&Report>,
    ) {
        let gap = definition.rollout.course.region_gap;
        let Some(first) = rollout.waves.first().map(regions_of) else { return };
        if gap.is_zero() {
            return;
        }
        assert_eq!(first.len(), 1, "I4: the first wave has functions of {first:?}");
        let leaves = rollout.waves.iter().position(|wave| regions_of(wave) != first);
        let Some(leaves) = leaves.filter(|_| self.left.insert(rollout.number)) else { return };
        let (before, next) = (&rollout.waves[leaves - 1], &rollout.waves[leaves]);
        let watched = next.opened.duration_since(before.reached.unwrap_or(before.opened));
        assert!(gap <= watched, "I4: {first:?} was watched for {watched:#} when {next:?} opened");
        // What a run that died left behind is not known.
        let waits = report.iter().flat_map(|report| &report.consumers).filter(|one| {
            let why = one.reason.as_ref().map(|reason| &reason.why);
            first.contains(one.place.region.as_str()) && matches!(why, Some(Why::LaterWave))
        });
        let waits: Vec<_> = waits.collect();
        assert!(waits.is_empty(), "I4: {first:?} is not whole when {next:?} opened: {waits:?}");
    }
}

/// The Regions that have functions in a wave.
fn regions_of(wave: &Wave) -> BTreeSet<&str> {
    wave.members.keys().filter_map(|place| place.split(' ').next()).collect()
}
