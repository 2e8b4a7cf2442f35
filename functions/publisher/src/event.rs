//! What the publisher is asked. A schedule asks for a refresh of everything; people and tools ask by command.

use freshlayer::ports::FunctionName;
use freshlayer::{Attention, LayerName, Retry};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A command, in `{"command": "refresh", "layers": ["geo"]}`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Command {
    /// Download what is new, prove it, publish it, and roll the functions.
    Refresh {
        /// The layers; none means all.
        #[serde(default)]
        layers: Vec<LayerName>,
        /// Whether data that was rejected before is tried again.
        #[serde(default)]
        retry: Tried,
        /// Who asks.
        #[serde(default)]
        asked_by: AskedBy,
    },
    /// Go on with rollouts that are not finished, without a look at the upstream.
    Advance {
        /// The layers; none means all.
        #[serde(default)]
        layers: Vec<LayerName>,
    },
    /// Condemn releases that nothing leads to, and delete those that were condemned a day ago.
    Prune {
        /// The layers; none means all.
        #[serde(default)]
        layers: Vec<LayerName>,
        /// How many of the newest releases stay, used or not.
        keep: usize,
    },
    /// Tell how layers stand.
    Status {
        /// The layers; none means all.
        #[serde(default)]
        layers: Vec<LayerName>,
    },
    /// Move the functions back to an earlier release.
    Rollback {
        /// The layer.
        layer: LayerName,
        /// The release. An event may arrive twice, so it names one: "one back" would go two back.
        to: u64,
        /// The functions that go back and stay there until they are unpinned; none means all.
        #[serde(default)]
        functions: Vec<FunctionName>,
        /// Why; shown wherever the order is.
        #[serde(default)]
        reason: Option<String>,
        /// Who orders it.
        #[serde(default = "remote")]
        by: String,
    },
    /// List a layer's releases, newest first.
    History {
        /// The layer.
        layer: LayerName,
    },
    /// Prove a release again, from its record to its layer versions.
    Verify {
        /// The layer.
        layer: LayerName,
        /// The release; default: the current one.
        release: Option<u64>,
    },
    /// Stay on a release until unpinned; the next refresh or advance moves the functions there.
    Pin {
        /// The layer.
        layer: LayerName,
        /// The release; default: the current one. With functions it has to be named.
        to: Option<u64>,
        /// The functions that stay on the release; none means all.
        #[serde(default)]
        functions: Vec<FunctionName>,
        /// Why; shown wherever the pin is.
        reason: Option<String>,
        /// When it ends by itself.
        #[serde(default)]
        until: Option<Timestamp>,
        /// Who orders it.
        #[serde(default = "remote")]
        by: String,
    },
    /// Take a pin back.
    Unpin {
        /// The layer.
        layer: LayerName,
        /// The functions that were pinned; none means the layer.
        #[serde(default)]
        functions: Vec<FunctionName>,
        /// Why; `history` shows it.
        #[serde(default)]
        reason: Option<String>,
        /// Who orders it.
        #[serde(default = "remote")]
        by: String,
    },
    /// Let nothing move until it is unfrozen.
    Freeze {
        /// The layers; none means all.
        #[serde(default)]
        layers: Vec<LayerName>,
        /// The functions that stay where they are; none means all.
        #[serde(default)]
        functions: Vec<FunctionName>,
        /// Why; shown wherever the freeze is.
        reason: Option<String>,
        /// Who orders it.
        #[serde(default = "remote")]
        by: String,
    },
    /// Take a freeze back.
    Unfreeze {
        /// The layers; none means all.
        #[serde(default)]
        layers: Vec<LayerName>,
        /// The functions that were frozen; none means the layer.
        #[serde(default)]
        functions: Vec<FunctionName>,
        /// Why; `history` shows it.
        #[serde(default)]
        reason: Option<String>,
        /// Who orders it.
        #[serde(default = "remote")]
        by: String,
    },
}

