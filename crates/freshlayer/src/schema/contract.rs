//! What consumers rely on of the values in a dataset's fields, beyond that the fields are there.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, StorageClass};
use crate::formats::rule::Rule;

/// A compiled pattern is at most so large, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// How many values a sentence lists.
const VALUES_SHOWN_MAX: usize = 10;
/// The keys of a field's contract, in the order in which they are written.
const KEYS: [&str; 7] = ["type", "null_share_max", "absent", "values", "pattern", "min", "max"];

/// What consumers rely on, by field: the dotted path of an mmdb's field (`[]` is any item of a list), or `table.column`.
pub type Contract = BTreeMap<String, FieldContract>;

/// What consumers rely on of one field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FieldContract {
    /// The type of its values. mmdb: `string`, `double`, `bytes`, `uint16`, `uint32`, `uint64`, `uint128`, `int32`, `map`,
    /// `array`, `boolean` or `float`. sqlite: `text`, `integer`, `real`, `number` (one of these two) or `blob`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The largest share, 0 to 1, of networks (mmdb) or rows (sqlite) without a value. An empty text counts as none.
    /// Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub null_share_max: Option<f64>,
    /// mmdb: what it means that the field is absent. `false` is for a boolean that stands there only when it is true: the
    /// field may be in no record at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("const" = false))]
    pub absent: Option<bool>,
    /// The texts that are allowed. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10000))]
    pub values: Vec<String>,
    /// A regular expression that texts match: in any place, unless it begins with `^` and ends with `$`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The smallest number that is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest number that is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// Writes a contract as a definition has it, below a `[[dataset]]`.
pub fn contract_toml(contract: &Contract) -> String {
    let lines = contract.iter().map(|(path, field)| {
        let key = toml::Value::from(path.as_str());
        let values = toml::Table::try_from(field).unwrap_or_default();
        let given = KEYS.iter().filter_map(|key| Some(format!("{key} = {}", values.get(*key)?)));
        format!("{key} = {{ {} }}\n", given.collect::<Vec<_>>().join(", "))
    });
    format!("[dataset.contract]\n{}", lines.collect::<String>())
}

/// Which values a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueClass {
    Text,
    Number,
    Boolean,
    Other,
}

/// Finds the values that the name of an mmdb's type stands for.
pub(crate) fn mmdb_class(name: &str) -> Option<ValueClass> {
    Some(match Kind::parse(name)? {
        Kind::Text => ValueClass::Text,
        Kind::Boolean => ValueClass::Boolean,
        Kind::Bytes | Kind::Map | Kind::Array => ValueClass::Other,
        _ => ValueClass::Number,
    })
}

/// Finds the values that the name of a SQLite type stands for.
pub(crate) fn sqlite_class(name: &str) -> Option<ValueClass> {
    Some(match StorageClass::parse(name)? {
        StorageClass::Text => ValueClass::Text,
        StorageClass::Blob => ValueClass::Other,
        StorageClass::Integer | StorageClass::Real | StorageClass::Number => ValueClass::Number,
    })
}

impl FieldContract {
    /// Makes the rule that single values are judged by.
    ///
    /// # Errors
    /// The pattern is none.
    pub(crate) fn rule(&self) -> Result<Rule, String> {
        Ok(Rule {
            values: self.values.iter().cloned().collect(),
            pattern: self.pattern.as_deref().map(compiled).transpose()?,
            range: (self.min, self.max),
        })
    }

