//! Provisioned concurrency of an alias: while it is made ready for another version, Lambda itself sends all calls
//! to the version before, by a weight.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::aliases::Alias;
use super::functions::{Ending, Functions};
use super::rules::Rules;
use super::{Answer, Asked};

const FAILED: &str = "FUNCTION_ERROR_INIT_FAILURE";

/// Provisioned concurrency.
#[derive(Clone)]
pub(super) struct Provisioned {
    pub(super) environments: u32,
    pub(super) next: Ending,
    moving: Option<Moving>,
    modified: Instant,
}

/// On the way to another version.
#[derive(Clone)]
struct Moving {
    /// The version that serves until then.
    from: String,
    ends: Instant,
    ending: Ending,
}

impl Provisioned {
    pub(super) fn new(environments: u32) -> Self {
        Self { environments, next: Ending::Well, moving: None, modified: Instant::now() }
    }

    /// Ends what is over and went well, and tells whether there was something.
    pub(super) fn arrive(&mut self) -> bool {
        let over =
            |moving: &mut Moving| moving.ends <= Instant::now() && moving.ending == Ending::Well;
        self.moving.take_if(over).is_some()
    }

    /// Starts to get ready for another version, and returns the weights that Lambda sets until then.
    pub(super) fn depart(
        &mut self,
        alias: &Alias,
        version: &str,
        breaks: bool,
        rules: &Rules,
    ) -> BTreeMap<String, f64> {
        let serving =
            self.moving.take().map_or_else(|| alias.version.clone(), |moving| moving.from);
        self.modified = Instant::now();
        if serving == version {
            return BTreeMap::new();
        }
        let ending = match std::mem::take(&mut self.next) {
            Ending::Well if breaks => Ending::Badly(FAILED.to_owned()),
            ending => ending,
        };
        let ends = self.modified + rules.ready_after;
        self.moving = Some(Moving { from: serving.clone(), ends, ending });
        BTreeMap::from([(serving, 1.0)])
    }

    fn shown(&self, rules: &Rules) -> Value {
        let (status, reason, ready) = match &self.moving {
            None => ("READY", None, self.environments),
            Some(moving) if moving.ends > Instant::now() => ("IN_PROGRESS", None, 0),
            Some(moving) => ("FAILED", moving.ending.reason(), 0),
        };
        let mut shown = json!({
            "RequestedProvisionedConcurrentExecutions": self.environments,
            "AvailableProvisionedConcurrentExecutions": ready, "AllocatedProvisionedConcurrentExecutions": ready,
            "Status": status, "LastModified": rules.written(self.modified),
        });
        if let Some(reason) = reason {
            shown["StatusReason"] = json!(reason);
        }
        shown
    }
}

impl Functions {
    pub(super) fn provisioned(&mut self, asked: &Asked, rules: &Rules) -> Answer {
        let (_, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let qualifier = asked.asks("Qualifier").unwrap_or_default();
        let alias = function.aliases.get_mut(qualifier).map(Alias::settle);
        match alias.and_then(|alias| alias.provisioned.as_ref()) {
            Some(provisioned) => Answer::json(200, &provisioned.shown(rules)),
            None => Answer::fault(
                404,
                "ProvisionedConcurrencyConfigNotFoundException",
                "No Provisioned Concurrency Config found for this function",
            ),
        }
    }

    pub(super) fn all_provisioned(&mut self, asked: &Asked, rules: &Rules) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let shown = function.aliases.iter_mut().filter_map(|(alias, found)| {
            let mut shown = found.settle().provisioned.as_ref()?.shown(rules);
            shown["FunctionArn"] = json!(format!("{}:{alias}", asked.place.function(&name)));
            Some(shown)
        });
        let shown: Vec<Value> = shown.collect();
        Answer::json(200, &json!({"ProvisionedConcurrencyConfigs": shown}))
    }
}
