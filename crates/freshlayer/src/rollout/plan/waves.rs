//! Waves: which functions may move now, and what comes when those of the open wave are there. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use jiff::{SignedDuration, Timestamp};

use super::choice::{Choice, Key};
use super::regions::Turn;
use super::{Intent, Next, Standing, World};
use crate::definition::{Course, Gates, OnInconclusive, RolloutSpec};
use crate::names::Place;
use crate::ports::FunctionName;
use crate::report::Why;
use crate::state::{Evidence, Rollout, Says, Traffic, Wave, unreached_with_last};

/// The waves of a rollout so far.
#[derive(Clone, Copy)]
pub(crate) struct Waves<'a> {
    /// Absent where every function may move at once.
    course: Option<&'a Course>,
    gates: &'a Gates,
    pub(super) open: &'a [Wave],
    pub(super) traffic: Option<&'a Traffic>,
}

/// How far a function may move by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Admission {
    /// Not at all.
    Not,
    /// With so many of the calls of its aliases, in percent.
    Part(u8),
    /// With all calls.
    Whole,
}

/// How long after its bake a wave waits for what the gates could not say. Calls are not counted sooner after a bake began,
/// because the first minute is not counted before.
const LOOK_LATER: SignedDuration = SignedDuration::from_mins(5);
/// The longest pause between two looks, where alarms are watched or the bake is over.
const LOOK_MAX: SignedDuration = SignedDuration::from_mins(15);
/// After so long without another wave a rollout keeps no newer release back any more.
pub(crate) const GOES_ON_FOR_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often failures that pass cause a run of their own; then they wait for the schedule.
pub(crate) const FAILURE_RUNS_MAX: u32 = 6;
/// After so many looks in a row that could not measure, a person has to look.
const UNMEASURED_MAX: u32 = 4;
/// How long an unreached wave waits for places that cannot be read.
const OUT_OF_SIGHT: SignedDuration = SignedDuration::from_mins(20);

/// So many waves in a row give way to the next one where the host refuses to change their functions; they all move once it does
/// no more.
const GIVE_WAY_MAX: usize = 3;

/// While a wave with so many functions at most is watched, each one behind an alias is looked at: more looks take minutes. In a
/// larger one calls of functions that people set back count as calls with the new data.
const LOOKED_AT_MAX: usize = 100;

/// Where every function stands.
pub(super) type Standings = BTreeMap<Key, Standing>;

impl<'a> Waves<'a> {
    pub(crate) fn of(intent: &'a Intent, rollout: Option<&'a Rollout>) -> Self {
        let open = rollout.map(|rollout| &rollout.waves[..]).unwrap_or_default();
        let traffic = rollout.and_then(|rollout| rollout.traffic.as_ref());
        Self { course: intent.course.as_ref(), gates: &intent.gates, open, traffic }
    }

    /// Tells whether the rollout goes on by itself: it does not where its last wave waits for a person, or could not be moved in
    /// several tries. One whose last wave opened a week ago is given up on.
    pub(crate) fn go_on(spec: &'a RolloutSpec, rollout: &'a Rollout, now: Timestamp) -> bool {
        let Some(wave) = rollout.waves.last() else { return false };
        let next = Self::on_record(spec, rollout, now);
        let is_stuck = wave.reached.is_none() && rollout.tries >= FAILURE_RUNS_MAX;
        let is_young = now.duration_since(wave.opened) < GOES_ON_FOR_MAX;
        is_young && !is_stuck && !matches!(next, Some(Next::Hold(_)))
    }

    /// Says what comes next as far as the waves themselves tell: of no function it is known where it stands.
    pub(crate) fn on_record(
        spec: &'a RolloutSpec,
        rollout: &'a Rollout,
        now: Timestamp,
    ) -> Option<Next> {
        Self::recorded(spec, rollout).next(&World::default(), &Standings::new(), now)
    }

    /// The waves of a rollout whose functions nobody asks.
    pub(crate) fn recorded(spec: &'a RolloutSpec, rollout: &'a Rollout) -> Self {
        let (course, traffic) = (Some(&spec.course), rollout.traffic.as_ref());
        Self { course, gates: &spec.gates, open: &rollout.waves, traffic }
    }

