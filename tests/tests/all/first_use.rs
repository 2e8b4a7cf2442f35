//! What a person meets in the first hour: `init`, ages, releases by their data version, and what a schedule is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use freshlayer_tests::damage::{gzip, tar_of};
use freshlayer_tests::databases::{Mmdb, sqlite};
use freshlayer_tests::sandbox::{Ran, Sandbox, workspace};
use serde_json::Value;

use crate::refresh::{GEO, released};

fn assert_says(ran: &Ran, code: i32, word: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(word), "expected {word:?} in {ran:?}");
}

fn written(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> String {
    let path = sandbox.path(name);
    fs::write(&path, bytes).expect("writable");
    path.to_str().expect("the path is text").to_owned()
}

fn definitions(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.path("layers")).expect("readable");
    entries.map(|entry| entry.expect("readable").path()).collect()
}

#[test]
fn init_writes_a_definition_of_data_that_check_takes_and_refresh_releases() {
    let sandbox = Sandbox::new();
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    let address = sandbox.upstream.url("country.mmdb");
    let tool = tar_of(&[("tool/bin/run", 0o755, b"#!/bin/sh\n"), ("tool/README", 0o644, b"words")]);
    for (layer, source, says) in [
        ("places", address, "expect.database_type = "),
        (
            "zones",
            written(&sandbox, "zones.db", &sqlite(100)),
            "expect.tables.\"zones\" = [\"id\", ",
        ),
        ("tool", written(&sandbox, "tool.tar.gz", &gzip(&tool)), "format = \"archive\""),
        ("script", written(&sandbox, "run", b"#!/bin/sh\n"), "executable = true"),
    ] {
        let ran = sandbox.cli(&["init", layer, "--from", &source]);
        assert_says(&ran, 0, &format!("wrote layers/{layer}.toml; "));
        assert_says(&ran, 0, &format!("`freshlayer refresh {layer}`"));
        let file = sandbox.path(&format!("layers/{layer}.toml"));
        let definition = fs::read_to_string(file).expect("readable");
        assert!(definition.contains(says), "{definition}");
        assert!(!definition.contains("plain_http"), "loopback is allowed as it is: {definition}");
        assert_says(&sandbox.cli(&["check"]), 0, "no problem");
        assert_says(&sandbox.cli(&["refresh", layer]), 0, "refreshed: release 1, ");
    }
    let schema = sandbox.path("layers/definition.schema.json");
    let printed = sandbox.cli(&["schema"]).stdout;
    assert_eq!(fs::read_to_string(schema).expect("the editor's schema"), printed);
    let ran = sandbox.cli(&["init", "--from", &sandbox.upstream.url("country.mmdb")]);
    assert_says(&ran, 0, "wrote layers/country.toml");
}

#[test]
fn init_leaves_no_file_where_the_data_or_the_name_is_none() {
    let sandbox = Sandbox::new();
    let page = written(&sandbox, "page.bin", b"\n<!DOCTYPE html><html>an error page</html>");
    let words = written(&sandbox, "words.txt", b"words and nothing else");
    let cut = written(&sandbox, "cut.mmdb", &Mmdb::default().bytes()[..900]);
    let good = written(&sandbox, "zones.db", &sqlite(100));
    let gone = sandbox.upstream.url("gone.mmdb");
    for (arguments, code, says) in [
        (
            &["init", "a", "--from", "http://127.0.0.1:1/a.mmdb"][..],
            1,
            "http://127.0.0.1:1/a.mmdb cannot be read after 4 tries",
        ),
        (&["init", "a", "--from", &gone], 1, "HTTP 404"),
        (&["init", "a", "--from", &page], 3, "page.bin is a web page"),
        (
            &["init", "a", "--from", &words],
            3,
            "words.txt is unknown (known: mmdb, SQLite, archive, program)",
        ),
        (&["init", "a", "--from", &cut], 3, "cut.mmdb has a problem: "),
        (&["init", "a b", "--from", &good], 2, "layer name: expected "),
        (&["init", "a", "--from", "nowhere.db"], 2, "read nowhere.db: "),
        (&["init", "zones"], 2, "there is no sample `zones`"),
    ] {
        let ran = sandbox.cli(arguments);
        assert_says(&ran, code, says);
        let lines = ran.stderr.lines().filter(|line| line.starts_with("freshlayer: ")).count();
        assert!(ran.stdout.is_empty() && lines == 1, "one line says it: {ran:?}");
        assert_eq!(definitions(&sandbox), Vec::<PathBuf>::new(), "{arguments:?}");
    }
    sandbox.layer("zones", "mine");
    let ran = sandbox.cli(&["init", "zones", "--from", &good]);
    assert_says(&ran, 2, "layers/zones.toml exists; ");
    assert_eq!(fs::read(sandbox.path("layers/zones.toml")).expect("readable"), b"mine");
}

