//! Log lines as JSON, and metrics in CloudWatch's embedded format.

use std::io::Write as _;

use freshlayer::ports::{CodeStorage, Event, Events};
use freshlayer::report::{Exit, Outcome, Report, minute};
use freshlayer::{LayerName, Pruned};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The namespace of all metrics.
const NAMESPACE: &str = "freshlayer";

/// Writes stages to the log when they end.
pub(crate) struct Log;

impl Events for Log {
    fn emit(&self, event: &Event) {
        let (level, words, stage, subject, bytes, duration) = match event {
            Event::Finished { stage, subject, bytes, duration } => {
                ("INFO", "", stage, subject, Some(bytes), duration)
            }
            Event::Stopped { stage, subject, duration } => {
                ("WARN", " stopped", stage, subject, None, duration)
            }
            Event::Started { .. } | Event::Progress { .. } => return,
        };
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        line(&json!({
            "level": level, "message": format!("{stage} {subject}{words}"), "stage": stage.to_string(),
            "subject": subject, "duration_ms": duration_ms, "size_bytes": bytes,
        }));
    }
}

/// Writes how a layer's run ended, and its metrics.
pub(crate) fn report(report: &Report, now: Timestamp) {
    let (word, reason) = (report.outcome.word(), report.outcome.reason());
    let level = match &report.outcome {
        Outcome::Unchanged { .. } | Outcome::Refreshed { .. } => "INFO",
        Outcome::Rejected { .. } | Outcome::Held { .. } => "WARN",
        Outcome::Failed { .. } => "ERROR",
    };
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    line(&json!({
        "level": level, "message": format!("{}: {word}: {reason}", report.layer), "layer": report.layer,
        "outcome": word, "reason": reason.why, "problems": problems,
    }));
    line(&metrics(report, now));
}

/// Writes what a layer's prune did.
pub(crate) fn pruned(pruned: &Pruned) {
    let level = match pruned.exit() {
        Exit::Done => "INFO",
        Exit::Failed => "ERROR",
        Exit::Usage | Exit::Rejected | Exit::Held => "WARN",
    };
    let deleted: Vec<u64> = pruned.releases.iter().map(|release| release.seq).collect();
    let too_old: Vec<&str> = pruned.kept_too_long.iter().map(|late| late.text.as_str()).collect();
    line(&json!({
        "level": level, "message": format!("{}: {}", pruned.layer, words(pruned)), "layer": pruned.layer,
        "deleted": deleted, "condemned": pruned.condemned, "kept": pruned.kept, "kept_too_long": too_old,
        "failures": pruned.failures, "reason": pruned.held.as_ref().map(|held| &held.why),
    }));
}

/// Says in one line what a layer's prune did.
fn words(pruned: &Pruned) -> String {
    if let Some(held) = &pruned.held {
        return format!("held: {held}");
    }
    let deleted = pruned.releases.len();
    let mut words =
        vec![format!("pruned: {deleted} deleted"), format!("{} kept", pruned.kept.len())];
    if let Some(first) = pruned.condemned.iter().map(|condemned| condemned.may_go).min() {
        let (count, from) = (pruned.condemned.len(), minute(first));
        words.push(format!("{count} condemned, which may be deleted from {from} on"));
    }
    words.extend(pruned.kept_too_long.iter().map(|late| late.text.clone()));
    words.extend(pruned.failures.iter().cloned());
    words.join("; ")
}

/// Writes what went wrong beside the work.
pub(crate) fn warning(layer: &LayerName, message: &str) {
    line(&json!({"level": "WARN", "message": format!("{layer}: {message}"), "layer": layer}));
}

/// One document per layer and run. Source: CloudWatch's specification of the embedded metric format.
fn metrics(report: &Report, now: Timestamp) -> Value {
    let of_outcome = |wanted: &str| u8::from(report.outcome.word() == wanted);
    let downloaded = report.stages.iter().filter(|s| s.stage == freshlayer::ports::Stage::Download);
    let mut values = vec![
        ("ConsumersBehind", "Count", json!(report.behind())),
        ("DownloadedBytes", "Bytes", json!(downloaded.map(|s| s.size_bytes).sum::<u64>())),
        (
            "Duration",
            "Milliseconds",
            json!(report.stages.iter().map(|s| s.duration_ms).sum::<u64>()),
        ),
        ("Rejected", "Count", json!(of_outcome("rejected"))),
        ("Failed", "Count", json!(of_outcome("failed"))),
    ];
    let oldest = report.release.as_ref().and_then(|release| release.oldest_data);
    if let Some(oldest) = oldest {
        values.push(("DataAgeDays", "None", json!(days(now, oldest))));
    }
    let upstream = report.release.as_ref().and_then(|release| release.upstream_modified);
    if let Some(upstream) = upstream {
        values.push(("UpstreamAgeDays", "None", json!(days(now, upstream))));
    }
    let fullest = report.places.iter().filter_map(|place| place.storage).map(CodeStorage::percent);
    if let Some(fullest) = fullest.max() {
        values.push(("CodeStoragePercent", "Percent", json!(fullest)));
    }
    let named: Vec<Value> =
        values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
    let mut document = json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Layer"], []], "Metrics": named}],
        },
        "Layer": report.layer,
    });
    for (name, _, value) in values {
        document[name] = value;
    }
    document
}

fn days(now: Timestamp, then: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64() / 86_400.0
}

fn line(document: &Value) {
    let _closed = writeln!(std::io::stdout(), "{document}");
}