    /// Tells whether a function is watched with the last wave, and that wave is small enough for a look at each of its functions.
    pub(super) fn watches(&self, place: &Place, function: &FunctionName) -> bool {
        let wave = self.open.last().filter(|wave| wave.count() <= LOOKED_AT_MAX);
        self.course.is_some() && wave.is_some_and(|wave| wave.watches(place, function))
    }

    /// Tells how far a function may move by now.
    pub(crate) fn admit(&self, place: &Place, function: &FunctionName) -> Admission {
        if self.course.is_none() {
            return Admission::Whole;
        }
        let waves = self.open.iter().filter(|wave| wave.has(place, function));
        let far = waves.map(|wave| wave.percent.map_or(Admission::Whole, Admission::Part));
        far.max().unwrap_or(Admission::Not)
    }

    /// Says what comes once no function has a step left; `None` where waves have no say.
    pub(crate) fn next(
        &self,
        world: &World,
        standings: &Standings,
        now: Timestamp,
    ) -> Option<Next> {
        let course = self.course?;
        let later: Vec<&Key> = standings
            .iter()
            .filter(|(_, standing)| standing.has_a_later_wave())
            .map(|(key, _)| key)
            .collect();
        let Some(wave) = self.open.last() else {
            return (!later.is_empty()).then(|| self.opened(course, standings, world, now));
        };
        let Some(reached) = wave.reached else {
            let together = unreached_with_last(self.open);
            match arrival(together, standings) {
                Arrival::Some => {}
                // Another try may bring one there.
                Arrival::NotYet => return None,
                // Such a wave shows nothing: others take its place.
                Arrival::Never
                    if world.unlisted(wave).next().is_some()
                        && (later.is_empty() || now.duration_since(wave.opened) < OUT_OF_SIGHT) =>
                {
                    return None;
                }
                Arrival::Never if shows_too_little(together, standings, &later) => {
                    return Some(Next::Hold(Why::NoneMoved { waves: together.len() }));
                }
                Arrival::Never if later.is_empty() => {}
                Arrival::Never => return Some(self.opened(course, standings, world, now)),
            }
            let until = now.saturating_add(self.bake(course, standings, world));
            return Some(Next::Reached(until.unwrap_or(now)));
        };
        let until = wave.until.unwrap_or_else(|| {
            let until = reached.saturating_add(self.bake(course, standings, world));
            until.unwrap_or(now)
        });
        // What fails goes back, where there is a release to go back to.
        let says = wave.evidence.as_ref().map(|evidence| evidence.says);
        if !self.gates.is_empty() && matches!(says, Some(Says::Fail | Says::Hold)) {
            let (wave, says) = (self.open.len(), said(self.open));
            return Some(Next::Hold(Why::Undecided { wave, says, until: None }));
        }
        // A function that came late is watched for as long as the others.
        let bake = self.bake(course, standings, world);
        let last = reached.saturating_add(GOES_ON_FOR_MAX).unwrap_or(now);
        let longer = last_late(wave, standings).map(|late| {
            let end = late.saturating_add(bake).unwrap_or(now);
            end.min(last)
        });
        if let Some(longer) = longer.filter(|longer| *longer > until) {
            return Some(Next::Reached(longer));
        }
        if now < until {
            // Nothing is watched any more where orders or other hands left none of its functions: others take their place,
            // unless a call failed or could not be counted. Then more evidence or a person brings the release on.
            let is_clean = says.is_none_or(|says| matches!(says, Says::Pass | Says::TooFew));
            let is_left = world.unlisted(wave).next().is_none() && self.is_left(standings);
            if !later.is_empty() && is_clean && is_left {
                return Some(self.opened(course, standings, world, now));
            }
            let (moved, functions) = self.count(&later, standings);
            let (wave, says) = (self.open.len(), said(self.open));
            let percent = self.part(standings);
            return Some(Next::Wait(Why::Bakes { wave, moved, functions, percent, until, says }));
        }
        // Places that cannot be read hold no others back, if the last verdict was a pass or too few calls.
        let is_over = is_gone(wave, world) && !later.is_empty() && is_given_up(wave);
        if let Some(next) = self.undecided(wave, until, now).filter(|_| !is_over) {
            return Some(next);
        }
        (!later.is_empty()).then(|| self.opened(course, standings, world, now))
    }

