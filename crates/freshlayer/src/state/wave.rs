//! A wave of a rollout: its functions, and those that come late to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::rollout::Rollout;
use crate::names::Place;
use crate::ports::FunctionName;

/// The functions of a wave, by place.
pub type Members = BTreeMap<String, BTreeSet<FunctionName>>;

/// Functions that move together and are watched together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wave {
    /// They are fixed when the wave opens.
    pub members: Members,
    /// How many of the calls of an alias come to the release, in percent; absent for all. A later wave brings the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub percent: Option<u8>,
    /// When it opened.
    #[schemars(with = "String")]
    pub opened: Timestamp,
    /// By place: when a function of this wave left the stable release for a release that never became stable. The others were on
    /// the stable release when the wave opened.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, BTreeMap<FunctionName, String>>", default)]
    pub unproven: BTreeMap<String, BTreeMap<FunctionName, Timestamp>>,
    /// By place: functions of this wave and of earlier ones that could be moved only while this wave was the last one and others
    /// were watched, and since when. They are watched with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, BTreeMap<FunctionName, String>>", default)]
    pub late: BTreeMap<String, BTreeMap<FunctionName, Timestamp>>,
    /// When every member that can be moved was there: from then on they are watched.
    #[schemars(with = "Option<String>")]
    pub reached: Option<Timestamp>,
    /// Until when they are watched, unless the gates need longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub until: Option<Timestamp>,
    /// What the gates said at the last look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub evidence: Option<Evidence>,
    /// When the next wave opened, or every function was where it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub done: Option<Timestamp>,
}

/// The last wave, and those just before it that no function was moved in: they gave way to it.
pub(crate) fn unreached_with_last(waves: &[Wave]) -> &[Wave] {
    let Some((_, before)) = waves.split_last() else { return waves };
    let first = before.iter().rposition(|wave| wave.reached.is_some()).map_or(0, |last| last + 1);
    &waves[first..]
}

impl Wave {
    /// A wave that opens.
    pub(crate) fn open(members: Members, percent: Option<u8>, opened: Timestamp) -> Self {
        Self {
            members,
            percent,
            opened,
            unproven: BTreeMap::new(),
            late: BTreeMap::new(),
            reached: None,
            until: None,
            evidence: None,
            done: None,
        }
    }

    /// Until when a function of it was on the stable release: its calls of then are what new data is held against.
    pub(crate) fn proven_until(&self, place: &Place, function: &FunctionName) -> Timestamp {
        found(&self.unproven, place, function).unwrap_or(self.opened)
    }

    /// When a function of it left the stable release, with this wave or before.
    pub(crate) fn left_stable(&self, place: &str, function: &FunctionName) -> Option<Timestamp> {
        let is_member = self.members.get(place).is_some_and(|members| members.contains(function));
        let before = || self.unproven.get(place)?.get(function).copied();
        is_member.then(|| before().unwrap_or(self.opened))
    }

    /// Notes that every member that can be moved is there, or that one came late: then they are watched for longer.
    pub(crate) fn watch(&mut self, from: Timestamp, until: Timestamp) {
        self.reached.get_or_insert(from);
        self.until = Some(until);
    }

    /// Tells whether a function is watched with this wave.
    pub(crate) fn watches(&self, place: &Place, function: &FunctionName) -> bool {
        self.has(place, function) || self.late_since(place, function).is_some()
    }

    /// Since when a function that came late is watched with this wave.
    pub(crate) fn late_since(&self, place: &Place, function: &FunctionName) -> Option<Timestamp> {
        found(&self.late, place, function)
    }

    /// Tells whether a function is of this wave.
    pub fn has(&self, place: &Place, function: &FunctionName) -> bool {
        self.members.get(&place.to_string()).is_some_and(|members| members.contains(function))
    }

    /// Returns how many functions it has.
    pub fn count(&self) -> usize {
        self.members.values().map(BTreeSet::len).sum()
    }
}

/// Functions that come late.
impl Rollout {
    /// Tells whether a function comes late if it is moved now: its wave is watched, or went on without it.
    pub(crate) fn is_late(&self, place: &Place, function: &FunctionName) -> bool {
        let Some((last, before)) = self.waves.split_last() else { return false };
        if last.has(place, function) {
            return last.reached.is_some();
        }
        before.iter().any(|wave| wave.has(place, function))
    }

    /// Notes a function that could not be moved with its wave, and is about to move while the last wave is watched.
    pub(crate) fn note_late(
        &mut self,
        place: &Place,
        function: &FunctionName,
        now: Timestamp,
    ) -> bool {
        let is_late = self.is_late(place, function);
        let Some((last, before)) = self.waves.split_last_mut().filter(|_| is_late) else {
            return false;
        };
        let own = before.iter().rev().find(|wave| wave.has(place, function));
        let place_name = place.to_string();
        if let Some(left) = own.and_then(|own| found(&own.unproven, place, function)) {
            last.unproven.entry(place_name.clone()).or_default().insert(function.clone(), left);
        }
        last.late.entry(place_name).or_default().insert(function.clone(), now);
        true
    }

    /// Forgets the late functions of the last wave that did not reach the release.
    pub(crate) fn keep_late(&mut self, mut comes: impl FnMut(&str, &FunctionName) -> bool) {
        let Some(last) = self.waves.last_mut() else { return };
        for (place, late) in &mut last.late {
            late.retain(|function, _| comes(place, function));
        }
        last.late.retain(|_, late| !late.is_empty());
    }
}

pub(super) fn found<T: Copy>(
    all: &BTreeMap<String, BTreeMap<FunctionName, T>>,
    place: &Place,
    function: &FunctionName,
) -> Option<T> {
    all.get(&place.to_string())?.get(function).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{LayerName, RegionName};

    #[test]
    fn a_late_function_of_a_wave_that_is_over_stays_noted_when_it_is_held() {
        let now = Timestamp::UNIX_EPOCH;
        let place =
            Place { region: RegionName::parse("eu-west-1").expect("a Region"), account: None };
        let name = FunctionName::parse("late").expect("a name");
        let members = || Members::from([(place.to_string(), BTreeSet::from([name.clone()]))]);
        let layer = LayerName::parse("geo").expect("a layer name");
        let mut rollout = Rollout::imagined(&layer, 2, now);
        rollout.waves.push(Wave { reached: Some(now), ..Wave::open(members(), None, now) });
        assert!(rollout.note_late(&place, &name, now));
        rollout.waves.push(Wave::open(Members::new(), None, now));
        rollout.keep_late(|_, _| false);
        assert_eq!(rollout.waves[0].late_since(&place, &name), Some(now));
    }
}
