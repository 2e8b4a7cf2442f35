//! Rust, on `freshlayer-reader`.

use std::fmt::Write;

use freshlayer_reader::Format;

use super::model::{Column, Content, Field, LayerModel, Presence, Record, Table, Value};
use super::names::{Case, Scope, place};
use super::{CodegenError, Language};
use crate::schema::{Kind, StorageClass};

const LANGUAGE: Language = Language::Rust;

pub(super) fn write(layer: &LayerModel<'_>) -> Result<String, CodegenError> {
    let mut text = head(layer);
    let layer_place = format!("layer `{}`", layer.name);
    let mut types = Scope::new(LANGUAGE, Case::Pascal, &*layer_place);
    let mut modules = Scope::new(LANGUAGE, Case::Snake, layer_place);
    for dataset in &layer.datasets {
        let (name, module) = (types.name(dataset.name)?, modules.name(dataset.name)?);
        text.push('\n');
        text.push_str(&match &dataset.content {
            Content::Mmdb(record) => {
                let handle = mmdb(dataset.name, &name, &module, record.as_ref());
                handle + &record_module(dataset.name, &module, record.as_ref())?
            }
            Content::Sqlite(tables) => {
                let handle = sqlite(dataset.name, &name, tables);
                handle + &table_module(dataset.name, &module, tables)?
            }
            Content::Plain(format) => plain(dataset.name, &module, *format),
        });
    }
    if layer.has_value(is_bytes) {
        text.push_str(BYTES);
    }
    Ok(text)
}

fn is_bytes(value: &Value) -> bool {
    matches!(value, Value::Typed(Kind::Bytes))
}

fn is_any(value: &Value) -> bool {
    matches!(value, Value::Any | Value::Typed(Kind::Map | Kind::Array))
}

fn has_records(content: &Content) -> bool {
    matches!(content, Content::Mmdb(Some(_)))
}

fn head(layer: &LayerModel<'_>) -> String {
    let name = &layer.name;
    let needs = match (layer.has(has_records), layer.has_value(is_any)) {
        (false, _) => "crate `freshlayer-reader`",
        (true, false) => "crates `freshlayer-reader` and `serde` (with `derive`)",
        (true, true) => "crates `freshlayer-reader`, `serde` (with `derive`) and `serde_json`",
    };
    let imports = imports(layer);
    format!(
        "//! The layer `{name}`, as its definition promises it.\n\
         //!\n\
         //! `freshlayer codegen {name}` writes this file: change the definition instead.\n\
         //! It needs the {needs}.\n\
         \n\
         #![allow(clippy::pedantic, dead_code, unreachable_pub, reason = \"generated, and used in part\")]\n\
         \n\
         {imports}\
         /// The layer's name.\n\
         pub const LAYER: &str = {name:?};\n\
         \n\
         /// Opens the layer under `/opt`, or under the folder that `FRESHLAYER_ROOT` names.\n\
         pub fn open() -> Result<Layer, Error> {{\n    \
             Layer::open(LAYER)\n\
         }}\n"
    )
}

fn imports(layer: &LayerModel<'_>) -> String {
    let reader = if layer.has(Content::is_mmdb) { ", MmdbReader" } else { "" };
    let own = format!("use freshlayer_reader::{{Error, Layer{reader}}};");
    let lines = [
        (layer.has(has_records), "use std::net::IpAddr;"),
        (layer.has(Content::is_plain), "use std::path::PathBuf;"),
        (layer.has(has_records) || layer.has(Content::is_plain), ""),
        (layer.has(has_records), "use freshlayer_reader::maxminddb::MaxMindDbError;"),
        (layer.has(Content::is_sqlite), "use freshlayer_reader::rusqlite::Connection;"),
        (true, &own),
        (true, ""),
    ];
    lines.iter().filter(|(wanted, _)| *wanted).map(|(_, line)| format!("{line}\n")).collect()
}

/// The type that opens a dataset and keeps it open.
struct Handle<'a> {
    dataset: &'a str,
    name: &'a str,
    field: &'a str,
    kind: &'a str,
    format: &'a str,
}

impl Handle<'_> {
    fn written(&self, remark: &str, methods: &str) -> String {
        let Self { dataset, name, field, kind, format } = self;
        format!(
            "/// The dataset `{dataset}`{remark}.\n\
             #[derive(Debug)]\n\
             pub struct {name} {{\n    \
                 {field}: {kind},\n\
             }}\n\
             \n\
             impl {name} {{\n    \
                 /// Opens it, without a copy.\n    \
                 pub fn open(layer: &Layer) -> Result<Self, Error> {{\n        \
                     layer.{format}({dataset:?}).map(|{field}| Self {{ {field} }})\n    \
                 }}\n\
             {methods}\n    \
                 /// Returns what it is read by, for what the contract does not name.\n    \
                 pub fn {field}(&self) -> &{kind} {{\n        \
                     &self.{field}\n    \
                 }}\n\
             }}\n"
        )
    }
}

