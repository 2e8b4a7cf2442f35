//! Calls that failed: those of the wave's functions since they moved, against those of the same functions just before.

use std::collections::BTreeMap;
use std::ops::Add as _;

use jiff::{SignedDuration, Timestamp};

use super::evalue::{
    ENOUGH, EXCUSE, Pair, SUSPICIOUS, evidence, evidence_in_part, minute, minute_in_part,
};
use super::pairs::{ERRORS_MIN, GROWTH_MIN, HOUR, HeldAgainst, Opening, Pairs, calls_at, share};
use super::{Function, Measured, Moved, Said, StandsIn, observed};
use crate::definition::{Gates, MetricsGate};
use crate::ports::{self, Minutes, Window};
use crate::state::{Counted, Says, Sums, Tally, Wave};

/// How long a minute may take until the calls that ended in it are counted.
const LAG: SignedDuration = SignedDuration::from_mins(3);
/// The same behind the longest call that may have begun in it: a call is counted in the minute in which it began.
const LAG_OF_LONG_CALLS: SignedDuration = SignedDuration::from_mins(2);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What to count for a wave: the whole minutes since it was complete, and those before it opened that they are held against,
/// at least an hour. `None` where no minute has passed. A call takes `longest` at most: minutes whose calls may not have ended are left
/// out, but no more than half of them, because calls that fail end soon.
pub(in crate::rollout) fn window(
    gates: &Gates,
    wave: &Wave,
    longest: SignedDuration,
    now: Timestamp,
) -> Option<Window> {
    let reached = next_minute(wave.reached?);
    let half = now.duration_since(wave.reached?) / 2;
    let until = last_counted((longest + LAG_OF_LONG_CALLS).min(half), now);
    let span = until.duration_since(reached);
    if span < MINUTE {
        return None;
    }
    let hours = u32::try_from(span.as_mins()).unwrap_or_default().div_ceil(60);
    let before = HOUR * i32::try_from(hours).unwrap_or(1);
    let from = minute_of(wave.opened).saturating_sub(before).ok()?;
    Some(Window { from, until, slow_after: gates.metrics?.slow_after })
}

/// What to count besides of functions that left the stable release before the wave opened: as many minutes before that.
pub(in crate::rollout) fn proven_windows(
    wave: &Wave,
    functions: &[Function],
    window: Window,
) -> Vec<(Window, Vec<Function>)> {
    let before = minute_of(wave.opened).duration_since(window.from);
    let mut all: BTreeMap<Timestamp, Vec<Function>> = BTreeMap::new();
    for function in functions {
        let until = wave.proven_until(&function.0, &function.1);
        if until != wave.opened {
            all.entry(minute_of(until)).or_default().push(function.clone());
        }
    }
    let windows = all.into_iter().map(|(until, functions)| {
        let from = until.saturating_sub(before).unwrap_or(until);
        (Window { from, until, ..window }, functions)
    });
    windows.collect()
}

/// The minute behind the last one whose calls are counted by now, where that takes so long, and three minutes at least.
pub(in crate::rollout) fn last_counted(lag: SignedDuration, now: Timestamp) -> Timestamp {
    minute_of(now.saturating_sub(LAG.max(lag)).unwrap_or(now))
}

/// Says what the calls of a wave tell, and what was counted. A look that counts nothing says what the last count said.
pub(super) fn judge(
    gate: &MetricsGate,
    waves: &Waves<'_>,
    measured: &Measured,
    now: Timestamp,
) -> (Said, Option<Counted>) {
    let known = waves.open.evidence.as_ref().and_then(|evidence| evidence.counted.clone());
    let (says, sentence, counted) = match (&measured.moved, known) {
        (None, Some(known)) => (known.says, known.sentence.clone(), Some(known)),
        (None, None) => (Says::TooFew, "no call was counted yet".to_owned(), None),
        (Some(Err(words)), known) => (Says::Unmeasured, uncounted(words), known),
        (Some(Ok(calls)), _) => {
            let moved = Compared::of(calls, waves);
            let (says, sentence) = judged(gate, &moved, waves, measured);
            let counted = Counted { at: now, says, sentence: sentence.clone(), tally: moved.whole };
            (says, sentence, Some(counted))
        }
    };
    (observed(gate.binding, Said { says, sentence }), counted)
}

