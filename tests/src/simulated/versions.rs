use std::sync::Arc;

use serde_json::json;
use tokio::time::Instant;

use super::account::CodeStorage;
use super::functions::{Config, Ending, Function, Functions, missing};
use super::rules::Rules;
use super::settings::SnapStart;
use super::shown::Shown;
use super::views::Record;
use super::{Answer, Asked};

const SNAPSHOT_FAILED: &str = "The function failed to initialize while its snapshot was taken.";

/// A published version.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) config: Arc<Config>,
    pub(super) description: String,
    pub(super) made: Instant,
    active: Instant,
    ending: Ending,
}

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State<'a> {
    Pending,
    Active,
    /// Why.
    Failed(&'a str),
}

impl Version {
    pub(super) fn state(&self, at: Instant) -> State<'_> {
        match (self.active <= at, self.ending.reason()) {
            (false, _) => State::Pending,
            (true, None) => State::Active,
            (true, Some(reason)) => State::Failed(reason),
        }
    }

    /// The revision changes when the version is no longer pending.
    pub(super) fn revision_id(&self, number: u64, at: Instant) -> String {
        if self.active <= at {
            format!("version-{number}")
        } else {
            format!("version-{number}-pending")
        }
    }

    /// Says that it takes neither changes nor calls in its state.
    pub(super) fn refusal(&self) -> Option<Answer> {
        let state = match self.state(Instant::now()) {
            State::Active => return None,
            State::Pending => "Pending",
            State::Failed(_) => "Failed",
        };
        Some(Answer::conflict(&format!(
            "The operation cannot be performed at this time. The function is currently in the following state: {state}"
        )))
    }
}

impl Function {
    /// Returns the newest version, where nothing changed since.
    pub(super) fn unchanged(&self) -> Option<u64> {
        let (number, newest) = self.shape().versions.last_key_value()?;
        (newest.config == self.shape().latest).then_some(*number)
    }

    /// Makes a version of `$LATEST`, and returns its number.
    pub(super) fn publish(&mut self, description: Option<&str>, rules: &Rules) -> u64 {
        let (now, shape) = (Instant::now(), self.shape());
        let snapshot = shape.latest.settings.snap_start == SnapStart::PublishedVersions;
        let pending = if snapshot {
            rules.active_after.max(rules.snapshot_after)
        } else {
            rules.active_after
        };
        // After an update that failed, a version fails as that update did; a guess.
        let updated = shape.update.as_ref().map(|update| update.ending.clone());
        let breaks = snapshot && rules.breaks(&shape.latest.layers);
        let ending = match std::mem::take(&mut self.next_version) {
            Ending::Badly(reason) => Ending::Badly(reason),
            Ending::Well if breaks => Ending::Badly(SNAPSHOT_FAILED.to_owned()),
            Ending::Well => updated.unwrap_or_default(),
        };
        let shape = self.change(rules.lists_lag);
        let description = description.unwrap_or(&shape.latest.settings.description);
        let version = Version {
            config: Arc::clone(&shape.latest),
            description: description.to_owned(),
            made: now,
            active: now + pending,
            ending,
        };
        shape.made += 1;
        shape.versions.insert(shape.made, version);
        shape.touch();
        shape.made
    }
}

impl Functions {
    pub(super) fn publish(
        &mut self,
        asked: &Asked,
        rules: &Rules,
        storage: &CodeStorage,
    ) -> Answer {
        let (name, function) = match self.changeable(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let document = asked.json();
        let latest = &function.shape().latest;
        if let Some(code) = document["CodeSha256"].as_str().filter(|code| *code != latest.code) {
            return Answer::invalid(&format!(
                "CodeSHA256 ({code}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
                 CodeSHA256 in $LATEST.",
                latest.code
            ));
        }
        let bytes = latest.code_bytes;
        let unchanged = function.unchanged();
        if let (None, Some(refusal)) = (unchanged, storage.refusal(bytes)) {
            return refusal;
        }
        let description = document["Description"].as_str();
        let number = unchanged.unwrap_or_else(|| function.publish(description, rules));
        let version = &function.shape().versions[&number];
        let shown = Shown::of(&name, function, rules);
        let shown = shown.version(number, version, Instant::now(), &number.to_string());
        self.stored_bytes += unchanged.map_or(bytes, |_| 0);
        Answer::json(201, &shown)
    }

    /// Deletes a version. Deleting a function is no part of what freshlayer may do.
    pub(super) fn delete(&mut self, asked: &Asked, rules: &Rules, record: &mut Record) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let qualifier = asked.asks("Qualifier").unwrap_or_default();
        let Some(number) = qualifier.parse().ok() else {
            record.violated(format!("DeleteFunction {name} {qualifier:?}"));
            return match qualifier {
                "" => Answer::denied("freshlayer never deletes a function"),
                "$LATEST" => Answer::invalid(
                    "$LATEST version cannot be deleted without deleting the function.",
                ),
                _ => Answer::invalid("Deletion of aliases is not currently supported."),
            };
        };
        let users: Vec<&str> = function
            .aliases
            .iter_mut()
            .filter_map(|(alias, found)| found.leads_to(number).then_some(alias.as_str()))
            .collect();
        if !users.is_empty() {
            return Answer::conflict(&format!(
                "Unable to delete version because the following aliases reference it: [{}]",
                users.join(", ")
            ));
        }
        let Some(version) = function.shape().versions.get(&number) else {
            return missing(&asked.place, &format!("{name}:{number}"));
        };
        if let State::Pending = version.state(Instant::now())
            && let Some(refusal) = version.refusal()
        {
            return refusal;
        }
        let bytes = version.config.code_bytes;
        function.change(rules.lists_lag).versions.remove(&number);
        self.stored_bytes -= bytes;
        record.deleted(&name, number);
        Answer::empty()
    }

    /// Durable executions that run; where no version is named, of all of them.
    pub(super) fn durable_executions(&mut self, asked: &Asked, rules: &Rules) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let wanted: Option<u64> = asked.asks("Qualifier").and_then(|number| number.parse().ok());
        let running = asked.asks("Statuses").is_none_or(|status| status == "RUNNING");
        let versions = function.durable.iter();
        let versions =
            versions.filter(|(number, _)| running && wanted.is_none_or(|w| w == **number));
        let started = rules.clock.at(function.born).as_second();
        let executions =
            versions.flat_map(|(version, count)| (0..*count).map(move |at| (version, at)));
        let executions = executions.map(|(version, at)| {
            let arn = format!("{}:{version}", asked.place.function(&name));
            json!({
                "DurableExecutionArn": format!("{arn}/durable-execution/run-{at}/{at}"),
                "DurableExecutionName": format!("run-{at}"), "FunctionArn": arn, "Status": "RUNNING",
                "StartTimestamp": started,
            })
        });
        Answer::json(200, &json!({"DurableExecutions": executions.collect::<Vec<_>>()}))
    }
}