fn mmdb(dataset: &str, name: &str, module: &str, record: Option<&Record>) -> String {
    let handle = Handle { dataset, name, field: "reader", kind: "MmdbReader", format: "mmdb" };
    if record.is_none() {
        return handle.written(NO_CONTRACT, "");
    }
    let lookup = format!(
        "\n    \
         /// Looks an address up.\n    \
         pub fn lookup(&self, ip: IpAddr) -> Result<Option<{module}::Record>, MaxMindDbError> {{\n        \
             self.reader.lookup(ip)?.decode()\n    \
         }}\n"
    );
    handle.written("", &lookup)
}

fn sqlite(dataset: &str, name: &str, tables: &[Table]) -> String {
    let remark = if tables.is_empty() { NO_CONTRACT } else { "" };
    let (field, kind, format) = ("connection", "Connection", "sqlite");
    Handle { dataset, name, field, kind, format }.written(remark, "")
}

fn plain(dataset: &str, module: &str, format: Format) -> String {
    let what = if format == Format::Archive { "folder" } else { "file" };
    format!(
        "/// Returns the path of the dataset `{dataset}`: a {what}.\n\
         pub fn {module}_path(layer: &Layer) -> Result<PathBuf, Error> {{\n    \
             layer.path({dataset:?})\n\
         }}\n"
    )
}

fn record_module(
    dataset: &str,
    module: &str,
    record: Option<&Record>,
) -> Result<String, CodegenError> {
    let Some(record) = record else { return Ok(String::new()) };
    let mut names = Scope::new(LANGUAGE, Case::Pascal, place(dataset, ""));
    let mut text = format!(
        "\n/// What the records of `{dataset}` hold.\npub mod {module} {{\n    \
         use serde::{{Deserialize, Serialize}};\n"
    );
    for object in record.all() {
        text.push_str(&structure(dataset, object, &mut names)?);
    }
    text.push_str("}\n");
    Ok(text)
}

fn structure(dataset: &str, object: &Record, names: &mut Scope) -> Result<String, CodegenError> {
    let path = object.path.join(".");
    let name = if path.is_empty() { "Record".to_owned() } else { names.name(&path)? };
    let mut fields = Scope::new(LANGUAGE, Case::Snake, place(dataset, &path));
    let mut text = format!(
        "\n    /// {}\n    \
         #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]\n    \
         pub struct {name} {{\n",
        object.says()
    );
    for field in &object.fields {
        text.push_str(&field_lines(field, &fields.name(&field.key)?, names)?);
    }
    text.push_str("    }\n");
    Ok(text)
}

fn field_lines(field: &Field, name: &str, names: &mut Scope) -> Result<String, CodegenError> {
    let kind = value_type(&field.value, names)?;
    let rename = (name != field.key).then(|| format!("rename = {:?}", field.key));
    let (attribute, kind) = match field.presence {
        Presence::Always => (None, kind),
        Presence::WhenTrue => (Some("default".to_owned()), kind),
        Presence::Sometimes => (None, format!("Option<{kind}>")),
    };
    let attributes: Vec<String> = rename.into_iter().chain(attribute).collect();
    let mut text = format!("        /// {}\n", field.note);
    if !attributes.is_empty() {
        let _ = writeln!(text, "        #[serde({})]", attributes.join(", "));
    }
    let _ = writeln!(text, "        pub {name}: {kind},");
    Ok(text)
}

fn value_type(value: &Value, names: &mut Scope) -> Result<String, CodegenError> {
    Ok(match value {
        Value::Typed(kind) => scalar(*kind).to_owned(),
        Value::Any => "serde_json::Value".to_owned(),
        Value::Record(record) => names.name(&record.path.join("."))?,
        Value::List(item) => format!("Vec<{}>", value_type(item, names)?),
    })
}

fn scalar(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "String",
        Kind::Double => "f64",
        Kind::Bytes => "super::Bytes",
        Kind::Uint16 => "u16",
        Kind::Uint32 => "u32",
        Kind::Map => "serde_json::Map<String, serde_json::Value>",
        Kind::Int32 => "i32",
        Kind::Uint64 => "u64",
        Kind::Uint128 => "u128",
        Kind::Array => "Vec<serde_json::Value>",
        Kind::Boolean => "bool",
        Kind::Float => "f32",
    }
}

