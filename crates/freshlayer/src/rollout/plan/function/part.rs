//! Aliases that send a part of their calls to the new data.

use super::super::layers::ours;
use super::{Decision, FunctionPlan, Here, Served};
use crate::ports::{Alias, PublishedVersion, Routing};
use crate::release::publish::made_by_freshlayer;
use crate::report::Why;
use crate::rollout::plan::{Admission, Standing};

impl<'a> FunctionPlan<'a> {
    /// An alias that sends a part of its calls elsewhere is not moved.
    pub(super) fn routing(&self) -> Option<Standing> {
        let there = |version: &PublishedVersion| version.configuration.layers.contains(self.target);
        self.served().find_map(|(alias, version)| {
            let (other, percent) = match alias.routing {
                Routing::Whole => return None,
                Routing::Failed { .. } => {
                    let alias = alias.name.clone();
                    return there(version).then_some(Standing::Held(Why::NotProvisioned { alias }));
                }
                Routing::Split { .. } if self.split_by_us(alias, version).is_some() => return None,
                Routing::Split { .. } if self.is_left_over(alias, version) => return None,
                Routing::Split { version, percent } => (version, percent),
            };
            let both = there(version) && self.consumer.version(other).is_some_and(there);
            let alias = alias.name.clone();
            match (both, percent) {
                (true, _) => None,
                (false, 100) => Some(Standing::Waiting(Why::Shifting { alias })),
                (false, _) => Some(Standing::Held(Why::SplitAlias { alias })),
            }
        })
    }

    /// The version that gets a part of an alias's calls, and its part, where a wave of ours sent them there: it differs in our
    /// layer only.
    pub(super) fn split_by_us(
        &self,
        alias: &Alias,
        served: &PublishedVersion,
    ) -> Option<(&'a PublishedVersion, u8)> {
        let Routing::Split { version, percent: percent @ 1..100 } = alias.routing else {
            return None;
        };
        let part = self.consumer.version(version)?;
        let ours = made_by_freshlayer(&part.description, &self.here.intent.layer)
            && self.differs_in_our_layer_only(&part.configuration, &served.configuration);
        ours.then_some((part, percent))
    }

    /// Tells whether an alias still has a weight of ours, though a deployment gave it other code or settings since: the version
    /// that a part of its calls goes to has the data of an open wave in part, data that was left, or data that an order leads
    /// away from. Most calls get the other code already, so the weight can go without bringing callers code that its people
    /// did not bring them.
    fn is_left_over(&self, alias: &Alias, served: &PublishedVersion) -> bool {
        let Routing::Split { version, percent: 1..50 } = alias.routing else { return false };
        self.consumer.version(version).is_some_and(|part| {
            made_by_freshlayer(&part.description, &self.here.intent.layer)
                && !self.differs_in_our_layer_only(&part.configuration, &served.configuration)
                && (self.is_on_target(part) && self.is_of_a_wave_in_part()
                    || self.was_left(part)
                    || self.is_ordered_away(part))
        })
    }

    fn is_of_a_wave_in_part(&self) -> bool {
        let Here { rollout, view, .. } = self.here;
        let mut waves = rollout.into_iter().flat_map(|rollout| &rollout.waves);
        waves.any(|wave| wave.percent.is_some() && wave.has(&view.place, &self.consumer.function))
    }

    /// Tells whether a person's order leads to older data than a version has.
    fn is_ordered_away(&self, version: &PublishedVersion) -> bool {
        let Here { intent, .. } = self.here;
        let ordered = self.is_pinned() || intent.course.is_none();
        let used = ours(&version.configuration, self.target);
        ordered && used.is_some_and(|used| used.version() > self.target.version())
    }

    /// Tells whether a version has the data of a release that every function left.
    fn was_left(&self, version: &PublishedVersion) -> bool {
        let Here { intent, view, .. } = self.here;
        let left = intent.left.iter().filter_map(|release| intent.releases.get(release));
        let mut left = left.filter_map(|versions| versions.get(&view.place.region));
        left.any(|arn| version.configuration.layers.contains(arn))
    }

    /// An alias of which a part has other data than the target's, or other code, or that has the target's data whole: its weight
    /// goes.
    pub(super) fn joined(&self) -> Option<Decision> {
        let is_there = |version: &PublishedVersion| self.is_on_target(version);
        let split = self.served().find(|(alias, version)| {
            let part = self.split_by_us(alias, version);
            let was_left = part.is_some_and(|(part, _)| self.was_left(part));
            is_there(version) && part.is_some() || was_left || self.is_left_over(alias, version)
        });
        split
            .map(|(alias, version)| (Some(self.lead(alias, version.number, 100)), Standing::Moving))
    }

    /// Tells the aliases that send as many calls to the target as their wave wants from the others; of those, how many in
    /// percent.
    pub(super) fn parts(&self, behind: Vec<Served<'a>>) -> (Vec<u8>, Vec<Served<'a>>) {
        let Admission::Part(_) = self.here.admission(self.consumer) else {
            return (Vec::new(), behind);
        };
        let (mut parts, mut rest) = (Vec::new(), Vec::new());
        for (alias, version) in behind {
            match self.split_by_us(alias, version).filter(|(part, _)| self.is_on_target(part)) {
                Some((_, percent)) => parts.push(percent),
                None => rest.push((alias, version)),
            }
        }
        (parts, rest)
    }
}
