//! The JSON Schema that editors get refuses what `check` refuses, as far as JSON Schema can say it.

use freshlayer::definition::{definition_schema, read_file};
use freshlayer_tests::sandbox::workspace;
use regex::Regex;
use serde_json::Value;

/// Tells whether a value is valid, by the keywords of JSON Schema that the schema uses. An unknown one is an error:
/// a rule that is not understood must not pass.
fn valid(value: &Value, schema: &Value) -> bool {
    let Value::Object(keywords) = schema else { return schema != &Value::Bool(false) };
    keywords.iter().all(|(keyword, rule)| keyword_holds(keyword, rule, value, schema))
}

fn keyword_holds(keyword: &str, rule: &Value, value: &Value, schema: &Value) -> bool {
    let all = |holds: &dyn Fn(&Value) -> bool| rule.as_array().expect("a list").iter().all(holds);
    let count =
        || rule.as_array().expect("a list").iter().filter(|rule| valid(value, rule)).count();
    let length = |of: fn(&Value) -> Option<usize>| of(value).map(|length| length as u64);
    let items = |value: &Value| value.as_array().map(Vec::len);
    let chars = |value: &Value| value.as_str().map(|text| text.chars().count());
    let limit = || rule.as_u64().expect("a number");
    match keyword {
        "$schema" | "title" | "description" | "default" | "format" | "then" => true,
        "type" => match rule {
            Value::Array(_) => {
                all(&|_| true)
                    && rule.as_array().is_some_and(|names| names.iter().any(|name| is(value, name)))
            }
            name => is(value, name),
        },
        "const" => value == rule,
        "enum" => rule.as_array().expect("a list").contains(value),
        "not" => !valid(value, rule),
        "allOf" => all(&|rule| valid(value, rule)),
        "anyOf" => count() > 0,
        "oneOf" => count() == 1,
        "if" => !valid(value, rule) || valid(value, &schema["then"]),
        "required" => value
            .as_object()
            .is_none_or(|o| all(&|key| o.contains_key(key.as_str().expect("a key")))),
        "properties" => value.as_object().is_none_or(|object| {
            object.iter().all(|(key, value)| rule.get(key).is_none_or(|rule| valid(value, rule)))
        }),
        "propertyNames" => value
            .as_object()
            .is_none_or(|o| o.keys().all(|key| valid(&Value::from(key.as_str()), rule))),
        "patternProperties" => rule.as_object().is_some_and(|rules| {
            let keyed = |pattern: &str| Regex::new(pattern).expect("a pattern");
            rules.iter().all(|(pattern, rule)| {
                let named = value.as_object().into_iter().flatten();
                let pattern = keyed(pattern);
                named.filter(|(key, _)| pattern.is_match(key)).all(|(_, value)| valid(value, rule))
            })
        }),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            let known = |key: &String| schema["properties"].get(key).is_some();
            object.iter().filter(|(key, _)| !known(key)).all(|(_, value)| valid(value, rule))
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| valid(item, rule))),
        "uniqueItems" => value.as_array().is_none_or(|items| {
            items.iter().enumerate().all(|(at, item)| !items[..at].contains(item))
        }),
        "maxProperties" => value.as_object().is_none_or(|object| object.len() as u64 <= limit()),
        "minItems" => length(items).is_none_or(|length| length >= limit()),
        "maxItems" => length(items).is_none_or(|length| length <= limit()),
        "minLength" => length(chars).is_none_or(|length| length >= limit()),
        "maxLength" => length(chars).is_none_or(|length| length <= limit()),
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("a number")),
        "pattern" => {
            let pattern = Regex::new(rule.as_str().expect("a text")).expect("a pattern");
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        other => panic!("a keyword that this test does not know: {other}"),
    }
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a type's name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

fn schema_takes(toml: &str) -> bool {
    let value: Value = toml::from_str(toml).expect("it is TOML");
    valid(&value, &definition_schema())
}

fn check_takes(toml: &str) -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("geo.toml");
    std::fs::write(&file, toml).expect("writable");
    let variable = |name: &str| Some(if name == "HOST" { "example.org" } else { "x" }.to_owned());
    read_file(&file, &variable).is_ok()
}

