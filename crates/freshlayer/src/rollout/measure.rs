//! Asks the hosts what callers of functions meet, place by place.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::judge::{Alarms, Calls, Moved, last_counted, missing, proven_windows};
use super::plan::{Intent, Next, Plan, World};
use crate::definition::Binding;
use crate::error::chain;
use crate::names::Place;
use crate::ports::{
    AlarmPattern, Behind, Consumer, FunctionName, Health, Minutes, PortError, Region, Routing,
    Window,
};
use crate::report::Why;
use crate::state::{Rollout, Traffic, Wave};

/// A function by its place.
pub(super) type Function = (Place, FunctionName);

/// What places tell: the values of those that can be read, and why the others cannot.
#[derive(Debug, Clone, Default)]
pub(super) struct Told<T> {
    pub(super) found: T,
    pub(super) unread: Vec<String>,
}

impl<T: Default> Told<T> {
    /// Puts together what each place tells.
    fn of<I>(places: Vec<Result<Vec<I>, String>>) -> Self
    where
        T: Extend<I>,
    {
        let mut told = Self { found: T::default(), unread: Vec::new() };
        for place in places {
            match place {
                Ok(found) => told.found.extend(found),
                Err(words) => told.unread.push(words),
            }
        }
        told
    }
}

impl<T> Told<T> {
    /// Everything, or why a place cannot be read.
    pub(super) fn whole(self) -> Result<T, String> {
        if self.unread.is_empty() { Ok(self.found) } else { Err(self.unread.join("; ")) }
    }
}

/// For how long the calls before the first wave are counted: at least, and at most.
const TRAFFIC_MIN: SignedDuration = SignedDuration::from_mins(10);
const TRAFFIC_MAX: SignedDuration = SignedDuration::from_mins(60);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A function without a call for so long shows nothing of new data.
const SILENT_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How many functions that have not moved are asked how they fare, where those of the wave fail.
pub(super) const OTHERS_MAX: usize = 50;

/// Tells whether any place has alarms and counts calls.
pub(crate) fn counts_calls(regions: &[Region]) -> bool {
    regions.iter().any(|region| !region.health.is_empty())
}

/// Counts how often each function is called, for as long as the first wave will be watched. `None` where no wave needs to
/// know, or calls cannot be counted.
pub(crate) async fn traffic(
    intent: &Intent,
    world: &World,
    regions: &[Region],
    now: Timestamp,
) -> Option<Traffic> {
    let (course, gate) = (intent.course.as_ref()?, intent.gates.metrics?);
    if !counts_calls(regions) {
        return None;
    }
    let span = course.one_box_bake.unwrap_or(course.bake).clamp(TRAFFIC_MIN, TRAFFIC_MAX);
    let until = last_counted(SignedDuration::ZERO, now);
    let window = Window { from: until.saturating_sub(span).ok()?, until, slow_after: None };
    let functions: Vec<Function> = world.functions().collect();
    // A place that cannot be counted leaves the choice to the others.
    let found = calls(regions, &functions, window).await.found;
    if found.is_empty() {
        return None;
    }
    let (mut calls, mut seldom) = (ByPlace::new(), Vec::new());
    for ((place, function), minutes) in found {
        match minutes.values().map(|minute| minute.calls).sum::<u64>() {
            0 => seldom.push((place, function)),
            sum => note(&mut calls, &place, function, sum),
        }
    }
    let minutes = u32::try_from(span.as_mins()).unwrap_or(u32::MAX);
    let mut traffic = Traffic { minutes, enough: gate.calls_min, calls, ..Traffic::default() };
    for place in places_of(&seldom) {
        let here = seldom.iter().filter(|(known, _)| *known == place);
        let names = here.map(|(_, function)| function.clone()).collect();
        note_seldom(&mut traffic, regions, &place, names, now).await;
    }
    Some(traffic)
}

