//! Pruning: nothing that anybody can need is deleted (I6), and what nobody needs is.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use freshlayer::faults::{Faults, Strike};
use freshlayer::ports::FunctionName;
use freshlayer::report::Exit;
use freshlayer::{Engine, Prune, Pruned, prune};
use freshlayer_local::{FolderRegistry, NewFunction};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, block_on, layer_name};

use crate::refresh::{GEO, assert_refreshed};

/// A sandbox with so many releases.
fn with_releases(count: u64) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    for seq in 1..=count {
        let build = Mmdb::later(seq).bytes();
        sandbox.upstream.publish("country.mmdb", &build);
        assert_refreshed(&sandbox.refresh("geo"), seq);
    }
    sandbox
}

fn function(sandbox: &Sandbox, name: &str, version: u64, alias: Option<&str>, tag: Option<&str>) {
    let tag = tag.map(|tag| ("freshlayer:geo".to_owned(), tag.to_owned()));
    let new = NewFunction {
        name: FunctionName::parse(name).expect("a function name"),
        layers: vec![FolderRegistry::arn(&layer_name("geo"), version)],
        aliases: alias.into_iter().map(str::to_owned).collect(),
        tags: tag.into_iter().collect(),
        program: Vec::new(),
    };
    sandbox.fleet().add(new).expect("the function is new");
}

fn pruned(sandbox: &Sandbox, engine: &Engine, keep: usize, mode: Prune) -> Pruned {
    let definition = sandbox.definition("geo");
    block_on(prune(engine, &definition, keep, mode)).expect("all can be asked")
}

fn gone(pruned: &Pruned) -> Vec<u64> {
    pruned.releases.iter().map(|release| release.seq).collect()
}

fn reasons(pruned: &Pruned) -> BTreeMap<u64, &str> {
    let kept = pruned.kept.iter();
    kept.map(|kept| (kept.seq, kept.reason.as_str())).collect()
}

#[test]
fn what_anybody_can_need_is_kept_and_the_rest_goes() {
    let sandbox = with_releases(8);
    function(&sandbox, "held", 1, None, Some("hold"));
    function(&sandbox, "tagged", 8, None, Some("pin=2"));
    function(&sandbox, "aliased", 3, Some("live"), Some("hold"));
    let engine = sandbox.engine();
    let preview = pruned(&sandbox, &engine, 2, Prune::Preview);
    assert_eq!(gone(&preview), [4, 5, 6]);
    let done = pruned(&sandbox, &engine, 2, Prune::Delete);
    assert_eq!((gone(&done), done.exit()), (vec![4, 5, 6], Exit::Done));
    let expected = [
        (1, "function held in local uses it"),
        (2, "a function's tag pins it"),
        (3, "function aliased in local uses it"),
        (7, "a rollback leads to it"),
        (8, "it is the current one"),
    ];
    assert_eq!(reasons(&done), BTreeMap::from(expected));
    for seq in 1..=8 {
        let ran = sandbox.cli(&["verify", "geo", "--release", &seq.to_string()]);
        let code = if (4..=6).contains(&seq) { 2 } else { 0 };
        assert_eq!(ran.code, code, "release {seq}: {ran:?}");
    }
    assert!(pruned(&sandbox, &engine, 2, Prune::Delete).releases.is_empty());
    let back = sandbox.cli(&["rollback", "geo", "--to", "5"]);
    assert_eq!(back.code, 2);
    assert!(back.stderr.contains("it has 1, 2, 3, 7, 8"), "{back:?}");
    assert_eq!(sandbox.cli(&["rollback", "geo"]).code, 0);
    let build = Mmdb::later(20).bytes();
    sandbox.upstream.publish("country.mmdb", &build);
    assert_refreshed(&sandbox.refresh("geo"), 9);
}

#[test]
fn a_published_version_that_no_alias_leads_to_counts() {
    let sandbox = with_releases(1);
    function(&sandbox, "aliased", 1, Some("live"), None);
    for seq in 2..=4 {
        let build = Mmdb::later(seq).bytes();
        sandbox.upstream.publish("country.mmdb", &build);
        assert_refreshed(&sandbox.refresh("geo"), seq);
    }
    let preview = pruned(&sandbox, &sandbox.engine(), 0, Prune::Preview);
    assert!(preview.releases.is_empty(), "{preview:#?}");
    let first = reasons(&preview)[&1];
    assert_eq!(first, "version 1 of function aliased in local uses it");
}

