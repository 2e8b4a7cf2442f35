//! `inspect` and `contract suggest`: any data, without a definition.

use std::path::PathBuf;

use freshlayer_tests::damage::{gzip, tar_of};
use freshlayer_tests::databases::{sqlite, sqlite_of};
use freshlayer_tests::places::{Place, build};
use freshlayer_tests::sandbox::Sandbox;

fn places() -> Vec<u8> {
    build(0, |number| Some(Place::sound(number)))
}

fn written(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> PathBuf {
    let path = sandbox.path(name);
    std::fs::write(&path, bytes).expect("writable");
    path
}

/// Puts what `inspect` proposes into a layer, and refreshes that.
fn refreshed(sandbox: &Sandbox, proposed: &str) {
    let (_, definition) = proposed.split_once("`<layer>.toml`:\n\n").expect("a definition");
    let definition = match definition.split_once("\na contract that it keeps") {
        Some((definition, contract)) => {
            let (_, contract) = contract.split_once("\n\n").expect("a contract");
            format!("{definition}{contract}")
        }
        None => definition.to_owned(),
    };
    sandbox.layer("proposed", &definition);
    let ran = sandbox.cli(&["refresh", "proposed"]);
    assert_eq!(ran.code, 0, "{definition}\n{ran:?}");
}

#[test]
fn whatever_it_is_its_format_is_found_and_its_proposal_releases_it() {
    let archive =
        tar_of(&[("tool/bin/run", 0o755, b"#!/bin/sh\n"), ("tool/README", 0o644, b"words")]);
    let packed = tar_of(&[
        ("City_20260101/City.mmdb", 0o644, &places()),
        ("City_20260101/LICENSE", 0o644, b"words"),
    ]);
    for (name, bytes, says) in [
        ("city.mmdb", places(), "mmdb, "),
        ("city.mmdb.gz", gzip(&places()), "mmdb, "),
        ("city.tar.gz", gzip(&packed), "source.select = [\"*/City.mmdb\"]"),
        ("zones.db", sqlite(1_000), "sqlite, "),
        ("zones.db.gz", gzip(&sqlite(1_000)), "sqlite, "),
        ("tool.tar", archive, "archive, "),
        ("run", b"\x7fELF and more".to_vec(), "expect.magic = \"7f454c46\""),
    ] {
        let sandbox = Sandbox::new();
        let path = written(&sandbox, name, &bytes);
        let ran = sandbox.cli(&["inspect", path.to_str().expect("UTF-8")]);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert!(ran.stdout.contains(says), "{name}: {ran:?}");
        refreshed(&sandbox, &ran.stdout);
    }
}

/// The first words of a text are no mark of its kind: they may be another ones in the next build.
#[test]
fn a_text_is_proposed_without_its_first_bytes() {
    let sandbox = Sandbox::new();
    let path = written(&sandbox, "zones.csv", "name,offset\nZürich,3600\n".as_bytes());
    let ran = sandbox.cli(&["inspect", path.to_str().expect("UTF-8")]);
    assert!(
        ran.stdout.contains("format = \"file\"") && !ran.stdout.contains("expect.magic"),
        "{ran:?}"
    );
    refreshed(&sandbox, &ran.stdout);
}

#[test]
fn an_address_and_a_folder_can_be_inspected() {
    let sandbox = Sandbox::new();
    sandbox.upstream.publish("city.mmdb", &places());
    let address = sandbox.upstream.url("city.mmdb");
    let ran = sandbox.cli(&["inspect", &address]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("expect.database_type = \"GeoLite2-City\""), "{ran:?}");
    std::fs::create_dir(sandbox.path("tree")).expect("writable");
    written(&sandbox, "tree/a.txt", b"words");
    let ran = sandbox.cli(&["inspect", sandbox.path("tree").to_str().expect("UTF-8"), "--json"]);
    assert_eq!(ran.json()["inspected"]["format"], "archive", "{ran:?}");
}

#[test]
fn a_build_is_held_against_a_layer_and_nothing_changes() {
    let sandbox = Sandbox::new();
    let definition =
        "[[dataset]]\nname = 'city'\nformat = 'mmdb'\nsource.https = 'UPSTREAM/files/city.mmdb'\n";
    sandbox.layer("geo", definition);
    sandbox.upstream.publish("city.mmdb", &places());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let head = sandbox.head("geo");
    let wrong =
        |number: u32| Some(Place { country: Some("FR".to_owned()), ..Place::sound(number) });
    let path = written(&sandbox, "wrong.mmdb", &build(7, wrong));
    let ran = sandbox.cli(&["inspect", path.to_str().expect("UTF-8"), "--layer", "geo"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout.contains(
            "failed country-changed: 100.00 %; expected at field country.iso_code at most 2 %"
        ),
        "{ran:?}"
    );
    assert!(ran.stdout.ends_with("layer geo would refuse it\n"), "{ran:?}");
    let ran = sandbox.cli(&["inspect", path.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "by itself it is sound: {ran:?}");
    assert_eq!(sandbox.head("geo"), head);
}

#[test]
fn what_cannot_be_inspected_is_told_in_one_line() {
    let sandbox = Sandbox::new();
    let cut = written(&sandbox, "cut.gz", &gzip(&places())[..500]);
    let page = written(&sandbox, "page.html", b"<html>an error page</html>");
    for (arguments, code, says) in [
        (vec!["inspect", "nowhere.mmdb"], 2, "read nowhere.mmdb: No such file or directory"),
        (
            vec!["inspect", page.to_str().expect("UTF-8"), "--layer", "nowhere"],
            2,
            "there is no layer",
        ),
        (vec!["inspect", page.to_str().expect("UTF-8"), "--dataset", "a"], 2, "--layer"),
        (
            vec!["contract", "suggest", page.to_str().expect("UTF-8")],
            2,
            "a contract goes with an mmdb or a SQLite database",
        ),
        (vec!["contract", "suggest", "nowhere"], 2, "read nowhere: No such file"),
    ] {
        let ran = sandbox.cli(&arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    }
    let ran = sandbox.cli(&["inspect", cut.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("the file is cut short"), "{ran:?}");
}

#[test]
fn the_proposed_contract_is_kept_by_its_data_and_broken_by_damage() {
    let sandbox = Sandbox::new();
    let path = written(&sandbox, "city.mmdb", &places());
    let ran = sandbox.cli(&["contract", "suggest", path.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r#"
    [dataset.contract]
    "country.iso_code" = { type = "string", null_share_max = 0.01, values = ["DE", "GB", "US"] }
    "location.latitude" = { type = "double", null_share_max = 0.01 }
    "location.longitude" = { type = "double", null_share_max = 0.01 }
    "postal.code" = { type = "string", null_share_max = 0.01 }
    "#);
    let definition =
        "[[dataset]]\nname = 'city'\nformat = 'mmdb'\nsource.https = 'UPSTREAM/files/city.mmdb'\n";
    sandbox.layer("geo", &format!("{definition}{}", ran.stdout));
    sandbox.upstream.publish("city.mmdb", &places());
    assert_eq!(sandbox.cli(&["refresh", "geo"]).code, 0);
    let other =
        |number: u32| Some(Place { country: Some("XX".to_owned()), ..Place::sound(number) });
    sandbox.upstream.publish("city.mmdb", &build(7, other));
    let ran = sandbox.cli(&["refresh", "geo"]);
    assert!(ran.stdout.contains("contract-value at field country.iso_code"), "{ran:?}");
}

/// The key of a column is `table.column`: a table with a dot in its name has none.
#[test]
fn a_table_that_no_contract_can_name_is_left_out() {
    let sandbox = Sandbox::new();
    let rows = "CREATE TABLE \"a.b\" (c TEXT); CREATE TABLE t (\"d.e\" TEXT);
        INSERT INTO \"a.b\" VALUES ('one'); INSERT INTO t VALUES ('two');";
    let path = written(&sandbox, "data.db", &sqlite_of(rows));
    let ran = sandbox.cli(&["contract", "suggest", path.to_str().expect("UTF-8")]);
    insta::assert_snapshot!(ran.stdout, @r#"
    [dataset.contract]
    "t.d.e" = { type = "text", null_share_max = 0.01, pattern = "^[a-z]{3}$" }
    "#);
    let definition =
        "[[dataset]]\nname = 'data'\nformat = 'sqlite'\nsource.https = 'UPSTREAM/files/data.db'\n";
    sandbox.layer("data", &format!("{definition}{}", ran.stdout));
    sandbox.upstream.publish("data.db", &sqlite_of(rows));
    let ran = sandbox.cli(&["refresh", "data"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_database_that_is_cut_off_is_not_taken_for_a_file() {
    let sandbox = Sandbox::new();
    let whole = places();
    let path = written(&sandbox, "city.mmdb", &whole[..whole.len() / 2]);
    let ran = sandbox.cli(&["inspect", path.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("failed wrong-type"), "{ran:?}");
    assert!(!ran.stdout.contains("a definition that it passes"), "{ran:?}");
    let path = written(&sandbox, "nothing.bin", b"");
    let ran = sandbox.cli(&["inspect", path.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("failed empty"), "{ran:?}");
    std::fs::create_dir(sandbox.path("tree")).expect("writable");
    std::os::unix::fs::symlink("/etc/passwd", sandbox.path("tree/link")).expect("writable");
    let ran = sandbox.cli(&["inspect", sandbox.path("tree").to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("entry-link"), "{ran:?}");
}

#[test]
fn an_address_names_a_variable_of_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.upstream.publish("city.mmdb", &places());
    let address = sandbox.upstream.url("${FILE}.mmdb");
    let ran = |arguments: &[&str]| {
        let ran = sandbox.command(arguments).env("FILE", "city").output().expect("it runs");
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, stderr) = ran(&["inspect", &address]);
    assert_eq!(code, Some(0), "{stderr}");
    let unset = sandbox.cli(&["inspect", &address]);
    assert_eq!(unset.code, 2, "{unset:?}");
    assert!(unset.stderr.contains("`FILE` is not set"), "{unset:?}");
}