/// A dataset with other or more keys.
fn dataset(format: &str, keys: &str) -> String {
    format!("[[dataset]]\nname = 'a'\nformat = '{format}'\n{keys}\n")
}

fn mmdb(keys: &str) -> String {
    dataset("mmdb", &format!("source.https = 'https://example.org/a'\n{keys}"))
}

fn from(source: &str) -> String {
    dataset("file", source)
}

const MINISIGN_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const LAYER: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:geo";

/// An address with other or more keys of its source.
fn https(keys: &str) -> String {
    from(&format!("source.https = 'https://example.org/a'\nsource.{keys}"))
}

/// What a source must not say, of the keys that go with an address or with AWS.
fn wrong_sources() -> Vec<String> {
    let hex = "a".repeat(64);
    vec![
        from("source.s3 = 'bucket/key'"),
        from("source.s3 = 's3://bucket'"),
        from("source.s3 = 's3:///key'"),
        from("source.s3 = 's3://bucket/'"),
        from("source.s3 = 's3://bucket/key'\nsource.region = 'Mars!'"),
        from("source.s3 = 's3://bucket/key'\nsource.sha256_url = 'https://example.org/sums'"),
        from("source.file = 'x'\nsource.region = 'eu-west-1'"),
        from("source.s3 = 's3://bucket/key'\nsource.file = 'x'"),
        from("source.layer = 'geo'"),
        from("source.layer = 'arn:aws:lambda:eu-west-1:123456789012:function:geo'"),
        from("source.layer = 'arn:aws:lambda:eu-west-1:123456789012:layer:geo:0'"),
        from("source.layer = 'arn:aws:lambda:eu-west-1:123456789012:layer:geo:newest'"),
        from("source.layer = 'arn:aws:lambda:eu-west-1:123456789012:layer:geo:1:2'"),
        from(&format!("source.layer = '{LAYER}'\nsource.sha256 = '{hex}'")),
        https("headers = { 'X-Api-Key' = 'written-out' }"),
        https("headers = { authorization = 'Bearer x' }"),
        https("headers = { Accept = 'text/${KIND}' }"),
        https("headers = { Accept = '${KIND:-csv}' }"),
        https("headers = { Range = 'bytes=0-1' }"),
        https("headers = { 'no name' = 'x' }"),
        https("headers = { Accept = 3 }"),
        https("minisign_key = 'RWabc'"),
        https("minisign_key = 'untrusted comment: minisign public key'"),
        https("signature_url = 'https://example.org/a.sig'"),
        from(&format!("source.file = 'x'\nsource.minisign_key = '{MINISIGN_KEY}'")),
        https(&format!(
            "minisign_key = '{MINISIGN_KEY}'\nsource.signature_url = 'ftp://example.org/a'"
        )),
        https("bearer = 'written-out'"),
        https("bearer = 'secretsmanager:id#'"),
        https("basic = { user = 'me', password = 'written-out' }"),
        https("basic = { user = 'a:b', password = '${KEY}' }"),
        https("basic = { user = '', password = '${KEY}' }"),
        https("basic = { user = 'me' }"),
        https("bearer = '${KEY}'\nsource.basic = { user = 'me', password = '${KEY}' }"),
        https("bearer = '${KEY}'\nsource.headers = { Authorization = '${KEY}' }"),
        https("bearer = '${KEY}'").replace("https://", "https://${USER}@"),
        https("mirrors = ['ftp://example.org/a']"),
        https("mirrors = ['http://example.org/a']"),
        https("mirrors = ['https://me:secret@example.org/a']"),
        https("mirrors = 'https://example.org/a'"),
        from("source.file = 'x'\nsource.mirrors = ['https://example.org/a']"),
        from("source.maxmind = 'GeoLite2-City'\nsource.bearer = '${KEY}'"),
        from("source.maxmind = 'GeoLite2-City'\nsource.headers = { Accept = 'x' }"),
    ]
}

