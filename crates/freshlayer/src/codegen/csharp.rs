//! C#, on `MaxMind.Db` and `Microsoft.Data.Sqlite`.

use std::fmt::Write;

use super::model::{Column, Content, Field, LayerModel, Presence, Record, Table, Value};
use super::names::{Case, Scope, identifier, literal, place};
use super::template::fill;
use super::{CodegenError, Language};
use crate::schema::{Kind, StorageClass};

const LANGUAGE: Language = Language::Csharp;

pub(super) fn write(layer: &LayerModel<'_>) -> Result<String, CodegenError> {
    let layer_place = format!("layer `{}`", layer.name);
    let mut types = Scope::new(LANGUAGE, Case::Pascal, layer_place);
    let mut text = head(layer) + &fill(LAYER, &[("layer", &literal(&layer.name))]);
    for dataset in &layer.datasets {
        let (name, key) = (types.name(dataset.name)?, literal(dataset.name));
        let handle = |methods: &str, template: &str| {
            fill(template, &[("handle", &*name), ("dataset", &*key), ("methods", methods)])
        };
        match &dataset.content {
            Content::Mmdb(None) => text += &handle("", MMDB),
            Content::Mmdb(Some(record)) => {
                text += &classes(dataset.name, record, &mut types)?;
                let record = types.object(dataset.name, record)?;
                text += &handle(&fill(LOOKUP, &[("record", &record)]), MMDB);
            }
            Content::Sqlite(tables) => {
                let (rows, methods) = tables_text(dataset.name, tables, &mut types)?;
                text += &(rows + &handle(&methods, SQLITE));
            }
            Content::Plain(_) => text += &handle("", PATH),
        }
    }
    Ok(text)
}

fn head(layer: &LayerModel<'_>) -> String {
    let name = &layer.name;
    let (mmdb, sqlite) = (layer.has(Content::is_mmdb), layer.has(Content::is_sqlite));
    let records = layer.has(|content| matches!(content, Content::Mmdb(Some(_))));
    let lines = [
        (true, "System"),
        (true, "System.Collections.Generic"),
        (true, "System.IO"),
        (records, "System.Net"),
        (layer.has_value(|value| matches!(value, Value::Typed(Kind::Uint128))), "System.Numerics"),
        (true, "System.Text.Json"),
        (mmdb, "MaxMind.Db"),
        (sqlite, "Microsoft.Data.Sqlite"),
    ];
    let imports = lines.iter().filter(|(used, _)| *used);
    let imports: String = imports.map(|(_, line)| format!("using {line};\n")).collect();
    let needs = match (mmdb, sqlite) {
        (true, true) => ", MaxMind.Db 5 and Microsoft.Data.Sqlite",
        (true, false) => " and MaxMind.Db 5",
        (false, true) => " and Microsoft.Data.Sqlite",
        (false, false) => "",
    };
    let namespace = identifier(LANGUAGE, Case::Pascal, name).unwrap_or_default();
    let values =
        [("layer", &**name), ("needs", needs), ("imports", &*imports), ("namespace", &*namespace)];
    fill(HEAD, &values)
}

fn classes(dataset: &str, record: &Record, types: &mut Scope) -> Result<String, CodegenError> {
    let mut text = String::new();
    for object in record.all() {
        let name = types.object(dataset, object)?;
        let path = object.path.join(".");
        let mut names = Scope::new(LANGUAGE, Case::Pascal, place(dataset, &path));
        let _ = write!(text, "\n/// <summary>{}</summary>\n", object.says());
        let _ = write!(text, "public sealed class {name}\n{{\n");
        for field in &object.fields {
            text += &property(dataset, &name, field, &mut names, types)?;
        }
        text += "}\n";
    }
    Ok(text)
}

fn property(
    dataset: &str,
    class: &str,
    field: &Field,
    names: &mut Scope,
    types: &mut Scope,
) -> Result<String, CodegenError> {
    let kind = value_type(dataset, &field.value, types)?;
    let name = member(class, names.name(&field.key)?);
    let (key, note) = (literal(&field.key), &field.note);
    let (mark, value) = match (field.presence, is_reference(&field.value)) {
        (Presence::Sometimes, _) => ("?", ""),
        (_, true) => ("", " = null!;"),
        (_, false) => ("", ""),
    };
    Ok(format!(
        "    /// <summary>{note}</summary>\n    [MapKey({key})]\n    \
         public {kind}{mark} {name} {{ get; init; }}{value}\n"
    ))
}

