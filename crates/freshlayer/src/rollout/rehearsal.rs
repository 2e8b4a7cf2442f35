//! Rollouts that are only played: the standard course, calls that fail at random and in bursts, and every word of the judge.
//!
//! `ROLLOUTS=10000 cargo test --release -p freshlayer --lib rehearsal -- --nocapture` plays as many as the figures in README.md
//! stand for.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::judge::{self, Measured};
use super::plan::{Foreign, Goal, Intent, Next, Standing, Waves, World};
use crate::definition::{Binding, Gates, MetricsGate, OnInconclusive, Preset, Roll};
use crate::names::{LayerName, Place, RegionName};
use crate::ports::{Calls, FunctionName, Minutes, Window};
use crate::report::Why;
use crate::state::{Members, Rollout, Says, Wave};

const ROLLOUTS: u64 = 10;
/// Longer than any wave waits, so that as many minutes lie before it.
const MINUTES_BEFORE: i64 = 180;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// How many functions that have not moved are asked how they fare, as in a run.
const OTHERS_MAX: usize = 50;

#[expect(clippy::disallowed_methods, reason = "a person names the count")]
fn rollouts() -> u64 {
    let asked = std::env::var("ROLLOUTS").ok();
    asked.map_or(ROLLOUTS, |count| count.parse().expect("a number"))
}

/// How errors cluster that no data causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bursts {
    /// None.
    Never,
    /// In one minute of twenty half of a function's calls fail.
    Minutes,
    /// About once in an hour half of a function's calls fail, and so do their retries one and three minutes later. Source of the
    /// pauses: Lambda's two retries of asynchronous calls.
    Retries,
    /// Once a week half of a function's calls fail for ten minutes on average, and once a week those of all functions for five.
    Outages,
}

/// Who calls, and what fails.
#[derive(Debug, Clone, Copy)]
struct Load {
    functions: usize,
    /// The mean over all functions; each has its own rate, between none and twice as many.
    calls_per_minute: f64,
    /// The share of calls that fail with the old data, and with the new.
    old: f64,
    new: f64,
    bursts: Bursts,
}

/// When the gates are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    EveryMinute,
    AsDeployed,
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    /// After so many functions had the data.
    Back {
        moved: usize,
    },
    WaitsForAPerson {
        moved: usize,
    },
}

type Key = (Place, FunctionName);

/// A function with its callers.
struct Called {
    per_minute: f64,
    /// When its last burst began.
    burst: Option<Timestamp>,
    is_out: bool,
    counted: Minutes,
}

struct Fleet {
    rng: Rng,
    load: Load,
    all: BTreeMap<Key, Called>,
    all_out: bool,
    now: Timestamp,
}

impl Fleet {
    fn new(load: Load, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let place = Place { region: RegionName::parse("local").expect("a Region"), account: None };
        let all = (0..load.functions).map(|number| {
            let name = FunctionName::parse(&format!("f{number:03}")).expect("a name");
            let per_minute = 2.0 * load.calls_per_minute * rng.f64();
            (
                (place.clone(), name),
                Called { per_minute, burst: None, is_out: false, counted: Minutes::new() },
            )
        });
        let all = all.collect();
        let mut fleet = Self { rng, load, all, all_out: false, now: Timestamp::UNIX_EPOCH };
        (0..MINUTES_BEFORE).for_each(|_| fleet.pass_minute(&BTreeMap::new()));
        fleet
    }

    fn pass_minute(&mut self, standings: &BTreeMap<Key, Standing>) {
        let Self { rng, load, all, all_out, now } = self;
        let outages = load.bursts == Bursts::Outages;
        *all_out = outages && goes_on_out(*all_out, 5.0, rng);
        for (key, called) in all {
            called.is_out = outages && goes_on_out(called.is_out, 10.0, rng);
            let is_hit = *all_out || called.is_out || called.bursts(load.bursts, *now, rng);
            let share = match standings.get(key) {
                _ if is_hit => 0.5,
                Some(Standing::Current) => load.new,
                _ => load.old,
            };
            let calls = poisson(called.per_minute, rng);
            let errors = (0..calls).filter(|_| rng.f64() < share).count() as u64;
            called.counted.insert(*now, Calls { calls, errors });
        }
        *now += MINUTE;
    }

    fn counted(&self, of: impl Fn(&Key) -> bool, many: usize, window: Window) -> judge::Calls {
        let some = self.all.iter().filter(|(key, _)| of(key)).take(many);
        let some = some.map(|(key, called)| {
            let minutes = called.counted.range(window.from..window.until);
            (key.clone(), minutes.map(|(at, calls)| (*at, *calls)).collect())
        });
        some.collect()
    }
}

