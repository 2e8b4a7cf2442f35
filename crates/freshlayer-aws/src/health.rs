//! What callers of functions meet, as CloudWatch counts it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StatusCode,
};
use freshlayer::ports::{
    Alarm, AlarmPattern, Behind, Calls, FunctionName, Health, Hours, Minutes, PortError, Window,
};
use jiff::{SignedDuration, Timestamp};

use crate::Fault;
use crate::alarms::Alarms;

/// CloudWatch's limit of metrics in one question; a function has two, or three where slow calls count.
const METRICS_MAX: usize = 500;
const MINUTE_SECS: i32 = 60;
const HOUR_SECS: i32 = 3_600;
/// CloudWatch keeps single minutes for 15 days, and sums of five of them after that:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>.
const MINUTES_KEPT: SignedDuration = SignedDuration::from_hours(15 * 24);
const CALLS: &str = "Invocations";
const ERRORS: &str = "Errors";
const DURATION: &str = "Duration";

/// The alarms and the functions' metrics of one account and Region.
pub struct CloudWatchHealth {
    client: Client,
    alarms: Alarms,
}

impl CloudWatchHealth {
    pub(crate) fn new(client: Client, tagging: aws_sdk_resourcegroupstagging::Client) -> Self {
        Self { alarms: Alarms::new(client.clone(), tagging), client }
    }

    /// Counts calls by the dimensions of their metrics; the answers come in the order of the questions.
    async fn counted(
        &self,
        asked: &[Vec<Dimension>],
        window: Window,
    ) -> Result<Vec<Minutes>, Fault> {
        let mut found = Vec::new();
        let metrics = if window.slow_after.is_some() { 3 } else { 2 };
        for asked in asked.chunks(METRICS_MAX / metrics) {
            found.extend(self.counted_at_once(asked, window).await?);
        }
        Ok(found)
    }

    async fn counted_at_once(
        &self,
        asked: &[Vec<Dimension>],
        window: Window,
    ) -> Result<Vec<Minutes>, Fault> {
        let queries = asked.iter().enumerate().flat_map(|(number, dimensions)| {
            let sums = [CALLS, ERRORS].map(|metric| (metric, "Sum".to_owned()));
            let slow = window.slow_after.map(|after| (DURATION, longer_than(after)));
            let metrics = sums.into_iter().chain(slow);
            metrics.map(move |(metric, stat)| query(number, dimensions, metric, stat, MINUTE_SECS))
        });
        let mut found = vec![Minutes::new(); asked.len()];
        let (from, until) = (window.from, window.until);
        self.sums(queries.collect(), from, until, |number, metric, at, sum| {
            let minutes = found.get_mut(number)?;
            note(minutes.entry(at).or_default(), metric, sum);
            Some(())
        })
        .await?;
        Ok(found)
    }

