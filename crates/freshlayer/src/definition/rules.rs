//! What goes together in a definition, as JSON Schema says it. An editor shows what `check` would refuse, as far as it
//! can be told without the environment and the disk.

use freshlayer_reader::Format;
use serde_json::{Value, json};

/// What no path below `/opt` has: a `..`, an empty part, a backslash, or the folder of the manifests.
const OUTSIDE: &str =
    "^/|/$|//|\\\\|(^|/)[.][.](/|$)|^[.]/|/[.](/|$)|^[Ff][Rr][Ee][Ss][Hh][Ll][Aa][Yy][Ee][Rr](/|$)";
/// What no path below a dataset's folder has.
const OUTSIDE_OR_ROOT: &str = "^/|/$|//|\\\\|(^|/)[.][.]?(/|$)";

/// An address whose user without a password, or whose password, is written out.
const CREDENTIALS: &str = "^https?://([^/?#@$]+|[^/?#@]*:[^/?#@${}]+)@";
/// An address of this machine, or one that a variable decides.
const MAY_BE_LOOPBACK: &str = "^http://([^/]*@)?(localhost|127[.]|\\[::1\\])|[$][{]";

/// An address that brings a user.
const USERINFO: &str = "^https?://[^/?#]*@";
/// What a secret's reference looks like.
const SECRET: &str = "^([$][{][A-Za-z0-9_]+[}]|file:.+|secretsmanager:([^#]+|[^#]+#.+)|ssm:.+)$";
/// A text that is written out: no part of it looks like a secret's reference.
const WRITTEN: &str = "[$][{]|^(file|secretsmanager|ssm):";
/// What a header's name consists of.
const HEADER_NAME: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/// Headers whose names hold one of these carry what identifies us.
pub(super) const CREDENTIAL_WORDS: [&str; 7] =
    ["auth", "cookie", "credential", "key", "password", "secret", "token"];
/// Headers that the client writes itself.
pub(super) const OWN_HEADERS: [&str; 11] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
    "te",
    "transfer-encoding",
];

/// What an mmdb's contract may name: the built-in ones need the rest of the walk's 64.
pub(super) const CONTRACT_FIELDS_MAX: usize = 48;

const FORMATS: [Format; 4] = [Format::Mmdb, Format::Sqlite, Format::File, Format::Archive];

/// The keys of `expect` that go with some formats only.
const KEYS: [(&str, &[Format]); 9] = [
    ("database_type", &[Format::Mmdb]),
    ("nodes_min", &[Format::Mmdb]),
    ("probes", &[Format::Mmdb, Format::Sqlite]),
    ("tables", &[Format::Sqlite]),
    ("rows_min", &[Format::Sqlite]),
    ("objects", &[Format::Sqlite]),
    ("magic", &[Format::File]),
    ("entries", &[Format::Archive]),
    ("executables", &[Format::Archive]),
];

/// Returns the formats that a key of `expect` goes with.
pub(super) fn formats_of(key: &str) -> &'static [Format] {
    KEYS.iter().find(|(name, _)| *name == key).map_or(&FORMATS, |(_, formats)| formats)
}

/// Adds to the schema of a layer what no single field says.
pub(super) fn add(layer: &mut Value) {
    layer["properties"]["publish"]["not"] = json!({
        "properties": { "storage": { "const": "reference" } },
        "required": ["signing_profile", "storage"],
    });
    let one_of = |keys: &[&str]| -> Value {
        keys.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>().into()
    };
    let hook = &mut layer["properties"]["rollout"]["properties"]["hook"];
    hook["oneOf"] = one_of(&["command", "lambda", "https"]);
    hook["allOf"] = json!([
        plain_http("https"),
        { "if": { "required": ["bearer"] }, "then": { "required": ["https"] } },
    ]);
    let scan = &mut layer["properties"]["scan"];
    scan["oneOf"] = json!([
        { "required": ["command"] },
        { "required": ["lambda"] },
        { "required": ["guardduty"], "properties": { "guardduty": { "const": true } } },
    ]);
    let dataset = &mut layer["properties"]["dataset"]["items"];
    let rules: Vec<Value> = FORMATS.iter().map(|format| of_format(*format, dataset)).collect();
    dataset["allOf"] = rules.into();
    dataset["properties"]["path"]["not"] = json!({ "pattern": OUTSIDE });
    for key in ["entries", "executables"] {
        let entry = &mut dataset["properties"]["expect"]["properties"][key]["items"];
        entry["not"] = json!({ "pattern": OUTSIDE_OR_ROOT });
    }
    let source = &mut dataset["properties"]["source"];
    source["oneOf"] = one_of(&["https", "maxmind", "s3", "layer", "file"]);
    source["allOf"] = json!([
        { "not": { "required": ["sha256", "sha256_url"] } },
        { "not": { "required": ["maxmind", "sha256"] } },
        { "not": { "required": ["maxmind", "sha256_url"] } },
        { "not": { "required": ["layer", "sha256"] } },
        { "not": { "required": ["layer", "sha256_url"] } },
        { "not": { "required": ["s3", "sha256_url"] } },
        { "if": { "required": ["region"] }, "then": { "required": ["s3"] } },
        plain_http("https"),
        plain_http("sha256_url"),
        plain_http("signature_url"),
        plain_http("host"),
    ]);
    for key in ["https", "sha256_url", "signature_url", "host"] {
        source["properties"][key]["not"] = json!({ "pattern": CREDENTIALS });
    }
    https(source);
}

