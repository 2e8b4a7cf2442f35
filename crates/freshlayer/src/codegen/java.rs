//! Java, on `com.maxmind.db` and JDBC.

use super::model::{Column, Content, Field, LayerModel, Record, Table, Value};
use super::names::{Case, Scope, identifier, literal, place};
use super::template::fill;
use super::{CodegenError, Language};
use crate::schema::{Kind, StorageClass};

const LANGUAGE: Language = Language::Java;

pub(super) fn write(layer: &LayerModel<'_>) -> Result<String, CodegenError> {
    let layer_place = format!("layer `{}`", layer.name);
    let mut types = Scope::new(LANGUAGE, Case::Pascal, &*layer_place);
    let mut methods = Scope::new(LANGUAGE, Case::Camel, layer_place);
    // A class may not have the name of the one around it.
    let class = types.name(&format!("{} layer", layer.name))?;
    let outer = [("class", &*class), ("layer", &*literal(&layer.name))];
    let mut text = head(layer, &class) + &fill(LAYER, &outer);
    for dataset in &layer.datasets {
        let (name, key) = (types.name(dataset.name)?, literal(dataset.name));
        let handle = |methods: &str, template: &str| {
            let values =
                [("handle", &*name), ("dataset", &*key), ("class", &*class), ("methods", methods)];
            fill(template, &values)
        };
        match &dataset.content {
            Content::Mmdb(None) => text += &handle("", MMDB),
            Content::Mmdb(Some(record)) => {
                text += &records(dataset.name, record, &mut types)?;
                let record = types.object(dataset.name, record)?;
                text += &handle(&fill(LOOKUP, &[("record", &record)]), MMDB);
            }
            Content::Sqlite(tables) => {
                let (rows, queries) = tables_text(dataset.name, tables, &mut types)?;
                text += &(rows + &handle(&queries, SQLITE));
            }
            Content::Plain(_) => {
                let method = methods.name(dataset.name)?;
                text += &fill(PATH, &[("method", &method), ("dataset", &key)]);
            }
        }
    }
    Ok(text + "}\n")
}

fn head(layer: &LayerModel<'_>, class: &str) -> String {
    let name = &layer.name;
    let (mmdb, sqlite) = (layer.has(Content::is_mmdb), layer.has(Content::is_sqlite));
    let records = layer.has(|content| matches!(content, Content::Mmdb(Some(_))));
    let rows =
        layer.has(|content| matches!(content, Content::Sqlite(tables) if !tables.is_empty()));
    let big = |value: &Value| matches!(value, Value::Typed(Kind::Uint64 | Kind::Uint128));
    let lists =
        layer.has_value(|value| matches!(value, Value::List(_) | Value::Typed(Kind::Array)));
    let maps = layer.has_value(|value| matches!(value, Value::Typed(Kind::Map)));
    let lines = [
        (true, "com.fasterxml.jackson.databind.JsonNode"),
        (true, "com.fasterxml.jackson.databind.ObjectMapper"),
        (true, "com.fasterxml.jackson.databind.node.ObjectNode"),
        (records, "com.maxmind.db.MaxMindDbConstructor"),
        (records, "com.maxmind.db.MaxMindDbParameter"),
        (mmdb, "com.maxmind.db.Reader"),
        (true, "java.io.IOException"),
        (layer.has_value(big), "java.math.BigInteger"),
        (records, "java.net.InetAddress"),
        (true, "java.nio.file.Path"),
        (sqlite, "java.sql.Connection"),
        (sqlite, "java.sql.DriverManager"),
        (rows, "java.sql.PreparedStatement"),
        (rows, "java.sql.ResultSet"),
        (sqlite, "java.sql.SQLException"),
        (rows, "java.util.ArrayList"),
        (lists || rows, "java.util.List"),
        (maps, "java.util.Map"),
    ];
    let imports = lines.iter().filter(|(used, _)| *used);
    let imports: String = imports.map(|(_, line)| format!("import {line};\n")).collect();
    let mmdb = if mmdb { ", com.maxmind.db:maxmind-db 4" } else { "" };
    let sqlite = if sqlite { ", org.xerial:sqlite-jdbc" } else { "" };
    let needs = format!("jackson-databind 2{mmdb}{sqlite}");
    let values = [("layer", &**name), ("class", class), ("needs", &*needs), ("imports", &*imports)];
    fill(HEAD, &values)
}