#[test]
fn git_leaves_out_a_host_folder_that_freshlayer_made() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    assert_eq!(sandbox.cli(&["status"]).code, 0);
    assert!(!sandbox.path("host").exists(), "a command that reads makes no folder");
    assert_eq!(sandbox.cli(&["refresh"]).code, 1, "the upstream has nothing");
    let ignore = sandbox.path("host/.gitignore");
    assert_eq!(fs::read_to_string(&ignore).expect("it is there"), "*\n");
    fs::remove_file(&ignore).expect("it is there");
    assert_eq!(sandbox.cli(&["refresh"]).code, 1);
    assert!(!ignore.exists(), "a folder that was there is its owner's matter");
}

#[test]
fn status_ends_with_4_where_data_is_older_than_a_person_wants() {
    let sandbox = released();
    let status = |age: &str| sandbox.cli(&["status", "--max-age", age]);
    for fine in ["9000d", "1000w", "9000d 3h"] {
        assert_says(&status(fine), 0, "geo: release 1");
    }
    let old = status("1h");
    assert_says(&old, 4, "geo: dataset country is older than --max-age 1h, by ");
    let quiet = sandbox.cli(&["status", "--max-age", "1h", "-q"]);
    assert!(quiet.code == 4 && quiet.stdout.lines().count() == 1, "{quiet:?}");
    assert_eq!(sandbox.cli(&["status", "--max-age", "1h", "--json"]).json()["exit_code"], 4);
    for wrong in ["8", "-8d", "soon", "8 moons", "1y"] {
        let ran = sandbox.cli(&["status", &format!("--max-age={wrong}")]);
        assert_says(&ran, 2, "expected a duration such as 8d, 36h or 90m");
    }
    sandbox.layer("empty", GEO);
    assert_says(&sandbox.cli(&["status", "geo", "--max-age", "9000d"]), 0, "geo: release 1");
    assert_says(&status("9000d"), 4, "empty: no release yet, so --max-age 9000d is not met");
}

#[test]
fn status_tells_the_last_refresh_and_why_it_failed() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    let failed = "  the last refresh failed (for this reason since ";
    assert_eq!(sandbox.cli(&["refresh"]).code, 1);
    assert_says(&sandbox.cli(&["status"]), 0, failed);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let status = sandbox.cli(&["status"]);
    assert!(!status.stdout.contains(failed), "{status:?}");
    assert_says(&status, 0, "  last refresh on this machine at 20");
    let head = sandbox.head("geo");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_eq!(sandbox.head("geo"), head, "a refresh that finds nothing new writes nothing");
    fs::remove_file(sandbox.path("upstream/files/country.mmdb")).expect("it is there");
    assert_eq!(sandbox.cli(&["refresh"]).code, 1);
    let head = sandbox.head("geo");
    assert!(head["failed"]["reason"].as_str().is_some_and(|reason| reason.contains("404")));
    assert_eq!(sandbox.cli(&["refresh"]).code, 1);
    assert_eq!(sandbox.head("geo"), head, "the same failure again is no news");
    let failed = &sandbox.cli(&["status", "--json"]).json()["status"][0]["failed"];
    assert_eq!(*failed, head["failed"]);
}

