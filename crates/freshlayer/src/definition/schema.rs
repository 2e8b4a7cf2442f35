//! The JSON Schema of a definition, and the table of its fields for `layers/README.md`.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::RawLayer;
use super::rules;

/// Returns the JSON Schema of a layer definition, for editors and for our own check.
pub fn definition_schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<RawLayer>().to_value();
    rules::add(&mut schema);
    schema
}

/// Returns the members of a schema that has several, without `null`, or the schema itself.
pub(super) fn members(schema: &Value) -> Vec<&Value> {
    let Some(all) = schema.get("anyOf").and_then(Value::as_array) else {
        return vec![schema];
    };
    let null = Value::from("null");
    let all = all.iter().filter(|member| member.get("type") != Some(&null));
    all.flat_map(members).collect()
}

/// Returns the one JSON type that a schema admits beside `null`, if it names one.
pub(super) fn type_name(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

/// Returns the table of all fields in Markdown: key, type, default, meaning.
pub fn field_table() -> String {
    let mut table = String::from("| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
    rows(&definition_schema(), "", &mut table);
    table
}

fn rows(schema: &Value, prefix: &str, table: &mut String) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, field) in properties {
        let members = members(field);
        let inner = members.first().copied().unwrap_or(field);
        let default = match (required.contains(&name.as_str()), field.get("default")) {
            (true, _) => "required".to_owned(),
            (false, Some(Value::Null | Value::Object(_)) | None) => String::new(),
            (false, Some(value)) => format!("`{value}`"),
        };
        let text = field.get("description").and_then(Value::as_str).unwrap_or_default();
        let (kind, below) = match type_name(inner) {
            Some("array") => (
                format!("list of {}", type_name(&inner["items"]).unwrap_or("value")),
                (&inner["items"], format!("{prefix}{name}[].")),
            ),
            Some(kind) => (kind.to_owned(), (inner, format!("{prefix}{name}."))),
            None => ("any".to_owned(), (inner, String::new())),
        };
        let table_too = members.iter().skip(1).find(|member| type_name(member) == Some("object"));
        let kind = if table_too.is_some() { format!("{kind}, or object") } else { kind };
        let meaning = text.replace('\n', " ");
        let _ = writeln!(table, "| `{prefix}{name}` | {kind} | {default} | {meaning} |");
        rows(below.0, &below.1, table);
        if let Some(member) = table_too {
            rows(member, &format!("{prefix}{name}."), table);
        }
        if let Some(named) = inner.get("additionalProperties") {
            rows(named, &format!("{}KEY.", below.1), table);
        }
    }
}
