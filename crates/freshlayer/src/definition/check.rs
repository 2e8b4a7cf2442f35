//! Holds a TOML document against the schema, and finds all that does not fit, with its line.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::{members, type_name};

/// One misfit: a byte offset into the text and a sentence.
pub(super) struct Misfit {
    pub(super) offset: usize,
    pub(super) message: String,
}

pub(super) fn misfits(document: &Spanned<DeTable<'_>>, schema: &Value) -> Vec<Misfit> {
    let mut found = Vec::new();
    table(document.get_ref(), document.span().start, "", schema, &mut found);
    found
}

fn table(table: &DeTable<'_>, offset: usize, path: &str, schema: &Value, found: &mut Vec<Misfit>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, item) in table {
        let name: &str = key.get_ref();
        let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let known = properties.and_then(|properties| properties.get(name));
        let free = schema.get("additionalProperties").filter(|schema| schema.is_object());
        match known.or(free) {
            Some(field) => value(item, &below, field, found),
            None => found.push(Misfit {
                offset: key.span().start,
                message: unknown_key(&below, name, properties),
            }),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !table.iter().any(|(key, _)| key.get_ref() == name) {
            let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            found.push(Misfit { offset, message: format!("`{name}` is missing{place}") });
        }
    }
}

fn unknown_key(
    path: &str,
    name: &str,
    properties: Option<&serde_json::Map<String, Value>>,
) -> String {
    let known: Vec<&str> =
        properties.map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
    match nearest(name, &known, 0.7) {
        Some(candidate) => format!("unknown key `{path}`; did you mean `{candidate}`?"),
        None => format!("unknown key `{path}`; known here: {}", known.join(", ")),
    }
}

/// The word that was probably meant, if one is as like as that.
fn nearest<'w>(word: &str, known: &[&'w str], like: f64) -> Option<&'w str> {
    let likely = known.iter().map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate));
    let best = likely.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > like).map(|(_, candidate)| candidate)
}

fn value(item: &Spanned<DeValue<'_>>, path: &str, schema: &Value, found: &mut Vec<Misfit>) {
    let schema = fitting(item.get_ref(), schema);
    let offset = item.span().start;
    let mut misfit = |message: String| found.push(Misfit { offset, message });
    let expected = type_name(schema);
    match (item.get_ref(), expected) {
        (DeValue::Table(inner), Some("object")) => table(inner, offset, path, schema, found),
        (DeValue::Array(items), Some("array")) => {
            for (at, item) in items.iter().enumerate() {
                value(item, &format!("{path}[{at}]"), &schema["items"], found);
            }
        }
        (DeValue::String(text), Some("string") | None) => {
            let allowed = allowed_words(schema);
            if !allowed.is_empty() && !allowed.contains(&&**text) {
                let meant = nearest(text, &allowed, 0.8);
                let meant = meant.map(|word| format!("; did you mean `{word}`?"));
                let (words, meant) = (allowed.join(" or "), meant.unwrap_or_default());
                misfit(format!("`{path}`: expected {words}, found {text:?}{meant}"));
            }
        }
        (DeValue::Integer(number), Some("integer")) => {
            if number.as_str().starts_with('-') && schema.get("minimum").is_some() {
                misfit(format!("`{path}`: expected a number from 0, found {number}"));
            }
        }
        (DeValue::Boolean(_), Some("boolean"))
        | (DeValue::Float(_) | DeValue::Integer(_), Some("number"))
        | (_, None) => {}
        (DeValue::Table(_), Some("array")) if type_name(&schema["items"]) == Some("object") => {
            misfit(format!(
                "`{path}`: there may be several, so write `[[{path}]]` with two brackets, found one `[{path}]`"
            ));
        }
        (other, Some(expected)) => {
            misfit(format!("`{path}`: expected {expected}, found {}", other.type_str()));
        }
    }
}

/// Returns the member of a schema that is about values like this one, or the first.
fn fitting<'s>(item: &DeValue<'_>, schema: &'s Value) -> &'s Value {
    let members = members(schema);
    let kind = match item {
        DeValue::Table(_) => "object",
        other => other.type_str(),
    };
    let fits = members.iter().find(|member| type_name(member) == Some(kind));
    fits.or(members.first()).copied().unwrap_or(schema)
}

fn allowed_words(schema: &Value) -> Vec<&str> {
    let plain = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let documented = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let documented = documented.filter_map(|member| member.get("const"));
    plain.chain(documented).filter_map(Value::as_str).collect()
}

/// Returns the offset of the item at a path of keys and list positions, or of its nearest parent.
pub(super) fn locate(document: &Spanned<DeTable<'_>>, path: &[&str]) -> usize {
    let Some((first, rest)) = path.split_first() else {
        return document.span().start;
    };
    let Some(mut item) = document.get_ref().get(*first) else {
        return document.span().start;
    };
    for step in rest {
        let next = match step.parse::<usize>() {
            Ok(at) => item.get_ref().get(at),
            Err(_) => item.get_ref().get(*step),
        };
        match next {
            Some(next) => item = next,
            None => break,
        }
    }
    item.span().start
}