    /// How many of their calls functions of the open wave have the release with, in percent; `None` for all. Where no function
    /// was looked at, the wave tells.
    fn part(&self, standings: &Standings) -> Option<u8> {
        let parts = standings.values().filter_map(|standing| match standing {
            Standing::Partly(percent) => Some(*percent),
            _ => None,
        });
        parts.max().or_else(|| self.open.last()?.percent.filter(|_| standings.is_empty()))
    }

    /// What comes after the bake of a wave whose gates do not let it pass.
    fn undecided(&self, wave: &Wave, until: Timestamp, now: Timestamp) -> Option<Next> {
        if self.gates.is_empty() {
            return None;
        }
        let why = |until| Why::Undecided { wave: self.open.len(), says: said(self.open), until };
        let last = until.saturating_add(self.gates.wait).unwrap_or(Timestamp::MAX);
        let wait = |until: Timestamp| Some(Next::Wait(why(Some(until))));
        let is_out_of_sight = |evidence: &Evidence| evidence.out_of_sight >= UNMEASURED_MAX;
        if wave.evidence.as_ref().is_some_and(is_out_of_sight) {
            return Some(Next::Hold(why(None)));
        }
        let Some(evidence) = wave.evidence.as_ref().filter(|evidence| evidence.at >= until) else {
            return wait(now.saturating_add(LOOK_LATER).unwrap_or(now));
        };
        let proceeds = self.gates.on_inconclusive == OnInconclusive::Proceed;
        match evidence.says {
            Says::Pass => None,
            Says::TooFew | Says::Inconclusive if now < last => wait(last),
            Says::TooFew if proceeds => None,
            Says::Unmeasured if evidence.unmeasured < UNMEASURED_MAX => {
                wait(now.saturating_add(LOOK_LATER).unwrap_or(now))
            }
            Says::TooFew | Says::Inconclusive | Says::Unmeasured | Says::Hold | Says::Fail => {
                Some(Next::Hold(why(None)))
            }
        }
    }

    /// Tells when to look again at an open wave that waits, if time alone brings it on.
    pub(crate) fn look_at(&self, waits: &Why, now: Timestamp) -> Option<Timestamp> {
        if let Why::OutsideWindow { until, .. } = waits {
            return Some(*until);
        }
        let (Why::Bakes { until, .. } | Why::Undecided { until: Some(until), .. }) = waits else {
            return None;
        };
        if self.gates.is_empty() {
            return Some(*until);
        }
        let pause = self.pause_between_looks(now);
        Some((*until).min(now.saturating_add(pause).unwrap_or(*until)))
    }

    /// Tells whether what the gates say sends every function back. What is out of sight says nothing new.
    pub(crate) fn sends_back(&self, evidence: &Evidence, now: Timestamp) -> bool {
        let unclear = matches!(evidence.says, Says::TooFew | Says::Inconclusive)
            && evidence.out_of_sight == 0;
        let rolls_back = self.gates.on_inconclusive == OnInconclusive::Rollback;
        evidence.says == Says::Fail || (unclear && rolls_back && self.waits_no_longer(now))
    }

    /// How long after a look at the open wave its gates are asked again. Alarms are asked four times in a bake and every 15
    /// minutes, calls when they are to be counted, and both less and less often after the bake.
    pub(crate) fn pause_between_looks(&self, now: Timestamp) -> SignedDuration {
        let Some((reached, until)) = self.watched() else { return LOOK_LATER };
        let (since, bake) = (now.duration_since(reached), until.duration_since(reached));
        if since >= bake {
            let first = LOOK_LATER - since;
            return if first.is_positive() {
                first
            } else {
                (since / 4).clamp(LOOK_LATER, LOOK_MAX)
            };
        }
        match &self.gates.alarms {
            None => next_count(since, bake) - since,
            Some(_) => (bake / 4).clamp(SignedDuration::from_mins(1), LOOK_MAX),
        }
    }