fn uncounted(words: &str) -> String {
    format!("calls cannot be counted: {words}")
}

/// Says what calls tell.
fn judged(
    gate: &MetricsGate,
    moved: &Compared,
    waves: &Waves<'_>,
    measured: &Measured,
) -> (Says, String) {
    let sentence = moved.sentence(&Bad::by(gate));
    if moved.looks_bad() {
        let Some(others) = &measured.others else {
            return (Says::Fail, format!("{sentence}{}", moved.weaker()));
        };
        if !Compared::of(&others.clone().into(), &waves.alone()).is_an_excuse() {
            let were_called = |minutes: &Minutes| minutes.values().any(|minute| minute.calls > 0);
            let words = if others.values().any(were_called) {
                "; calls of functions that have not moved fail no more often"
            } else {
                moved.weaker()
            };
            return (Says::Fail, format!("{sentence}{words}"));
        }
        let words =
            format!("{sentence}; calls of functions that have not moved fail more often as well");
        return (Says::Inconclusive, words);
    }
    if moved.is_suspicious() {
        let words = format!("{sentence}; that may be chance, and more calls will tell");
        return (Says::Inconclusive, words);
    }
    if moved.is_unlike {
        let words = format!("{sentence}; too few minutes can be compared to tell why");
        return (Says::Inconclusive, words);
    }
    if moved.own.new.calls >= gate.calls_min {
        return (Says::Pass, sentence);
    }
    if moved.own.new.errors > 0 {
        let words = format!("{sentence}; {} calls are needed to pass", gate.calls_min);
        return (Says::Inconclusive, words);
    }
    match measured.stands_in {
        Some(StandsIn::Probe) => {
            let words = "the probe of each function stands in for more calls";
            (Says::Pass, format!("{sentence}; {words}"))
        }
        Some(StandsIn::Silence) if moved.own.new.calls == 0 => {
            let words =
                "no call was counted, and none in the 14 days before: its functions are unjudged";
            (Says::Pass, words.to_owned())
        }
        _ => {
            let words = format!("{sentence}; {} calls are needed to pass", gate.calls_min);
            (Says::TooFew, words)
        }
    }
}

/// Tells whether the calls look bad enough to ask how the other functions fare.
pub(in crate::rollout) fn looks_bad(waves: &[Wave], moved: &Moved) -> bool {
    Waves::of(waves).is_some_and(|waves| Compared::of(moved, &waves).looks_bad())
}

/// The open wave, and what was counted for the ones before it.
pub(super) struct Waves<'a> {
    pub(super) open: &'a Wave,
    earlier: Tally,
}

impl<'a> Waves<'a> {
    pub(super) fn of(waves: &'a [Wave]) -> Option<Self> {
        let (open, earlier) = waves.split_last()?;
        let counted = earlier.iter().filter_map(|wave| wave.evidence.as_ref()?.counted.as_ref());
        let earlier = counted.fold(Tally::default(), |sum, counted| sum + counted.tally);
        Some(Self { open, earlier })
    }

    /// Only the open one.
    fn alone(&self) -> Self {
        Self { open: self.open, earlier: Tally::default() }
    }
}

/// What calls are held against.
enum Against {
    /// Calls of the same functions before the wave.
    Before,
    /// The same, of some of them in the same minutes of earlier hours.
    HoursBefore,
    /// Calls of the same functions with the stable release, of some of them before one came that this one superseded.
    Stable,
    /// Calls that versions before answered in the same minutes, of some functions at least.
    Beside,
}

const WITH_THE_DATA_BEFORE: &str = "with the data before";

/// What counts against the new data, in words.
struct Bad {
    were: String,
    are: &'static str,
}

impl Bad {
    fn by(gate: &MetricsGate) -> Self {
        match gate.slow_after {
            None => Self { were: "failed".to_owned(), are: "fail" },
            Some(after) => {
                let were = format!("failed or took over {} ms", after.as_millis());
                Self { were, are: "do" }
            }
        }
    }
}