/// What a rollout and a scanner must not say.
fn wrong_rollouts() -> Vec<String> {
    let wrong = [
        "preset = 'slow'",
        "presett = 'careful'",
        "bake_minutes = 10081",
        "final_bake_minutes = -1",
        "region_gap_minutes = 10081",
        "wait_minutes = 10081",
        "waves = []",
        "waves = [0, 100]",
        "waves = [10, 101]",
        "regions_order = ['Mars!']",
        "evidence = 'maybe'",
        "later_region_gap_minutes = 10081",
        "roll = 'maybe'",
        "roll_major = 'maybe'",
        "on_inconclusive = 'maybe'",
        "alarms = ['']",
        "alarms = []",
        "alarms = 'geo'",
        "alarms = {}",
        "alarms = { observe = true }",
        "alarms = { names = [] }",
        "alarms = { names = [''] }",
        "alarms = { tags = [] }",
        "alarms = { tags = ['team'] }",
        "alarms = { tags = ['=geo'] }",
        "alarms = { tag = ['team=geo'] }",
        "alarms = { names = ['a'], observe = 1 }",
        "alarms = { names = ['a'], without_data = 'maybe' }",
        "metrics = true",
        "metrics = { calls_min = -1 }",
        "metrics = { slow_after_ms = 0 }",
        "metrics = { slow_after_ms = 900001 }",
        "probe = { question = 1 }",
        "window = { from = '09:00' }",
        "window = []",
        "window = { from = '09:00', until = '16:00', days = [] }",
        "window = [{ from = '09:00' }]",
        "window = { days = ['someday'], from = '09:00', until = '10:00' }",
        "window = { from = 'nine', until = '10:00' }",
        "hook = {}",
        "hook = { command = ['a'], lambda = 'b' }",
        "hook = { command = ['a'], timeout_secs = 0 }",
        "hook = { command = ['a'], timeout_secs = 301 }",
        "hook = { command = ['a'], bearer = '${KEY}' }",
        "hook = { https = 'http://example.org' }",
        "hook = { https = 'ftp://example.org' }",
    ];
    let presets = ["alias_weight_percent = 0", "alias_weight_percent = 101"];
    let presets = presets.map(|keys| format!("preset = 'careful'\n{keys}"));
    let scans = [
        "{}",
        "{ guardduty = false }",
        "{ command = ['a'], guardduty = true }",
        "{ command = ['a'], lambda = 'b' }",
        "{ command = ['a'], timeout_secs = 0 }",
        "{ command = ['a'], timeout_secs = 901 }",
    ];
    let rollouts = wrong.map(str::to_owned).into_iter().chain(presets);
    let rollouts = rollouts.map(|keys| mmdb(&format!("[rollout]\n{keys}")));
    rollouts.chain(scans.map(|scan| format!("scan = {scan}\n{}", mmdb("")))).collect()
}