fn records(dataset: &str, record: &Record, types: &mut Scope) -> Result<String, CodegenError> {
    let mut text = String::new();
    for object in record.all() {
        let name = types.object(dataset, object)?;
        let path = object.path.join(".");
        let mut fields = Scope::new(LANGUAGE, Case::Camel, place(dataset, &path));
        let parts = object.fields.iter().map(|field| parameter(dataset, field, &mut fields, types));
        let parts: Vec<String> = parts.collect::<Result<_, _>>()?;
        let says = object.says();
        let values = [("says", &*says), ("name", &*name), ("fields", &*parts.join(",\n"))];
        text += &fill(RECORD, &values);
    }
    Ok(text)
}

fn parameter(
    dataset: &str,
    field: &Field,
    fields: &mut Scope,
    types: &mut Scope,
) -> Result<String, CodegenError> {
    let kind = value_type(dataset, &field.value, types)?;
    let (name, key, note) = (fields.name(&field.key)?, literal(&field.key), &field.note);
    Ok(format!(
        "            // {note}\n            @MaxMindDbParameter(name = {key}) {kind} {name}"
    ))
}

fn value_type(dataset: &str, value: &Value, types: &mut Scope) -> Result<String, CodegenError> {
    Ok(match value {
        Value::Typed(kind) => scalar(*kind).to_owned(),
        Value::Any => "Object".to_owned(),
        Value::Record(record) => types.object(dataset, record)?,
        Value::List(item) => format!("List<{}>", value_type(dataset, item, types)?),
    })
}

fn scalar(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "String",
        Kind::Double => "Double",
        Kind::Float => "Float",
        Kind::Bytes => "byte[]",
        Kind::Uint16 | Kind::Int32 => "Integer",
        Kind::Uint32 => "Long",
        Kind::Uint64 | Kind::Uint128 => "BigInteger",
        Kind::Map => "Map<String, Object>",
        Kind::Array => "List<Object>",
        Kind::Boolean => "Boolean",
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
        let mut fields = Scope::new(LANGUAGE, Case::Camel, place(dataset, &table.name));
        let (mut parts, mut reads) = (Vec::new(), Vec::new());
        for (at, column) in (1..).zip(&table.columns) {
            let (field, kind) = (fields.name(&column.name)?, class_type(column.class));
            parts.push(format!("            // {}\n            {kind} {field}", column.note));
            reads.push(format!("                    {}", read(column, at)));
        }
        let says = table.says();
        let values = [("says", &*says), ("name", &*row), ("fields", &*parts.join(",\n"))];
        rows += &fill(ROW, &values);
        methods += &queries(table, &row, &names.name(&table.name)?, &reads.join(",\n"));
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
        None => "Object",
        Some(StorageClass::Text) => "String",
        Some(StorageClass::Integer) => "Long",
        Some(StorageClass::Real | StorageClass::Number) => "Double",
        Some(StorageClass::Blob) => "byte[]",
    }
}

fn read(column: &Column, at: usize) -> String {
    match column.class {
        None => format!("rows.getObject({at})"),
        Some(StorageClass::Text) => format!("rows.getString({at})"),
        Some(StorageClass::Integer) => {
            format!("rows.getObject({at}) == null ? null : rows.getLong({at})")
        }
        Some(StorageClass::Real | StorageClass::Number) => {
            format!("rows.getObject({at}) == null ? null : rows.getDouble({at})")
        }
        Some(StorageClass::Blob) => format!("rows.getBytes({at})"),
    }
}

const HEAD: &str = "// The layer `«layer»`, as its definition promises it.
//
// `freshlayer codegen «layer» --language java` writes this file, freshlayer/layers/«class».java: change the
// definition instead. It needs Java 17 and «needs». What is absent is null.

package freshlayer.layers;

«imports»";

const LAYER: &str = r#"
/** The layer under /opt, or under the folder that FRESHLAYER_ROOT names. */
public final class «class» {
    private final Path root;
    private final JsonNode manifest;

    /** Opens the layer: once, outside the handler. */
    public «class»() throws IOException {
        this(Path.of(rootOfEnvironment()));
    }

    /** Opens the layer under a folder. */
    public «class»(Path root) throws IOException {
        Path file = root.resolve("freshlayer").resolve(«layer» + ".json");
        this.root = root;
        this.manifest = new ObjectMapper().readTree(file.toFile());
        if (manifest.path("format").asInt() != 1) {
            throw new IOException("read " + file + ": expected format 1, found " + manifest.path("format"));
        }
    }