/// Calls since a wave was complete against those before it opened.
struct Compared {
    /// Those of the wave.
    own: Tally,
    /// Those of the functions of the wave that moved whole.
    whole: Tally,
    /// One of these functions has calls that fail more often, and too few minutes tell why.
    is_unlike: bool,
    /// Those of all waves so far.
    all: Tally,
    /// How strongly they speak against the new data.
    evidence: f64,
    /// The calls of the wave's functions in the hour before it opened, and those that versions beside the new ones answered.
    hour: ports::Calls,
    /// What the calls are held against.
    against: Against,
    /// How many functions had no call since they moved.
    silent: usize,
}

impl Compared {
    /// Holds each minute since the wave was complete against one before it opened; of a function in part, against the same one
    /// of the version before.
    fn of(moved: &Moved, waves: &Waves<'_>) -> Self {
        let Moved { calls, beside } = moved;
        let opened = minute_of(waves.open.opened);
        let since = waves.open.reached.map_or(opened, next_minute);
        let last = calls.values().filter_map(|minutes| minutes.keys().next_back()).max();
        let span = last.map_or(0, |last| last.duration_since(since).as_mins() + 1);
        let opening = |(place, function): &Function| {
            let opened = minute_of(waves.open.proven_until(place, function));
            Opening { opened, since }
        };
        let moved_whole = calls.iter().filter(|(function, _)| !beside.contains_key(function));
        let pairs: Vec<Pairs> = moved_whole
            .map(|(function, minutes)| Pairs::of(opening(function), minutes, span))
            .collect();
        let minutes = usize::try_from(span).unwrap_or_default();
        let whole = (0..minutes).map(|at| minute(pairs.iter().map(|pairs| pairs.all[at])));
        let whole = whole.fold(Tally::default(), Tally::add);
        let is_unlike = pairs.iter().any(Pairs::are_unlike);
        let in_part = (0..span).map(|number| {
            minute_in_part(beside.iter().filter_map(|(function, beside)| {
                let new = calls_at(calls.get(function)?, since, number);
                Some(Pair { new, old: calls_at(beside, since, number) })
            }))
        });
        let in_part = in_part.fold(Tally::default(), Tally::add);
        let evidence = evidence(&(whole + waves.earlier)) * evidence_in_part(&in_part);
        let own = whole + in_part;
        let was_called = |minutes: &&Minutes| minutes.range(since..).any(|(_, one)| one.calls > 0);
        let silent = calls.len() - calls.values().filter(was_called).count();
        let last_hour =
            calls.iter().flat_map(|(function, minutes)| minutes.range(opening(function).an_hour()));
        let beside_them = beside.values().flat_map(|minutes| minutes.range(since..));
        let hour = last_hour.chain(beside_them).fold(ports::Calls::default(), |sum, (_, one)| {
            let (calls, errors) = (sum.calls + one.calls, sum.errors + one.bad());
            ports::Calls { calls, errors, slow: 0 }
        });
        let by_the_hour = pairs.iter().any(|pairs| pairs.held == HeldAgainst::SameOfTheHour);
        let against = match (beside.is_empty(), waves.open.unproven.is_empty(), by_the_hour) {
            (false, ..) => Against::Beside,
            (true, false, _) => Against::Stable,
            (true, true, false) => Against::Before,
            (true, true, true) => Against::HoursBefore,
        };
        Self { own, whole, is_unlike, all: own + waves.earlier, evidence, hour, against, silent }
    }

    fn looks_bad(&self) -> bool {
        self.fails_wholly() || (self.has_grown() && self.evidence >= ENOUGH)
    }

    fn is_suspicious(&self) -> bool {
        self.has_grown() && self.evidence >= SUSPICIOUS
    }

    /// Tells whether these functions fare so badly that the data of others is not to blame.
    fn is_an_excuse(&self) -> bool {
        self.fails_wholly() || (self.has_grown() && self.evidence >= EXCUSE)
    }

    /// Tells whether every call of the wave failed, and chance would not do that to calls that fail as often as in the hour
    /// before. Bursts hit a part of the calls, so no second minute has to tell.
    fn fails_wholly(&self) -> bool {
        let Sums { calls, errors, .. } = self.own.new;
        let before = (self.hour.errors + 1) as f64 / (self.hour.calls + 1) as f64;
        let chance = before.powf(calls as f64);
        calls >= ERRORS_MIN && errors == calls && chance <= 1.0 / ENOUGH
    }

