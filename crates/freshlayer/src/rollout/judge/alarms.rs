//! Alarms: one that began to ring after functions of its place began to move stops the release.

use jiff::Timestamp;

use super::{Said, Told, observed};
use crate::definition::{AlarmsGate, WithoutData};
use crate::names::Place;
use crate::ports::{Alarm, AlarmPattern, AlarmState, Notifications};
use crate::state::{Rollout, Says};

/// The alarms of places.
pub(in crate::rollout) type Found = Vec<(Place, Alarm)>;

pub(super) fn judge(gate: &AlarmsGate, told: &Told<Found>, rollout: &Rollout) -> Said {
    observed(gate.binding, judged(gate, told, rollout))
}

fn judged(gate: &AlarmsGate, Told { found, unread }: &Told<Found>, rollout: &Rollout) -> Said {
    let is = |state| move |(_, alarm): &&(Place, Alarm)| alarm.state == state;
    let mut rings = found.iter().filter(is(AlarmState::Rings));
    let began = |(place, alarm): &&(Place, Alarm)| {
        let began = began_in(place, rollout);
        alarm.since.is_none_or(|since| began.is_none_or(|began| since >= began))
    };
    if let Some((place, alarm)) = rings.clone().find(began) {
        let Alarm { name, reason, .. } = alarm;
        let words = format!("alarm {name} rings in {place}: {reason}{}", muted(alarm));
        return Said::of(Says::Fail, words);
    }
    if !unread.is_empty() {
        let words = format!("alarms cannot be read: {}", unread.join("; "));
        return Said::of(Says::Unmeasured, words);
    }
    if let Some(pattern) = missing(&gate.patterns, found).next() {
        return Said::of(Says::Unmeasured, pattern.names_none());
    }
    if let Some((place, alarm)) = rings.next() {
        let Alarm { name, .. } = alarm;
        let since = format!("alarm {name} rings in {place} since before functions moved there");
        return Said::of(Says::Inconclusive, format!("{since}{}", muted(alarm)));
    }
    let mut unknown = found.iter().filter(is(AlarmState::Unknown));
    if gate.without_data == WithoutData::Wait
        && let Some((place, Alarm { name, .. })) = unknown.next()
    {
        let words = format!("alarm {name} has too little data in {place}");
        return Said::of(Says::Inconclusive, words);
    }
    let unknown = unknown.count();
    let mut words = vec![match found.len() - unknown {
        1 => "1 alarm is quiet".to_owned(),
        quiet => format!("{quiet} alarms are quiet"),
    }];
    words.extend(match unknown {
        0 => None,
        1 => Some("1 has too little data".to_owned()),
        unknown => Some(format!("{unknown} have too little data")),
    });
    let are_muted = |(_, alarm): &&(Place, Alarm)| alarm.notifications == Notifications::Muted;
    words.extend(match found.iter().filter(are_muted).count() {
        0 => None,
        1 => Some("1 of all is muted".to_owned()),
        muted => Some(format!("{muted} of all are muted")),
    });
    Said::of(Says::Pass, words.join(", "))
}

/// When the first functions of a place began to move, to the second: CloudWatch tells no more of an alarm.
fn began_in(place: &Place, rollout: &Rollout) -> Option<Timestamp> {
    let place = place.to_string();
    let mut here = rollout.waves.iter().filter(|wave| wave.members.contains_key(&place));
    let opened = || here.next().map(|wave| wave.opened);
    let began = rollout.began.get(&place).map(|began| began.at).or_else(opened)?;
    Timestamp::from_second(began.as_second()).ok()
}

/// The entries that name no alarm. One place that has the alarm is enough.
pub(in crate::rollout) fn missing<'p>(
    patterns: &'p [AlarmPattern],
    found: &[(Place, Alarm)],
) -> impl Iterator<Item = &'p AlarmPattern> {
    let is_there = |pattern: &AlarmPattern| found.iter().any(|(_, alarm)| pattern.names(alarm));
    patterns.iter().filter(move |pattern| !is_there(pattern))
}