/// A run that asks no upstream says nothing of whether one would answer.
#[test]
fn why_a_refresh_failed_is_told_until_an_upstream_was_asked_again() {
    let sandbox = released();
    fs::remove_file(sandbox.path("upstream/files/country.mmdb")).expect("it is there");
    assert_eq!(sandbox.cli(&["refresh"]).code, 1);
    let failed = sandbox.head("geo")["failed"].clone();
    assert!(failed.is_object(), "{failed}");
    assert_eq!(sandbox.cli(&["pin", "geo", "--to", "1"]).code, 0);
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_eq!(sandbox.head("geo")["failed"], failed);
    assert_eq!(sandbox.cli(&["unpin", "geo"]).code, 0);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert!(sandbox.head("geo")["failed"].is_null());
}

#[test]
fn a_data_version_names_a_layer_version_wherever_a_number_does() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let shown = ["--", "sh", "-c", "cat ${FRESHLAYER_ROOT:-/opt}/freshlayer/geo.json"];
    let ran = sandbox.cli(&[&["exec", "geo:1.0.0"], &shown[..]].concat());
    assert_eq!(ran.json()["release"], 1, "{ran:?}");
    assert_says(&sandbox.cli(&["pull", "geo:1.0.0"]), 0, "geo:1.0.0: release 1 is at ");
    let ran = sandbox.cli(&["diff", "geo:1.0.0", "geo:1.0.1"]);
    assert_says(&ran, 0, "geo:1.0.0 (release 1) against geo:1.0.1 (release 2)");
    assert_says(&sandbox.cli(&["functions", "add", "f", "--layer", "geo:1.0.0"]), 0, "geo:1\n");
    for command in [&["pull", "geo:1.0.7"][..], &["diff", "geo:1.0.7", "geo"]] {
        assert_says(
            &sandbox.cli(command),
            2,
            "has no data version 1.0.7; it has 1.0.1 (release 2)",
        );
    }
    assert_says(&sandbox.cli(&["pull", "geo:1.0"]), 2, "or a data version such as 1.0.3");
}

/// A schedule such as cron tells a person of every exit code but 0.
#[test]
fn a_schedule_of_a_pinned_layer_ends_with_0() {
    let sandbox = released();
    assert_eq!(sandbox.cli(&["pin", "geo", "--reason", "audit"]).code, 0);
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_says(&sandbox.cli(&["refresh"]), 0, "geo: unchanged: pinned to release 1 since ");
    assert_eq!(sandbox.cli(&["freeze", "geo"]).code, 0);
    assert_says(&sandbox.cli(&["refresh"]), 4, "geo: held: frozen since ");
}

fn keys(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(object) => {
            let own = object.keys().cloned();
            own.chain(object.values().flat_map(keys)).collect()
        }
        Value::Array(items) => items.iter().flat_map(keys).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn the_manifest_is_documented_as_it_is() {
    let sandbox = released();
    let shown =
        ["exec", "geo", "--", "sh", "-c", "cat ${FRESHLAYER_ROOT:-/opt}/freshlayer/geo.json"];
    let manifest = sandbox.cli(&shown).json();
    let page = fs::read_to_string(workspace().join("docs/manifest.md")).expect("readable");
    let (_, example) = page.split_once("```json\n").expect("an example");
    let (example, rest) = example.split_once("```").expect("it ends");
    let example = serde_json::from_str(example).expect("the example is JSON");
    assert_eq!(keys(&manifest), keys(&example));
    for key in keys(&manifest) {
        assert!(rest.contains(&format!("`{key}`")), "{key} has no meaning");
    }
}
