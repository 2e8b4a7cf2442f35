//! Calls that failed: those of the wave's functions since they moved, against those of the same functions just before.

use std::ops::Add as _;

use jiff::{SignedDuration, Timestamp};

use super::evalue::{
    ENOUGH, EXCUSE, Pair, SUSPICIOUS, evidence, evidence_in_part, minute, minute_in_part,
};
use super::{Measured, Moved, Said, StandsIn, observed};
use crate::definition::{Gates, MetricsGate};
use crate::ports::{self, Minutes, Window};
use crate::state::{Counted, Says, Sums, Tally, Wave};

/// How long a minute may take until the calls that ended in it are counted.
const LAG: SignedDuration = SignedDuration::from_mins(3);
/// The same behind the longest call that may have begun in it: a call is counted in the minute in which it began.
const LAG_OF_LONG_CALLS: SignedDuration = SignedDuration::from_mins(2);
/// Fewer errors never stop a release.
const ERRORS_MIN: u64 = 3;
/// A smaller growth of errors never stops a release.
const GROWTH_MIN: f64 = 1.5;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What to count for a wave: as many whole minutes before it opened as have passed since it was complete, and at least an
/// hour before it. `None` where no minute has passed. A call takes `longest` at most: minutes whose calls may not have ended are left
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
    let from = minute_of(wave.opened).saturating_sub(span.max(HOUR)).ok()?;
    Some(Window { from, until, slow_after: gates.metrics?.slow_after })
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
        (Some(Ok(calls)), known) => {
            let moved = Compared::of(calls, waves);
            match (judged(gate, &moved, waves, measured), known) {
                (Err(words), known) => (Says::Unmeasured, uncounted(words), known),
                (Ok((says, sentence)), _) => {
                    let counted =
                        Counted { at: now, says, sentence: sentence.clone(), tally: moved.whole };
                    (says, sentence, Some(counted))
                }
            }
        }
    };
    (observed(gate.binding, Said { says, sentence }), counted)
}

fn uncounted(words: &str) -> String {
    format!("calls cannot be counted: {words}")
}

/// Says what calls tell, or why those that could excuse them could not be counted.
fn judged<'m>(
    gate: &MetricsGate,
    moved: &Compared,
    waves: &Waves<'_>,
    measured: &'m Measured,
) -> Result<(Says, String), &'m str> {
    let sentence = moved.sentence(&Bad::by(gate));
    if moved.looks_bad() {
        let others = match &measured.others {
            None => return Ok((Says::Fail, format!("{sentence}{}", moved.weaker()))),
            Some(others) => others.as_ref().map_err(String::as_str)?,
        };
        if !Compared::of(&others.clone().into(), &waves.alone()).is_an_excuse() {
            let were_called = |minutes: &Minutes| minutes.values().any(|minute| minute.calls > 0);
            let words = if others.values().any(were_called) {
                "; calls of functions that have not moved fail no more often"
            } else {
                moved.weaker()
            };
            return Ok((Says::Fail, format!("{sentence}{words}")));
        }
        let words =
            format!("{sentence}; calls of functions that have not moved fail more often as well");
        return Ok((Says::Inconclusive, words));
    }
    if moved.is_suspicious() {
        let words = format!("{sentence}; that may be chance, and more calls will tell");
        return Ok((Says::Inconclusive, words));
    }
    if moved.own.new.calls >= gate.calls_min {
        return Ok((Says::Pass, sentence));
    }
    if moved.own.new.errors > 0 {
        let words = format!("{sentence}; {} calls are needed to pass", gate.calls_min);
        return Ok((Says::Inconclusive, words));
    }
    Ok(match measured.stands_in {
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
    })
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
    /// Holds the first minute after the wave against the last one before it, the second against the last but one, and so on;
    /// of a function in part, each minute against the same one of the version before.
    fn of(moved: &Moved, waves: &Waves<'_>) -> Self {
        let Moved { calls, beside } = moved;
        let opened = minute_of(waves.open.opened);
        let since = waves.open.reached.map_or(opened, next_minute);
        let last = calls.values().filter_map(|minutes| minutes.keys().next_back()).max();
        let span = last.map_or(0, |last| last.duration_since(since).as_mins() + 1);
        let whole = (0..span).map(|number| {
            let moved_whole = calls.iter().filter(|(function, _)| !beside.contains_key(function));
            minute(moved_whole.map(|(_, minutes)| Pair {
                new: calls_at(minutes, since, number),
                old: calls_at(minutes, opened, -1 - number),
            }))
        });
        let whole = whole.fold(Tally::default(), Tally::add);
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
        let before = opened.saturating_sub(HOUR).unwrap_or(opened)..opened;
        let before = calls.values().flat_map(|minutes| minutes.range(before.clone()));
        let beside_them = beside.values().flat_map(|minutes| minutes.range(since..));
        let hour = before.chain(beside_them).fold(ports::Calls::default(), |sum, (_, one)| {
            let (calls, errors) = (sum.calls + one.calls, sum.errors + one.bad());
            ports::Calls { calls, errors, slow: 0 }
        });
        let against = if beside.is_empty() { Against::Before } else { Against::Beside };
        Self { own, whole, all: own + waves.earlier, evidence, hour, against, silent }
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
        let share = |sums: Sums| sums.errors as f64 / sums.calls.max(1) as f64;
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
            Against::Before => "; weaker evidence: compared with earlier minutes",
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
                    Against::Before => "in the hour before the wave opened",
                    Against::Beside => WITH_THE_DATA_BEFORE,
                };
                format!("all {} calls {were}, and {errors} of {calls} {when}", new.calls)
            }
            (calls, errors) => {
                let when = match self.against {
                    Against::Before => "in as many minutes before the wave opened",
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

/// The calls of one minute, so many after or before a time. Slow ones count as errors.
fn calls_at(minutes: &Minutes, from: Timestamp, number: i64) -> ports::Calls {
    let at = from.saturating_add(SignedDuration::from_mins(number)).unwrap_or(from);
    let found = minutes.get(&at).copied().unwrap_or_default();
    ports::Calls { calls: found.calls, errors: found.bad(), slow: 0 }
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