/// Says what goes with an address, and that no secret is written out.
fn https(source: &mut Value) {
    let authorization = one_of(&["authorization"], "^", "$");
    let no_header =
        json!({ "headers": { "propertyNames": { "not": { "pattern": authorization } } } });
    let no_user = json!({ "https": { "not": { "pattern": USERINFO } } });
    let rule = |keys: &[&str], then: Value| json!({ "if": { "required": keys }, "then": then });
    let mut rules = vec![
        json!({ "not": { "required": ["bearer", "basic"] } }),
        json!({
            "if": { "properties": { "plain_http": { "const": "loopback" } } },
            "then": { "properties": { "mirrors": { "items": { "not": leaves() } } } },
        }),
    ];
    for key in ["mirrors", "headers", "bearer", "basic", "minisign_key", "signature_url"] {
        rules.push(rule(&[key], json!({ "required": ["https"] })));
    }
    rules.push(rule(&["signature_url"], json!({ "required": ["minisign_key"] })));
    for key in ["bearer", "basic"] {
        rules.push(rule(&[key], json!({ "properties": no_header })));
        rules.push(rule(&[key], json!({ "properties": no_user })));
    }
    source["allOf"].as_array_mut().expect("the rules are a list").extend(rules);
    let text = json!({ "type": "string", "anyOf": [
        { "pattern": SECRET }, { "not": { "pattern": WRITTEN } },
    ] });
    let properties = &mut source["properties"];
    properties["mirrors"]["items"]["not"] = json!({ "pattern": CREDENTIALS });
    let password = &mut properties["basic"]["properties"];
    password["password"]["pattern"] = SECRET.into();
    password["user"]["anyOf"] = json!([
        { "pattern": SECRET }, { "pattern": "^[^:]+$", "not": { "pattern": WRITTEN } },
    ]);
    properties["bearer"]["pattern"] = SECRET.into();
    properties["headers"]["additionalProperties"] = text.clone();
    properties["headers"]["propertyNames"] =
        json!({ "pattern": HEADER_NAME, "not": { "pattern": one_of(&OWN_HEADERS, "^", "$") } });
    properties["headers"]["patternProperties"] =
        json!({ one_of(&CREDENTIAL_WORDS, "", ""): { "pattern": SECRET } });
}

/// Makes a pattern of words in either case.
fn one_of(words: &[&str], before: &str, behind: &str) -> String {
    let letter = |c: char| format!("[{}{}]", c.to_ascii_uppercase(), c);
    let letter = |c: char| if c.is_ascii_alphabetic() { letter(c) } else { c.to_string() };
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    format!("{before}({}){behind}", words.join("|"))
}

/// Says that plain http to another machine has to be allowed.
fn plain_http(key: &str) -> Value {
    let properties = json!({ key: leaves(), "plain_http": { "const": "loopback" } });
    json!({ "not": { "required": [key], "properties": properties } })
}

/// Plain http that leaves this machine.
fn leaves() -> Value {
    json!({ "pattern": "^http://", "not": { "pattern": MAY_BE_LOOPBACK } })
}

/// Says what a dataset of one format may have: of the keys of others nothing but their defaults.
fn of_format(format: Format, dataset: &Value) -> Value {
    let default = |schema: &Value, key: &str| json!({ "const": schema["properties"][key].get("default").unwrap_or(&Value::Null) });
    let expect = &dataset["properties"]["expect"];
    let foreign = KEYS.iter().filter(|(_, formats)| !formats.contains(&format));
    let mut keys: serde_json::Map<String, Value> =
        foreign.map(|(key, _)| ((*key).to_owned(), default(expect, key))).collect();
    match format {
        Format::Mmdb => {
            let probe = json!({ "required": ["ip"], "properties": { "query": false } });
            keys.insert("probes".to_owned(), json!({ "items": probe }));
        }
        Format::Sqlite => {
            let others = json!({ "ip": false, "path": false });
            let probe = json!({ "required": ["query"], "properties": others });
            keys.insert("probes".to_owned(), json!({ "items": probe }));
        }
        Format::File | Format::Archive => {}
    }
    let mut then = json!({ "expect": { "properties": keys } });
    if format != Format::File {
        then["executable"] = json!({ "const": false });
    }
    then["contract"] = match format {
        Format::Mmdb => json!({ "maxProperties": CONTRACT_FIELDS_MAX }),
        Format::Sqlite => json!({ "propertyNames": { "pattern": "^[^.]+[.].+$" } }),
        Format::File | Format::Archive => json!({ "maxProperties": 0 }),
    };
    if format != Format::Archive {
        then["path"] = json!({ "not": { "const": "." } });
        then["source"] = json!({ "properties": { "strip_components": { "const": 0 } } });
    }
    json!({
        "if": { "properties": { "format": { "const": format } } },
        "then": { "properties": then },
    })
}