#[test]
fn a_fleet_that_cannot_be_asked_keeps_everything() {
    let sandbox = with_releases(4);
    let (mut engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    for call in ["fleet.in_use", "fleet.observe"] {
        let faults = Faults::new(move |_, name| (name == call).then_some(Strike::Fail), || ());
        engine.ports = faults.around(&sandbox.engine().ports);
        let failed = block_on(prune(&engine, &definition, 0, Prune::Delete));
        let failed = failed.expect_err("nobody can say that it is not used");
        assert!(freshlayer::chain(&failed).contains("injected fault"));
        assert_eq!(sandbox.head("geo")["versions"].as_object().map(serde_json::Map::len), Some(4));
        assert!(sandbox.head("geo")["lease"].is_null(), "the lease is given back");
    }
}

#[test]
fn a_prune_that_fails_at_any_call_is_finished_by_the_next_one() {
    for strike in [Strike::Fail, Strike::LoseReply] {
        for call in 0.. {
            let sandbox = with_releases(4);
            let mut engine = sandbox.engine();
            let faults = Faults::new(move |number, _| (number == call).then_some(strike), || ());
            engine.ports = faults.around(&engine.ports);
            let definition = sandbox.definition("geo");
            let _may_fail = block_on(prune(&engine, &definition, 0, Prune::Delete));
            let calls = faults.calls();
            let again = pruned(&sandbox, &sandbox.engine(), 0, Prune::Delete);
            assert_eq!(again.exit(), Exit::Done, "{strike:?} at {call}: {again:#?}");
            let head = sandbox.head("geo");
            let left = head["versions"].as_object().expect("a map");
            let left: Vec<&String> = left.keys().collect();
            assert_eq!(left, ["3", "4"], "{strike:?} at {call}");
            assert_eq!(head["deleting"], serde_json::json!({}));
            let zips = std::fs::read_dir(sandbox.path("host/state/blobs"));
            assert_eq!(zips.expect("readable").count(), 2, "{strike:?} at {call}");
            if calls <= call {
                break;
            }
        }
    }
}

#[test]
fn the_command_says_what_went_and_why_the_rest_stays() {
    let sandbox = with_releases(3);
    let preview = sandbox.cli(&["prune", "geo", "--keep", "1", "--dry-run"]);
    assert_eq!(preview.code, 0);
    assert!(preview.stdout.starts_with("geo: would prune 1 release, a zip of "));
    let ran = sandbox.cli(&["prune", "--keep", "1"]);
    let lines: Vec<&str> = ran.stdout.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "  release 1  pruned  layer version local:1",
            "  release 2  kept: a rollback leads to it",
            "  release 3  kept: it is the current one",
        ]
    );
    let again = sandbox.cli(&["prune", "geo", "--keep", "1", "--json"]);
    assert_eq!(again.json()["pruned"][0]["releases"], serde_json::json!([]));
}

/// Defect 2 of the first day of use: 7.7 GB of pruned data lay in the caches of this machine.
#[test]
fn nothing_of_a_pruned_release_stays_on_this_machine() {
    let sandbox = with_releases(1);
    sandbox.layer("other", GEO);
    assert_eq!(sandbox.refresh("other").exit(), Exit::Done);
    assert_eq!(sandbox.cli(&["exec", "geo", "other", "--", "true"]).code, 0);
    let first = sandbox.cli(&["pull", "geo", "--to", "first", "--json"]).json();
    let zip = sandbox.path(first["pulled"][0]["zip"].as_str().expect("a path"));
    assert!(zip.exists() && zip.with_extension("opt").exists());
    for days in [3, 4] {
        sandbox.upstream.publish("country.mmdb", &Mmdb::later(days).bytes());
        assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    }
    assert_eq!(sandbox.cli(&["exec", "geo", "other", "--", "true"]).code, 0);
    let ran = sandbox.cli(&["prune", "--keep", "0"]);
    assert!(ran.stdout.contains("release 1  pruned"), "{ran:?}");
    assert!(!zip.exists() && !zip.with_extension("opt").exists());
    assert_eq!(files_in(&sandbox.path("host/layers/geo/1")), 0, "the folder keeps the number");
    assert_eq!(
        files_in(&sandbox.path("host/opt")),
        2,
        "what is merged of served layers, and its list"
    );
}

/// Defect 3 of the first day of use: what killed runs left behind was never cleared away.
#[test]
fn leftovers_of_killed_runs_are_cleared_once_they_are_old() {
    let sandbox = with_releases(1);
    sandbox.layer("frozen", GEO);
    assert_eq!(sandbox.cli(&["freeze", "frozen"]).code, 0, "it has a head and no release");
    let blobs = sandbox.path("host/state/blobs");
    let unfinished = [".unfinished-a", ".unfinished-b"].map(|name| blobs.join(name));
    let unnamed = ["a", "b"].map(|digit| blobs.join(format!("{}.zip", digit.repeat(64))));
    let long_ago = SystemTime::UNIX_EPOCH;
    for files in [&unfinished, &unnamed] {
        for file in files {
            std::fs::write(file, "a part").expect("writable");
        }
        let old = File::options().append(true).open(&files[0]).expect("it was written");
        old.set_modified(long_ago).expect("ours");
    }
    let named = std::fs::read_dir(&blobs).expect("readable").flatten().map(|entry| entry.path());
    for file in named.filter(|file| !unfinished.contains(file) && !unnamed.contains(file)) {
        let file = File::options().append(true).open(file).expect("it is there");
        file.set_modified(long_ago).expect("ours");
    }
    assert_eq!(sandbox.cli(&["prune", "--dry-run"]).code, 0);
    assert_eq!(files_in(&blobs), 5, "a preview deletes nothing");
    assert_eq!(sandbox.cli(&["prune", "geo"]).code, 0);
    let stays: Vec<bool> = unfinished.iter().chain(&unnamed).map(|file| file.exists()).collect();
    assert_eq!(stays, [false, true, false, true], "the new ones may belong to a run");
    assert_eq!(files_in(&blobs), 3, "what a record names stays, however old it is");
    assert_eq!(sandbox.cli(&["verify", "geo"]).code, 0);
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("readable").count()
}