    /// Tells whether the calls of the open wave are to be counted at a look: four times in a bake, each several times as
    /// long after its begin as the one before, and at each look after it.
    pub(crate) fn is_to_count(&self, now: Timestamp) -> bool {
        let Some((reached, until)) = self.watched().filter(|_| self.gates.metrics.is_some()) else {
            return self.gates.metrics.is_some();
        };
        let wave = self.open.last();
        let last = wave.and_then(|wave| Some(wave.evidence.as_ref()?.counted.as_ref()?.at));
        let last = last.map_or(SignedDuration::ZERO, |last| last.duration_since(reached));
        let next = next_count(last, until.duration_since(reached));
        now >= until || now.duration_since(reached) >= next
    }

    /// From when to when the open wave bakes, since the last function came.
    fn watched(&self) -> Option<(Timestamp, Timestamp)> {
        let wave = self.open.last()?;
        let late = wave.late.values().flat_map(BTreeMap::values).copied();
        Some((late.chain(wave.reached).max().filter(|_| wave.reached.is_some())?, wave.until?))
    }

    /// Tells whether the inconclusive gates of the open wave have had their longest wait.
    fn waits_no_longer(&self, now: Timestamp) -> bool {
        let until = self.open.last().and_then(|wave| wave.until);
        until.is_some_and(|until| now.duration_since(until) >= self.gates.wait)
    }

    /// How long the open wave will be watched. No function is left for another one where it is the last.
    fn bake(&self, course: &Course, standings: &Standings, world: &World) -> SignedDuration {
        let later = || keys(standings).filter(|(_, is_later)| *is_later).map(|(key, _)| key);
        if later().next().is_none() {
            return course.final_bake;
        }
        let before = &self.open[..self.open.len() - unreached_with_last(self.open).len()];
        let bake = match course.one_box_bake {
            Some(bake) if !before.iter().any(|wave| shows(wave, standings)) => bake,
            _ => course.bake,
        };
        bake.max(self.turn(course, standings, world).gap)
    }

    /// Tells whether no function that is watched has the release any more. Where none was looked at, it is not known.
    fn is_left(&self, standings: &Standings) -> bool {
        !standings.is_empty()
            && arrival(unreached_with_last(self.open), standings) == Arrival::Never
    }

    /// How many functions have moved, wholly or in part, and how many will have in the end. Those that an order took
    /// elsewhere are none of them.
    fn count(&self, later: &[&Key], standings: &Standings) -> (usize, usize) {
        let stays: BTreeSet<(String, &FunctionName)> = standings
            .iter()
            .filter(|(_, standing)| matches!(standing, Standing::Held(_) | Standing::Ordered(_)))
            .map(|((place, function), _)| (place.to_string(), function))
            .collect();
        let mut known: BTreeSet<(&str, &FunctionName)> = BTreeSet::new();
        for wave in self.open {
            let members = wave.members.iter();
            let members =
                members.flat_map(|(place, all)| all.iter().map(move |f| (place.as_str(), f)));
            known.extend(members.filter(|(place, f)| !stays.contains(&((*place).to_owned(), *f))));
        }
        let moved = known.len();
        let places: Vec<String> = later.iter().map(|(place, _)| place.to_string()).collect();
        known.extend(places.iter().zip(later).map(|(place, (_, f))| (place.as_str(), f)));
        (moved, known.len())
    }

    /// Opens the next wave, of those whose turn it is. Outside of the window none opens.
    fn opened(
        &self,
        course: &Course,
        standings: &Standings,
        world: &World,
        now: Timestamp,
    ) -> Next {
        let opens = course.window.as_ref().map(|window| window.opens(now));
        if let Some(until) = opens.filter(|opens| now < *opens) {
            return Next::Wait(Why::OutsideWindow { wave: self.open.len() + 1, until });
        }
        let turn = self.turn(course, standings, world);
        let until = self.open.last().map(|wave| {
            let since = wave.reached.unwrap_or(wave.opened);
            since.saturating_add(turn.gap).unwrap_or(now)
        });
        if let Some(until) = until.filter(|until| now < *until) {
            let (moved, functions) = self.count(&turn.later, standings);
            let (wave, says) = (self.open.len(), said(self.open));
            let percent = self.part(standings);
            return Next::Wait(Why::Bakes { wave, moved, functions, percent, until, says });
        }
        let Turn { later, open, begins, .. } = turn;
        let evidence = self.gates.evidence;
        let choice = Choice { course, begins, traffic: self.traffic, evidence, world };
        Next::Open(choice.of(&later, &open))
    }
}

