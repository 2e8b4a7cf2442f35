//! The way back holds: what a person rolled back stays away, stops are obeyed, and nothing is taken over by surprise.

use freshlayer::faults::{Faults, Strike};
use freshlayer::ports::{FunctionName, Publication, Registry as _};
use freshlayer::report::{ConsumerState, Exit, Why};
use freshlayer::{Back, Code, Engine, LayerVersionArn, Retry};
use freshlayer_local::{FolderRegistry, NewFunction};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, block_on, layer_name};

use crate::refresh::{GEO, assert_refreshed, released, versions};

pub(crate) fn roll_back(sandbox: &Sandbox, to: Back) -> freshlayer::report::Report {
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    block_on(freshlayer::rollback(&engine, &definition, to, "a person", None))
        .expect("it is possible")
}

pub(crate) fn next_build(sandbox: &Sandbox, day: u64) {
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(day).bytes());
}

/// F1: what a person rolled back came back when the definition or its limits changed.
#[test]
fn rolled_back_data_stays_away_under_any_definition_and_limits() {
    let sandbox = released();
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    assert_eq!(roll_back(&sandbox, Back::Stable).exit(), Exit::Done);
    for change in [
        "expect.nodes_min = 2\n",
        "expect.nodes_min = 2\nexpect.drift_percent_max = 90\n",
        "expect.nodes_min = 1\n[limits]\ndownload_secs_max = 500\n",
    ] {
        sandbox.layer("geo", &format!("{GEO}{change}"));
        let report = sandbox.refresh("geo");
        assert_eq!(report.exit(), Exit::Held, "{change}: {report:#?}");
        assert_eq!(report.problems[0].code, Code::RolledBack);
        assert!(versions(&report).iter().all(|(_, _, version)| *version == 1), "{report:#?}");
    }
    next_build(&sandbox, 5);
    assert_refreshed(&sandbox.refresh("geo"), 3);
}

/// F1: rollbacks are kept apart from verdicts, which are forgotten after a hundred.
#[test]
fn a_rollback_is_remembered_however_many_verdicts_follow() {
    let sandbox = released();
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    roll_back(&sandbox, Back::Stable);
    for damage in 0..101 {
        sandbox.upstream.publish("country.mmdb", format!("no database {damage}").as_bytes());
        assert_eq!(sandbox.refresh("geo").exit(), Exit::Rejected);
    }
    next_build(&sandbox, 3);
    assert_eq!(sandbox.refresh("geo").problems[0].code, Code::RolledBack);
}

fn fails_to_publish(sandbox: &Sandbox) -> Engine {
    let strike = |_: u64, call: &str| (call == "registry.publish").then_some(Strike::Fail);
    let mut engine = sandbox.engine();
    engine.ports = Faults::new(strike, || {}).around(&engine.ports);
    engine
}

/// F8: while publishing failed every run downloaded everything again, and numbers ran out after a hundred contents.
#[test]
fn a_publish_that_keeps_failing_downloads_once_and_wedges_nothing() {
    let sandbox = released();
    next_build(&sandbox, 3);
    let engine = fails_to_publish(&sandbox);
    assert_eq!(sandbox.refresh_with(&engine, "geo").exit(), Exit::Failed);
    sandbox.upstream.seen();
    for _ in 0..3 {
        assert_eq!(sandbox.refresh_with(&engine, "geo").exit(), Exit::Failed);
        let seen = sandbox.upstream.seen();
        assert!(seen.len() == 1 && seen[0].conditional, "{seen:?}");
    }
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let asked = sandbox.upstream.seen();
    assert!(asked.len() == 1 && asked[0].conditional, "from the stored zip: {asked:?}");
}

#[test]
fn many_contents_that_were_never_published_are_passed_over() {
    let sandbox = released();
    let engine = fails_to_publish(&sandbox);
    for content in 1..=104 {
        let build = Mmdb { description: format!("build {content}"), ..Mmdb::later(1) };
        sandbox.upstream.publish("country.mmdb", &build.bytes());
        assert_eq!(sandbox.refresh_with(&engine, "geo").exit(), Exit::Failed);
    }
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
}