#[test]
fn what_check_refuses_the_schema_refuses() {
    let hex = "a".repeat(64);
    let wrong = [
        "dataset = []".to_owned(),
        "[dataset]\nname = 'a'\nformat = 'file'\nsource.file = 'x'".to_owned(),
        from("").replace("source", ""),
        from("source = {}"),
        from("source.https = 'https://example.org'\nsource.maxmind = 'GeoLite2-City'"),
        from("source.file = 'x'\nsource.https = 'https://example.org'"),
        from("source.https = 'ftp://example.org/a'"),
        from("source.https = 'example.org/a'"),
        from("source.https = 'http://example.org/a'"),
        from("source.https = 'http://example.org/a'\nsource.plain_http = 'loopback'"),
        from("source.https = 'https://example.org/a'\nsource.plain_http = 'sometimes'"),
        from("source.https = 'https://user:secret@example.org/a'"),
        from("source.https = 'https://token@example.org/a'"),
        from("source.https = 'https://${USER}:secret@example.org/a'"),
        from("source.https = 'https://example.org/a'\nsource.sha256 = 'abc'"),
        from(&format!(
            "source.https = 'https://example.org/a'\nsource.sha256 = '{hex}'\n\
             source.sha256_url = 'https://example.org/sums'"
        )),
        from(&format!("source.maxmind = 'GeoLite2-City'\nsource.sha256 = '{hex}'")),
        from("source.file = 'x'\nsource.strip_components = 1"),
        from("source.file = 'x'\nsource.strip_components = -1"),
        mmdb("").replace("'a'", "'city db'"),
        mmdb("").replace("'a'", &format!("'{hex}b'")),
        mmdb("").replace("mmdb", "mmbd"),
        mmdb("colour = 'red'"),
        mmdb("path = '../etc'"),
        mmdb("path = '/etc'"),
        mmdb("path = 'a//b'"),
        mmdb("path = 'a/./b'"),
        mmdb("path = 'a\\b'"),
        mmdb("path = ''"),
        mmdb("path = '.'"),
        mmdb("path = 'FreshLayer/a'"),
        mmdb("executable = true"),
        mmdb("expect.tables.zones = ['id']"),
        mmdb("expect.rows_min.zones = 3"),
        mmdb("expect.magic = '7f'"),
        mmdb("expect.entries = ['a']"),
        mmdb("expect.nodes_min = 'many'"),
        mmdb("expect.nodes_min = -3"),
        mmdb("expect.older_build = 'maybe'"),
        mmdb("expect.min_age_hours = -1"),
        mmdb("expect.min_age_hours = 'long'"),
        mmdb("contract.a = { typ = 'string' }"),
        mmdb("contract.a = { null_share_max = 1.5 }"),
        mmdb("contract.a = { null_share_max = -0.5 }"),
        mmdb("contract.a = { absent = true }"),
        mmdb("contract.a = { values = 'x' }"),
        mmdb("contract.a = 'string'"),
        dataset("file", "source.file = 'x'\ncontract.a = {}"),
        dataset("archive", "source.file = 'x'\ncontract.a = {}"),
        dataset("sqlite", "source.file = 'x'\ncontract.a = {}"),
        mmdb("expect.probes = [{ query = 'SELECT 1' }]"),
        mmdb("expect.probes = [{ ip = 'nowhere' }]"),
        mmdb("expect.probes = [{ ip = '1.1.1.1', answer = 3 }]"),
        dataset("sqlite", "source.file = 'x'\nexpect.probes = [{ ip = '1.1.1.1' }]"),
        dataset("sqlite", "source.file = 'x'\nexpect.probes = [{ equals = 1 }]"),
        dataset("sqlite", "source.file = 'x'\nexpect.nodes_min = 7"),
        dataset("archive", "source.file = 'x'\nexpect.entries = ['../a']"),
        dataset("archive", "source.file = 'x'\nexpect.executables = ['.']"),
        dataset("archive", "source.file = 'x'\nexecutable = true"),
        from("source.file = 'x'\nexpect.magic = 'xyz'"),
        from("source.file = 'x'\nexpect.probes = [{ ip = '1.1.1.1' }]"),
        mmdb("[limits]\ntries_max = 0"),
        mmdb("[limits]\nunpacked_bytes_max = 262144001"),
        format!("regions = ['Mars!']\n{}", mmdb("")),
        format!("regions = ['eu-west-1', 'eu-west-1']\n{}", mmdb("")),
        format!("publish.readers = ['me']\n{}", mmdb("")),
        format!("publish.signing_profile = 'my-profile'\n{}", mmdb("")),
        format!("publish = {{ signing_profile = 'ours', storage = 'reference' }}\n{}", mmdb("")),
        format!("publish.license = '{}'\n{}", "x".repeat(513), mmdb("")),
        mmdb("[[account]]\nid = '12'\nrole_arn = 'arn:aws:iam::12:role/x'"),
        mmdb("[[account]]\nid = '210987654321'\nrole_arn = 'x'"),
    ];
    for toml in wrong.into_iter().chain(wrong_sources()).chain(wrong_rollouts()) {
        assert!(!check_takes(&toml), "check takes\n{toml}");
        assert!(!schema_takes(&toml), "the schema takes\n{toml}");
    }
}

