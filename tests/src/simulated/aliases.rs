use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::functions::{Function, Functions, missing, stale};
use super::provisioned::Provisioned;
use super::rules::Rules;
use super::views::Record;
use super::{Answer, Asked, Place};

const PAGE: usize = 50;
const LATEST: &str = "$LATEST";

/// An alias.
#[derive(Clone)]
pub(super) struct Alias {
    /// A number, or `$LATEST`.
    pub(super) version: String,
    pub(super) weights: BTreeMap<String, f64>,
    pub(super) revision: u64,
    pub(super) provisioned: Option<Provisioned>,
}

impl Alias {
    pub(super) fn of(version: u64) -> Self {
        let version = version.to_string();
        Self { version, weights: BTreeMap::new(), revision: 1, provisioned: None }
    }

    /// Lambda itself takes its weights back when provisioned concurrency is ready.
    pub(super) fn settle(&mut self) -> &mut Self {
        let moving = self.provisioned.as_mut();
        if moving.is_some_and(Provisioned::arrive) {
            self.weights.clear();
            self.revision += 1;
        }
        self
    }

    /// Tells whether it sends calls to a version, or names it.
    pub(super) fn leads_to(&mut self, number: u64) -> bool {
        let (alias, number) = (self.settle(), number.to_string());
        alias.version == number || alias.weights.contains_key(&number)
    }

    pub(super) fn point(&mut self, version: &str, weights: BTreeMap<String, f64>) {
        version.clone_into(&mut self.version);
        self.weights = weights;
        self.revision += 1;
    }

    fn revision_id(&self) -> String {
        format!("alias-{}", self.revision)
    }

    fn shown(&self, place: &Place, function: &str, name: &str) -> Value {
        let mut shown = json!({
            "Name": name, "AliasArn": format!("{}:{name}", place.function(function)), "Description": "",
            "FunctionVersion": self.version, "RevisionId": self.revision_id(),
        });
        if !self.weights.is_empty() {
            shown["RoutingConfig"] = json!({"AdditionalVersionWeights": self.weights});
        }
        shown
    }
}

/// What Lambda has against the weights of an alias.
fn weights(
    wanted: &Map<String, Value>,
    version: &str,
    function: &Function,
    named: &str,
) -> Result<BTreeMap<String, f64>, Answer> {
    if wanted.len() > 1 {
        return Err(Answer::invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    let mut weights = BTreeMap::new();
    for (key, weight) in wanted {
        let weight = weight.as_f64().unwrap_or(-1.0);
        let bad = |constraint: &str| {
            let words = format!(
                "1 validation error detected: Value '{{{key}={weight}}}' at 'routingConfig.additionalVersionWeights' \
                 failed to satisfy constraint: {constraint}"
            );
            Answer::fault(400, "ValidationException", &words)
        };
        if !(0.0..=1.0).contains(&weight) {
            return Err(bad(
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have \
                 value greater than or equal to 0.0, Member must not be null]",
            ));
        }
        if key == version {
            return Err(Answer::invalid(&format!(
                "Invalid function version {version}. Function version {version} is already included in routing \
                 configuration."
            )));
        }
        if version == LATEST {
            return Err(Answer::invalid(
                "$LATEST is not supported for an alias pointing to more than 1 version",
            ));
        }
        let Ok(number) = key.parse() else {
            return Err(bad(
                "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have \
                 length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, Member must \
                 not be null]",
            ));
        };
        usable(number, function, named)?;
        weights.insert(key.clone(), weight);
    }
    Ok(weights)
}

fn usable(number: u64, function: &Function, named: &str) -> Result<(), Answer> {
    let version = function.shape().versions.get(&number);
    let version = version.ok_or_else(|| missing(&function.place, &format!("{named}:{number}")))?;
    version.refusal().map_or(Ok(()), Err)
}

impl Functions {
    pub(super) fn aliases(&mut self, asked: &Asked) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let after = asked.asks("Marker").unwrap_or_default();
        let wanted = asked.asks("FunctionVersion");
        let mut shown: Vec<Value> = function
            .aliases
            .iter_mut()
            .filter(|(alias, at)| alias.as_str() > after && wanted.is_none_or(|w| w == at.version))
            .map(|(alias, at)| at.settle().shown(&asked.place, &name, alias))
            .take(PAGE + 1)
            .collect();
        let more = shown.len() > PAGE;
        shown.truncate(PAGE);
        let next = shown.last().filter(|_| more).map(|last| last["Name"].clone());
        Answer::json(200, &json!({"Aliases": shown, "NextMarker": next}))
    }

    pub(super) fn alias(&mut self, asked: &Asked) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let alias = &asked.path[4];
        match function.aliases.get_mut(alias) {
            Some(at) => Answer::json(200, &at.settle().shown(&asked.place, &name, alias)),
            None => no_alias(&asked.place, &name, alias),
        }
    }

    pub(super) fn move_alias(
        &mut self,
        asked: &Asked,
        rules: &Rules,
        record: &mut Record,
    ) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        if let Some(refused) = function.updates.refused_of_aliases() {
            return refused;
        }
        let (alias, document) = (&asked.path[4], asked.json());
        let Some(found) = function.aliases.get_mut(alias) else {
            return no_alias(&asked.place, &name, alias);
        };
        let now = found.settle().clone();
        if document["RevisionId"].as_str().is_some_and(|seen| seen != now.revision_id()) {
            return stale();
        }
        let version = document["FunctionVersion"].as_str().unwrap_or(&now.version);
        // What is left out stays as it is, and what is empty is cleared.
        let kept: Map<String, Value> =
            now.weights.iter().map(|(key, weight)| (key.clone(), json!(weight))).collect();
        let wanted = match &document["RoutingConfig"] {
            Value::Null => kept,
            routing => routing["AdditionalVersionWeights"].as_object().cloned().unwrap_or_default(),
        };
        let weights = match new_place(function, &name, version, &wanted) {
            Ok(weights) => weights,
            Err(answer) => return answer,
        };
        let layers = function.layers_of(version).map(<[String]>::to_vec).unwrap_or_default();
        let found = function.aliases.get_mut(alias).expect("it was found");
        match found.provisioned.as_mut() {
            Some(_) if !weights.is_empty() => {
                return Answer::invalid("Invalid alias configuration for provisioned concurrency");
            }
            Some(provisioned) => {
                let weights = provisioned.depart(&now, version, rules.breaks(&layers), rules);
                found.point(version, weights);
            }
            None => found.point(version, weights),
        }
        record.moved(&asked.place, &name, Some(alias));
        let shown = found.shown(&asked.place, &name, alias);
        Answer::json(200, &shown)
    }
}

fn new_place(
    function: &Function,
    name: &str,
    version: &str,
    wanted: &Map<String, Value>,
) -> Result<BTreeMap<String, f64>, Answer> {
    match version.parse() {
        Ok(number) => usable(number, function, name)?,
        Err(_) if version == LATEST => {}
        Err(_) => return Err(missing(&function.place, &format!("{name}:{version}"))),
    }
    weights(wanted, version, function, name)
}

fn no_alias(place: &Place, function: &str, alias: &str) -> Answer {
    Answer::absent(&format!("Cannot find alias arn: {}:{alias}", place.function(function)))
}

impl Function {
    /// The layers behind `$LATEST` or a number.
    pub(super) fn layers_of(&self, version: &str) -> Option<&[String]> {
        if version == LATEST {
            return Some(self.shape().served(Instant::now()));
        }
        let version = self.shape().versions.get(&version.parse().ok()?)?;
        Some(&version.config.layers)
    }
}
