//! The formats of what is stored, and how older ones are read.
//!
//! ```text
//! head     1  until November 2026: the whole record, the open rollout's journal, and rollbacks among the verdicts
//!          2  an outline of the record, orders of their own, the journal in `rollouts/<n>.json`
//! release  1
//! rollout  1
//! ```
//!
//! A field that is not known is refused: it would be dropped at the next write.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Release;
use crate::error::Error;
use crate::ports::Key;

/// The number of the head's format that this engine writes.
pub const HEAD_FORMAT: u32 = 2;
/// The number of the release record's format.
pub const RELEASE_FORMAT: u32 = 1;
/// The number of the rollout's format.
pub const ROLLOUT_FORMAT: u32 = 1;

/// Reads an object of our own making, in its newest format or in an older one.
pub(crate) fn parse<T>(key: &Key, bytes: &[u8], newest: u32) -> Result<T, Error>
where
    T: DeserializeOwned + serde::Serialize,
{
    let corrupt = |problem: String| Error::State { key: key.to_string(), problem };
    let mut value: Value =
        serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
    let format =
        value["format"].as_u64().ok_or_else(|| corrupt("it has no format number".to_owned()))?;
    if format > u64::from(newest) {
        return Err(Error::StateNewer { key: key.to_string(), found: format, known: newest });
    }
    if format < u64::from(newest) {
        value = head_from_1(value).map_err(|error| corrupt(error.to_string()))?;
    }
    let read: T = T::deserialize(&value).map_err(|error| corrupt(error.to_string()))?;
    let kept = serde_json::to_value(&read).map_err(|error| corrupt(error.to_string()))?;
    match dropped(&value, &kept) {
        Some(field) => Err(corrupt(format!(
            "field `{field}` is not known to this freshlayer, which would drop it: upgrade freshlayer"
        ))),
        None => Ok(read),
    }
}

/// Writes an object of our own making.
pub(crate) fn print<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("state holds no map with odd keys");
    bytes.push(b'\n');
    bytes
}

/// Returns a field of `before` that `after` lacks.
fn dropped(before: &Value, after: &Value) -> Option<String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            before.iter().find_map(|(key, value)| match after.get(key) {
                Some(kept) => dropped(value, kept).map(|below| format!("{key}.{below}")),
                None if value.is_null() => None,
                None => Some(key.clone()),
            })
        }
        (Value::Array(before), Value::Array(after)) => {
            before.iter().zip(after).find_map(|(before, after)| dropped(before, after))
        }
        _ => None,
    }
}

/// Writes a head of format 1 as one of format 2.
fn head_from_1(mut head: Value) -> serde_json::Result<Value> {
    let outline = match head["record"].take() {
        Value::Null => Value::Null,
        record => serde_json::to_value(serde_json::from_value::<Release>(record)?.outline())?,
    };
    let (left_behind, rejected) = verdicts_from_1(head["rejected"].take());
    let stable = head["stable_before"].as_array().into_iter().flatten().chain([&head["stable"]]);
    let served: Vec<Value> = stable.filter(|seq| !seq.is_null()).cloned().collect();
    let rollout = rollout_from_1(&head["rollout"]);
    let pin = match head["pin"].take() {
        Value::Null => Value::Null,
        pin => json!({"release": pin["seq"], "at": pin["at"], "by": "", "reason": pin["reason"]}),
    };
    let or = |value: &Value, empty: Value| if value.is_null() { empty } else { value.clone() };
    Ok(json!({
        "format": HEAD_FORMAT,
        "layer": head["layer"],
        "newest": head["newest"],
        "current": head["current"],
        "outline": outline,
        "stable": head["stable"],
        "stable_before": or(&head["stable_before"], json!([])),
        "served": served,
        "versions": or(&head["versions"], json!({})),
        "deleting": or(&head["leaving"], json!({})),
        "lost": [],
        "announced": or(&head["told"], json!({})),
        "upstream": or(&head["upstream"], json!({})),
        "quota_until": null,
        "downloads": null,
        "rejected": rejected,
        "left_behind": left_behind,
        "unpublished": null,
        "pin": pin,
        "freeze": null,
        "handed_back": null,
        "adopted": null,
        "rollouts": u64::from(!rollout.is_null()),
        "rollout": rollout,
        "looked": null,
        "lease": head["lease"],
    }))
}

/// Takes rollbacks out of the verdicts of format 1: they stood there as problems of their own code.
fn verdicts_from_1(rejected: Value) -> (Vec<Value>, Vec<Value>) {
    let Value::Array(rejected) = rejected else { return (Vec::new(), Vec::new()) };
    let is_rollback = |verdict: &Value| verdict["problems"][0]["code"] == "rolled-back";
    let (rollbacks, verdicts): (Vec<Value>, Vec<Value>) =
        rejected.into_iter().partition(is_rollback);
    let left_behind = rollbacks.into_iter().map(|verdict| {
        let found = verdict["problems"][0]["found"].as_str().unwrap_or_default();
        let mut numbers = found.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
        let (release, to) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        json!({
            "dataset": verdict["dataset"], "digest": verdict["digest"], "release": release, "to": to,
            "at": verdict["at"], "by": "",
        })
    });
    (left_behind.collect(), verdicts)
}

fn rollout_from_1(rollout: &Value) -> Value {
    if rollout.is_null() {
        return Value::Null;
    }
    let places = rollout["places"].as_object();
    let journal = places.into_iter().flatten().map(|(place, notes)| {
        let notes = notes.as_object().into_iter().flatten().map(|(function, note)| {
            (
                function.clone(),
                json!({"from": note["from"], "outcome": note["outcome"], "done": false}),
            )
        });
        (place.clone(), Value::Object(notes.collect()))
    });
    json!({
        "number": 1, "from": rollout["from"], "to": rollout["to"], "cause": "new-release", "by": "",
        "started": rollout["started"], "journal": Value::Object(journal.collect()),
    })
}