    /// Asks for sums, page by page, and hands each to `noted` with its question's number and its metric's letter. `None` from
    /// there: no such question was asked.
    async fn sums(
        &self,
        queries: Vec<MetricDataQuery>,
        from: Timestamp,
        until: Timestamp,
        mut noted: impl FnMut(usize, &str, Timestamp, u64) -> Option<()>,
    ) -> Result<(), Fault> {
        let mut next = None;
        loop {
            let page = self
                .client
                .get_metric_data()
                .set_metric_data_queries(Some(queries.clone()))
                .start_time(DateTime::from_secs(from.as_second()))
                .end_time(DateTime::from_secs(until.as_second()))
                .set_next_token(next)
                .send()
                .await
                .map_err(Fault::of("GetMetricData"))?;
            next = page.next_token().map(str::to_owned);
            for result in page.metric_data_results() {
                is_counted(result, next.is_some())?;
                let id = result.id().unwrap_or_default();
                let (metric, number) = id.split_at(id.len().min(1));
                let number: Option<usize> = number.parse().ok();
                for (at, sum) in result.timestamps().iter().zip(result.values()) {
                    let at = Timestamp::from_second(at.secs())
                        .map_err(|error| Fault::odd("GetMetricData", error.to_string()))?;
                    number.and_then(|number| noted(number, metric, at, whole(*sum))).ok_or_else(
                        || Fault::odd("GetMetricData", format!("an answer to {id:?}")),
                    )?;
                }
            }
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

/// Refuses the answer to one question that CloudWatch could not give, or not whole: a sum that is missing is no zero.
fn is_counted(result: &MetricDataResult, goes_on: bool) -> Result<(), Fault> {
    match result.status_code() {
        None | Some(StatusCode::Complete) => Ok(()),
        Some(StatusCode::PartialData) if goes_on => Ok(()),
        Some(status) => {
            let messages = result.messages().iter().filter_map(|message| message.value());
            let words: Vec<&str> = [status.as_str()].into_iter().chain(messages).collect();
            Err(Fault::odd("GetMetricData", words.join(": ")))
        }
    }
}

#[async_trait]
impl Health for CloudWatchHealth {
    async fn alarms(&self, patterns: &[AlarmPattern]) -> Result<Vec<Alarm>, PortError> {
        Ok(self.alarms.named_by(patterns).await?)
    }

    async fn minutes(
        &self,
        functions: &[FunctionName],
        window: Window,
    ) -> Result<BTreeMap<FunctionName, Minutes>, PortError> {
        let asked: Vec<_> = functions.iter().map(|function| vec![of_function(function)]).collect();
        let found = self.counted(&asked, window).await?;
        Ok(functions.iter().cloned().zip(found).collect())
    }

    async fn hours(
        &self,
        functions: &[FunctionName],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<FunctionName, Hours>, PortError> {
        let mut found = BTreeMap::new();
        for functions in functions.chunks(METRICS_MAX) {
            let queries = functions.iter().enumerate().map(|(number, function)| {
                query(number, &[of_function(function)], CALLS, "Sum".to_owned(), HOUR_SECS)
            });
            self.sums(queries.collect(), from, until, |number, _, at, calls| {
                let hours: &mut Hours = found.entry(functions.get(number)?.clone()).or_default();
                hours.insert(at, calls);
                Some(())
            })
            .await?;
        }
        Ok(found)
    }

    async fn minutes_behind(
        &self,
        versions: &[Behind],
        window: Window,
    ) -> Result<BTreeMap<Behind, Minutes>, PortError> {
        let asked: Vec<_> = versions.iter().map(of_version).collect();
        let found = self.counted(&asked, window).await?;
        Ok(versions.iter().cloned().zip(found).collect())
    }

    fn minutes_kept(&self) -> SignedDuration {
        MINUTES_KEPT
    }
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn of_function(function: &FunctionName) -> Dimension {
    dimension("FunctionName", function.as_str())
}

/// Lambda counts the calls of an alias by the version that answered them:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html>.
fn of_version(behind: &Behind) -> Vec<Dimension> {
    let Behind { function, alias, version } = behind;
    let resource = format!("{}:{alias}", function.as_str());
    let executed = version.to_string();
    vec![
        of_function(function),
        dimension("Resource", &resource),
        dimension("ExecutedVersion", &executed),
    ]
}

/// The number of calls that took longer, in the words of
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>. `Duration` is in
/// milliseconds.
fn longer_than(after: SignedDuration) -> String {
    format!("TC({}:)", after.as_millis())
}

/// Asks for one metric, period by period. Its id is the metric's first letter and the question's number.
fn query(
    number: usize,
    dimensions: &[Dimension],
    metric: &str,
    stat: String,
    period_secs: i32,
) -> MetricDataQuery {
    let named = Metric::builder().namespace("AWS/Lambda").metric_name(metric);
    let named = named.set_dimensions(Some(dimensions.to_vec())).build();
    let sum = MetricStat::builder().metric(named).period(period_secs).stat(stat).build();
    let id = metric[..1].to_lowercase();
    MetricDataQuery::builder().id(format!("{id}{number}")).metric_stat(sum).build()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at least 0")]
fn whole(sum: f64) -> u64 {
    sum.max(0.0).round() as u64
}

/// Notes a sum; one that comes twice is the same.
fn note(minute: &mut Calls, metric: &str, sum: u64) {
    match metric {
        "i" => minute.calls = sum,
        "e" => minute.errors = sum,
        _ => minute.slow = sum,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::MessageData;

    use super::*;

    #[test]
    fn a_sum_that_cloudwatch_could_not_give_is_no_zero() {
        let result = |status| {
            let message = MessageData::builder().code("x").value("a service failed").build();
            let result = MetricDataResult::builder().id("e0").messages(message);
            result.status_code(status).build()
        };
        for status in [StatusCode::InternalError, StatusCode::Forbidden] {
            for goes_on in [false, true] {
                let error = is_counted(&result(status.clone()), goes_on).expect_err("no answer");
                let expected = format!("GetMetricData: {status}: a service failed");
                assert_eq!(error.to_string(), expected);
            }
        }
        assert!(is_counted(&result(StatusCode::PartialData), false).is_err(), "no page follows");
        assert!(is_counted(&result(StatusCode::PartialData), true).is_ok(), "the rest follows");
        assert!(is_counted(&result(StatusCode::Complete), false).is_ok());
    }
}