/// F5: a rollback without a number must not jump over releases that functions were on.
#[test]
fn a_rollback_without_a_number_does_not_jump_over_what_served() {
    let sandbox = released();
    for (day, release) in [(3, 2), (5, 3)] {
        next_build(&sandbox, day);
        assert_refreshed(&sandbox.refresh("geo"), release);
    }
    // A state in which release 1 is the last stable one before 3, though 2 served.
    let path = sandbox.path("host/state/layers/geo/head.json");
    let mut head = sandbox.head("geo");
    head["stable_before"] = serde_json::json!([1]);
    std::fs::write(&path, head.to_string()).expect("writable");
    let ran = sandbox.cli(&["rollback", "geo"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let said = "is on release 3; a rollback to the last stable release, 1, would jump over 2: choose with `freshlayer \
                rollback geo --to 2` or `--to 1`";
    assert!(ran.stderr.contains(said), "{ran:?}");
    let ran = sandbox.cli(&["rollback", "geo", "--to", "2"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("geo: going back from release 3 to release 2, version 1.0.1"));
}

#[test]
fn frozen_nothing_moves_and_nothing_is_asked() {
    let sandbox = released();
    let frozen = sandbox.cli(&["freeze", "geo", "--reason", "an incident"]);
    assert_eq!(
        (frozen.code, frozen.stdout.as_str()),
        (0, "geo: frozen until `freshlayer unfreeze geo`\n")
    );
    next_build(&sandbox, 3);
    sandbox.upstream.seen();
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Held, "{report:#?}");
    assert!(
        report
            .outcome
            .reason()
            .text
            .contains("(an incident); `freshlayer unfreeze geo` ends the freeze")
    );
    assert!(sandbox.upstream.seen().is_empty());
    let status = sandbox.cli(&["status", "geo"]);
    for words in ["  frozen since ", "(an incident); `freshlayer unfreeze geo` "] {
        assert!(status.stdout.contains(words), "{status:?}");
    }
    assert_eq!(sandbox.cli(&["unfreeze"]).code, 0);
    assert_refreshed(&sandbox.refresh("geo"), 2);
}

/// F6: an order needs nobody's lease.
#[test]
fn an_order_stands_under_anybodys_lease_and_a_lease_can_be_broken() {
    let sandbox = released();
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let path = sandbox.path("host/state/layers/geo/head.json");
    let mut head = sandbox.head("geo");
    head["lease"] =
        serde_json::json!({"owner": "elsewhere:1:1:1", "expires": "2999-01-01T00:00:00Z"});
    std::fs::write(&path, head.to_string()).expect("writable");
    let back = roll_back(&sandbox, Back::Release(1));
    assert_eq!(back.exit(), Exit::Held, "{back:#?}");
    let why = &back.outcome.reason().why;
    assert!(matches!(why, Why::Ordered { release: 1, owner, .. } if owner == "elsewhere:1:1:1"));
    assert_eq!(sandbox.head("geo")["current"], 1);
    let broken = sandbox.cli(&["break-lease", "geo"]);
    assert!(broken.stdout.contains("from publisher elsewhere:1:1:1; that publisher stops"));
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Held, "the upstream still has it: {report:#?}");
    assert!(versions(&report).iter().all(|(_, _, version)| *version == 1), "{report:#?}");
}

/// A host whose layer `geo` was made by hand: two versions, and functions on the second.
pub(crate) fn brownfield() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    next_build(&sandbox, 0);
    for words in ["made by hand", "made by hand again"] {
        publish(&sandbox, words);
    }
    let arn = FolderRegistry::arn(&layer_name("geo"), 2);
    for (name, aliases) in [("plain", vec![]), ("aliased", vec!["live".to_owned()])] {
        let name = FunctionName::parse(name).expect("a function name");
        let new = NewFunction {
            name,
            layers: vec![arn.clone()],
            aliases,
            tags: [].into(),
            program: vec![],
        };
        sandbox.fleet().add(new).expect("it is new");
    }
    sandbox
}

pub(crate) fn publish(sandbox: &Sandbox, description: &str) -> LayerVersionArn {
    let zip = sandbox.path("by-hand.zip");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&zip).expect("writable"));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("GeoLite2-City.mmdb", options).expect("a new entry");
    writer.finish().expect("it ends");
    let sha256 = freshlayer::sha256_of(&zip).expect("readable");
    let layer = layer_name("geo");
    let terms = freshlayer::definition::Terms::default();
    let publication =
        Publication { layer: &layer, description, zip: &zip, sha256: &sha256, terms: &terms };
    let registry = FolderRegistry::new(sandbox.path("host/layers"));
    block_on(registry.publish(publication)).expect("publishable").arn
}

