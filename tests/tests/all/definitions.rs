//! Definitions: every problem of every file at once, with its line and what to do.

use freshlayer_tests::sandbox::Sandbox;
use insta::assert_snapshot;

fn problems(files: &[(&str, &str)]) -> String {
    let sandbox = Sandbox::new();
    for (layer, toml) in files {
        sandbox.layer(layer, toml);
    }
    let ran = sandbox.cli(&["check"]);
    assert_eq!(ran.code, if ran.stdout.is_empty() { 2 } else { 0 }, "{ran:?}");
    let text = if ran.stdout.is_empty() { ran.stderr } else { ran.stdout };
    text.replace(&sandbox.upstream.base(), "UPSTREAM")
}

#[test]
fn all_problems_of_all_files_are_found_at_once() {
    let found = problems(&[
        (
            "one",
            r#"descripton = "a typo"
[[dataset]]
name = "city db"
format = "mmbd"
source.htps = "https://example.org"
expect.probe = []
expect.nodes_min = "many"
"#,
        ),
        (
            "two",
            r#"[[dataset]]
name = "a"
format = "mmdb"
source.https = "http://example.org/a"
expect.tables.x = []

[[dataset]]
name = "a"
format = "sqlite"
path = "../etc"
source.https = "https://user:secret@example.org/a"
source.maxmind = "GeoLite2-City"

[[dataset]]
name = "b"
format = "file"
path = "freshlayer/b"
source.https = "https://example.org/${NOT_SET}"
expect.magic = "xyz"

[[dataset]]
name = "c"
format = "mmdb"
path = "A/b"
source.file = "x"
expect.probes = [{ query = "SELECT 1" }, { ip = "nowhere" }]

[[dataset]]
name = "d"
format = "archive"
path = "a"
source.file = "x"
source.sha256 = "abc"
"#,
        ),
        ("three", "[[dataset]\nname = 1"),
        ("four", ""),
        (
            "five",
            r#"descripton = "a typo does not hide the rest"
[[dataset]]
name = "a"
format = "file"
path = "../etc"
source.https = "https://example.org"
"#,
        ),
        (
            "six",
            r#"regions = ["eu-west-1", "Mars", "eu-west-1"]
publish.readers = ["me"]
publish.storage = "reference"
publish.signing_profile = "my-profile"
[[account]]
id = "210987654321"
role_arn = "arn:aws:iam::123456789012:role/other"
[[dataset]]
name = "a"
format = "file"
source.https = "https://example.org"
"#,
        ),
    ]);
    assert_snapshot!(found);
}

#[test]
fn a_good_definition_has_no_problem() {
    let found = problems(&[("geo", "[[dataset]]\nname = 'x'\nformat = 'file'\nsource.file = 'y'")]);
    assert_eq!(found, "1 layer with 1 dataset: no problem\n");
}

#[test]
fn one_table_where_a_list_belongs_says_how_to_write_it() {
    let found = problems(&[("geo", "[dataset]\nname = 'x'\nformat = 'file'\nsource.file = 'y'")]);
    assert!(found.contains("write `[[dataset]]` with two brackets"), "{found}");
}

#[test]
fn a_folder_without_definitions_says_so() {
    let found = problems(&[]);
    assert!(found.contains("expected at least one `<layer>.toml`, found none"), "{found}");
}

#[test]
fn problems_are_json_too() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", "[[dataset]]\nname = 'x'");
    let ran = sandbox.cli(&["check", "--json"]);
    let json = ran.json();
    assert_eq!((ran.code, &json["exit_code"]), (2, &2.into()));
    assert_eq!(json["problems"].as_array().map(Vec::len), Some(2), "{json:#}");
    assert_eq!(json["problems"][0]["line"], 1);
}

/// The schema that editors get accepts what the parser accepts and refuses what it refuses.
#[test]
fn the_schema_names_every_key_and_forbids_others() {
    let schema = Sandbox::new().cli(&["schema"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("the schema is JSON");
    assert_eq!(schema["additionalProperties"], false);
    let dataset = &schema["properties"]["dataset"]["items"];
    assert_eq!(dataset["additionalProperties"], false);
    assert_eq!(dataset["required"], serde_json::json!(["name", "format", "source"]));
    for key in ["https", "maxmind", "file", "select", "sha256_url"] {
        assert!(dataset["properties"]["source"]["properties"][key].is_object(), "{key}");
    }
}
