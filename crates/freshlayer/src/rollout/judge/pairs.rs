//! The calls of one function since a wave was complete, each minute beside one before it opened.

use jiff::{SignedDuration, Timestamp};

use super::evalue::{Pair, minute};
use crate::ports::{Calls, Minutes};
use crate::state::{Sums, Tally};

/// Fewer errors never stop a release.
pub(super) const ERRORS_MIN: u64 = 3;
/// A smaller growth of errors never stops a release.
pub(super) const GROWTH_MIN: f64 = 1.5;
/// Where so large a part of the calls fails, and more than before, no wave passes by minutes that are too few to tell.
const UNLIKE_SHARE: f64 = 0.1;
/// The same where no call came before.
const UNKNOWN_SHARE: f64 = 0.01;
/// So many minutes in which more calls fail are suspicious by themselves.
const TELLING_MIN: usize = 5;
pub(super) const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Which minutes before a wave opened those since it was complete are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldAgainst {
    /// The last one for the first, the last but one for the second, and so on: errors that last across the opening are on both
    /// sides.
    Nearest,
    /// The same minute of an earlier hour: calls come at a beat, so that most minutes have none.
    SameOfTheHour,
}

/// When a wave opened, and when it was complete.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    pub(super) opened: Timestamp,
    pub(super) since: Timestamp,
}

/// The calls of one function, minute by minute, with those that they are held against.
pub(super) struct Pairs {
    pub(super) held: HeldAgainst,
    pub(super) all: Vec<Pair>,
    /// Its calls of the hour before the wave opened.
    hour: Sums,
}

impl Pairs {
    pub(super) fn of(opening: Opening, minutes: &Minutes, span: i64) -> Self {
        let last = minutes.range(opening.an_hour());
        let hour = last.fold(Sums::default(), |sum, (_, one)| {
            let (calls, errors) = (sum.calls + one.calls, sum.errors + one.bad());
            Sums { calls, errors, ..sum }
        });
        let held = |held| Self {
            held,
            all: (0..span).map(|number| opening.pair(minutes, number, held)).collect(),
            hour,
        };
        let (nearest, hour) = (held(HeldAgainst::Nearest), held(HeldAgainst::SameOfTheHour));
        if hour.telling() > 2 * nearest.telling() { hour } else { nearest }
    }

    /// How many minutes have calls, and calls before that they are held against.
    fn telling(&self) -> usize {
        self.all.iter().filter(|pair| pair.compares()).count()
    }

    /// Tells whether calls of a function with too few minutes that can be compared fail that much more often that no pass may
    /// follow: calls that come all at once, or had none before.
    pub(super) fn are_unlike(&self) -> bool {
        let Tally { new, old, .. } = minute(self.all.iter().copied());
        let old = if old.calls > 0 { old } else { self.hour };
        let least = if old.calls == 0 { UNKNOWN_SHARE } else { UNLIKE_SHARE };
        let are_more = share(new) >= least && share(new) >= GROWTH_MIN * share(old);
        self.telling() < TELLING_MIN && new.errors >= ERRORS_MIN && are_more
    }
}

impl Opening {
    /// The hour before the wave opened.
    pub(super) fn an_hour(self) -> std::ops::Range<Timestamp> {
        self.opened.saturating_sub(HOUR).unwrap_or(self.opened)..self.opened
    }

    fn pair(self, minutes: &Minutes, number: i64, held: HeldAgainst) -> Pair {
        let before = match held {
            HeldAgainst::Nearest => Some((self.opened, -1 - number)),
            HeldAgainst::SameOfTheHour => self.an_hour_before(number),
        };
        let old = before.map(|(at, number)| calls_at(minutes, at, number)).unwrap_or_default();
        Pair { new: calls_at(minutes, self.since, number), old }
    }

    /// Finds the same minute of an hour before the wave opened: for the first hour in the last one, for the second in the one
    /// before that. None stands for the minutes in which functions moved.
    fn an_hour_before(self, number: i64) -> Option<(Timestamp, i64)> {
        let moving = self.since.duration_since(self.opened).as_mins();
        let back = number - 60 * (1 + moving / 60 + number / 60 * 2);
        (moving + back < 0).then_some((self.since, back))
    }
}

pub(super) fn share(sums: Sums) -> f64 {
    sums.errors as f64 / sums.calls.max(1) as f64
}

/// The calls of one minute, so many after or before a time. Slow ones count as errors.
pub(super) fn calls_at(minutes: &Minutes, from: Timestamp, number: i64) -> Calls {
    let at = from.saturating_add(SignedDuration::from_mins(number)).unwrap_or(from);
    let found = minutes.get(&at).copied().unwrap_or_default();
    Calls { calls: found.calls, errors: found.bad(), slow: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn minutes_while_functions_move_are_held_against_nothing() {
        let (opened, since) = (at("2026-09-17T12:00:00Z"), at("2026-09-17T12:05:00Z"));
        let call = Calls { calls: 1, errors: 0, slow: 0 };
        let all = (-200..200).map(|number| (opened + SignedDuration::from_mins(number), call));
        let minutes: Minutes = all.collect();
        let opening = Opening { opened, since };
        let compares =
            |number: i64| opening.pair(&minutes, number, HeldAgainst::SameOfTheHour).compares();
        assert!((0..55).all(compares), "an hour before");
        assert!(!(55..60).any(compares), "functions moved then");
        assert!((60..115).all(compares), "of the hour before that");
        let slow = Opening { since: at("2026-09-17T13:05:00Z"), ..opening };
        let compares =
            |number: i64| slow.pair(&minutes, number, HeldAgainst::SameOfTheHour).compares();
        assert!((0..55).all(compares), "the last hour before functions moved");
    }
}