    private static String rootOfEnvironment() {
        String root = System.getenv("FRESHLAYER_ROOT");
        return root == null || root.isEmpty() ? "/opt" : root;
    }

    /** Returns the release's number. */
    public long release() {
        return manifest.path("release").asLong();
    }

    /** Returns the data version. */
    public String version() {
        return manifest.path("version").asText();
    }

    /** Returns the path of a dataset: its file, or an archive's folder. */
    public Path path(String dataset) throws IOException {
        for (JsonNode each : manifest.path("datasets")) {
            if (each.path("name").asText().equals(dataset)) {
                return root.resolve(each.path("path").asText());
            }
        }
        throw new IOException("the layer has no dataset " + dataset);
    }

    /** Returns the build time of the oldest dataset, or its download time if the upstream states none, in seconds since 1970. */
    public long builtUnixSecs() {
        long oldest = Long.MAX_VALUE;
        for (JsonNode each : manifest.path("datasets")) {
            long fetched = each.path("fetched_unix_secs").asLong();
            oldest = Math.min(oldest, each.path("built_unix_secs").asLong(fetched));
        }
        return oldest;
    }

    /** Returns the age of the oldest dataset now, in seconds. */
    public long ageSecs() {
        return Math.max(0, System.currentTimeMillis() / 1000 - builtUnixSecs());
    }

    /** Returns a log line with the age of the data, for CloudWatch: print it in the handler, at most once an hour. */
    public String metricLine() {
        ObjectNode line = new ObjectMapper().createObjectNode();
        ObjectNode emf = line.putObject("_aws").put("Timestamp", System.currentTimeMillis());
        ObjectNode directive = emf.putArray("CloudWatchMetrics").addObject().put("Namespace", "freshlayer");
        directive.putArray("Dimensions").addArray().add("Layer");
        directive.putArray("Metrics").addObject().put("Name", "ServedDataAgeDays").put("Unit", "None");
        line.put("Layer", «layer»).put("Version", version());
        return line.put("ServedDataAgeDays", ageSecs() / 86400.0).toString();
    }
"#;

const RECORD: &str = "
    /** «says» */
    public record «name»(
«fields») {
        @MaxMindDbConstructor
        public «name» {}
    }
";

const ROW: &str = "
    /** «says» */
    public record «name»(
«fields») {}
";

const MMDB: &str = r"
    /** The dataset «dataset»: open it once, outside the handler. */
    public static final class «handle» {
        private final Reader reader;

        public «handle»(«class» layer) throws IOException {
            this.reader = new Reader(layer.path(«dataset»).toFile());
        }

        /** Returns what it is read by, for what the contract does not name. */
        public Reader reader() {
            return reader;
        }
«methods»    }
";

const LOOKUP: &str = r"
        /** Looks an address up; null where the database does not know it. */
        public «record» lookup(InetAddress ip) throws IOException {
            return reader.get(ip, «record».class);
        }
";

const SQLITE: &str = r#"
    /** The dataset «dataset»: open it once, outside the handler. */
    public static final class «handle» {
        private final Connection connection;

        public «handle»(«class» layer) throws IOException, SQLException {
            String file = layer.path(«dataset»).toAbsolutePath().toUri().getRawPath();
            this.connection = DriverManager.getConnection("jdbc:sqlite:file:" + file + "?immutable=1");
        }

        /** Returns what it is read by, for what the contract does not name. */
        public Connection connection() {
            return connection;
        }
«methods»    }
"#;

const TABLE: &str = r"
        /** Returns all rows. */
        public List<«row»> all«table»() throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement(«query»)) {
                return read«table»(statement);
            }
        }

        /** Returns the rows with one value in the first column. */
        public List<«row»> find«table»By«column»(«kind» value) throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement(«by_first»)) {
                statement.setObject(1, value);
                return read«table»(statement);
            }
        }

        private static List<«row»> read«table»(PreparedStatement statement) throws SQLException {
            List<«row»> found = new ArrayList<>();
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    found.add(new «row»(
«reads»));
                }
            }
            return found;
        }
";

const PATH: &str = r"
    /** Returns the path of the dataset «dataset». */
    public Path «method»Path() throws IOException {
        return path(«dataset»);
    }
";
