//! Rollouts that are only played: the standard course, calls that fail at random and in bursts, and every word of the judge.
//!
//! The tests hold the figures of README.md: each fails where a share is worse than its figure beyond chance.
//! `ROLLOUTS=10000 cargo test --release -p freshlayer --lib rehearsal -- --nocapture` plays as many as the figures in README.md
//! stand for.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::judge::{self, Measured};
use super::plan::{Foreign, Goal, Intent, Next, Opening, Standing, Waves, World};
use crate::definition::{Course, EvidenceBy, Gates, MetricsGate, OnInconclusive, Preset, Roll};
use crate::names::{LayerName, Place, RegionName};
use crate::ports::{Calls, FunctionName, Minutes, Window};
use crate::report::Why;
use crate::state::{Rollout, Says, Traffic, Wave};

/// Of each kind: about a minute of one processor in all.
const ROLLOUTS: u64 = 200;
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
    begins: Begins,
    /// The mean over all functions; each has its own rate, between none and twice as many.
    calls_per_minute: f64,
    /// Calls come every so many minutes, all at once.
    every: i64,
    /// The share of calls that fail with the old data, and with the new.
    old: f64,
    new: f64,
    bursts: Bursts,
}

/// How the first function gets the data.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Begins {
    Whole,
    /// With a tenth of so many calls a minute.
    WithATenth(f64),
}

const TENTH: u8 = 10;
/// With as many calls as the gate `metrics` asks for within the bake of the one box.
const A_TENTH: Begins = Begins::WithATenth(120.0);

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
    /// The calls that it answered, with the new data where it had it.
    counted: Minutes,
    /// The calls that it answered with the old data while it had the new data in part.
    beside: Minutes,
}

struct Fleet {
    rng: Rng,
    load: Load,
    all: BTreeMap<Key, Called>,
    /// The functions that have the data in part.
    in_part: BTreeSet<Key>,
    all_out: bool,
    now: Timestamp,
}

impl Fleet {
    fn new(load: Load, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let place = Place { region: RegionName::parse("local").expect("a Region"), account: None };
        let all = (0..load.functions).map(|number| {
            let name = FunctionName::parse(&format!("f{number:03}")).expect("a name");
            let per_minute = match load.begins {
                Begins::WithATenth(calls) if number == 0 => calls,
                _ => 2.0 * load.calls_per_minute * rng.f64(),
            };
            ((place.clone(), name), Called::by(per_minute))
        });
        let all = all.collect();
        let (in_part, now) = (BTreeSet::new(), Timestamp::UNIX_EPOCH);
        let mut fleet = Self { rng, load, all, in_part, all_out: false, now };
        (0..MINUTES_BEFORE).for_each(|_| fleet.pass_minute(&BTreeMap::new()));
        fleet
    }

    fn pass_minute(&mut self, standings: &BTreeMap<Key, Standing>) {
        let Self { rng, load, all, in_part, all_out, now } = self;
        let is_beat = (now.as_second() / 60).rem_euclid(load.every) == 0;
        let times = if is_beat { load.every as f64 } else { 0.0 };
        let is_in_part =
            |(_, standing): &(&Key, &Standing)| matches!(standing, Standing::Partly(_));
        *in_part = standings.iter().filter(is_in_part).map(|(key, _)| key.clone()).collect();
        let outages = load.bursts == Bursts::Outages;
        *all_out = outages && goes_on_out(*all_out, 5.0, rng);
        for (key, called) in all {
            called.is_out = outages && goes_on_out(called.is_out, 10.0, rng);
            let is_hit = *all_out || called.is_out || called.bursts(load.bursts, *now, rng);
            let fails = |share: f64| if is_hit { 0.5 } else { share };
            let mean = called.per_minute * times;
            let (part, rest) = match standings.get(key) {
                Some(Standing::Partly(percent)) => {
                    let part = mean * f64::from(*percent) / 100.0;
                    (counted(part, fails(load.new), rng), mean - part)
                }
                Some(Standing::Current) => (counted(mean, fails(load.new), rng), 0.0),
                _ => (counted(mean, fails(load.old), rng), 0.0),
            };
            called.counted.insert(*now, part);
            if rest > 0.0 {
                called.beside.insert(*now, counted(rest, fails(load.old), rng));
            }
        }
        *now += MINUTE;
    }

    /// A function that is there in part now is counted by version, and any other one whole.
    fn all_of(&self, key: &Key, called: &Called, at: Timestamp, new: Calls) -> Calls {
        match called.beside.get(&at).filter(|_| !self.in_part.contains(key)) {
            Some(old) => {
                Calls { calls: new.calls + old.calls, errors: new.errors + old.errors, slow: 0 }
            }
            None => new,
        }
    }

