//! Alarms of CloudWatch: by name, by the beginning of the name, and by tag.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmMuteRuleStatus, AlarmType, CompositeAlarm, MetricAlarm, StateValue,
};
use aws_sdk_resourcegroupstagging::Client as Tagging;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use freshlayer::ports::{Alarm, AlarmPattern, AlarmState, AlarmTag, Notifications};
use jiff::Timestamp;

use crate::Fault;

/// CloudWatch's limit of alarm names in one question.
const NAMES_MAX: usize = 100;
/// At most so many ringing alarms are asked about mute rules, one call each.
const MUTED_ASKED_MAX: usize = 20;

/// The alarms of one account and Region.
pub(crate) struct Alarms {
    client: Client,
    tagging: Tagging,
}

impl Alarms {
    pub(crate) fn new(client: Client, tagging: Tagging) -> Self {
        Self { client, tagging }
    }

    /// Finds every alarm that a pattern names.
    pub(crate) async fn named_by(&self, patterns: &[AlarmPattern]) -> Result<Vec<Alarm>, Fault> {
        let mut tags: BTreeMap<String, BTreeSet<AlarmTag>> = BTreeMap::new();
        let mut found = Vec::new();
        for pattern in patterns {
            match pattern {
                AlarmPattern::Name(name) => drop(tags.entry(name.clone()).or_default()),
                AlarmPattern::Prefix(prefix) => {
                    found.extend(self.described(&[], Some(prefix)).await?);
                }
                AlarmPattern::Tag(tag) => {
                    for name in self.tagged(tag).await? {
                        tags.entry(name).or_default().insert(tag.clone());
                    }
                }
            }
        }
        let names: Vec<&str> = tags.keys().map(String::as_str).collect();
        for names in names.chunks(NAMES_MAX) {
            found.extend(self.described(names, None).await?);
        }
        let found = found.into_iter().map(|alarm| (alarm.name.clone(), alarm));
        let mut found: Vec<Alarm> = found.collect::<BTreeMap<_, _>>().into_values().collect();
        for alarm in &mut found {
            alarm.tags = tags.remove(&alarm.name).unwrap_or_default();
        }
        let rings = |alarm: &&mut Alarm| {
            (alarm.state, alarm.notifications) == (AlarmState::Rings, Notifications::Sent)
        };
        for alarm in found.iter_mut().filter(rings).take(MUTED_ASKED_MAX) {
            if self.is_muted_by_a_rule(&alarm.name).await {
                alarm.notifications = Notifications::Muted;
            }
        }
        Ok(found)
    }

    /// Names the alarms with a tag.
    async fn tagged(&self, tag: &AlarmTag) -> Result<Vec<String>, Fault> {
        let filter = TagFilter::builder().key(&tag.key).values(&tag.value).build();
        let mut names = Vec::new();
        let mut token = None;
        loop {
            let asked = self.tagging.get_resources().tag_filters(filter.clone());
            let page = asked
                .resource_type_filters("cloudwatch:alarm")
                .set_pagination_token(token)
                .send()
                .await
                .map_err(Fault::of("GetResources"))?;
            let arns = page.resource_tag_mapping_list().iter().filter_map(|one| one.resource_arn());
            names.extend(arns.filter_map(|arn| Some(arn.split_once(":alarm:")?.1.to_owned())));
            token = page.pagination_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    /// Describes alarms by their names, or by the beginning of their names.
    async fn described(&self, names: &[&str], prefix: Option<&str>) -> Result<Vec<Alarm>, Fault> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .client
                .describe_alarms()
                .set_alarm_names(
                    prefix.is_none().then(|| names.iter().map(ToString::to_string).collect()),
                )
                .set_alarm_name_prefix(prefix.map(str::to_owned))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .set_next_token(next)
                .send()
                .await
                .map_err(Fault::of("DescribeAlarms"))?;
            found.extend(page.metric_alarms().iter().filter_map(of_metric));
            found.extend(page.composite_alarms().iter().filter_map(of_others));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Tells whether a rule mutes an alarm now. It changes no verdict, so a rule that cannot be read mutes none.
    async fn is_muted_by_a_rule(&self, alarm: &str) -> bool {
        let mut next = None;
        loop {
            let asked = self.client.list_alarm_mute_rules().alarm_name(alarm);
            let asked = asked.statuses(AlarmMuteRuleStatus::Active).set_next_token(next);
            let Ok(page) = asked.send().await else { return false };
            if !page.alarm_mute_rule_summaries().is_empty() {
                return true;
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return false;
            }
        }
    }
}

fn of_metric(alarm: &MetricAlarm) -> Option<Alarm> {
    let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    an_alarm(
        alarm.alarm_name(),
        alarm.state_value(),
        since,
        alarm.state_reason(),
        alarm.actions_enabled(),
    )
}

fn of_others(alarm: &CompositeAlarm) -> Option<Alarm> {
    let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    an_alarm(
        alarm.alarm_name(),
        alarm.state_value(),
        since,
        alarm.state_reason(),
        alarm.actions_enabled(),
    )
}

fn an_alarm(
    name: Option<&str>,
    state: Option<&StateValue>,
    since: Option<&DateTime>,
    reason: Option<&str>,
    actions: Option<bool>,
) -> Option<Alarm> {
    Some(Alarm {
        name: name?.to_owned(),
        state: match state? {
            StateValue::Ok => AlarmState::Quiet,
            StateValue::Alarm => AlarmState::Rings,
            _ => AlarmState::Unknown,
        },
        since: since.and_then(|at| Timestamp::from_second(at.secs()).ok()),
        reason: reason.unwrap_or("no reason given").to_owned(),
        tags: BTreeSet::new(),
        notifications: match actions {
            Some(false) => Notifications::Muted,
            Some(true) | None => Notifications::Sent,
        },
    })
}
