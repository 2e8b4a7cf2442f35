//! When waves may open: on some days, between two times of a place, also over midnight.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// A day of the week and a whole one after it: some day of the window is among them.
const DAYS_AHEAD: i64 = 8;

/// When waves may open: in any of these windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeWindows(pub Vec<ChangeWindow>);

impl ChangeWindows {
    /// Returns when a wave may open: now, or when a window opens next.
    pub fn opens(&self, now: Timestamp) -> Timestamp {
        self.0.iter().map(|window| window.opens(now)).min().unwrap_or(now)
    }
}

/// A time of some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeWindow {
    /// It begins on these days.
    pub days: Vec<Weekday>,
    /// From this time on.
    pub from: Time,
    /// Before this time: of the next day where it is not after `from`.
    pub until: Time,
    /// Where the times are read.
    pub time_zone: TimeZone,
}

impl ChangeWindow {
    fn opens(&self, now: Timestamp) -> Timestamp {
        let today = now.to_zoned(self.time_zone.clone()).date();
        let at = |date: jiff::civil::Date, time: Time| {
            self.time_zone.to_timestamp(date.to_datetime(time)).ok()
        };
        let days = (-1..=DAYS_AHEAD).filter_map(|day| today.checked_add(day.days()).ok());
        let open = days.filter(|date| self.days.contains(&date.weekday())).find_map(|date| {
            let last = if self.from < self.until { date } else { date.tomorrow().ok()? };
            let (from, until) = (at(date, self.from)?, at(last, self.until)?);
            (now < until).then(|| from.max(now))
        });
        open.unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> ChangeWindow {
        ChangeWindow {
            days: vec![Weekday::Monday, Weekday::Thursday],
            from: Time::constant(9, 0, 0, 0),
            until: Time::constant(16, 30, 0, 0),
            time_zone: TimeZone::get("Europe/Berlin").expect("a time zone"),
        }
    }

    /// 2026-10-25 is a Sunday, and the day on which summer time ends.
    #[test]
    fn it_opens_on_its_days_at_its_times_whatever_the_clocks_do() {
        let cases = [
            ("2026-10-22T06:59:59Z", "2026-10-22T07:00:00Z"),
            ("2026-10-22T07:00:00Z", "2026-10-22T07:00:00Z"),
            ("2026-10-22T14:29:59Z", "2026-10-22T14:29:59Z"),
            ("2026-10-22T14:30:00Z", "2026-10-26T08:00:00Z"),
            ("2026-10-25T12:00:00Z", "2026-10-26T08:00:00Z"),
            ("2026-10-26T15:30:00Z", "2026-10-29T08:00:00Z"),
        ];
        for (now, opens) in cases {
            let now: Timestamp = now.parse().expect("a time");
            assert_eq!(office().opens(now).to_string(), opens, "{now}");
        }
    }

    #[test]
    fn a_window_over_midnight_is_of_the_day_on_which_it_begins_and_the_first_of_several_counts() {
        let night = ChangeWindow {
            from: Time::constant(22, 0, 0, 0),
            until: Time::constant(4, 0, 0, 0),
            ..office()
        };
        let both = ChangeWindows(vec![office(), night]);
        let cases = [
            ("2026-10-22T14:30:00Z", "2026-10-22T20:00:00Z"),
            ("2026-10-23T01:59:59Z", "2026-10-23T01:59:59Z"),
            ("2026-10-23T02:00:00Z", "2026-10-26T08:00:00Z"),
            ("2026-10-26T03:30:00Z", "2026-10-26T08:00:00Z"),
        ];
        for (now, opens) in cases {
            let now: Timestamp = now.parse().expect("a time");
            assert_eq!(both.opens(now).to_string(), opens, "{now}");
        }
    }
}