    /// Says what contradicts itself in it, by key. `class` tells what values the type has, where one is stated.
    pub(crate) fn contradictions(&self, class: Option<ValueClass>) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.null_share_max.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            found.push(("null_share_max", "expected a share from 0 to 1".to_owned()));
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            found.push(("min", format!("expected at most `max`, {max}")));
        }
        let not_of = |wanted| class.is_some_and(|class| class != wanted);
        for (key, given) in
            [("values", !self.values.is_empty()), ("pattern", self.pattern.is_some())]
        {
            if given && not_of(ValueClass::Text) {
                found.push((key, "goes with texts; `type` says something else".to_owned()));
            }
        }
        for (key, given) in [("min", self.min.is_some()), ("max", self.max.is_some())] {
            if given && not_of(ValueClass::Number) {
                found.push((key, "goes with numbers; `type` says something else".to_owned()));
            }
        }
        if self.absent == Some(true) {
            let message = "expected false: a boolean that is absent is not true";
            found.push(("absent", message.to_owned()));
        }
        if self.absent.is_some() && not_of(ValueClass::Boolean) {
            found.push(("absent", "goes with booleans; `type` says something else".to_owned()));
        }
        if self.absent.is_some() && self.null_share_max.is_some() {
            found.push((
                "null_share_max",
                "goes without `absent`, which gives it a value".to_owned(),
            ));
        }
        match self.pattern.as_deref().map(compiled) {
            Some(Err(error)) => found.push(("pattern", error)),
            Some(Ok(pattern)) => {
                let odd = self.values.iter().find(|value| !pattern.is_match(value));
                found.extend(
                    odd.map(|value| ("values", format!("{value:?} does not match `pattern`"))),
                );
            }
            None => {}
        }
        found
    }
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|error| format!("expected a regular expression: {error}"))
}

/// One difference between two contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PromiseChange {
    /// Less is promised than before.
    Weaker(String),
    /// Something else is promised, that readers may have to know.
    Other(String),
}

/// Compares what was promised with what is promised now. Where nothing is promised any more, all fields count as named.
pub(crate) fn promises(before: &Contract, after: &Contract) -> Vec<PromiseChange> {
    if after.is_empty() {
        return Vec::new();
    }
    before
        .iter()
        .flat_map(|(path, was)| match after.get(path) {
            None => vec![PromiseChange::Weaker(format!("the contract no longer names {path}"))],
            Some(now) => field_promises(path, was, now),
        })
        .collect()
}

fn field_promises(path: &str, was: &FieldContract, now: &FieldContract) -> Vec<PromiseChange> {
    let mut found = Vec::new();
    let share = |contract: &FieldContract| contract.null_share_max.unwrap_or(1.0);
    if share(now) > share(was) {
        let (now, was) = (percent(share(now)), percent(share(was)));
        found.push(PromiseChange::Weaker(format!(
            "{path} may lack a value in {now} instead of {was}"
        )));
    }
    if was.kind.is_some() && now.kind != was.kind {
        found.push(PromiseChange::Weaker(format!("the contract's type of {path} changed")));
    }
    let weaker = weaker_rule(path, was, now);
    let bounds = |contract: &FieldContract| (contract.min, contract.max, contract.absent);
    let is_same = values(was) == values(now) && was.pattern == now.pattern;
    if weaker.is_empty() && !(is_same && bounds(was) == bounds(now)) {
        found.push(PromiseChange::Other(format!("the values that {path} may have changed")));
    }
    found.extend(weaker.into_iter().map(PromiseChange::Weaker));
    found
}

/// Lists what may stand in a field and might not before.
fn weaker_rule(path: &str, was: &FieldContract, now: &FieldContract) -> Vec<String> {
    let mut found = Vec::new();
    match (was.values.is_empty(), now.values.is_empty()) {
        (false, true) => found.push(format!("the contract no longer lists the values of {path}")),
        (false, false) => {
            let new: Vec<&str> = values(now).difference(&values(was)).copied().collect();
            let (shown, count) = (&new[..new.len().min(VALUES_SHOWN_MAX)], new.len());
            found.extend((count > 0).then(|| {
                let more = if count > shown.len() { ", …" } else { "" };
                format!("{path} may also be {}{more}", shown.join(", "))
            }));
        }
        (true, _) => {}
    }
    if was.pattern.is_some() && now.pattern.is_none() {
        found.push(format!("the contract no longer has a pattern for {path}"));
    }
    for (word, was, now, is_wider) in [
        ("smallest", was.min, now.min, now.min < was.min),
        ("largest", was.max, now.max, now.max > was.max),
    ] {
        match (was, now) {
            (Some(_), None) => {
                found.push(format!("the contract no longer names a {word} value of {path}"));
            }
            (Some(was), Some(now)) if is_wider => {
                found.push(format!("the {word} value of {path} may be {now}; before, {was}"));
            }
            _ => {}
        }
    }
    if was.absent == Some(false) && now.absent != Some(false) {
        found.push(format!("an absent {path} no longer means false"));
    }
    found
}

fn values(contract: &FieldContract) -> BTreeSet<&str> {
    contract.values.iter().map(String::as_str).collect()
}

