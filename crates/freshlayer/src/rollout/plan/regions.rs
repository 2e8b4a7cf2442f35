//! Whose turn it is: in which order Regions get a release, and how long each is watched before the next one. Pure.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::World;
use super::choice::{Begins, Key};
use super::waves::{Standings, Waves, is_gone, keys, shows};
use crate::definition::Course;
use crate::names::RegionName;
use crate::state::Wave;

/// The functions whose turn it is.
pub(super) struct Turn<'w, 's> {
    pub(super) later: Vec<&'s Key>,
    /// The waves behind which they come.
    pub(super) open: Vec<&'w Wave>,
    pub(super) begins: Begins,
    /// How long the open wave is watched at least before they move.
    pub(super) gap: SignedDuration,
}

impl<'a> Waves<'a> {
    /// Tells whose turn it is. The first Region is whole before any other one begins.
    pub(super) fn turn<'s>(
        &self,
        course: &Course,
        standings: &'s Standings,
        world: &World,
    ) -> Turn<'a, 's> {
        let later = keys(standings).filter(|(_, is_later)| *is_later).map(|(key, _)| key);
        let later: Vec<&Key> = later.collect();
        let shown = self.open.iter().filter(|wave| shows(wave, standings) && !is_gone(wave, world));
        let together = |later, open| {
            let (begins, gap) = (Begins::WithOneBox, SignedDuration::ZERO);
            Turn { later, open, begins, gap }
        };
        let Some(first) = self.first_region(course, &later) else {
            return together(later, shown.collect());
        };
        let (here, elsewhere): (Vec<&Key>, Vec<&Key>) =
            later.into_iter().partition(|(place, _)| place.region == first);
        let (of_first, of_others): (Vec<&Wave>, Vec<&Wave>) =
            shown.partition(|wave| is_of(wave, &first));
        let next =
            here.is_empty().then(|| self.region_after_the_first(course, &elsewhere)).flatten();
        let Some(next) = next else { return together(here, of_first) };
        let has_shown = !of_first.is_empty() && self.is_in_sight(&first, world);
        let begins = if has_shown { Begins::Widely } else { Begins::WithOneBox };
        let gap = self.gap(course, &first, &next);
        if course.later_region_gap.is_zero() {
            return Turn { later: elsewhere, open: of_others, begins, gap };
        }
        let later = elsewhere.into_iter().filter(|(place, _)| place.region == next).collect();
        let open = of_others.into_iter().filter(|wave| is_of(wave, &next)).collect();
        Turn { later, open, begins, gap }
    }

    /// How long the open wave is watched at least before functions of the next Region move.
    fn gap(&self, course: &Course, first: &RegionName, next: &RegionName) -> SignedDuration {
        if self.open.iter().all(|wave| is_of(wave, first)) {
            course.region_gap
        } else if self.open.last().is_some_and(|wave| is_of(wave, next)) {
            SignedDuration::ZERO
        } else {
            course.later_region_gap
        }
    }

    /// Tells whether what the first Region and the open wave show is known. Of a Region that cannot be read it is not known
    /// whether it is whole.
    fn is_in_sight(&self, first: &RegionName, world: &World) -> bool {
        let mut views = world.places.iter();
        let is_listed = views.all(|view| view.consumers.is_ok() || view.place.region != *first);
        is_listed && self.open.last().is_none_or(|wave| !is_gone(wave, world))
    }

    /// The Region whose functions move before those of others; `None` where all Regions move together. Once a wave is open
    /// it is that wave's.
    fn first_region(&self, course: &Course, later: &[&Key]) -> Option<RegionName> {
        if !course.parts_regions() {
            return None;
        }
        let begun = self.open.first().and_then(|wave| wave.members.keys().next());
        if let Some(region) = begun.and_then(|place| place.split(' ').next()) {
            return RegionName::parse(region).ok();
        }
        self.next_region(course, later)
    }

    /// The Region of some functions that comes next: that of the open wave, until it is whole.
    fn region_after_the_first(&self, course: &Course, later: &[&Key]) -> Option<RegionName> {
        let open = self.open.last();
        let is_open = |(place, _): &&&Key| open.is_some_and(|wave| is_of(wave, &place.region));
        let begun = later.iter().find(is_open).map(|(place, _)| place.region.clone());
        begun.or_else(|| self.next_region(course, later))
    }

    /// The Region of some functions that comes before the others: by the definition's order, then the one with the fewest calls
    /// of those that have enough to be judged, and where none has, the one with the fewest functions.
    fn next_region(&self, course: &Course, later: &[&Key]) -> Option<RegionName> {
        let mut functions: BTreeMap<&RegionName, usize> = BTreeMap::new();
        for (place, _) in later {
            *functions.entry(&place.region).or_default() += 1;
        }
        let named = |region: &RegionName| course.regions_order.iter().position(|one| one == region);
        let turn = functions.iter().min_by_key(|(region, count)| {
            let calls = self.traffic.map(|traffic| traffic.of_region(region));
            let enough = calls.filter(|_| self.has_callers(region));
            (named(region).unwrap_or(usize::MAX), enough.is_none(), enough, **count)
        });
        turn.map(|(region, _)| (*region).clone())
    }

    fn has_callers(&self, region: &RegionName) -> bool {
        self.traffic.is_none_or(|traffic| traffic.enough.max(1) <= traffic.of_region(region))
    }
}

/// Tells whether functions of a Region are of a wave.
fn is_of(wave: &Wave, region: &RegionName) -> bool {
    wave.members.keys().any(|place| place.split(' ').next() == Some(region.as_str()))
}