impl Called {
    /// Tells whether a burst hits this minute.
    fn bursts(&mut self, bursts: Bursts, now: Timestamp, rng: &mut Rng) -> bool {
        match bursts {
            Bursts::Never | Bursts::Outages => false,
            Bursts::Minutes => rng.f64() < 0.05,
            Bursts::Retries => {
                let since = self.burst.map(|began| now.duration_since(began).as_mins());
                if since.is_none_or(|since| since > 3) && rng.f64() < 1.0 / 60.0 {
                    self.burst = Some(now);
                    return true;
                }
                matches!(since, Some(1 | 3))
            }
        }
    }
}

/// Once a week, for so many minutes on average.
fn goes_on_out(is_out: bool, minutes: f64, rng: &mut Rng) -> bool {
    if is_out { rng.f64() >= 1.0 / minutes } else { rng.f64() < 1.0 / (7.0 * 24.0 * 60.0) }
}

fn poisson(mean: f64, rng: &mut Rng) -> u64 {
    let (limit, mut product, mut count) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        count += 1;
    }
    count
}

fn intent() -> Intent {
    let metrics = MetricsGate { calls_min: 100, binding: Binding::Decides };
    let gates = Gates {
        alarms: Vec::new(),
        metrics: Some(metrics),
        hook: None,
        on_inconclusive: OnInconclusive::Proceed,
        wait: SignedDuration::from_hours(2),
    };
    Intent {
        layer: LayerName::parse("geo").expect("a name"),
        goal: Goal::Before(BTreeMap::new()),
        releases: BTreeMap::new(),
        architectures: Vec::new(),
        foreign: Foreign::Held,
        ways_back: BTreeSet::new(),
        left: BTreeSet::new(),
        frozen: None,
        frozen_functions: BTreeMap::new(),
        pinned_functions: BTreeMap::new(),
        set_back: BTreeMap::new(),
        paused: None,
        course: Some(Preset::Standard.course()),
        gates,
        probe: None,
        roll: Roll::Functions,
        major_since: None,
    }
}

/// A rollout that is played.
struct Play {
    intent: Intent,
    fleet: Fleet,
    rollout: Rollout,
    standings: BTreeMap<Key, Standing>,
    looks: Looks,
}

impl Play {
    fn new(load: Load, looks: Looks, seed: u64) -> Self {
        let (intent, fleet) = (intent(), Fleet::new(load, seed));
        let rollout = Rollout::imagined(&intent.layer, 2, fleet.now);
        let standings = fleet.all.keys().map(|key| (key.clone(), Standing::Later)).collect();
        Self { intent, fleet, rollout, standings, looks }
    }

    fn play(mut self) -> Ended {
        loop {
            let now = self.fleet.now;
            let waves = Waves::of(&self.intent, Some(&self.rollout));
            match waves.next(&World::default(), &self.standings, now) {
                None => return Ended::Whole,
                Some(Next::Open(opening)) => self.open(opening.members),
                Some(Next::Reached(until)) => self.wave().watch(now, until),
                Some(Next::Wait(
                    Why::Bakes { until, .. } | Why::Undecided { until: Some(until), .. },
                )) => {
                    if self.look(until) == Says::Fail {
                        return Ended::Back { moved: self.moved() };
                    }
                }
                Some(_) => return Ended::WaitsForAPerson { moved: self.moved() },
            }
        }
    }

    fn moved(&self) -> usize {
        self.rollout.waves.iter().map(Wave::count).sum()
    }

    fn wave(&mut self) -> &mut Wave {
        self.rollout.waves.last_mut().expect("a wave is open")
    }

    fn open(&mut self, members: Members) {
        let wave = Wave::open(members, None, self.fleet.now);
        for ((place, function), standing) in &mut self.standings {
            if wave.has(place, function) {
                *standing = Standing::Current;
            }
        }
        self.rollout.waves.push(wave);
    }

    /// Lets time go by until the next look, and asks the gates.
    fn look(&mut self, until: Timestamp) -> Says {
        let waves = Waves::of(&self.intent, Some(&self.rollout));
        let pause = match self.looks {
            Looks::EveryMinute => MINUTE,
            Looks::AsDeployed => waves.pause_between_looks(self.fleet.now),
        };
        let at = (self.fleet.now + pause).min(until);
        while self.fleet.now < at {
            self.fleet.pass_minute(&self.standings);
        }
        let evidence = {
            let wave = self.rollout.waves.last().expect("a wave is open");
            judge::wave(
                &self.intent.gates,
                &self.rollout.waves,
                &self.measured(wave),
                self.fleet.now,
            )
        };
        let evidence = evidence.expect("a wave is open");
        let says = evidence.says;
        self.wave().evidence = Some(evidence);
        says
    }

