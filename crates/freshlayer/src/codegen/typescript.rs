//! TypeScript for Node.js, on `maxmind` and `node:sqlite`.

use std::fmt::Write;

use super::model::{Column, Content, LayerModel, Presence, Record, Table, Value};
use super::names::{Case, Scope, literal, place};
use super::template::fill;
use super::{CodegenError, Language};
use crate::schema::{Kind, StorageClass};

const LANGUAGE: Language = Language::Typescript;

pub(super) fn write(layer: &LayerModel<'_>) -> Result<String, CodegenError> {
    let layer_place = format!("layer `{}`", layer.name);
    let mut types = Scope::new(LANGUAGE, Case::Pascal, &*layer_place);
    let mut functions = Scope::new(LANGUAGE, Case::Camel, layer_place);
    let mut text = head(layer) + &fill(LAYER, &[("layer", &literal(&layer.name))]);
    for dataset in &layer.datasets {
        let (name, key) = (types.name(dataset.name)?, literal(dataset.name));
        let handle = |methods: &str, template: &str| {
            fill(template, &[("handle", &*name), ("dataset", &*key), ("methods", methods)])
        };
        match &dataset.content {
            Content::Mmdb(None) => text += &handle("", MMDB),
            Content::Mmdb(Some(record)) => {
                text += &interfaces(dataset.name, record, &mut types)?;
                let record = types.object(dataset.name, record)?;
                text += &handle(&fill(LOOKUP, &[("record", &record)]), MMDB);
            }
            Content::Sqlite(tables) => {
                let (rows, methods) = tables_text(dataset.name, tables, &mut types)?;
                text += &(rows + &handle(&methods, SQLITE));
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
    let (mmdb, sqlite) = (layer.has(Content::is_mmdb), layer.has(Content::is_sqlite));
    let lines = [
        (true, "import { readFileSync } from \"node:fs\";"),
        (true, "import { join } from \"node:path\";"),
        (sqlite, "import { DatabaseSync } from \"node:sqlite\";"),
        (sqlite, "import { pathToFileURL } from \"node:url\";"),
        (mmdb, "import { open, type Reader, type Response } from \"maxmind\";"),
    ];
    let imports = lines.iter().filter(|(used, _)| *used).map(|(_, line)| format!("{line}\n"));
    let needs = match (mmdb, sqlite) {
        (true, true) => {
            "It needs Node.js 22.15 and the package `maxmind`, which reads a database into memory"
        }
        (true, false) => "It needs the package `maxmind`, which reads a database into memory",
        (false, true) => "It needs Node.js 22.15",
        (false, false) => "It needs Node.js alone",
    };
    format!(
        "/**\n * The layer `{name}`, as its definition promises it.\n *\n \
         * `freshlayer codegen {name} --language typescript` writes this file: change the definition instead.\n \
         * {needs}.\n */\n\n{}",
        imports.collect::<String>()
    )
}

fn interfaces(dataset: &str, record: &Record, types: &mut Scope) -> Result<String, CodegenError> {
    let mut text = String::new();
    for object in record.all() {
        let name = types.object(dataset, object)?;
        let _ = write!(text, "\n/** {} */\nexport interface {name} {{\n", object.says());
        for field in &object.fields {
            let kind = value_type(dataset, &field.value, types)?;
            let mark = if field.presence == Presence::Always { "" } else { "?" };
            let (key, note) = (property(&field.key), &field.note);
            let _ = write!(text, "  /** {note} */\n  readonly {key}{mark}: {kind};\n");
        }
        text += "}\n";
    }
    Ok(text)
}

/// Writes a key of the data: as a name, or where it is none as a text.
fn property(key: &str) -> String {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let digit = key.starts_with(|letter: char| letter.is_ascii_digit());
    if key.chars().all(word) && !digit { key.to_owned() } else { literal(key) }
}

fn value_type(dataset: &str, value: &Value, types: &mut Scope) -> Result<String, CodegenError> {
    Ok(match value {
        Value::Typed(kind) => scalar(*kind).to_owned(),
        Value::Any => "unknown".to_owned(),
        Value::Record(record) => types.object(dataset, record)?,
        Value::List(item) => format!("readonly ({})[]", value_type(dataset, item, types)?),
    })
}

fn scalar(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Double | Kind::Float | Kind::Uint16 | Kind::Uint32 | Kind::Int32 => "number",
        Kind::Bytes => "Uint8Array",
        Kind::Uint64 | Kind::Uint128 => "number | bigint",
        Kind::Map => "{ readonly [key: string]: unknown }",
        Kind::Array => "readonly unknown[]",
        Kind::Boolean => "boolean",
    }
}

fn tables_text(
    dataset: &str,
    tables: &[Table],
    types: &mut Scope,
) -> Result<(String, String), CodegenError> {
    let mut names = Scope::new(LANGUAGE, Case::Pascal, place(dataset, ""));
    let (mut rows, mut methods) = (String::new(), String::new());
    for table in tables {
        let row = types.name(&format!("{dataset}.{}", table.name))?;
        let _ = write!(rows, "\n/** {} */\nexport interface {row} {{\n", table.says());
        for column in &table.columns {
            let (key, kind) = (property(&column.name), column_type(column));
            let _ = write!(rows, "  /** {} */\n  readonly {key}: {kind};\n", column.note);
        }
        rows += "}\n";
        let Some(first) = table.columns.first() else { continue };
        let mut columns = Scope::new(LANGUAGE, Case::Pascal, place(dataset, &table.name));
        // To Node.js 22.15, `?1` is a parameter with a name, which a value alone is not bound to.
        let by_first = table.query_by_first(" ", "?");
        let values = [
            ("table", &*names.name(&table.name)?),
            ("column", &*columns.name(&first.name)?),
            ("row", &*row),
            ("kind", class_type(first.class)),
            ("query", &*literal(&table.query(" "))),
            ("by_first", &*literal(&by_first)),
        ];
        methods += &fill(TABLE, &values);
    }
    Ok((rows, methods))
}

fn column_type(column: &Column) -> String {
    let kind = class_type(column.class);
    match column.presence {
        Presence::Always => kind.to_owned(),
        Presence::WhenTrue | Presence::Sometimes => format!("{kind} | null"),
    }
}

fn class_type(class: Option<StorageClass>) -> &'static str {
    match class {
        None => "string | number | Uint8Array",
        Some(StorageClass::Text) => "string",
        Some(StorageClass::Integer | StorageClass::Real | StorageClass::Number) => "number",
        Some(StorageClass::Blob) => "Uint8Array",
    }
}

const LAYER: &str = r#"
interface Listed {
  readonly name: string;
  readonly path: string;
  readonly built_unix_secs?: number;
  readonly fetched_unix_secs: number;
}

/** The layer under /opt, or under the folder that FRESHLAYER_ROOT names. */
export class Layer {
  readonly root: string;
  readonly release: number;
  readonly version: string;
  private readonly datasets: readonly Listed[];

  constructor(root: string = process.env["FRESHLAYER_ROOT"] || "/opt") {
    const manifest = join(root, "freshlayer", «layer» + ".json");
    const listed = JSON.parse(readFileSync(manifest, "utf8"));
    if (listed.format !== 1) {
      throw new Error(`read ${manifest}: expected format 1, found ${listed.format}`);
    }
    this.root = root;
    this.release = listed.release;
    this.version = listed.version;
    this.datasets = listed.datasets;
  }

  /** Returns the path of a dataset: its file, or an archive's folder. */
  path(dataset: string): string {
    const found = this.datasets.find((each) => each.name === dataset);
    if (found === undefined) throw new Error(`the layer has no dataset ${dataset}`);
    return join(this.root, found.path);
  }

  /** Returns the build time of the oldest dataset, or its download time if the upstream states none, in seconds since 1970. */
  builtUnixSecs(): number {
    return Math.min(...this.datasets.map((each) => each.built_unix_secs ?? each.fetched_unix_secs));
  }

  /** Returns the age of the oldest dataset now, in seconds. */
  ageSecs(): number {
    return Math.max(0, Date.now() / 1000 - this.builtUnixSecs());
  }

  /** Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour. */
  metricLine(): string {
    const metric = { Name: "ServedDataAgeDays", Unit: "None" };
    const directive = { Namespace: "freshlayer", Dimensions: [["Layer"]], Metrics: [metric] };
    const emf = { Timestamp: Date.now(), CloudWatchMetrics: [directive] };
    const days = this.ageSecs() / 86400;
    return JSON.stringify({ _aws: emf, Layer: «layer», Version: this.version, ServedDataAgeDays: days });
  }
}
"#;

const MMDB: &str = r"
/** The dataset «dataset»: open it once, outside the handler. */
export class «handle» {
  readonly reader: Reader<Response>;

  constructor(reader: Reader<Response>) {
    this.reader = reader;
  }

  static async open(layer: Layer): Promise<«handle»> {
    return new «handle»(await open<Response>(layer.path(«dataset»)));
  }
«methods»}
";

const LOOKUP: &str = r"
  /** Looks an address up. */
  lookup(ip: string): «record» | null {
    return this.reader.get(ip) as «record» | null;
  }
";

const SQLITE: &str = r#"
/** The dataset «dataset»: open it once, outside the handler. */
export class «handle» {
  readonly database: DatabaseSync;

  constructor(layer: Layer) {
    const address = pathToFileURL(layer.path(«dataset»));
    address.searchParams.set("immutable", "1");
    this.database = new DatabaseSync(address, { readOnly: true });
  }
«methods»}
"#;

const TABLE: &str = r"
  all«table»(): «row»[] {
    return this.database.prepare(«query»).all() as unknown as «row»[];
  }

  find«table»By«column»(value: «kind»): «row»[] {
    return this.database.prepare(«by_first»).all(value) as unknown as «row»[];
  }
";

const PATH: &str = r"
export function «function»Path(layer: Layer): string {
  return layer.path(«dataset»);
}
";
