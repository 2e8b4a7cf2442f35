use serde_json::{Value, json};
use tokio::time::Instant;

use super::Place;
use super::functions::{Config, Function, Shape};
use super::rules::{Answering, Rules};
use super::versions::{State, Version};

/// Fields of a version's or function's state, that lists leave out. Source: API reference of `ListFunctions`.
const NOT_LISTED: [&str; 7] = [
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RuntimeVersionConfig",
];

/// How a function is written.
pub(super) struct Shown<'a> {
    name: &'a str,
    place: &'a Place,
    rules: &'a Rules,
}

impl<'a> Shown<'a> {
    pub(super) fn of(name: &'a str, function: &'a Function, rules: &'a Rules) -> Self {
        Self { name, place: &function.place, rules }
    }

    /// Makes of a whole configuration what a list shows of it.
    pub(super) fn listed(&self, mut whole: Value) -> Value {
        let fields = whole.as_object_mut().expect("a configuration is an object");
        for field in NOT_LISTED {
            fields.remove(field);
        }
        self.rules.leave_out(Answering::List, &mut whole);
        whole
    }

    /// Makes of a whole configuration what `GetFunction` shows of it.
    pub(super) fn got(&self, mut whole: Value) -> Value {
        self.rules.leave_out(Answering::Get, &mut whole);
        whole
    }

    /// Writes `$LATEST`, under the qualifier that it was asked by.
    pub(super) fn latest(&self, shape: &Shape, at: Instant, qualifier: Option<&str>) -> Value {
        let mut shown = self.configuration("$LATEST", &shape.latest, shape.modified);
        shown["FunctionArn"] = json!(self.arn(qualifier));
        shown["RevisionId"] = json!(shape.revision_id(at));
        shown["State"] = json!("Active");
        let update = shape.update.as_ref();
        let (status, reason) = match update {
            Some(update) if update.ends > at => {
                // Not a code of the documented ones, and recorded from AWS.
                let creating = ("The function is being created.", "Creating");
                ("InProgress", Some(creating))
            }
            Some(update) => match update.ending.reason() {
                Some(reason) => ("Failed", Some((reason, "InvalidConfiguration"))),
                None => ("Successful", None),
            },
            None => ("Successful", None),
        };
        shown["LastUpdateStatus"] = json!(status);
        if let Some((reason, code)) = reason {
            shown["LastUpdateStatusReason"] = json!(reason);
            shown["LastUpdateStatusReasonCode"] = json!(code);
        }
        shown
    }

    /// Writes a published version, under the qualifier that it was asked by.
    pub(super) fn version(
        &self,
        number: u64,
        version: &Version,
        at: Instant,
        qualifier: &str,
    ) -> Value {
        let label = number.to_string();
        let mut shown = self.configuration(&label, &version.config, version.made);
        shown["FunctionArn"] = json!(self.arn(Some(qualifier)));
        shown["RevisionId"] = json!(version.revision_id(number, at));
        shown["Description"] = json!(version.description);
        shown["LastUpdateStatus"] = json!("Successful");
        let (state, reason) = match version.state(at) {
            State::Pending => ("Pending", Some(("The function is being created.", "Creating"))),
            State::Active => ("Active", None),
            State::Failed(reason) => ("Failed", Some((reason, "FunctionError"))),
        };
        shown["State"] = json!(state);
        if let Some((reason, code)) = reason {
            shown["StateReason"] = json!(reason);
            shown["StateReasonCode"] = json!(code);
        }
        shown
    }

    fn arn(&self, qualifier: Option<&str>) -> String {
        let arn = self.place.function(self.name);
        qualifier.map_or_else(|| arn.clone(), |qualifier| format!("{arn}:{qualifier}"))
    }

    fn configuration(&self, version: &str, config: &Config, modified: Instant) -> Value {
        let layers = config.layers.iter();
        let layers: Vec<Value> = layers.map(|arn| json!({"Arn": arn, "CodeSize": 1})).collect();
        let runtime = format!("arn:aws:lambda:{}::runtime:0123456789abcdef", self.place.region);
        let mut shown = json!({
            "FunctionName": self.name, "Version": version, "Runtime": "provided.al2023", "Handler": "bootstrap",
            "CodeSha256": config.code, "CodeSize": config.code_bytes, "PackageType": "Zip",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", self.name)},
            "RuntimeVersionConfig": {"RuntimeVersionArn": runtime},
            "LastModified": self.rules.written(modified),
        });
        if !layers.is_empty() {
            shown["Layers"] = json!(layers);
        }
        config.settings.write(&mut shown);
        config.host.write(self.place, &mut shown);
        shown
    }
}