fn muted(alarm: &Alarm) -> &'static str {
    match alarm.notifications {
        Notifications::Sent => "",
        Notifications::Muted => " (its notifications are muted)",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::SignedDuration;

    use super::*;
    use crate::definition::Binding;
    use crate::names::{LayerName, RegionName};
    use crate::ports::AlarmTag;
    use crate::state::{Began, Wave};

    const OPENED: Timestamp = Timestamp::UNIX_EPOCH;

    fn alarm(name: &str, state: AlarmState) -> Alarm {
        Alarm {
            name: name.to_owned(),
            state,
            since: Some(OPENED),
            reason: "a threshold was crossed".to_owned(),
            tags: BTreeSet::new(),
            notifications: Notifications::Sent,
        }
    }

    fn gate() -> AlarmsGate {
        AlarmsGate {
            patterns: vec![AlarmPattern::Prefix("geo".to_owned())],
            without_data: WithoutData::Quiet,
            binding: Binding::Decides,
        }
    }

    fn place() -> Place {
        Place { region: RegionName::parse("eu-west-1").expect("a name"), account: None }
    }

    /// A wave in the place that was watched, and one a day later.
    fn rollout(opened: Timestamp) -> Rollout {
        let members = BTreeMap::from([(place().to_string(), BTreeSet::new())]);
        let next_day = opened + SignedDuration::from_hours(24);
        let mut waves = [opened, next_day].map(|at| Wave::open(members.clone(), None, at));
        waves[0].watch(opened, next_day);
        let layer = LayerName::parse("geo").expect("a name");
        Rollout { waves: waves.into(), ..Rollout::imagined(&layer, 2, opened) }
    }

    fn said(gate: &AlarmsGate, alarms: Vec<Alarm>) -> (Says, String) {
        said_of(gate, alarms, &[])
    }

    fn said_of(gate: &AlarmsGate, alarms: Vec<Alarm>, unread: &[&str]) -> (Says, String) {
        let found = alarms.into_iter().map(|alarm| (place(), alarm)).collect();
        let unread = unread.iter().map(ToString::to_string).collect();
        let Said { says, sentence } = judge(gate, &Told { found, unread }, &rollout(OPENED));
        (says, sentence)
    }

    #[test]
    fn an_alarm_counts_since_the_second_in_which_the_first_wave_of_its_place_opened() {
        let opened = OPENED + SignedDuration::from_millis(900);
        let rings = |since: Timestamp| {
            let alarm = Alarm { since: Some(since), ..alarm("geo-a", AlarmState::Rings) };
            let found = vec![(place(), alarm)];
            judge(&gate(), &Told { found, unread: Vec::new() }, &rollout(opened)).says
        };
        assert_eq!(rings(OPENED), Says::Fail);
        assert_eq!(rings(OPENED - SignedDuration::from_secs(1)), Says::Inconclusive);
    }

    /// Lambda refused the functions of a place until long after their wave opened: what rang by then is not the data's doing.
    #[test]
    fn an_alarm_counts_since_the_first_functions_of_its_place_began_to_move() {
        let hours = |hours| OPENED + SignedDuration::from_hours(hours);
        let mut rollout = rollout(OPENED);
        let rings = |rollout: &Rollout, since| {
            let alarm = Alarm { since: Some(since), ..alarm("geo-a", AlarmState::Rings) };
            let told = Told { found: vec![(place(), alarm)], unread: Vec::new() };
            judge(&gate(), &told, rollout).says
        };
        assert_eq!(rings(&rollout, hours(0)), Says::Fail);
        let began = Began { at: hours(48), arrived: false, over: true };
        rollout.began.insert(place().to_string(), began);
        assert_eq!(rings(&rollout, hours(47)), Says::Inconclusive);
        assert_eq!(rings(&rollout, hours(48)), Says::Fail);
        rollout.began = BTreeMap::from([("us-east-1".to_owned(), began)]);
        assert_eq!(rings(&rollout, hours(0)), Says::Fail);
    }

    #[test]
    fn an_alarm_that_rings_counts_also_where_another_place_cannot_be_read() {
        let unread = ["us-east-1: denied"];
        let rings = said_of(&gate(), vec![alarm("geo-a", AlarmState::Rings)], &unread);
        assert_eq!(rings.0, Says::Fail, "{}", rings.1);
        let quiet = said_of(&gate(), vec![alarm("geo-a", AlarmState::Quiet)], &unread);
        let words = "alarms cannot be read: us-east-1: denied".to_owned();
        assert_eq!(quiet, (Says::Unmeasured, words));
    }

    #[test]
    fn an_alarm_without_data_is_quiet_or_waited_for() {
        let alarms = || {
            ["geo-a", "geo-b", "geo-c"].into_iter().zip([
                AlarmState::Quiet,
                AlarmState::Unknown,
                AlarmState::Unknown,
            ])
        };
        let alarms = || alarms().map(|(name, state)| alarm(name, state)).collect::<Vec<_>>();
        let quiet = "1 alarm is quiet, 2 have too little data".to_owned();
        assert_eq!(said(&gate(), alarms()), (Says::Pass, quiet));
        let waits = AlarmsGate { without_data: WithoutData::Wait, ..gate() };
        let words = "alarm geo-b has too little data in eu-west-1".to_owned();
        assert_eq!(said(&waits, alarms()), (Says::Inconclusive, words));
    }

    #[test]
    fn a_muted_alarm_counts_and_is_told() {
        let muted = |alarm| Alarm { notifications: Notifications::Muted, ..alarm };
        let rings = muted(alarm("geo-a", AlarmState::Rings));
        let before = Alarm { since: Some(OPENED - SignedDuration::from_secs(1)), ..rings.clone() };
        let words =
            "alarm geo-a rings in eu-west-1: a threshold was crossed (its notifications are muted)";
        assert_eq!(said(&gate(), vec![rings]), (Says::Fail, words.to_owned()));
        let words = "alarm geo-a rings in eu-west-1 since before functions moved there (its notifications are muted)";
        assert_eq!(said(&gate(), vec![before]), (Says::Inconclusive, words.to_owned()));
        let quiet = |name| muted(alarm(name, AlarmState::Quiet));
        let words = "1 alarm is quiet, 1 of all is muted";
        assert_eq!(said(&gate(), vec![quiet("geo-a")]), (Says::Pass, words.to_owned()));
        let all = vec![quiet("geo-a"), quiet("geo-b"), alarm("geo-c", AlarmState::Unknown)];
        let words = "2 alarms are quiet, 1 has too little data, 2 of all are muted";
        assert_eq!(said(&gate(), all), (Says::Pass, words.to_owned()));
    }

    #[test]
    fn an_alarm_is_named_by_a_tag_that_it_was_asked_for() {
        let tag = |text| AlarmTag::parse(text).expect("a tag");
        let by_tag = AlarmsGate { patterns: vec![AlarmPattern::Tag(tag("team=geo"))], ..gate() };
        let tagged = |text| {
            let quiet = alarm("geo-a", AlarmState::Quiet);
            vec![Alarm { tags: BTreeSet::from([tag(text)]), ..quiet }]
        };
        assert_eq!(said(&by_tag, tagged("team=geo")).0, Says::Pass);
        let words = "no alarm has the tag team=geo".to_owned();
        assert_eq!(said(&by_tag, tagged("team=other")), (Says::Unmeasured, words));
    }

    #[test]
    fn what_is_only_observed_passes() {
        let observed = AlarmsGate { binding: Binding::Observes, ..gate() };
        let would = |alarms| {
            let (says, sentence) = said(&observed, alarms);
            assert_eq!(says, Says::Pass, "{sentence}");
            sentence.split_once(" (only observed: it would ").expect("it says so").1.to_owned()
        };
        assert_eq!(would(vec![alarm("geo-a", AlarmState::Rings)]), "fail)");
        assert_eq!(would(Vec::new()), "hold)");
    }
}