    fn measured(&self, wave: &Wave) -> Measured {
        let waves = Waves::of(&self.intent, Some(&self.rollout));
        let counts = self.looks == Looks::EveryMinute || waves.is_to_count(self.fleet.now);
        let window = judge::window(wave, self.fleet.now).filter(|_| counts);
        let Some(window) = window else {
            return Measured { alarms: Ok(Vec::new()), moved: None, others: None, heard: None };
        };
        let of_wave = |(place, function): &Key| wave.has(place, function);
        let moved = self.fleet.counted(of_wave, usize::MAX, window);
        let is_later = |key: &Key| self.standings[key] == Standing::Later;
        let others = || self.fleet.counted(is_later, OTHERS_MAX, window);
        let moved = judge::Moved::from(moved);
        let others = judge::looks_bad(&self.rollout.waves, &moved).then(others);
        let others = others.filter(|others| !others.is_empty()).map(Ok);
        Measured { alarms: Ok(Vec::new()), moved: Some(Ok(moved)), others, heard: None }
    }
}

/// Plays rollouts, each with its own seed and error rates.
fn played(looks: Looks, load: impl Fn(u64) -> Load) -> Vec<Ended> {
    (0..rollouts()).map(|seed| Play::new(load(seed), looks, seed).play()).collect()
}

fn percent(of: &[Ended], is: impl Fn(&Ended) -> bool) -> f64 {
    100.0 * of.iter().filter(|one| is(one)).count() as f64 / of.len() as f64
}

/// Good data: a third of the rollouts each has 0.1, 1 and 5 % of errors before and after. The gates are asked every minute.
fn comes_back(bursts: Bursts, percent_max: f64) {
    let share = |seed: u64| [0.001, 0.01, 0.05][usize::try_from(seed % 3).expect("small")];
    let load = |seed| {
        let (old, new) = (share(seed), share(seed));
        Load { functions: 100, calls_per_minute: 10.0, old, new, bursts }
    };
    let ended = played(Looks::EveryMinute, load);
    let back = percent(&ended, |one| matches!(one, Ended::Back { .. }));
    let waits = percent(&ended, |one| matches!(one, Ended::WaitsForAPerson { .. }));
    let many = ended.len();
    println!("good, {bursts:?}: of {many} {back:.2} % come back, {waits:.2} % wait for a person");
    // One of few is no share.
    assert!(back <= percent_max.max(100.0 / many as f64), "{bursts:?}: {back} %");
}

#[test]
fn good_data_comes_back_in_one_rollout_of_a_hundred_at_most() {
    comes_back(Bursts::Never, 1.0);
    comes_back(Bursts::Minutes, 1.0);
}

/// The judge takes minutes for independent of each other. Errors that last are none, and count too much.
#[test]
fn bursts_that_last_bring_good_data_back_in_few_rollouts() {
    comes_back(Bursts::Retries, 1.0);
    comes_back(Bursts::Outages, 1.0);
}

/// Bad data: 5 % of calls fail instead of 1 %. The gates are asked when the publisher asks them.
fn is_found(calls_per_minute: f64, bursts: Bursts, percent_min: f64) {
    const FUNCTIONS: usize = 100;
    let load = Load { functions: FUNCTIONS, calls_per_minute, old: 0.01, new: 0.05, bursts };
    let ended = played(Looks::AsDeployed, |_| load);
    let back = |most| percent(&ended, |one| matches!(one, Ended::Back { moved } if *moved <= most));
    let waits = percent(
        &ended,
        |one| matches!(one, Ended::WaitsForAPerson { moved } if *moved < FUNCTIONS / 2),
    );
    let (before_half, before_all) = (back(FUNCTIONS / 2 - 1), back(FUNCTIONS - 1));
    println!(
        "bad, {bursts:?}, {calls_per_minute} calls a minute: of {} {before_half:.1} % come back and {waits:.1} % wait for a person before half of the functions have it, {before_all:.1} % come back before all have it",
        ended.len()
    );
    let percent_min = percent_min - 100.0 / ended.len() as f64;
    assert!(before_half + waits >= percent_min, "{bursts:?}: {before_half} and {waits} %");
}

#[test]
fn five_percent_of_errors_are_found_before_half_of_the_fleet_has_them() {
    is_found(10.0, Bursts::Never, 95.0);
    is_found(30.0, Bursts::Minutes, 95.0);
}

#[test]
fn five_percent_of_errors_between_bursts_are_found_before_half_of_the_fleet_has_them() {
    is_found(10.0, Bursts::Minutes, 95.0);
    is_found(10.0, Bursts::Retries, 95.0);
}
