//! Python, on `maxminddb` and `sqlite3`.

use std::fmt::Write;

use super::model::{Column, Content, LayerModel, Presence, Record, Table, Value};
use super::names::{Case, Scope, literal, place};
use super::template::fill;
use super::{CodegenError, Language};
use crate::schema::{Kind, StorageClass};

const LANGUAGE: Language = Language::Python;

pub(super) fn write(layer: &LayerModel<'_>) -> Result<String, CodegenError> {
    let layer_place = format!("layer `{}`", layer.name);
    let mut types = Scope::new(LANGUAGE, Case::Pascal, &*layer_place);
    let mut functions = Scope::new(LANGUAGE, Case::Snake, layer_place);
    let mut text = head(layer) + &fill(LAYER, &[("layer", &literal(&layer.name))]);
    for dataset in &layer.datasets {
        let (name, key) = (types.name(dataset.name)?, literal(dataset.name));
        let handle = [("handle", &*name), ("dataset", &*key)];
        match &dataset.content {
            Content::Mmdb(None) => text += &fill(MMDB, &handle),
            Content::Mmdb(Some(record)) => {
                text += &objects(dataset.name, record, &mut types)?;
                let record = types.object(dataset.name, record)?;
                text += &fill(MMDB, &handle);
                text += &fill(LOOKUP, &[("record", &record)]);
            }
            Content::Sqlite(tables) => {
                let (rows, methods) = tables_text(dataset.name, tables, &mut types)?;
                text += &(rows + &fill(SQLITE, &handle) + &methods);
            }
            Content::Plain(_) => {
                let function = functions.name(dataset.name)?;
                text += &fill(PATH, &[("function", &function), ("dataset", &key)]);
            }
        }
    }
    Ok(text)
}

fn head(layer: &LayerModel<'_>) -> String {
    let name = &layer.name;
    let mmdb = layer.has(Content::is_mmdb);
    let records = layer.has(|content| matches!(content, Content::Mmdb(Some(_))));
    let rows =
        layer.has(|content| matches!(content, Content::Sqlite(tables) if !tables.is_empty()));
    let typing = [
        (true, "Any"),
        (rows, "NamedTuple"),
        (layer.has_value(|_| true), "Required"),
        (records, "TypedDict"),
        (records, "cast"),
    ];
    let typing: Vec<&str> =
        typing.iter().filter(|(used, _)| *used).map(|(_, name)| *name).collect();
    let lines = [
        (true, "import json".to_owned()),
        (true, "import os".to_owned()),
        (layer.has(Content::is_sqlite), "import sqlite3".to_owned()),
        (true, "import time".to_owned()),
        (records, "from ipaddress import IPv4Address, IPv6Address".to_owned()),
        (true, "from pathlib import Path".to_owned()),
        (true, format!("from typing import {}", typing.join(", "))),
        (mmdb, "\nimport maxminddb".to_owned()),
    ];
    let imports = lines.iter().filter(|(used, _)| *used).map(|(_, line)| format!("{line}\n"));
    let needs = if mmdb {
        "It needs Python 3.11 and the package `maxminddb`: its C extension, without which it is ten times as slow."
    } else {
        "It needs Python 3.11."
    };
    format!(
        "\"\"\"The layer `{name}`, as its definition promises it.\n\
         \n\
         `freshlayer codegen {name} --language python` writes this file: change the definition instead.\n\
         {needs}\n\
         \"\"\"\n\n{}",
        imports.collect::<String>()
    )
}

fn objects(dataset: &str, record: &Record, types: &mut Scope) -> Result<String, CodegenError> {
    let mut text = String::new();
    for object in record.all() {
        let name = types.object(dataset, object)?;
        let mut fields = String::new();
        for field in &object.fields {
            let kind = value_type(dataset, &field.value, types)?;
            let kind = match field.presence {
                Presence::Always => format!("Required[{kind}]"),
                Presence::WhenTrue | Presence::Sometimes => kind,
            };
            let (key, note) = (literal(&field.key), &field.note);
            let _ = write!(fields, "        # {note}\n        {key}: {kind},\n");
        }
        let says = object.says();
        let _ = write!(
            text,
            "\n\n# {says}\n{name} = TypedDict(\n    \"{name}\",\n    {{\n{fields}    }},\n    total=False,\n)\n"
        );
    }
    Ok(text)
}

fn value_type(dataset: &str, value: &Value, types: &mut Scope) -> Result<String, CodegenError> {
    Ok(match value {
        Value::Typed(kind) => scalar(*kind).to_owned(),
        Value::Any => "Any".to_owned(),
        Value::Record(record) => types.object(dataset, record)?,
        Value::List(item) => format!("list[{}]", value_type(dataset, item, types)?),
    })
}

