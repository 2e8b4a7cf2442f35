//! `can-roll`: what would stop each function, before anything moves.

use std::path::PathBuf;

use freshlayer_tests::databases::sqlite_of;
use freshlayer_tests::sandbox::Sandbox;

const ZONES: &str = "
[[dataset]]
name = 'zones'
format = 'sqlite'
source.https = 'UPSTREAM/files/zones.db'
expect.drift_percent_max = 1000
";

fn zones(column: &str, rows: u32) -> Vec<u8> {
    let rows: Vec<String> = (0..rows).map(|row| format!("({row}, 'zone {row}')")).collect();
    sqlite_of(&format!(
        "CREATE TABLE zones (id INTEGER PRIMARY KEY, {column} TEXT); INSERT INTO zones VALUES {};",
        rows.join(", ")
    ))
}

fn written(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> PathBuf {
    let path = sandbox.path(name);
    std::fs::write(&path, bytes).expect("writable");
    path
}

/// A layer with one release; two functions follow it, one of them only its first major version.
fn rolled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", ZONES);
    sandbox.upstream.publish("zones.db", &zones("name", 100));
    for arguments in [
        &["refresh"][..],
        &["functions", "add", "free", "--layer", "geo"],
        &["functions", "add", "careful", "--layer", "geo", "--tag", "freshlayer:geo=1"],
        &["refresh"],
    ] {
        let ran = sandbox.cli(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    }
    sandbox
}

#[test]
fn a_file_tells_which_functions_would_follow_it() {
    let sandbox = rolled();
    let head = sandbox.head("geo");
    let ask = |name: &str, bytes: &[u8]| {
        let path = written(&sandbox, name, bytes);
        sandbox.cli(&["can-roll", "geo", path.to_str().expect("UTF-8")])
    };
    let ran = ask("more.db", &zones("name", 101));
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r"
    geo: this data would become version 1.0.1 because only data changed
      function careful: would follow
      function free: would follow
      nothing would stop 2 functions
    ");
    let ran = ask("renamed.db", &zones("title", 101));
    assert_eq!(ran.code, 4, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r"
    geo: this data would become version 2.0.0 because zones: column zones.name TEXT is gone
      function careful: stays, on layer version 1: its tag asks for 1; the data is 2.0.0
      function free: held, on layer version 1: it uses an older major version than 2.0.0; to move it, give it the tag freshlayer:geo = 2; to move every function without waves and probes, run `freshlayer rollout promote geo`
      2 of 2 functions would not follow
    ");
    let ran = ask("empty.db", &zones("name", 1)[..2_000]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout.contains("geo: the checks refuse this data, so it would never be released"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("what to do about "), "{ran:?}");
    let ran = ask("same.db", &zones("name", 100));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("function free: up to date"), "{ran:?}");
    assert_eq!(sandbox.head("geo"), head, "nothing changes");
}

#[test]
fn orders_and_tags_stop_a_roll_and_are_named() {
    let sandbox = rolled();
    let ran = sandbox.cli(&["can-roll", "geo", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let said = &ran.json()["can_roll"];
    assert_eq!(said["version"], "1.0.0");
    assert_eq!(said["consumers"].as_array().map(Vec::len), Some(2));
    assert_eq!(sandbox.cli(&["freeze", "geo", "--reason", "a holiday"]).code, 0);
    let ran = sandbox.cli(&["can-roll", "geo"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stdout.contains("  the whole layer stays: frozen since "), "{ran:?}");
    assert!(ran.stdout.contains("a holiday"), "{ran:?}");
}

#[test]
fn a_layer_without_a_release_has_nothing_to_roll() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", ZONES);
    let ran = sandbox.cli(&["can-roll", "geo"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("layer `geo` has no release yet"), "{ran:?}");
    let ran = sandbox.cli(&["can-roll", "geo", "nowhere.db"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn status_with_details_lists_what_the_data_went_through() {
    let sandbox = rolled();
    let short = sandbox.cli(&["status"]);
    assert!(!short.stdout.contains("when it came"), "{short:?}");
    let full = sandbox.cli(&["status", "-v"]);
    assert!(full.stdout.contains("  dataset zones when it came:\n    passed "), "{full:?}");
    assert!(full.stdout.contains("passed sqlite-corrupt"), "{full:?}");
    let json = sandbox.cli(&["status", "-v", "--json"]).json();
    assert_eq!(json["status"][0]["gates"][0]["name"], "zones");
}

#[test]
fn data_that_serves_already_is_no_new_version() {
    let sandbox = rolled();
    let same = written(&sandbox, "same.db", &zones("name", 100));
    let ran = sandbox.cli(&["can-roll", "geo", same.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("geo: this data is what the current release has, version 1.0.0"),
        "{ran:?}"
    );
}