/// A member may not have the name of its class.
fn member(class: &str, name: String) -> String {
    if name == class { name + "_" } else { name }
}

fn is_reference(value: &Value) -> bool {
    match value {
        Value::Typed(kind) => {
            matches!(kind, Kind::Text | Kind::Bytes | Kind::Map | Kind::Array)
        }
        Value::Any | Value::Record(_) | Value::List(_) => true,
    }
}

fn value_type(dataset: &str, value: &Value, types: &mut Scope) -> Result<String, CodegenError> {
    Ok(match value {
        Value::Typed(kind) => scalar(*kind).to_owned(),
        Value::Any => "object".to_owned(),
        Value::Record(record) => types.object(dataset, record)?,
        Value::List(item) => format!("List<{}>", value_type(dataset, item, types)?),
    })
}

fn scalar(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Bytes => "byte[]",
        Kind::Uint16 | Kind::Int32 => "int",
        Kind::Uint32 => "long",
        Kind::Uint64 => "ulong",
        Kind::Uint128 => "BigInteger",
        Kind::Map => "Dictionary<string, object>",
        Kind::Array => "List<object>",
        Kind::Boolean => "bool",
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
        let mut fields = Scope::new(LANGUAGE, Case::Pascal, place(dataset, &table.name));
        let (mut parts, mut reads) = (Vec::new(), Vec::new());
        for (at, column) in table.columns.iter().enumerate() {
            let (field, kind) = (member(&row, fields.name(&column.name)?), column_type(column));
            parts.push(format!("    // {}\n    {kind} {field}", column.note));
            reads.push(read(column, at));
        }
        let _ = write!(rows, "\n/// <summary>{}</summary>\n", table.says());
        let _ = write!(rows, "public sealed record {row}(\n{});\n", parts.join(",\n"));
        let name = names.name(&table.name)?;
        methods += &queries(table, &row, &name, &reads.join(", "));
    }
    Ok((rows, methods))
}

fn queries(table: &Table, row: &str, name: &str, reads: &str) -> String {
    let Some(first) = table.columns.first() else { return String::new() };
    let column = identifier(LANGUAGE, Case::Pascal, &first.name).unwrap_or_default();
    let values = [
        ("table", name),
        ("column", &*column),
        ("row", row),
        ("kind", class_type(first.class)),
        ("reads", reads),
        ("query", &*literal(&table.query(" "))),
        ("by_first", &*literal(&table.query_by_first(" ", "?1"))),
    ];
    fill(TABLE, &values)
}

fn class_type(class: Option<StorageClass>) -> &'static str {
    match class {
        None => "object",
        Some(StorageClass::Text) => "string",
        Some(StorageClass::Integer) => "long",
        Some(StorageClass::Real | StorageClass::Number) => "double",
        Some(StorageClass::Blob) => "byte[]",
    }
}

fn column_type(column: &Column) -> String {
    let kind = class_type(column.class);
    if column.presence == Presence::Always { kind.to_owned() } else { format!("{kind}?") }
}

fn read(column: &Column, at: usize) -> String {
    let kind = class_type(column.class);
    let value = match column.class {
        None => format!("row.GetValue({at})"),
        Some(_) => format!("row.GetFieldValue<{kind}>({at})"),
    };
    if column.presence == Presence::Always {
        value
    } else {
        format!("row.IsDBNull({at}) ? null : {value}")
    }
}

const HEAD: &str = "// The layer `«layer»`, as its definition promises it.
//
// `freshlayer codegen «layer» --language csharp` writes this file: change the definition instead.
// It needs .NET 8«needs».

#nullable enable

«imports»
namespace Freshlayer.Layers.«namespace»;
";

const LAYER: &str = r#"
/// <summary>The layer under /opt, or under the folder that FRESHLAYER_ROOT names.</summary>
public sealed class Layer
{
    private readonly string _root;
    private readonly JsonElement _manifest;

    /// <summary>Opens the layer: once, outside the handler.</summary>
    public Layer(string? root = null)
    {
        var variable = Environment.GetEnvironmentVariable("FRESHLAYER_ROOT");
        _root = root ?? (string.IsNullOrEmpty(variable) ? "/opt" : variable);
        var file = Path.Combine(_root, "freshlayer", «layer» + ".json");
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        _manifest = document.RootElement.Clone();
        var format = _manifest.GetProperty("format").GetInt32();
        if (format != 1) throw new InvalidDataException($"read {file}: expected format 1, found {format}");
    }