pub(crate) fn stands(sandbox: &Sandbox) -> Vec<u64> {
    let functions = sandbox.fleet().list().expect("readable");
    let all = functions.iter().flat_map(|function| {
        let behind = function.aliases.iter().filter_map(|alias| {
            let mut versions = function.versions.iter();
            versions.find(|version| version.number == alias.version)
        });
        let layers = behind.map(|version| &version.configuration).chain([&function.latest]);
        layers.map(|one| one.layers[0].version()).collect::<Vec<_>>()
    });
    all.collect()
}

/// F2: the first refresh took over a layer of the same name, and moved all its functions without a way back.
#[test]
fn a_layer_that_freshlayer_did_not_make_is_held_before_anything_is_published() {
    let sandbox = brownfield();
    sandbox.upstream.seen();
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Held, "{report:#?}");
    let said = &report.outcome.reason().text;
    let newest = FolderRegistry::arn(&layer_name("geo"), 2);
    let expected = format!(
        "the layer has 2 versions that freshlayer did not make, the newest is {newest}, and 2 functions use the layer; to \
         take the layer over write `adopt = true` into its definition or run `freshlayer refresh geo --adopt`, else choose \
         another layer name"
    );
    assert_eq!(*said, expected);
    assert!(sandbox.upstream.seen().is_empty(), "no download either");
    assert_eq!(FolderRegistry::new(sandbox.path("host/layers")).newest("geo").ok(), Some(Some(2)));
    assert_eq!(stands(&sandbox), [2, 2, 2]);
}

#[test]
fn an_adopted_layers_earlier_state_is_a_way_back() {
    for by_definition in [true, false] {
        let sandbox = brownfield();
        if by_definition {
            sandbox.layer("geo", &format!("adopt = true\n{GEO}"));
            assert_refreshed(&sandbox.refresh("geo"), 1);
        } else {
            let ran = sandbox.cli(&["refresh", "geo", "--adopt"]);
            assert_eq!(ran.code, 0, "{ran:?}");
        }
        assert_eq!(stands(&sandbox), [3, 3, 3]);
        next_build(&sandbox, 3);
        assert_refreshed(&sandbox.refresh("geo"), 2);
        let back = sandbox.cli(&["rollback", "geo", "--to", "before"]);
        assert_eq!(back.code, 4, "it stays held: {back:?}");
        assert_eq!(stands(&sandbox), [2, 2, 2], "{back:?}");
        next_build(&sandbox, 5);
        let report = sandbox.refresh("geo");
        assert!(matches!(report.outcome.reason().why, Why::HandedBack { .. }), "{report:#?}");
        assert_eq!(stands(&sandbox), [2, 2, 2]);
        assert_eq!(sandbox.cli(&["unpin", "geo"]).code, 0);
        assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
        assert_eq!(stands(&sandbox), [5, 5, 5]);
    }
}

#[test]
fn one_function_of_an_adopted_layer_goes_back_to_what_it_used_before() {
    let sandbox = brownfield();
    assert_eq!(sandbox.cli(&["refresh", "geo", "--adopt"]).code, 0);
    let back = ["rollback", "geo", "--function", "plain", "--to", "before"];
    let ran = sandbox.cli(&back);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(stands(&sandbox), [3, 3, 2], "{ran:?}");
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    assert_eq!(stands(&sandbox), [4, 4, 2]);
    assert_eq!(sandbox.cli(&["unpin", "geo", "--function", "plain"]).code, 0);
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    assert_eq!(stands(&sandbox), [4, 4, 4]);
}

#[test]
fn a_function_on_a_version_of_other_hands_is_held_until_it_is_adopted() {
    let sandbox = released();
    let theirs = publish(&sandbox, "a hotfix by hand");
    let name = FunctionName::parse("fixed").expect("a function name");
    let new = NewFunction {
        name,
        layers: vec![theirs],
        aliases: vec![],
        tags: [].into(),
        program: vec![],
    };
    sandbox.fleet().add(new).expect("it is new");
    next_build(&sandbox, 3);
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Held, "{report:#?}");
    let fixed = report.consumers.iter().find(|c| c.function.as_str() == "fixed").expect("told of");
    assert_eq!(fixed.state, ConsumerState::Held);
    let definition = sandbox.definition("geo");
    block_on(freshlayer::adopt(&sandbox.engine(), &layer_name("geo"), "a person"))
        .expect("writable");
    let report = block_on(freshlayer::refresh(&sandbox.engine(), &definition, Retry::OnChange));
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
}