#[test]
fn what_check_takes_the_schema_takes() {
    let hex = "A".repeat(64);
    let right = [
        from("source.file = 'x'"),
        from("source.file = 'x'\nexecutable = true\nexpect.magic = '7f 45'"),
        from("source.https = 'http://127.0.0.1:8080/a'"),
        from("source.https = 'http://localhost/a'"),
        from("source.https = 'http://example.org/a'\nsource.plain_http = 'anywhere'"),
        from("source.https = 'https://${HOST}/a'"),
        from("source.https = 'https://${USER}:${PASSWORD}@example.org/a'"),
        from("source.https = 'https://user:${PASSWORD}@example.org/a'"),
        from("source.https = 'https://example.org/a@b'"),
        from(&format!("source.https = 'https://example.org/a'\nsource.sha256 = '{hex}'")),
        https("headers = { 'X-Api-Key' = '${KEY}', Accept = 'text/csv', 'X-Key' = 'ssm:/key' }"),
        https("headers = { Authorization = 'file:key' }"),
        https(&format!("minisign_key = '{MINISIGN_KEY}'")),
        https(&format!(
            "minisign_key = '{MINISIGN_KEY}'\nsource.signature_url = 'https://example.org/a.sig'"
        )),
        from("source.s3 = 's3://bucket/a/key'\nsource.region = 'us-east-1'"),
        from(&format!("source.s3 = 's3://bucket/key'\nsource.sha256 = '{hex}'")),
        from(&format!("source.layer = '{LAYER}'")),
        dataset("archive", &format!("source.layer = '{LAYER}:12'\nsource.select = ['bin/*']")),
        https("bearer = 'secretsmanager:geo/key#token'"),
        https("basic = { user = 'me', password = 'file:/run/secrets/key' }"),
        https("basic = { user = '${USER}', password = '${KEY}' }"),
        https("mirrors = ['https://example.net/a', 'http://127.0.0.1/a']\nsource.headers = {}"),
        https("plain_http = 'anywhere'\nsource.mirrors = ['http://example.net/a']"),
        mmdb("path = 'geo/city.v2.mmdb'"),
        mmdb("contract.'a[].b' = { type = 'string', null_share_max = 0.5, values = ['x'] }"),
        mmdb("contract.'a.b' = { type = 'boolean', absent = false }"),
        dataset(
            "sqlite",
            "source.file = 'x'\ncontract.'a.b' = { type = 'integer', min = 0, max = 1.5 }",
        ),
        mmdb("path = '..data/.hidden'"),
        mmdb("expect.probes = [{ ip = '::1', path = 'a.0', equals = 'x' }]\nexpect.tables = {}"),
        dataset("sqlite", "source.file = 'x'\nexpect.probes = [{ query = 'SELECT 1' }]"),
        dataset("archive", "path = '.'\nsource.file = 'x'\nsource.strip_components = 2"),
        dataset("archive", "source.file = 'x'\nexpect.executables = ['bin/run']"),
        mmdb("[limits]\ntries_max = 1\nunpacked_bytes_max = 262144000"),
        format!("regions = ['eu-west-1']\npublish.readers = ['210987654321']\n{}", mmdb("")),
        mmdb("[rollout]\npreset = 'careful'\nalias_weight_percent = 10\nwaves = [5, 50, 100]"),
        mmdb("[rollout]\npreset = 'standard'\nalarms = ['geo-errors', 'checkout-*']"),
        mmdb(
            "[rollout]\npreset = 'standard'\n[rollout.alarms]\nnames = ['a-*']\ntags = ['team=a=b']\nwithout_data = 'wait'\nobserve = true",
        ),
        mmdb("[rollout]\nwindow = { days = ['mon'], from = '09:00', until = '16:30:30' }"),
        mmdb(
            "[rollout]\nwindow = [{ from = '09:00', until = '10:00' }, { from = '22:00', until = '04:00' }]",
        ),
        mmdb(
            "[rollout]\npreset = 'standard'\nhook = { https = 'https://example.org/a', bearer = '${KEY}' }",
        ),
        mmdb("[rollout]\npreset = 'standard'\nhook = { command = ['a', 'b'], observe = true }"),
        format!(
            "scan = {{ command = ['a'], timeout_secs = 900, guardduty = false }}\n{}",
            mmdb("")
        ),
        format!("scan.guardduty = true\n{}", mmdb("")),
    ];
    for toml in right {
        assert!(check_takes(&toml), "check refuses\n{toml}");
        assert!(schema_takes(&toml), "the schema refuses\n{toml}");
    }
    for name in ["geo", "ffmpeg", "countries"] {
        let file = workspace().join("layers/samples").join(format!("{name}.toml"));
        assert!(schema_takes(&std::fs::read_to_string(file).expect("readable")), "{name}");
    }
}