    /// Tells whether errors grew enough to stop a release. A burst has many errors and few minutes.
    fn has_grown(&self) -> bool {
        let Tally { new, old, .. } = self.all;
        let minutes = new.bad_minutes as f64 >= GROWTH_MIN * old.bad_minutes as f64;
        new.errors >= ERRORS_MIN && (minutes || share(new) >= GROWTH_MIN * share(old))
    }

    fn sentence(&self, bad: &Bad) -> String {
        let silent = match self.silent {
            0 => String::new(),
            1 => "; 1 function had no call".to_owned(),
            silent => format!("; {silent} functions had no call"),
        };
        format!("{}{}{silent}", self.of_the_wave(bad), self.of_all())
    }

    /// Marks evidence that is not from the same minutes.
    fn weaker(&self) -> &'static str {
        match self.against {
            Against::Before | Against::HoursBefore | Against::Stable => {
                "; weaker evidence: compared with earlier minutes"
            }
            Against::Beside => "",
        }
    }

    fn of_the_wave(&self, Bad { were, are }: &Bad) -> String {
        let Tally { new, old, .. } = self.own;
        match (new.calls, new.errors) {
            (0, _) => "no call was counted".to_owned(),
            (calls, 0) => {
                let bound = 100.0 * (1.0 - 0.05_f64.powf(1.0 / calls as f64));
                format!(
                    "none of {calls} calls {were}, so at most {bound:.1} % of calls {are}, with 95 % confidence"
                )
            }
            _ if self.fails_wholly() => {
                let ports::Calls { calls, errors, .. } = self.hour;
                let when = match self.against {
                    Against::Before | Against::HoursBefore => "in the hour before the wave opened",
                    Against::Stable => "in the last hour with the stable release",
                    Against::Beside => WITH_THE_DATA_BEFORE,
                };
                format!("all {} calls {were}, and {errors} of {calls} {when}", new.calls)
            }
            (calls, errors) => {
                let when = match self.against {
                    Against::Before => "in as many minutes before the wave opened",
                    Against::HoursBefore => "in the same minutes of the hours before",
                    Against::Stable => "in as many minutes with the stable release",
                    Against::Beside => WITH_THE_DATA_BEFORE,
                };
                format!(
                    "{errors} of {calls} calls {were}, and {} of {} {when}",
                    old.errors, old.calls
                )
            }
        }
    }

    /// The numbers of all waves, where those of earlier ones speak against the release, too.
    fn of_all(&self) -> String {
        let Tally { new, old, .. } = self.all;
        if self.own == self.all || self.fails_wholly() || !self.is_suspicious() {
            return String::new();
        }
        format!(
            "; in all waves so far {} of {}, and {} of {} before them",
            new.errors, new.calls, old.errors, old.calls
        )
    }
}

fn minute_of(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(at)
}

