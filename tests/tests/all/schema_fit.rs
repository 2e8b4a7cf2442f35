//! Holds a JSON value against a JSON Schema: the part of draft 2020-12 that the report's schema uses.
//! A keyword that is not known here is a panic, so no constraint is passed over.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What says nothing about a value, or nothing about this one where its rule did not refuse it.
const KNOWN: [&str; 17] = [
    "maxItems",
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "format",
    "type",
    "const",
    "enum",
    "minimum",
    "maximum",
    "required",
    "properties",
    "additionalProperties",
    "unevaluatedProperties",
    "items",
];

/// Which properties of an object some part of the schema took, or why the value does not fit.
type Fit = Result<BTreeSet<String>, String>;

/// Returns why a value does not fit a schema.
pub(crate) fn misfit(schema: &Value, value: &Value) -> Option<String> {
    fit(schema, schema, value, "").err()
}

fn fit(root: &Value, schema: &Value, value: &Value, at: &str) -> Fit {
    let keywords = match schema {
        Value::Bool(true) => return Ok(BTreeSet::new()),
        Value::Bool(false) => return Err(format!("{at}: nothing fits here")),
        Value::Object(keywords) => keywords,
        other => panic!("no schema: {other}"),
    };
    let mut taken = BTreeSet::new();
    for (keyword, rule) in keywords {
        taken.extend(hold(root, keywords, keyword, rule, value, at)?);
    }
    if let (Some(rule), Value::Object(object)) = (keywords.get("unevaluatedProperties"), value) {
        for name in object.keys().filter(|name| !taken.contains(*name)) {
            fit(root, rule, &object[name], &format!("{at}/{name}"))?;
        }
    }
    Ok(taken)
}

fn hold(
    root: &Value,
    keywords: &Map<String, Value>,
    keyword: &str,
    rule: &Value,
    value: &Value,
    at: &str,
) -> Fit {
    let nothing = BTreeSet::new();
    let refuse = |why: String| Err(format!("{at}: {why}"));
    match (keyword, value) {
        ("$ref", _) => {
            let path = rule.as_str().and_then(|path| path.strip_prefix('#')).expect("a local path");
            fit(root, root.pointer(path).expect("the path leads somewhere"), value, at)
        }
        ("type", _) if !is_of(rule, value) => refuse(format!("expected {rule}, found {value}")),
        ("const", _) if rule != value => refuse(format!("expected {rule}, found {value}")),
        ("enum", _) if !rule.as_array().is_some_and(|words| words.contains(value)) => {
            refuse(format!("expected one of {rule}, found {value}"))
        }
        ("minimum", Value::Number(number)) if number.as_f64() < rule.as_f64() => {
            refuse(format!("expected at least {rule}, found {number}"))
        }
        ("maximum", Value::Number(number)) if number.as_f64() > rule.as_f64() => {
            refuse(format!("expected at most {rule}, found {number}"))
        }
        ("maxItems", Value::Array(items)) if Some(items.len() as u64) > rule.as_u64() => {
            refuse(format!("expected at most {rule} items, found {}", items.len()))
        }
        ("required", Value::Object(object)) => {
            let mut names = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
            match names.find(|name| !object.contains_key(*name)) {
                Some(name) => refuse(format!("{name} is missing")),
                None => Ok(nothing),
            }
        }
        ("properties", Value::Object(object)) => {
            let rules = rule.as_object().expect("an object of schemas");
            let known = object.keys().filter(|name| rules.contains_key(*name));
            let known: BTreeSet<String> = known.cloned().collect();
            for name in &known {
                fit(root, &rules[name], &object[name], &format!("{at}/{name}"))?;
            }
            Ok(known)
        }
        ("additionalProperties", Value::Object(object)) => {
            let own = keywords.get("properties").and_then(Value::as_object);
            let further =
                object.keys().filter(|name| own.is_none_or(|own| !own.contains_key(*name)));
            for name in further.clone() {
                fit(root, rule, &object[name], &format!("{at}/{name}"))?;
            }
            Ok(further.cloned().collect())
        }
        ("items", Value::Array(items)) => {
            for (number, item) in items.iter().enumerate() {
                fit(root, rule, item, &format!("{at}/{number}"))?;
            }
            Ok(nothing)
        }
        ("oneOf" | "anyOf", _) => {
            let ways = rule.as_array().expect("a list of schemas").iter();
            let (fits, misfits): (Vec<_>, Vec<_>) =
                ways.map(|way| fit(root, way, value, at)).partition(Result::is_ok);
            match fits.len() {
                0 => refuse(format!("no way fits: {misfits:?}")),
                2.. if keyword == "oneOf" => refuse("several ways fit".to_owned()),
                _ => Ok(fits.into_iter().flatten().flatten().collect()),
            }
        }
        _ if KNOWN.contains(&keyword) => Ok(nothing),
        _ => panic!("the keyword {keyword} is not known here"),
    }
}

fn is_of(rule: &Value, value: &Value) -> bool {
    let word = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |name: &Value| name == word || (name == "number" && word == "integer");
    match rule {
        Value::Array(names) => names.iter().any(fits),
        name => fits(name),
    }
}