fn table_module(dataset: &str, module: &str, tables: &[Table]) -> Result<String, CodegenError> {
    if tables.is_empty() {
        return Ok(String::new());
    }
    let mut names = Scope::new(LANGUAGE, Case::Pascal, place(dataset, ""));
    let untyped =
        tables.iter().flat_map(|table| &table.columns).any(|column| column.class.is_none());
    let value = if untyped { "    use freshlayer_reader::rusqlite::types::Value;\n" } else { "" };
    let mut text = format!(
        "\n/// What the tables of `{dataset}` hold.\npub mod {module} {{\n{value}    \
         use freshlayer_reader::rusqlite::{{Connection, Params, Result, Row}};\n"
    );
    for table in tables {
        let mut fields = Scope::new(LANGUAGE, Case::Snake, place(dataset, &table.name));
        let columns = table.columns.iter().map(|column| Ok((fields.name(&column.name)?, column)));
        let columns = columns.collect::<Result<Vec<_>, CodegenError>>()?;
        let name = names.name(&table.name)?;
        text.push_str(&row(table, &name, &columns));
        text.push_str(&queries(table, &name, &columns));
    }
    text.push_str("}\n");
    Ok(text)
}

fn row(table: &Table, name: &str, columns: &[(String, &Column)]) -> String {
    let fields = columns.iter().map(|(field, column)| {
        let kind = column_type(column);
        format!("        /// {}\n        pub {field}: {kind},\n", column.note)
    });
    format!(
        "\n    /// {}\n    \
         #[derive(Debug, Clone, PartialEq)]\n    \
         pub struct {name} {{\n{}    }}\n",
        table.says(),
        fields.collect::<String>()
    )
}

fn queries(table: &Table, name: &str, columns: &[(String, &Column)]) -> String {
    let Some((first, column)) = columns.first() else { return String::new() };
    let reads = columns.iter().enumerate();
    let reads = reads.map(|(at, (field, _))| format!("                {field}: row.get({at})?,\n"));
    let between = "\n            ";
    format!(
        "\n    \
         impl {name} {{\n        \
             const ALL: &str = {all};\n        \
             const BY_FIRST: &str = {by_first};\n\
             \n        \
             /// Returns all rows.\n        \
             pub fn all(connection: &Connection) -> Result<Vec<Self>> {{\n            \
                 Self::rows(connection, Self::ALL, [])\n        \
             }}\n\
             \n        \
             /// Returns the rows with one value in `{column_name}`.\n        \
             pub fn find_by_{first}(connection: &Connection, value: {asked}) -> Result<Vec<Self>> {{\n            \
                 Self::rows(connection, Self::BY_FIRST, [value])\n        \
             }}\n\
             \n        \
             fn rows(connection: &Connection, query: &str, values: impl Params) -> Result<Vec<Self>> {{\n            \
                 let mut statement = connection.prepare_cached(query)?;\n            \
                 statement.query_map(values, Self::read)?.collect()\n        \
             }}\n\
             \n        \
             fn read(row: &Row<'_>) -> Result<Self> {{\n            \
                 Ok(Self {{\n{reads}            }})\n        \
             }}\n    \
         }}\n",
        all = query_text(&table.query(between)),
        by_first = query_text(&table.query_by_first(between, "?1")),
        column_name = column.name,
        asked = asked(column.class),
        reads = reads.collect::<String>(),
    )
}

/// Writes a query so that no quote in it ends the text.
fn query_text(query: &str) -> String {
    let longest =
        query.split('"').skip(1).map(|rest| rest.len() - rest.trim_start_matches('#').len());
    let hashes = "#".repeat(1 + longest.max().unwrap_or_default());
    format!("r{hashes}\"\n            {query}\n        \"{hashes}")
}

fn column_type(column: &Column) -> String {
    let kind = match column.class {
        None => return "Value".to_owned(),
        Some(StorageClass::Text) => "String",
        Some(StorageClass::Integer) => "i64",
        Some(StorageClass::Real | StorageClass::Number) => "f64",
        Some(StorageClass::Blob) => "Vec<u8>",
    };
    match column.presence {
        Presence::Always => kind.to_owned(),
        Presence::WhenTrue | Presence::Sometimes => format!("Option<{kind}>"),
    }
}

fn asked(class: Option<StorageClass>) -> &'static str {
    match class {
        None => "Value",
        Some(StorageClass::Text) => "&str",
        Some(StorageClass::Integer) => "i64",
        Some(StorageClass::Real | StorageClass::Number) => "f64",
        Some(StorageClass::Blob) => "&[u8]",
    }
}

const NO_CONTRACT: &str = "; a contract in the definition gives it types";

const BYTES: &str = "
/// A value of type `bytes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|bytes| Self(bytes.to_vec()))
    }
}
";