/// Who orders what comes as an event without a name.
fn remote() -> String {
    "an event".to_owned()
}

/// Who asks for a refresh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AskedBy {
    /// A person, who wants everything looked at.
    #[default]
    Person,
    /// The schedule.
    Schedule,
}

impl From<AskedBy> for Attention {
    fn from(asked_by: AskedBy) -> Self {
        match asked_by {
            AskedBy::Person => Self::Whole,
            AskedBy::Schedule => Self::Glance,
        }
    }
}

/// Whether data that was rejected before is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tried {
    /// Only once the upstream or the expectations change.
    #[default]
    OnChange,
    /// Now.
    Now,
    /// Builds that are younger than `expect.min_age_hours` are taken, too.
    Young,
}

impl From<Tried> for Retry {
    fn from(tried: Tried) -> Self {
        match tried {
            Tried::OnChange => Self::OnChange,
            Tried::Now => Self::Now,
            Tried::Young => Self::Young,
        }
    }
}

/// Reads an event. A scheduled event of EventBridge and an empty object ask for a refresh of all layers.
pub(crate) fn command(event: &Value) -> Result<Command, String> {
    let asked_by = AskedBy::Schedule;
    let everything = Command::Refresh { layers: Vec::new(), retry: Tried::OnChange, asked_by };
    let Some(fields) = event.as_object() else {
        return Err(format!("expected an object, found {event}"));
    };
    if fields.contains_key("command") {
        return Command::deserialize(event).map_err(|error| format!("read the command: {error}"));
    }
    let scheduled = event["source"] == "aws.events" || event["source"] == "aws.scheduler";
    if fields.is_empty() || scheduled {
        return Ok(everything);
    }
    let words =
        "expected {}, a scheduled event, or {\"command\": \"refresh\", …}; see infra/events";
    Err(words.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn everything(asked_by: AskedBy) -> Command {
        Command::Refresh { layers: Vec::new(), retry: Tried::OnChange, asked_by }
    }

    #[test]
    fn schedules_and_commands_are_understood() {
        let rule = json!({"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
                          "account": "1", "time": "2026-11-23T00:00:00Z", "region": "eu-west-1",
                          "resources": ["arn"], "detail": {}});
        assert_eq!(command(&rule), Ok(everything(AskedBy::Schedule)));
        assert_eq!(command(&json!({})), Ok(everything(AskedBy::Schedule)));
        assert_eq!(command(&json!({"command": "refresh"})), Ok(everything(AskedBy::Person)));
        let geo = LayerName::parse("geo").expect("a layer name");
        let (functions, reason) = (Vec::new(), None);
        let back = Command::Rollback { layer: geo, to: 3, functions, reason, by: remote() };
        assert_eq!(command(&json!({"command": "rollback", "layer": "geo", "to": 3})), Ok(back));
        let prune = Command::Prune { layers: Vec::new(), keep: 10 };
        assert_eq!(command(&json!({"command": "prune", "keep": 10})), Ok(prune));
        let one = json!({"command": "rollback", "layer": "geo", "to": 3, "functions": ["search"], "reason": "a sale"});
        let Ok(Command::Rollback { functions, reason, .. }) = command(&one) else {
            panic!("it is understood")
        };
        assert_eq!((functions[0].as_str(), reason.as_deref()), ("search", Some("a sale")));
    }

    #[test]
    fn what_is_not_understood_does_nothing() {
        for event in [
            json!(null),
            json!("refresh"),
            json!({"comand": "refresh"}),
            json!({"command": "refresh", "layer": "geo"}),
            json!({"command": "refresh", "layers": ["no spaces"]}),
            json!({"command": "delete-everything"}),
            json!({"command": "rollback", "layer": "geo"}),
            json!({"command": "prune"}),
        ] {
            assert!(command(&event).is_err(), "{event}");
        }
    }
}
