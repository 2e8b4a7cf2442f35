//! A new major data version waits for each function's word, and a layer may leave all moves to its users' deployments.

use freshlayer::report::{ConsumerState, Exit, Report};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::Sandbox;

use crate::refresh::{GEO, assert_refreshed, released};

/// The same data at another place: what functions open is gone.
fn elsewhere(rollout: &str) -> String {
    let moved = GEO.replace("source.https", "path = 'elsewhere/c.mmdb'\nsource.https");
    format!("{rollout}\n{moved}")
}

fn states(report: &Report) -> Vec<(String, ConsumerState)> {
    report.consumers.iter().map(|one| (one.function.to_string(), one.state)).collect()
}

fn add_tagged(sandbox: &Sandbox) {
    let words = ["functions", "add", "ready", "--layer", "geo:1", "--tag", "freshlayer:geo=2"];
    assert_eq!(sandbox.cli(&words).code, 0);
}

#[test]
fn functions_that_did_not_ask_for_a_new_major_version_stay_and_are_told_how_to_go() {
    let sandbox = released();
    add_tagged(&sandbox);
    sandbox.layer("geo", &elsewhere(""));
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Held, "{report:#?}");
    let held = ConsumerState::Held;
    let expected = [("aliased", held), ("plain", held), ("ready", ConsumerState::Moved)];
    assert_eq!(states(&report), expected.map(|(name, state)| (name.to_owned(), state)));
    let status = sandbox.cli(&["status"]);
    let says = "function plain: held, on layer version 1: it uses an older major version than 2.0.0; to move it, give it \
                the tag freshlayer:geo = 2; to move every function without waves and probes, run `freshlayer rollout promote geo`";
    assert!(status.stdout.contains(says), "{status:?}");
    // The next release is of the same major version, and they still did not ask for it.
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Held);
    assert!(sandbox.cli(&["status"]).stdout.contains("it uses an older major version than 2.0.1"));
    assert_eq!(sandbox.cli(&["rollout", "promote", "geo"]).code, 0);
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(6).bytes());
    let report = sandbox.refresh("geo");
    assert!(states(&report).iter().all(|(_, state)| *state == ConsumerState::Moved), "{report:#?}");
}

#[test]
fn a_layer_may_roll_major_versions_as_any_other() {
    let sandbox = released();
    sandbox.layer("geo", &elsewhere("rollout.roll_major = 'roll'"));
    let report = sandbox.refresh("geo");
    assert_refreshed(&report, 2);
    assert!(states(&report).iter().all(|(_, state)| *state == ConsumerState::Moved), "{report:#?}");
    let back = sandbox.cli(&["rollback", "geo"]);
    assert_eq!(back.code, 0, "the way back asks nobody: {back:?}");
}

#[test]
fn a_layer_that_proposes_publishes_and_touches_no_function() {
    let sandbox = released();
    sandbox.layer("geo", &format!("rollout.roll = 'propose'\n{GEO}"));
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let report = sandbox.refresh("geo");
    assert_refreshed(&report, 2);
    assert!(
        states(&report).iter().all(|(_, state)| *state == ConsumerState::Ordered),
        "{report:#?}"
    );
    let status = sandbox.cli(&["status"]);
    let says = "function plain: stays, on layer version 1: its own deployment moves it";
    assert!(status.stdout.contains(says), "{status:?}");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let add = ["functions", "add", "deployed", "--layer", "geo"];
    assert!(sandbox.cli(&add).stdout.contains("geo:2"), "the version to use is the new one");
}