fn next_minute(at: Timestamp) -> Timestamp {
    let begun = minute_of(at);
    if begun == at { at } else { begun.saturating_add(MINUTE).unwrap_or(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Place, RegionName};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// What the gate says of one function that is called in some minutes of an hour only. The wave opened at noon; before it
    /// one call of a hundred failed, and behind it `errors` of each minute's `calls` do.
    fn said(minutes: impl Fn(i64) -> bool, called_before: bool, calls: u64, errors: u64) -> Says {
        let opened = at("2026-09-17T12:00:00Z");
        let mut wave = Wave::open([].into(), None, opened);
        wave.watch(opened, at("2026-09-17T13:00:00Z"));
        let one = |number: i64| {
            let errors = if number < 0 { calls / 100 } else { errors };
            let minute = opened + SignedDuration::from_mins(number);
            (minute, ports::Calls { calls, errors, slow: 0 })
        };
        let all = (-180_i64..30).filter(|number| minutes(number.rem_euclid(60)));
        let all: Minutes = all.filter(|number| called_before || *number >= 0).map(one).collect();
        let place = Place { region: RegionName::parse("local").expect("a Region"), account: None };
        let function = (place, ports::FunctionName::parse("f").expect("a name"));
        let moved = Moved { calls: [(function, all)].into(), ..Moved::default() };
        let waves = [wave];
        let waves = Waves::of(&waves).expect("one is open");
        let gate = MetricsGate::default();
        let measured = Measured { moved: Some(Ok(moved)), ..Measured::default() };
        judge(&gate, &waves, &measured, at("2026-09-17T12:33:00Z")).0.says
    }

    #[test]
    fn calls_at_a_beat_are_held_against_the_same_beat() {
        for phase in 0..5 {
            let every_fifth = |minute: i64| minute % 5 == phase;
            assert_eq!(said(every_fifth, true, 100, 1), Says::Pass, "sound, phase {phase}");
            let says = said(every_fifth, true, 100, 90);
            assert!(matches!(says, Says::Inconclusive | Says::Fail), "{says:?}, phase {phase}");
        }
    }

    #[test]
    fn one_batch_that_fails_is_no_pass() {
        let once = |minute: i64| minute == 7;
        assert_eq!(said(once, true, 300, 3), Says::Pass);
        assert_eq!(said(once, true, 300, 270), Says::Inconclusive);
        assert_eq!(said(once, true, 300, 300), Says::Fail, "all of them fail");
        assert_eq!(said(once, false, 300, 0), Says::Pass, "no call failed");
        assert_eq!(said(once, false, 300, 300), Says::Inconclusive, "nothing to hold it against");
        assert_eq!(said(once, false, 300, 3), Says::Inconclusive, "nothing to hold it against");
    }

    /// A function with many good calls beside one that is called once in a quarter of an hour, and fails.
    #[test]
    fn a_sound_function_hides_no_batch_that_fails() {
        let opened = at("2026-09-17T12:00:00Z");
        let mut wave = Wave::open([].into(), None, opened);
        wave.watch(opened, at("2026-09-17T13:00:00Z"));
        let minutes = |every: i64, calls: u64, errors: u64| -> Minutes {
            let all = (-180_i64..30).filter(|number| number % every == 0);
            let one = |number: i64| {
                let errors = if number < 0 { 0 } else { errors };
                let minute = opened + SignedDuration::from_mins(number);
                (minute, ports::Calls { calls, errors, slow: 0 })
            };
            all.map(one).collect()
        };
        let place = Place { region: RegionName::parse("local").expect("a Region"), account: None };
        let named = |name: &str| (place.clone(), ports::FunctionName::parse(name).expect("a name"));
        let waves = [wave];
        for beside in [minutes(1, 10, 0), minutes(15, 10_000, 0)] {
            let calls = [(named("sound"), beside), (named("batch"), minutes(15, 100, 100))];
            let moved = Moved { calls: calls.into(), ..Moved::default() };
            let waves = Waves::of(&waves).expect("one is open");
            let measured = Measured { moved: Some(Ok(moved)), ..Measured::default() };
            let now = at("2026-09-17T12:33:00Z");
            let says = judge(&MetricsGate::default(), &waves, &measured, now).0.says;
            assert_eq!(says, Says::Inconclusive);
        }
    }

    #[test]
    fn calls_are_counted_once_the_longest_one_has_ended() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let mut wave = Wave::open([].into(), None, at("2026-09-17T11:00:00Z"));
        wave.watch(at("2026-09-17T12:00:00Z"), at("2026-09-17T13:00:00Z"));
        let gates = Gates { metrics: Some(MetricsGate::default()), ..Gates::default() };
        let until = |longest, now| {
            let longest = SignedDuration::from_secs(longest);
            window(&gates, &wave, longest, at(now)).map(|window| window.until)
        };
        for (longest, expected) in [(3, "12:37"), (60, "12:37"), (900, "12:23")] {
            let expected = at(&format!("2026-09-17T{expected}:00Z"));
            assert_eq!(until(longest, "2026-09-17T12:40:20Z"), Some(expected), "{longest} s");
        }
        let half = until(900, "2026-09-17T12:10:00Z");
        assert_eq!(half, Some(at("2026-09-17T12:05:00Z")), "half of what has passed is counted");
    }
}