fn scalar(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "str",
        Kind::Double | Kind::Float => "float",
        Kind::Bytes => "bytes",
        Kind::Uint16 | Kind::Uint32 | Kind::Int32 | Kind::Uint64 | Kind::Uint128 => "int",
        Kind::Map => "dict[str, Any]",
        Kind::Array => "list[Any]",
        Kind::Boolean => "bool",
    }
}

fn tables_text(
    dataset: &str,
    tables: &[Table],
    types: &mut Scope,
) -> Result<(String, String), CodegenError> {
    let mut names = Scope::new(LANGUAGE, Case::Snake, place(dataset, ""));
    let (mut rows, mut methods) = (String::new(), String::new());
    for table in tables {
        let row = types.name(&format!("{dataset}.{}", table.name))?;
        let mut fields = Scope::new(LANGUAGE, Case::Snake, place(dataset, &table.name));
        let _ = write!(rows, "\n\n# {}\nclass {row}(NamedTuple):\n", table.says());
        for column in &table.columns {
            let (field, kind) = (fields.name(&column.name)?, column_type(column));
            let _ = write!(rows, "    # {}\n    {field}: {kind}\n", column.note);
        }
        let Some(first) = table.columns.first() else { continue };
        let values = [
            ("table", &*names.name(&table.name)?),
            ("column", &*fields.name(&first.name)?),
            ("row", &*row),
            ("kind", class_type(first.class)),
            ("query", &*literal(&table.query(" "))),
            ("by_first", &*literal(&table.query_by_first(" ", "?1"))),
        ];
        methods += &fill(TABLE, &values);
    }
    Ok((rows, methods))
}

fn column_type(column: &Column) -> String {
    let kind = class_type(column.class);
    match (column.presence, column.class) {
        (Presence::Always, _) | (_, None) => kind.to_owned(),
        _ => format!("{kind} | None"),
    }
}

fn class_type(class: Option<StorageClass>) -> &'static str {
    match class {
        None => "Any",
        Some(StorageClass::Text) => "str",
        Some(StorageClass::Integer) => "int",
        Some(StorageClass::Real | StorageClass::Number) => "float",
        Some(StorageClass::Blob) => "bytes",
    }
}

const LAYER: &str = r#"

class Layer:
    """The layer under /opt, or under the folder that FRESHLAYER_ROOT names."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = Path(root or os.environ.get("FRESHLAYER_ROOT") or "/opt").absolute()
        manifest = self.root / "freshlayer" / («layer» + ".json")
        listed = json.loads(manifest.read_text(encoding="utf-8"))
        if listed["format"] != 1:
            raise ValueError(f"read {manifest}: expected format 1, found {listed['format']}")
        self.release: int = listed["release"]
        self.version: str = listed["version"]
        self._datasets: dict[str, dict[str, Any]] = {each["name"]: each for each in listed["datasets"]}

    def path(self, dataset: str) -> Path:
        """Returns the path of a dataset: its file, or an archive's folder."""
        return self.root / str(self._datasets[dataset]["path"])

    def built_unix_secs(self) -> int:
        """Returns the build time of the oldest dataset, or its download time if the upstream states none, in seconds since 1970."""
        return min(int(each.get("built_unix_secs", each["fetched_unix_secs"])) for each in self._datasets.values())

    def age_secs(self) -> float:
        """Returns the age of the oldest dataset now, in seconds."""
        return max(0.0, time.time() - self.built_unix_secs())

    def metric_line(self) -> str:
        """Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour."""
        metric = {"Name": "ServedDataAgeDays", "Unit": "None"}
        directive = {"Namespace": "freshlayer", "Dimensions": [["Layer"]], "Metrics": [metric]}
        emf = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        days = self.age_secs() / 86400
        return json.dumps({"_aws": emf, "Layer": «layer», "Version": self.version, "ServedDataAgeDays": days})
"#;

const MMDB: &str = r#"

class «handle»:
    """The dataset «dataset»: open it once, outside the handler."""

    def __init__(self, layer: Layer) -> None:
        self.reader = maxminddb.open_database(layer.path(«dataset»))
"#;

const LOOKUP: &str = r#"
    def lookup(self, ip: str | IPv4Address | IPv6Address) -> «record» | None:
        """Looks an address up."""
        return cast("«record» | None", self.reader.get(ip))
"#;

const SQLITE: &str = r#"

class «handle»:
    """The dataset «dataset»: open it once, outside the handler."""

    def __init__(self, layer: Layer) -> None:
        address = layer.path(«dataset»).as_uri() + "?mode=ro&immutable=1"
        self.connection = sqlite3.connect(address, uri=True)
"#;

const TABLE: &str = r"
    def all_«table»(self) -> list[«row»]:
        return [«row»(*row) for row in self.connection.execute(«query»)]

    def «table»_by_«column»(self, value: «kind») -> list[«row»]:
        return [«row»(*row) for row in self.connection.execute(«by_first», (value,))]
";

const PATH: &str = "

def «function»_path(layer: Layer) -> Path:
    return layer.path(«dataset»)
";