/// When calls are counted next after they were counted so long after a bake began: after an eighth of it, within 5 and 15
/// minutes; then each time the same number of times as long after its begin, so that four counts reach its end.
fn next_count(last: SignedDuration, bake: SignedDuration) -> SignedDuration {
    let first = (bake / 8).clamp(LOOK_LATER, LOOK_MAX);
    let times = (2..100).find(|times: &i32| first * times.pow(3) >= bake).unwrap_or(100);
    let next = if last < first { first } else { last * times };
    next.min(bake)
}

/// Whether functions of a wave are on the release.
#[derive(PartialEq, Eq)]
enum Arrival {
    Some,
    NotYet,
    Never,
}

fn arrival(waves: &[Wave], standings: &Standings) -> Arrival {
    let is_member = |(place, function): &Key| waves.iter().any(|wave| wave.has(place, function));
    let members = standings.iter().filter(|(key, _)| is_member(key));
    members.fold(Arrival::Never, |so_far, (_, standing)| match standing {
        Standing::Current | Standing::Partly(_) => Arrival::Some,
        Standing::Moving | Standing::Waiting(_) if so_far == Arrival::Never => Arrival::NotYet,
        _ => so_far,
    })
}

/// When the last function that came late to a wave, and has the release, was moved.
fn last_late(wave: &Wave, standings: &Standings) -> Option<Timestamp> {
    let has = |one: &Standing| matches!(one, Standing::Current | Standing::Partly(_));
    let there = standings.iter().filter(|(_, one)| has(one)).map(|(key, _)| key);
    there.filter_map(|(place, function)| wave.late_since(place, function)).max()
}

/// The functions of some waves that the host refuses to change.
fn refused<'s>(waves: &[Wave], standings: &'s Standings) -> Vec<&'s Key> {
    let refused = standings.iter().filter(|(_, one)| matches!(one, Standing::Held(_)));
    let keys = refused.map(|(key, _)| key);
    keys.filter(|(place, function)| waves.iter().any(|wave| wave.has(place, function))).collect()
}

/// Tells whether a person has to look before the rollout goes on: the host refused several waves in a row, or the last ones
/// of all with more functions than have the release.
fn shows_too_little(together: &[Wave], standings: &Standings, later: &[&Key]) -> bool {
    let refused = refused(together, standings);
    if !later.is_empty() {
        let waves = together
            .iter()
            .filter(|wave| refused.iter().any(|(place, function)| wave.has(place, function)));
        return waves.count() >= GIVE_WAY_MAX;
    }
    let there = standings.values().filter(|one| **one == Standing::Current).count();
    refused.len() > there
}

/// Tells whether a wave whose places cannot be read is given up: after several looks, if the last verdict was a pass or too few
/// calls.
fn is_given_up(wave: &Wave) -> bool {
    let Some(evidence) = &wave.evidence else { return false };
    let is_clean = matches!(evidence.says, Says::Pass | Says::TooFew);
    is_clean && evidence.out_of_sight >= UNMEASURED_MAX
}

/// Tells whether no place of a wave can be read.
pub(super) fn is_gone(wave: &Wave, world: &World) -> bool {
    world.unlisted(wave).count() == wave.members.len()
}

/// Tells whether a wave shows, or has shown, what functions make of the data.
pub(super) fn shows(wave: &Wave, standings: &Standings) -> bool {
    let was_watched = |until: Timestamp| wave.done.is_some_and(|done| done >= until);
    let to_its_end = wave.reached.is_some() && wave.until.is_none_or(was_watched);
    to_its_end || arrival(slice::from_ref(wave), standings) != Arrival::Never
}

/// Every function that uses the layer and may have the data, and whether it moves with a later wave.
pub(super) fn keys(standings: &Standings) -> impl Iterator<Item = (&Key, bool)> {
    standings.iter().map(|(key, standing)| (key, standing.has_a_later_wave()))
}

/// What the gates said of the open wave.
fn said(open: &[Wave]) -> Vec<String> {
    let evidence = open.last().and_then(|wave| wave.evidence.as_ref());
    evidence.map(|evidence| evidence.sentences.clone()).unwrap_or_default()
}