    fn counted(&self, of: impl Fn(&Key) -> bool, many: usize, window: Window) -> judge::Calls {
        let some = self.all.iter().filter(|(key, _)| of(key)).take(many);
        let some = some.map(|(key, called)| {
            let minutes = called.counted.range(window.from..window.until);
            let all = minutes.map(|(at, new)| (*at, self.all_of(key, called, *at, *new)));
            (key.clone(), all.collect())
        });
        some.collect()
    }
}

impl Called {
    fn by(per_minute: f64) -> Self {
        let (counted, beside) = (Minutes::new(), Minutes::new());
        Self { per_minute, burst: None, is_out: false, counted, beside }
    }

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

/// The calls of one minute, of which this share fails.
fn counted(mean: f64, share: f64, rng: &mut Rng) -> Calls {
    let calls = poisson(mean, rng);
    Calls { calls, errors: (0..calls).filter(|_| rng.f64() < share).count() as u64, slow: 0 }
}

/// Once a week, for so many minutes on average.
fn goes_on_out(is_out: bool, minutes: f64, rng: &mut Rng) -> bool {
    if is_out { rng.f64() >= 1.0 / minutes } else { rng.f64() < 1.0 / (7.0 * 24.0 * 60.0) }
}

/// The sum of draws with a small mean is a draw, too, and their products do not vanish.
fn poisson(mean: f64, rng: &mut Rng) -> u64 {
    if mean > 100.0 {
        return poisson(100.0, rng) + poisson(mean - 100.0, rng);
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        count += 1;
    }
    count
}

/// What was counted of the one box before, where it begins with a tenth.
fn traffic(fleet: &Fleet) -> Option<Traffic> {
    let (Begins::WithATenth(_), Some(((place, name), called))) =
        (fleet.load.begins, fleet.all.first_key_value())
    else {
        return None;
    };
    let last_ten = called.counted.values().rev().take(10).map(|one| one.calls).sum();
    let calls = [(place.to_string(), [(name.clone(), last_ten)].into())].into();
    Some(Traffic { minutes: 10, enough: 100, calls, ..Traffic::default() })
}

fn intent(begins: Begins) -> Intent {
    let alias_percent = (begins != Begins::Whole).then_some(TENTH);
    let metrics = MetricsGate::default();
    let gates = Gates {
        alarms: None,
        metrics: Some(metrics),
        hook: None,
        on_inconclusive: OnInconclusive::Proceed,
        wait: SignedDuration::from_hours(2),
        evidence: EvidenceBy::Calls,
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
        course: Some(Course { alias_percent, ..Preset::Standard.course() }),
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
        let (intent, fleet) = (intent(load.begins), Fleet::new(load, seed));
        let mut rollout = Rollout::imagined(&intent.layer, 2, fleet.now);
        rollout.traffic = traffic(&fleet);
        let standings = fleet.all.keys().map(|key| (key.clone(), Standing::Later)).collect();
        Self { intent, fleet, rollout, standings, looks }
    }

    fn play(mut self) -> Ended {
        loop {
            let now = self.fleet.now;
            let waves = Waves::of(&self.intent, Some(&self.rollout));
            match waves.next(&World::default(), &self.standings, now) {
                None => return Ended::Whole,
                Some(Next::Open(opening)) => self.open(opening),
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

    fn open(&mut self, Opening { members, percent }: Opening) {
        let wave = Wave::open(members, percent, self.fleet.now);
        for ((place, function), standing) in &mut self.standings {
            if wave.has(place, function) {
                *standing = percent.map_or(Standing::Current, Standing::Partly);
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
            judge::wave(&self.intent.gates, &self.rollout, &self.measured(wave), self.fleet.now)
        };
        let evidence = evidence.expect("a wave is open");
        let says = evidence.says;
        self.wave().evidence = Some(evidence);
        says
    }

    fn measured(&self, wave: &Wave) -> Measured {
        let waves = Waves::of(&self.intent, Some(&self.rollout));
        let counts = self.looks == Looks::EveryMinute || waves.is_to_count(self.fleet.now);
        let window = judge::window(&self.intent.gates, wave, SignedDuration::ZERO, self.fleet.now)
            .filter(|_| counts);
        let Some(window) = window else {
            return Measured::default();
        };
        let of_wave = |(place, function): &Key| wave.has(place, function);
        let moved = self.fleet.counted(of_wave, usize::MAX, window);
        let is_later = |key: &Key| self.standings[key] == Standing::Later;
        let others = || self.fleet.counted(is_later, OTHERS_MAX, window);
        let in_part = self.fleet.in_part.iter().filter(|key| of_wave(key));
        let beside = in_part.map(|key| (key.clone(), self.fleet.all[key].beside.clone())).collect();
        let moved = judge::Moved { calls: moved, beside };
        let others = judge::looks_bad(&self.rollout.waves, &moved).then(others);
        let others = others.filter(|others| !others.is_empty());
        Measured { moved: Some(Ok(moved)), others, ..Measured::default() }
    }
}

/// Plays rollouts, each with its own seed and error rates.
fn played(looks: Looks, load: impl Fn(u64) -> Load) -> Vec<Ended> {
    (0..rollouts()).map(|seed| Play::new(load(seed), looks, seed).play()).collect()
}

fn count(of: &[Ended], is: impl Fn(&Ended) -> bool) -> u64 {
    of.iter().filter(|one| is(one)).count() as u64
}

fn percent(count: u64) -> f64 {
    100.0 * count as f64 / rollouts() as f64
}

/// How many rollouts end in some way at most, with 99 % of probability, where README.md says that this share of them does.
fn most(percent: f64) -> u64 {
    let (of, share) = (rollouts(), percent / 100.0);
    let mut exactly = (of as f64 * (-share).ln_1p()).exp();
    let mut up_to = exactly;
    let mut most = 0;
    while up_to < 0.99 && most < of {
        exactly *= (of - most) as f64 / (most + 1) as f64 * share / (1.0 - share);
        most += 1;
        up_to += exactly;
    }
    most
}

/// Good data: a third of the rollouts each has 0.1, 1 and 5 % of errors before and after. The gates are asked every minute.
/// Returns how many go back.
fn comes_back(begins: Begins, bursts: Bursts) -> u64 {
    let share = |seed: u64| [0.001, 0.01, 0.05][usize::try_from(seed % 3).expect("small")];
    let load = |seed| {
        let (old, new) = (share(seed), share(seed));
        Load { functions: 100, begins, calls_per_minute: 10.0, every: 1, old, new, bursts }
    };
    let ended = played(Looks::EveryMinute, load);
    let back = count(&ended, |one| matches!(one, Ended::Back { .. }));
    let waits = count(&ended, |one| matches!(one, Ended::WaitsForAPerson { .. }));
    println!(
        "good, {begins:?}, {bursts:?}: of {} {:.2} % come back, {:.2} % wait for a person",
        ended.len(),
        percent(back),
        percent(waits)
    );
    back
}

/// Holds how many rollouts of good data go back against README.md's share of each kind.
fn come_back(begins: Begins, kinds: &[(Bursts, f64)]) {
    let back: u64 = kinds.iter().map(|(bursts, _)| comes_back(begins, *bursts)).sum();
    // Few go back: all kinds together tell of it, and one alone does not.
    let most = most(kinds.iter().map(|(_, percent)| percent).sum());
    println!("  together {back}, at most {most}");
    assert!(back <= most, "{back} go back, and {most} at most as README.md says");
}

#[test]
fn good_data_goes_back_no_more_often_than_readme_says() {
    let kinds = [(Bursts::Never, 0.02), (Bursts::Minutes, 0.07)];
    // The judge takes minutes for independent of each other. Errors that last are none, and count too much.
    let lasting = [(Bursts::Retries, 0.86), (Bursts::Outages, 0.34)];
    come_back(Begins::Whole, &[kinds, lasting].concat());
}

#[test]
fn good_data_that_begins_with_a_tenth_of_the_calls_goes_back_no_more_often_than_readme_says() {
    let kinds = [(Bursts::Never, 0.03), (Bursts::Minutes, 0.03)];
    let lasting = [(Bursts::Retries, 0.6), (Bursts::Outages, 0.3)];
    come_back(A_TENTH, &[kinds, lasting].concat());
}

/// What README.md says of bad data before half of the functions have it, in percent.
struct Found {
    goes_back: f64,
    waits: f64,
}

/// Bad data: 5 % of calls fail instead of 1 %. The gates are asked when the publisher asks them.
fn is_found(calls_per_minute: f64, bursts: Bursts, found: &Found) {
    const FUNCTIONS: usize = 100;
    let begins = Begins::Whole;
    let load = Load {
        functions: FUNCTIONS,
        begins,
        calls_per_minute,
        every: 1,
        old: 0.01,
        new: 0.05,
        bursts,
    };
    let ended = played(Looks::AsDeployed, |_| load);
    let back = count(&ended, |one| matches!(one, Ended::Back { moved } if *moved < FUNCTIONS / 2));
    let waits = count(
        &ended,
        |one| matches!(one, Ended::WaitsForAPerson { moved } if *moved < FUNCTIONS / 2),
    );
    println!(
        "bad, {bursts:?}, {calls_per_minute} calls a minute: of {} {:.1} % come back and {:.1} % wait for a person before half of the functions have it",
        ended.len(),
        percent(back),
        percent(waits)
    );
    let [stay, missed] = [rollouts() - back, rollouts() - back - waits];
    let bound = most(100.0 - found.goes_back);
    assert!(stay <= bound, "{bursts:?}: {stay} do not go back early, {bound} at most");
    // README.md's figures are whole numbers.
    let bound = most((100.0 - found.goes_back - found.waits).max(1.0));
    assert!(missed <= bound, "{bursts:?}: {missed} are not found early, {bound} at most");
}

#[test]
fn five_percent_of_errors_are_found_before_half_of_the_fleet_has_them() {
    is_found(10.0, Bursts::Never, &Found { goes_back: 91.0, waits: 9.0 });
    is_found(30.0, Bursts::Minutes, &Found { goes_back: 97.0, waits: 3.0 });
}

#[test]
fn five_percent_of_errors_between_bursts_are_found_before_half_of_the_fleet_has_them() {
    is_found(10.0, Bursts::Minutes, &Found { goes_back: 90.0, waits: 8.0 });
    is_found(10.0, Bursts::Retries, &Found { goes_back: 90.0, waits: 7.0 });
}

/// Bad data that begins with a tenth of the calls of one function. README.md says how often it goes back before a second
/// function has it, in percent.
fn is_found_in_a_tenth(new: f64, bursts: Bursts, goes_back: f64) {
    let load = Load {
        functions: 100,
        begins: A_TENTH,
        calls_per_minute: 10.0,
        every: 1,
        old: 0.01,
        new,
        bursts,
    };
    let ended = played(Looks::AsDeployed, |_| load);
    let of_one = count(&ended, |one| matches!(one, Ended::Back { moved: 1 }));
    let early = count(
        &ended,
        |one| matches!(one, Ended::Back { moved } | Ended::WaitsForAPerson { moved } if *moved < 50),
    );
    println!(
        "bad, {new} in a tenth, {bursts:?}: of {} {:.1} % come back before a second function has it, {:.1} % come back or wait for a person before half of the functions have it",
        ended.len(),
        percent(of_one),
        percent(early)
    );
    let bound = most(100.0 - goes_back);
    let others = rollouts() - of_one;
    assert!(others <= bound, "{bursts:?}: {others} do not go back at once, {bound} at most");
    let (missed, bound) = (rollouts() - early, most(1.0));
    assert!(missed <= bound, "{bursts:?}: {missed} are not found early, {bound} at most");
}

#[test]
fn a_tenth_of_the_calls_of_one_function_shows_errors() {
    for (bursts, goes_back) in
        [(Bursts::Never, 97.0), (Bursts::Minutes, 66.0), (Bursts::Retries, 70.0)]
    {
        is_found_in_a_tenth(1.0, bursts, 99.9);
        is_found_in_a_tenth(0.2, bursts, 99.9);
        is_found_in_a_tenth(0.05, bursts, goes_back);
    }
}

/// Functions that a clock calls, as a schedule does: few minutes have calls, and those that have are alike.
#[test]
fn calls_that_come_all_at_once_hide_no_bad_data() {
    for every in [5, 15] {
        let load = |new: f64| Load {
            functions: 100,
            begins: Begins::Whole,
            calls_per_minute: 10.0,
            every,
            old: 0.01,
            new,
            bursts: Bursts::Never,
        };
        let good = played(Looks::AsDeployed, |_| load(0.01));
        let back = count(&good, |one| matches!(one, Ended::Back { .. }));
        let waits = count(&good, |one| matches!(one, Ended::WaitsForAPerson { .. }));
        println!("good, every {every} minutes: {back} back, {waits} wait, of {}", good.len());
        assert!(back <= most(0.1), "{back} of good data go back");
        assert!(waits <= most(1.0), "{waits} of good data wait");
        let bad = played(Looks::AsDeployed, |_| load(0.9));
        let late = |one: &Ended| match one {
            Ended::Whole => true,
            Ended::Back { moved } | Ended::WaitsForAPerson { moved } => *moved > 1,
        };
        let late = count(&bad, late);
        assert_eq!(late, 0, "every {every} minutes: a second function got bad data");
    }
}
