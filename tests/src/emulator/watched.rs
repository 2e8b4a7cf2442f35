//! What CloudWatch watches in the emulator: calls of functions, and alarms.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, MetricDatum, MuteTargets, Rule, Schedule, StateValue, Statistic,
    Tag,
};
use freshlayer::ports::{AlarmState, AlarmTag, Behind, Calls, FunctionName};
use jiff::Timestamp;

use super::{Account, REGION};
use crate::contracts::SLOW_CALL;

impl Account {
    /// Counts calls of a function in a minute, as Lambda itself does.
    ///
    /// # Panics
    /// Where they cannot be counted.
    pub async fn count_calls(&self, function: &FunctionName, minute: Timestamp, calls: Calls) {
        self.count(&[("FunctionName", function.as_str())], minute, calls).await;
    }

    /// Counts calls of a version behind an alias in a minute, as Lambda itself does.
    ///
    /// # Panics
    /// Where they cannot be counted.
    pub async fn count_calls_behind(&self, behind: &Behind, minute: Timestamp, calls: Calls) {
        let function = behind.function.as_str();
        let (resource, version) =
            (format!("{function}:{}", behind.alias), behind.version.to_string());
        let dimensions =
            [("FunctionName", function), ("Resource", &resource), ("ExecutedVersion", &version)];
        self.count(&dimensions, minute, calls).await;
    }

    async fn count(&self, dimensions: &[(&str, &str)], minute: Timestamp, calls: Calls) {
        let dimension =
            |(name, value): &(&str, &str)| Dimension::builder().name(*name).value(*value).build();
        let dimensions: Vec<Dimension> = dimensions.iter().map(dimension).collect();
        let datum = |name: &str| {
            MetricDatum::builder()
                .metric_name(name)
                .set_dimensions(Some(dimensions.clone()))
                .timestamp(DateTime::from_secs(minute.as_second()))
        };
        let durations = [(SLOW_CALL.as_millis(), calls.slow), (1, calls.calls - calls.slow)];
        let took = durations.into_iter().filter(|(_, count)| *count > 0);
        let took = took.fold(datum("Duration"), |datum, (ms, count)| {
            datum.values(ms as f64).counts(count as f64)
        });
        let data = [
            datum("Invocations").value(calls.calls as f64).build(),
            datum("Errors").value(calls.errors as f64).build(),
            took.build(),
        ];
        let put = self.cloudwatch().put_metric_data().namespace("AWS/Lambda");
        put.set_metric_data(Some(data.to_vec())).send().await.expect("counted");
    }

    /// Makes an alarm, or changes its state.
    ///
    /// # Panics
    /// Where that is not possible.
    pub async fn alarm(&self, name: &str, state: AlarmState) {
        let client = self.cloudwatch();
        let known = client.describe_alarms().alarm_names(name).send().await.expect("readable");
        if known.metric_alarms().is_empty() {
            let made = client
                .put_metric_alarm()
                .alarm_name(name)
                .namespace("AWS/Lambda")
                .metric_name("Errors")
                .statistic(Statistic::Sum)
                .period(60)
                .evaluation_periods(1)
                .threshold(1.0)
                .comparison_operator(ComparisonOperator::GreaterThanThreshold);
            made.send().await.expect("the alarm is made");
        }
        let state = match state {
            AlarmState::Quiet => StateValue::Ok,
            AlarmState::Rings => StateValue::Alarm,
            AlarmState::Unknown => StateValue::InsufficientData,
        };
        let set = client.set_alarm_state().alarm_name(name).state_value(state);
        set.state_reason("a test").send().await.expect("the state is set");
    }

    /// Gives an alarm a tag.
    ///
    /// # Panics
    /// Where there is no such alarm.
    pub async fn tag_alarm(&self, name: &str, tag: &AlarmTag) {
        let arn = format!("arn:aws:cloudwatch:{REGION}:{}:alarm:{name}", self.id);
        let tag = Tag::builder().key(&tag.key).value(&tag.value).build();
        let put = self.cloudwatch().tag_resource().resource_arn(arn).tags(tag);
        put.send().await.expect("the alarm has the tag");
    }

    /// Turns an alarm's actions off.
    ///
    /// # Panics
    /// Where that is not possible.
    pub async fn mute_alarm(&self, name: &str) {
        let put = self.cloudwatch().disable_alarm_actions().alarm_names(name);
        put.send().await.expect("its actions are off");
    }

    /// Makes a rule that mutes an alarm from now on.
    ///
    /// # Panics
    /// Where that is not possible.
    pub async fn mute_alarm_by_a_rule(&self, name: &str) {
        let schedule = Schedule::builder().expression("cron(* * * * *)").duration("PT1H").build();
        let rule = Rule::builder().schedule(schedule).build();
        let targets = MuteTargets::builder().alarm_names(name).build();
        let put = self.cloudwatch().put_alarm_mute_rule().name(format!("mutes-{name}"));
        put.rule(rule).mute_targets(targets).send().await.expect("the rule is made");
    }
}