/// Shows a share.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(toml: &str) -> FieldContract {
        toml::from_str(toml).expect("it holds")
    }

    #[test]
    fn what_contradicts_itself_is_told_by_key() {
        for (toml, class, keys) in [
            ("", None, vec![]),
            ("min = 1\nmax = 0", None, vec!["min"]),
            ("pattern = '('", None, vec!["pattern"]),
            ("pattern = '^[A-Z]'\nvalues = ['de']", Some(ValueClass::Text), vec!["values"]),
            ("min = 1", Some(ValueClass::Text), vec!["min"]),
            ("values = ['a']\npattern = 'a'", Some(ValueClass::Number), vec!["values", "pattern"]),
            ("absent = false", Some(ValueClass::Text), vec!["absent"]),
            ("absent = false\nnull_share_max = 0.1", None, vec!["null_share_max"]),
        ] {
            let found: Vec<_> =
                field(toml).contradictions(class).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, keys, "{toml}");
        }
    }

    #[test]
    fn a_contract_is_read_as_it_is_written() {
        let fields =
            "type = 'string'\nnull_share_max = 0.05\nvalues = ['a \"b\"']\npattern = '^\\w'";
        let numbers = "absent = false\nmin = -90.0\nmax = 90.5";
        let contract: Contract =
            [("a.b".to_owned(), field(fields)), ("t.x y".to_owned(), field(numbers))].into();
        let text = contract_toml(&contract);
        let read: toml::Table = toml::from_str(&text).expect("TOML");
        let read: Contract = read["dataset"]["contract"].clone().try_into().expect("a contract");
        assert_eq!(read, contract, "{text}");
    }

    #[test]
    fn less_than_was_promised_is_weaker() {
        let contract = |toml: &str| -> Contract { toml::from_str(toml).expect("it holds") };
        let before = contract("a = { type = 'string', null_share_max = 0.1 }\nb = {}");
        for (after, weaker, other) in [
            ("a = { type = 'string', null_share_max = 0.1 }\nb = {}", 0, 0),
            ("a = { type = 'string', null_share_max = 0.05 }\nb = {}\nc = {}", 0, 0),
            ("a = { type = 'string', null_share_max = 0.2 }\nb = {}", 1, 0),
            ("a = { type = 'string' }", 2, 0),
            ("a = { type = 'bytes', null_share_max = 0.1 }\nb = { values = ['x'] }", 1, 1),
            ("", 0, 0),
        ] {
            let found = promises(&before, &contract(after));
            let is_weaker = |change: &&PromiseChange| matches!(change, PromiseChange::Weaker(_));
            let count = found.iter().filter(is_weaker).count();
            assert_eq!((count, found.len() - count), (weaker, other), "{after}: {found:?}");
        }
        for (was, now, weaker, other) in [
            ("values = ['x', 'y']", "values = ['y', 'x']", 0, 0),
            ("values = ['x', 'y']", "values = ['x', 'y', 'z']", 1, 0),
            ("values = ['x', 'y']", "values = ['x', 'z']", 1, 0),
            ("values = ['x', 'y']", "", 1, 0),
            ("values = ['x', 'y']", "values = ['x']", 0, 1),
            ("pattern = 'x'", "", 1, 0),
            ("pattern = 'x'", "pattern = 'y'", 0, 1),
            ("", "pattern = 'x'", 0, 1),
            ("min = 0", "min = -1", 1, 0),
            ("min = 0", "", 1, 0),
            ("min = 0", "min = 1", 0, 1),
            ("", "min = 0", 0, 1),
            ("max = 9", "max = 10", 1, 0),
            ("max = 9", "", 1, 0),
            ("max = 9", "max = 8", 0, 1),
            ("min = 0\nmax = 9", "min = -1\nmax = 8", 1, 0),
            ("absent = false", "", 1, 0),
            ("absent = false", "absent = true", 1, 0),
            ("", "absent = false", 0, 1),
        ] {
            let named = |toml: &str| Contract::from([("a".to_owned(), field(toml))]);
            let found = promises(&named(was), &named(now));
            let is_weaker = |change: &&PromiseChange| matches!(change, PromiseChange::Weaker(_));
            let count = found.iter().filter(is_weaker).count();
            assert_eq!((count, found.len() - count), (weaker, other), "{was:?} {now:?}: {found:?}");
        }
    }
}