/// Counts the calls of two weeks of functions that had none just now. Where they cannot be counted, none counts as silent.
async fn note_seldom(
    traffic: &mut Traffic,
    regions: &[Region],
    place: &Place,
    functions: Vec<FunctionName>,
    now: Timestamp,
) {
    let Some(health) = health(regions, place) else { return };
    let before = |span| now.saturating_sub(span).unwrap_or(now);
    let found = health.hours(&functions, before(SILENT_FOR), now).await;
    for function in functions {
        let hours = found.as_ref().map(|found| found.get(&function).cloned().unwrap_or_default());
        let is_silent = hours.as_ref().is_ok_and(|hours| hours.values().all(|calls| *calls == 0));
        if is_silent {
            traffic.silent.entry(place.to_string()).or_default().insert(function);
        } else {
            let hours = hours.unwrap_or_default();
            let calls = hours.range(before(DAY)..).map(|(_, calls)| calls).sum();
            note(&mut traffic.rarely, place, function, calls);
        }
    }
}

type ByPlace = BTreeMap<String, BTreeMap<FunctionName, u64>>;

fn note(calls: &mut ByPlace, place: &Place, function: FunctionName, sum: u64) {
    calls.entry(place.to_string()).or_default().insert(function, sum);
}

/// Returns for how long every place keeps minutes.
pub(super) fn minutes_kept(regions: &[Region]) -> SignedDuration {
    let health = regions.iter().flat_map(|region| &region.health);
    health.map(|(_, health)| health.minutes_kept()).min().unwrap_or(SignedDuration::MAX)
}

fn health<'r>(regions: &'r [Region], place: &Place) -> Option<&'r Arc<dyn Health>> {
    regions.iter().find_map(|region| region.health(place))
}

pub(super) fn places_of(functions: &[Function]) -> Vec<Place> {
    let mut places: Vec<Place> = functions.iter().map(|(place, _)| place.clone()).collect();
    places.sort();
    places.dedup();
    places
}

/// Reads the alarms of every place where one of some functions is.
pub(super) async fn alarms(
    patterns: &[AlarmPattern],
    regions: &[Region],
    functions: &[Function],
) -> Told<Alarms> {
    let asked = places_of(functions).into_iter().filter_map(|place| {
        let health = health(regions, &place)?;
        Some(async move {
            let found = health.alarms(patterns).await.map_err(|error| words(&place, &error))?;
            Ok(found.into_iter().map(|alarm| (place.clone(), alarm)).collect())
        })
    });
    Told::of(join_all(asked).await)
}

/// The entries that match alarms only outside of the places that were asked.
pub(super) async fn of_other_places(
    patterns: &[AlarmPattern],
    found: &Told<Alarms>,
    regions: &[Region],
    world: &World,
) -> Vec<AlarmPattern> {
    let Told { found, unread } = found;
    if !unread.is_empty() {
        return Vec::new();
    }
    let absent: Vec<AlarmPattern> = missing(patterns, found).cloned().collect();
    if absent.is_empty() || !world.unknown().is_empty() {
        return absent;
    }
    let functions: Vec<Function> = world.functions().collect();
    match alarms(&absent, regions, &functions).await.whole() {
        Ok(found) => {
            let nowhere: Vec<&AlarmPattern> = missing(&absent, &found).collect();
            absent.iter().filter(|pattern| !nowhere.contains(pattern)).cloned().collect()
        }
        Err(_) => absent,
    }
}

/// Says which entries of the definition name no alarm in any place where functions will move, where the first wave is about
/// to open. A place that gives no answer may have them.
pub(crate) async fn no_such_alarm(
    intent: &Intent,
    (world, plan): (&World, &Plan),
    rollout: Option<&Rollout>,
    regions: &[Region],
) -> Option<Why> {
    let gate = intent.gates.alarms.as_ref().filter(|gate| gate.binding == Binding::Decides)?;
    let begins = rollout.is_none_or(|rollout| rollout.waves.is_empty());
    let opens = begins && matches!(plan.next, Next::Open(_));
    if !opens || !counts_calls(regions) || !world.unknown().is_empty() {
        return None;
    }
    let move_later = plan.standings.iter().filter(|(_, standing)| standing.has_a_later_wave());
    let functions: Vec<Function> = move_later.map(|(function, _)| function.clone()).collect();
    let found = alarms(&gate.patterns, regions, &functions).await.whole().ok()?;
    let missing: Vec<AlarmPattern> = missing(&gate.patterns, &found).cloned().collect();
    (!missing.is_empty()).then_some(Why::NoSuchAlarm { missing })
}

