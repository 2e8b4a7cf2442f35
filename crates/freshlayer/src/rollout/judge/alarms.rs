//! Alarms: one that began to ring after the wave opened stops the release.

use jiff::Timestamp;

use super::Said;
use crate::names::Place;
use crate::ports::{Alarm, AlarmPattern, AlarmState};
use crate::state::Says;

pub(super) fn judge(
    patterns: &[AlarmPattern],
    found: &Result<Vec<(Place, Alarm)>, String>,
    opened: Timestamp,
) -> Said {
    let found = match found {
        Ok(found) => found,
        Err(words) => return Said::of(Says::Unmeasured, format!("alarms cannot be read: {words}")),
    };
    let mut rings = found.iter().filter(|(_, alarm)| alarm.state == AlarmState::Rings);
    let began = |alarm: &Alarm| alarm.since.is_none_or(|since| since >= opened);
    if let Some((place, Alarm { name, reason, .. })) = rings.clone().find(|(_, alarm)| began(alarm))
    {
        return Said::of(Says::Fail, format!("alarm {name} rings in {place}: {reason}"));
    }
    if let Some(pattern) = patterns.iter().find(|pattern| !is_there(pattern, found)) {
        let words = match pattern {
            AlarmPattern::Name(name) => format!("alarm {name} does not exist"),
            AlarmPattern::Prefix(prefix) => format!("no alarm begins with {prefix}"),
        };
        return Said::of(Says::Unmeasured, words);
    }
    if let Some((place, Alarm { name, .. })) = rings.next() {
        let words = format!("alarm {name} rings in {place} since before the wave opened");
        return Said::of(Says::Inconclusive, words);
    }
    let unknown = found.iter().filter(|(_, alarm)| alarm.state == AlarmState::Unknown).count();
    let quiet = match found.len() - unknown {
        1 => "1 alarm is quiet".to_owned(),
        quiet => format!("{quiet} alarms are quiet"),
    };
    let words = match unknown {
        0 => quiet,
        1 => format!("{quiet}, 1 has too little data"),
        unknown => format!("{quiet}, {unknown} have too little data"),
    };
    Said::of(Says::Pass, words)
}

/// One place that has the alarm is enough.
fn is_there(pattern: &AlarmPattern, found: &[(Place, Alarm)]) -> bool {
    found.iter().any(|(_, alarm)| pattern.names(&alarm.name))
}
