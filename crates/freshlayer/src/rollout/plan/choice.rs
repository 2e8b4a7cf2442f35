//! Which functions are the members of the next wave. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::definition::{Course, EvidenceBy};
use crate::names::Place;
use crate::ports::FunctionName;
use crate::state::{Members, Traffic, Wave};

/// A function's own say about its wave: `canary` in the first one, `last` in the last one.
pub const WAVE_TAG: &str = "freshlayer:wave";
const FIRST: &str = "canary";
const LAST: &str = "last";

/// A function by its place.
pub(super) type Key = (Place, FunctionName);

/// How the waves of a Region, or of all but the first, begin.
#[derive(PartialEq, Eq)]
pub(super) enum Begins {
    WithOneBox,
    Widely,
}

/// The wave that opens next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// Its functions.
    pub members: Members,
    /// How many of the calls of an alias come to the release, in percent; absent for all.
    pub percent: Option<u8>,
}

/// What the choice of members follows from.
pub(super) struct Choice<'a> {
    pub(super) course: &'a Course,
    pub(super) begins: Begins,
    pub(super) traffic: Option<&'a Traffic>,
    pub(super) evidence: EvidenceBy,
    pub(super) world: &'a World,
}

impl Choice<'_> {
    /// Chooses from the functions that have not moved: the canaries of the tag or one function, then as many as the course
    /// says. Functions without recent calls come after the others; those that show nothing, and those that say `last`, come with
    /// the last wave.
    pub(super) fn of(&self, later: &[&Key], open: &[&Wave]) -> Opening {
        let says = |key: &Key, word: &str| self.says(key, word);
        let (last, early): (Vec<&Key>, Vec<&Key>) =
            later.iter().partition(|key| says(key, LAST) || self.is_silent(key));
        let only_silent = last.len() == later.len() && last.iter().all(|key| self.is_silent(key));
        let (first, rest): (Vec<&Key>, Vec<&Key>) =
            early.iter().partition(|key| says(key, FIRST) || is_in(key, open));
        let has_box = self.begins == Begins::WithOneBox && self.course.one_box_bake.is_some();
        if open.is_empty() && has_box {
            let canaries = if first.is_empty() { self.one_box(&rest) } else { first.clone() };
            if !canaries.is_empty() {
                return Opening { members: members(&canaries), percent: self.percent(&canaries) };
            }
        }
        let there = moved(open, later);
        let all = there + later.len();
        let reached = open.iter().filter(|wave| wave.reached.is_some()).count();
        let turns = self.course.waves.iter().skip(reached.saturating_sub(usize::from(has_box)));
        let shares = turns.map(|percent| (all * usize::from(*percent)).div_ceil(100));
        let many = shares.map(|share| share.saturating_sub(there)).find(|many| *many > 0);
        // No wave of them tells anything that the next one could wait for.
        let many = many.filter(|_| !only_silent || open.is_empty()).unwrap_or(later.len());
        let early = first.len() + rest.len();
        let (quiet, called): (Vec<&Key>, Vec<&Key>) =
            rest.into_iter().partition(|key| self.calls(key) == Some(0));
        let ordered = first.into_iter().chain(called).chain(quiet).chain(last);
        let ordered: Vec<&Key> = ordered.collect();
        let many = if early > 0 && many < ordered.len() { many.min(early) } else { many };
        Opening { members: members(&ordered[..many.min(ordered.len())]), percent: None }
    }

    /// The part of their calls by which the functions of a one box can be judged. With fewer calls they move whole.
    fn percent(&self, one_box: &[&Key]) -> Option<u8> {
        let (percent, traffic) = (self.course.alias_percent?, self.traffic?);
        let calls =
            |key: &&Key| traffic.of(&key.0, &key.1).saturating_mul(u64::from(percent)) / 100;
        one_box.iter().all(|key| calls(key) >= traffic.enough.max(1)).then_some(percent)
    }

    /// The function with the fewest calls of those that have enough to be judged, or else the one with the most: in the last
    /// minutes, or else in the last day. Where calls were not counted, the first one by name.
    fn one_box<'k>(&self, functions: &[&'k Key]) -> Vec<&'k Key> {
        let Some(traffic) = self.traffic else {
            return functions.first().copied().into_iter().collect();
        };
        let calls = |key: &&&Key| traffic.of(&key.0, &key.1);
        let enough = functions.iter().filter(|key| calls(key) >= traffic.enough.max(1));
        let fewest = enough.min_by_key(calls);
        // Of equals the first one by name.
        let most = |key: &&&Key| (calls(key), traffic.rarely_of(&key.0, &key.1));
        fewest.or_else(|| functions.iter().rev().max_by_key(most)).copied().into_iter().collect()
    }

    /// Tells whether a function shows nothing of new data: it has no calls, its probe does not count as one, and its tag does
    /// not put it first.
    fn is_silent(&self, key: &Key) -> bool {
        let by_calls = self.evidence == EvidenceBy::Calls && !self.says(key, FIRST);
        by_calls && self.traffic.is_some_and(|traffic| traffic.is_silent(&key.0, &key.1))
    }

    fn calls(&self, (place, function): &Key) -> Option<u64> {
        self.traffic.map(|traffic| traffic.of(place, function))
    }

    fn says(&self, key: &Key, word: &str) -> bool {
        let consumer = self.world.consumer(&key.0, &key.1);
        consumer.and_then(|one| one.tags.get(WAVE_TAG)).is_some_and(|said| said == word)
    }
}

/// How many functions of open waves need no later one.
fn moved(open: &[&Wave], later: &[&Key]) -> usize {
    let members = open.iter().flat_map(|wave| {
        let places = wave.members.iter();
        places.flat_map(|(place, all)| all.iter().map(move |function| (place, function)))
    });
    let members: BTreeSet<(&String, &FunctionName)> = members.collect();
    members.len().saturating_sub(later.iter().filter(|key| is_in(key, open)).count())
}

fn is_in((place, function): &Key, open: &[&Wave]) -> bool {
    open.iter().any(|wave| wave.has(place, function))
}

fn members(keys: &[&Key]) -> Members {
    let mut members: BTreeMap<String, BTreeSet<FunctionName>> = BTreeMap::new();
    for (place, function) in keys {
        members.entry(place.to_string()).or_default().insert(function.clone());
    }
    members
}