/// Counts the calls of functions, place by place.
pub(super) async fn calls(
    regions: &[Region],
    functions: &[Function],
    window: Window,
) -> Told<Calls> {
    let asked = places_of(functions).into_iter().filter_map(|place| {
        let here = functions.iter().filter(|(known, _)| *known == place);
        let names: Vec<FunctionName> = here.map(|(_, function)| function.clone()).collect();
        let health = health(regions, &place)?;
        Some(async move {
            let found = health.minutes(&names, window).await;
            let mut found = found.map_err(|error| words(&place, &error))?;
            let all = names.into_iter().map(|function| {
                let minutes = found.remove(&function).unwrap_or_default();
                ((place.clone(), function), minutes)
            });
            Ok(all.collect())
        })
    });
    Told::of(join_all(asked).await)
}

/// Counts the calls of functions of a wave: those of the window, and those with the stable release of functions that left it
/// before. Of one that came late those since then.
pub(super) async fn calls_of_wave(
    regions: &[Region],
    wave: &Wave,
    functions: &[Function],
    window: Window,
) -> Told<Calls> {
    let mut told = calls(regions, functions, window).await;
    for (window, functions) in proven_windows(wave, functions, window) {
        let Told { found, unread } = calls(regions, &functions, window).await;
        for (function, minutes) in found {
            told.found.entry(function).or_default().extend(minutes);
        }
        told.unread.extend(unread);
    }
    for ((place, function), minutes) in &mut told.found {
        if let Some(late) = wave.late_since(place, function) {
            minutes.retain(|minute, _| *minute < wave.opened || *minute >= late);
        }
    }
    told
}

/// A function that sends a part of an alias's calls to the new data: the versions with the new data, and those beside them.
#[derive(Debug, Default)]
pub(super) struct InPart {
    new: Vec<Behind>,
    old: Vec<Behind>,
}

impl InPart {
    /// Reads it off a function's aliases; `None` where they split no calls.
    pub(super) fn of(consumer: &Consumer) -> Option<Self> {
        let mut part = Self::default();
        for alias in consumer.aliases() {
            let behind = |version| Behind {
                function: consumer.function.clone(),
                alias: alias.name.clone(),
                version,
            };
            if let Routing::Split { version, .. } = alias.routing {
                part.new.push(behind(version));
                part.old.push(behind(alias.version));
            }
        }
        (!part.new.is_empty()).then_some(part)
    }
}

/// Counts the calls of functions that have the new data: those in part by the versions that answered.
pub(super) async fn moved(
    regions: &[Region],
    wave: &Wave,
    (whole, in_part): (&[Function], &BTreeMap<Function, InPart>),
    window: Window,
) -> Told<Moved> {
    let Told { found, mut unread } = calls_of_wave(regions, wave, whole, window).await;
    let mut moved = Moved::from(found);
    for (function, InPart { new, old }) in in_part {
        let Some(health) = health(regions, &function.0) else { continue };
        let asked: Vec<Behind> = new.iter().chain(old).cloned().collect();
        match health.minutes_behind(&asked, window).await {
            Ok(found) => {
                moved.calls.insert(function.clone(), together(&found, new));
                moved.beside.insert(function.clone(), together(&found, old));
            }
            Err(error) => unread.push(words(&function.0, &error)),
        }
    }
    Told { found: moved, unread }
}

fn together(found: &BTreeMap<Behind, Minutes>, versions: &[Behind]) -> Minutes {
    let mut sum = Minutes::new();
    for (at, one) in versions.iter().filter_map(|behind| found.get(behind)).flatten() {
        let minute = sum.entry(*at).or_default();
        minute.calls += one.calls;
        minute.errors += one.errors;
        minute.slow += one.slow;
    }
    sum
}

fn words(place: &Place, error: &PortError) -> String {
    format!("{place}: {}", chain(error.as_ref()))
}