/// F14: a layer version that other hands deleted is made again from its zip.
#[test]
fn a_layer_version_that_was_deleted_is_published_again() {
    let sandbox = released();
    let registry = FolderRegistry::new(sandbox.path("host/layers"));
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    block_on(registry.delete(&FolderRegistry::arn(&layer_name("geo"), 1))).expect("deletable");
    let back = roll_back(&sandbox, Back::Release(1));
    assert_eq!(back.exit(), Exit::Done, "{back:#?}");
    let on: Vec<u64> = versions(&back).iter().map(|(_, _, version)| *version).collect();
    assert!(on.iter().all(|version| [1, 3].contains(version)), "{on:?}");
    assert!(on.contains(&3), "release 1 is layer version 3 now: {on:?}");
}

/// F21: a head of format 1 is read, and written forward; a field that is not known is refused.
#[test]
fn a_head_of_an_earlier_format_is_read_and_written_forward() {
    let sandbox = released();
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let path = sandbox.path("host/state/layers/geo/head.json");
    let now = sandbox.head("geo");
    let record = std::fs::read(sandbox.path("host/state/layers/geo/releases/2.json"));
    let record: serde_json::Value =
        serde_json::from_slice(&record.expect("recorded")).expect("JSON");
    let problem = serde_json::json!({
        "code": "rolled-back", "level": "fail", "dataset": "country",
        "found": "the data of release 7, rolled back to 2", "expected": "another build",
    });
    let old = serde_json::json!({
        "format": 1, "layer": "geo", "newest": 2, "current": 2, "record": record, "stable": 2,
        "stable_before": [1], "versions": now["versions"], "leaving": {}, "told": now["announced"],
        "upstream": now["upstream"], "pin": null, "lease": null,
        "rejected": [{
            "dataset": "country", "digest": "a".repeat(64), "fingerprint": "f",
            "at": "2026-11-01T00:00:00Z", "problems": [problem],
        }],
        "rollout": {
            "from": 1, "to": 2, "started": "2026-11-01T00:00:00Z",
            "places": {"local": {"gone": {"from": null, "outcome": "moved"}}},
        },
    });
    std::fs::write(&path, old.to_string()).expect("writable");
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    let head = sandbox.head("geo");
    assert_eq!((&head["format"], &head["current"]), (&2.into(), &2.into()));
    assert_eq!(head["left_behind"][0]["release"], 7);
    assert_eq!(head["rejected"], serde_json::json!([]));
    let rollout = std::fs::read(sandbox.path("host/state/layers/geo/rollouts/1.json"));
    let rollout = String::from_utf8(rollout.expect("the journal moved")).expect("JSON");
    assert!(rollout.contains("\"gone\""), "{rollout}");

    let mut unknown = head.clone();
    unknown["from_the_future"] = serde_json::json!(1);
    std::fs::write(&path, unknown.to_string()).expect("writable");
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Failed);
    assert!(report.outcome.reason().text.contains("field `from_the_future` is not known"));
    assert_eq!(sandbox.head("geo"), unknown, "nothing is dropped");
}

/// Defect 4 of first use: a zip that the store lost is taken from the layer version that holds it.
#[test]
fn a_stored_zip_that_is_lost_is_taken_from_the_layer_version() {
    let sandbox = Sandbox::new();
    let second = "[[dataset]]\nname = 'z'\nformat = 'file'\nsource.https = 'UPSTREAM/files/z'\n";
    sandbox.layer("geo", &format!("{GEO}\n{second}"));
    next_build(&sandbox, 0);
    sandbox.upstream.publish("z", b"one");
    assert_refreshed(&sandbox.refresh("geo"), 1);
    std::fs::remove_dir_all(sandbox.path("host/state/blobs")).expect("removable");
    sandbox.upstream.publish("z", b"two");
    assert_refreshed(&sandbox.refresh("geo"), 2);
}
