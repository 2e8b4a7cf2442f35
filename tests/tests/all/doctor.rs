//! The doctor: what state and hosts disagree about is found, and mended where no person has to decide.

use freshlayer::FindingKind;
use freshlayer::faults::{Faults, Strike};
use freshlayer::ports::{Publication, Registry as _};
use freshlayer::report::Exit;
use freshlayer_local::FolderRegistry;
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, block_on, layer_name};
use serde_json::{Value, json};

use crate::refresh::{GEO, assert_refreshed, released};

fn kinds(answer: &Value) -> Vec<(&str, bool)> {
    let findings = answer["examined"][0]["findings"].as_array().expect("a list").iter();
    let kind = |one: &Value| one["mended"].as_bool().expect("a bool");
    findings.map(|one| (one["kind"].as_str().expect("text"), kind(one))).collect()
}

#[test]
fn what_is_well_is_told_in_one_line() {
    let sandbox = released();
    let ran = sandbox.cli(&["doctor"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "geo: nothing is wrong\n"));
}

#[test]
fn a_deleted_version_is_forgotten_and_published_again() {
    let sandbox = released();
    let registry = FolderRegistry::new(sandbox.path("host/layers"));
    block_on(registry.delete(&FolderRegistry::arn(&layer_name("geo"), 1))).expect("deletable");
    let seen = sandbox.cli(&["doctor", "geo", "--json"]);
    assert_eq!(seen.code, 1);
    assert_eq!(kinds(&seen.json())[0], ("deleted-version", false));
    assert_eq!(sandbox.cli(&["doctor", "geo", "--fix"]).code, 1, "the functions are still there");
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    assert_eq!(sandbox.cli(&["doctor", "geo"]).stdout, "geo: nothing is wrong\n");
}

#[test]
fn orphans_of_runs_that_never_ended_are_cleared_away() {
    let sandbox = released();
    // A release that was stored and that no Region took, whose upstream moved on.
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let mut engine = sandbox.engine();
    let strike = |_: u64, call: &str| (call == "registry.publish").then_some(Strike::Fail);
    engine.ports = Faults::new(strike, || {}).around(&engine.ports);
    assert_eq!(sandbox.refresh_with(&engine, "geo").exit(), Exit::Failed);
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(5).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 3);
    // A layer version whose reply was lost.
    orphan(&sandbox);
    let seen = sandbox.cli(&["doctor", "geo", "--json"]).json();
    let expected = [(FindingKind::OrphanedVersion, false), (FindingKind::OrphanedRecord, false)];
    let words = expected.map(|(kind, mended)| (json!(kind), mended));
    let found: Vec<(Value, bool)> =
        kinds(&seen).into_iter().map(|(kind, mended)| (json!(kind), mended)).collect();
    assert_eq!(found, words);
    let mended = sandbox.cli(&["doctor", "geo", "--fix"]);
    assert_eq!(mended.code, 0, "{mended:?}");
    assert_eq!(sandbox.cli(&["doctor", "geo"]).stdout, "geo: nothing is wrong\n");
    let zips = std::fs::read_dir(sandbox.path("host/state/blobs")).expect("readable");
    assert_eq!(zips.count(), 2);
}

fn orphan(sandbox: &Sandbox) {
    let zip = std::fs::read_dir(sandbox.path("host/state/blobs")).expect("readable");
    let zip = zip.map(|entry| entry.expect("readable").path()).next().expect("there is a zip");
    let sha256 = freshlayer::sha256_of(&zip).expect("readable");
    let (layer, terms) = (layer_name("geo"), freshlayer::definition::Terms::default());
    let publication = Publication {
        layer: &layer,
        description: "freshlayer geo 1.0.9 release 9 content 0",
        zip: &zip,
        sha256: &sha256,
        terms: &terms,
    };
    let registry = FolderRegistry::new(sandbox.path("host/layers"));
    block_on(registry.publish(publication)).expect("publishable");
}

/// F23: datasets of one group are released together or not at all.
#[test]
fn new_data_waits_for_the_others_of_its_group() {
    let sandbox = Sandbox::new();
    let second = "[[dataset]]\nname = 'index'\nformat = 'file'\nsource.https = 'UPSTREAM/files/index'\n\
                  expect.magic = '6f6b'\ngroup = 'g'\n";
    sandbox.layer("geo", &format!("{GEO}group = 'g'\n{second}"));
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(0).bytes());
    sandbox.upstream.publish("index", b"ok 1");
    assert_refreshed(&sandbox.refresh("geo"), 1);
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    sandbox.upstream.publish("index", b"no");
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
    assert_eq!(sandbox.head("geo")["current"], 1);
    let ran = sandbox.cli(&["refresh", "geo"]);
    assert!(ran.stdout.contains("dataset country: new, and waits for its group"), "{ran:?}");
    sandbox.upstream.publish("index", b"ok 2");
    assert_refreshed(&sandbox.refresh("geo"), 2);
}