    /// <summary>The release's number.</summary>
    public long Release => _manifest.GetProperty("release").GetInt64();

    /// <summary>The data version.</summary>
    public string Version => _manifest.GetProperty("version").GetString()!;

    /// <summary>Returns the path of a dataset: its file, or an archive's folder.</summary>
    public string PathOf(string dataset)
    {
        foreach (var each in _manifest.GetProperty("datasets").EnumerateArray())
        {
            if (each.GetProperty("name").GetString() == dataset)
                return Path.Combine(_root, each.GetProperty("path").GetString()!);
        }
        throw new InvalidDataException($"the layer has no dataset {dataset}");
    }

    /// <summary>Returns the build time of the oldest dataset, or its download time if the upstream states none.</summary>
    public DateTimeOffset Built()
    {
        var oldest = long.MaxValue;
        foreach (var each in _manifest.GetProperty("datasets").EnumerateArray())
        {
            var time = each.TryGetProperty("built_unix_secs", out var built) ? built : each.GetProperty("fetched_unix_secs");
            oldest = Math.Min(oldest, time.GetInt64());
        }
        return DateTimeOffset.FromUnixTimeSeconds(oldest);
    }

    /// <summary>Returns the age of the oldest dataset now.</summary>
    public TimeSpan Age()
    {
        var age = DateTimeOffset.UtcNow - Built();
        return age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    /// <summary>Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour.</summary>
    public string MetricLine()
    {
        var metric = new { Name = "ServedDataAgeDays", Unit = "None" };
        var directive = new { Namespace = "freshlayer", Dimensions = new[] { new[] { "Layer" } }, Metrics = new[] { metric } };
        var emf = new { Timestamp = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), CloudWatchMetrics = new[] { directive } };
        var days = Age().TotalDays;
        return JsonSerializer.Serialize(new { _aws = emf, Layer = «layer», Version, ServedDataAgeDays = days });
    }
}
"#;

const MMDB: &str = r"
/// <summary>The dataset «dataset»: open it once, outside the handler.</summary>
public sealed class «handle»
{
    public «handle»(Layer layer) => Opened = new Reader(layer.PathOf(«dataset»));

    /// <summary>What it is read by, for what the contract does not name.</summary>
    public Reader Opened { get; }
«methods»}
";

const LOOKUP: &str = r"
    /// <summary>Looks an address up; null where the database does not know it.</summary>
    public «record»? Lookup(IPAddress ip) => Opened.Find<«record»>(ip);
";

const SQLITE: &str = r#"
/// <summary>The dataset «dataset»: open it once, outside the handler.</summary>
public sealed class «handle»
{
    public «handle»(Layer layer)
    {
        var address = new Uri(Path.GetFullPath(layer.PathOf(«dataset»))).AbsoluteUri + "?immutable=1";
        var settings = new SqliteConnectionStringBuilder { DataSource = address, Mode = SqliteOpenMode.ReadOnly };
        Opened = new SqliteConnection(settings.ToString());
        Opened.Open();
    }

    /// <summary>What it is read by, for what the contract does not name.</summary>
    public SqliteConnection Opened { get; }
«methods»}
"#;

const TABLE: &str = r#"
    /// <summary>Returns all rows.</summary>
    public List<«row»> All«table»() => Read«table»(«query», null);

    /// <summary>Returns the rows with one value in the first column.</summary>
    public List<«row»> Find«table»By«column»(«kind» value) => Read«table»(«by_first», value);

    private List<«row»> Read«table»(string query, object? value)
    {
        using var command = Opened.CreateCommand();
        command.CommandText = query;
        if (value is not null) command.Parameters.AddWithValue("?1", value);
        using var row = command.ExecuteReader();
        var found = new List<«row»>();
        while (row.Read()) found.Add(new «row»(«reads»));
        return found;
    }
"#;

const PATH: &str = r"
/// <summary>The dataset «dataset».</summary>
public static class «handle»
{
    /// <summary>Returns its path.</summary>
    public static string PathIn(Layer layer) => layer.PathOf(«dataset»);
}
";
