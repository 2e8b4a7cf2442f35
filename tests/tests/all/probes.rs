//! Functions of the local host that have a program are asked with the new data at `/opt`, before their callers get it.

use freshlayer_tests::sandbox::{Ran, Sandbox};

/// A layer with one small file, and functions that read it.
pub(crate) fn sandbox(probe: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "geo",
        &format!(
            "rollout.preset = 'all-at-once'\nrollout.probe = {probe}\n\n[[dataset]]\nname = 'note'\nformat = 'file'\n\
             source.https = 'UPSTREAM/files/note'\nexpect.drift_percent_max = 1000\n"
        ),
    );
    sandbox.upstream.publish("note", b"{\"state\": \"good\"}");
    let ran = sandbox.cli(&["refresh"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    sandbox
}

pub(crate) fn add(sandbox: &Sandbox, name: &str, more: &[&str]) {
    let words = [&["functions", "add", name, "--layer", "geo"], more].concat();
    let ran = sandbox.cli(&words);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// The layer version that each function's callers get.
pub(crate) fn serving(sandbox: &Sandbox) -> Vec<String> {
    let status = sandbox.cli(&["status", "--json"]).json();
    let consumers = status["status"][0]["consumers"].as_array().expect("a list").clone();
    let version = |consumer: &serde_json::Value| {
        let arn = consumer["layer_version"].as_str().unwrap_or_default();
        format!("{} {}", consumer["function"], arn.rsplit(':').next().unwrap_or_default())
    };
    consumers.iter().map(version).collect()
}

pub(crate) const READS: [&str; 4] = ["--", "sh", "-c", "cat ${FRESHLAYER_ROOT:-/opt}/geo/note"];
pub(crate) const GOOD: &str = "{ path = 'state', equals = 'good' }";

pub(crate) fn publish(sandbox: &Sandbox, state: &str) -> Ran {
    sandbox.upstream.publish("note", format!("{{\"state\": \"{state}\"}}").as_bytes());
    sandbox.cli(&["refresh"])
}

#[test]
fn data_that_a_function_cannot_use_comes_back_by_itself() {
    let sandbox = sandbox(GOOD);
    add(&sandbox, "aliased", &[&["--alias", "live"], &READS[..]].concat());
    add(&sandbox, "silent", &[]);
    let ran = publish(&sandbox, "bad");
    assert_eq!(ran.code, 3, "{ran:?}");
    let says = "release 2 failed its probe at function aliased (expected \"good\" at state, found \"bad\"); every \
                function goes back to release 1";
    assert!(ran.stdout.contains(says), "{ran:?}");
    assert_eq!(serving(&sandbox), ["\"aliased\" 1", "\"silent\" 1"]);
    let history = sandbox.cli(&["history", "geo"]);
    assert!(history.stdout.contains("a gate failed"), "{history:?}");
    assert_eq!(sandbox.cli(&["refresh"]).code, 4, "it is not tried again");
    let ran = publish(&sandbox, "good");
    assert_eq!(ran.code, 0, "what served before is the same data: {ran:?}");
    sandbox.upstream.publish("note", b"{\"state\": \"good\", \"more\": 1}");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_eq!(serving(&sandbox), ["\"aliased\" 3", "\"silent\" 3"]);
}

#[test]
fn a_function_in_place_is_asked_too_and_the_payload_reaches_it() {
    let sandbox = sandbox("{ payload = { ip = '192.0.2.1' }, path = 'ip', equals = '192.0.2.1' }");
    add(&sandbox, "echo", &["--", "cat"]);
    assert_eq!(publish(&sandbox, "new").code, 0);
    assert_eq!(serving(&sandbox), ["\"echo\" 2"]);
    let failing = ["--", "sh", "-c", "echo out of order >&2; exit 5"];
    add(&sandbox, "failing", &failing);
    let ran = publish(&sandbox, "newer");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("(it failed: exit code 5: out of order)"), "{ran:?}");
    assert_eq!(serving(&sandbox), ["\"echo\" 2", "\"failing\" 2"]);
}

/// Data that fails now and then is found by the third call.
#[test]
fn a_function_is_asked_three_times() {
    let sandbox = sandbox("{}");
    let calls = sandbox.path("calls");
    let counts = format!("echo called >> {0}; test $(wc -l < {0}) -ne 6", calls.display());
    add(&sandbox, "counts", &["--alias", "live", "--", "sh", "-c", &counts]);
    assert_eq!(publish(&sandbox, "new").code, 0);
    let called = || std::fs::read_to_string(&calls).expect("it was called").lines().count();
    assert_eq!(called(), 3);
    let ran = publish(&sandbox, "newer");
    assert_eq!((ran.code, called()), (3, 6), "the last one of three fails: {ran:?}");
    assert_eq!(serving(&sandbox), ["\"counts\" 2"]);
}

#[test]
fn a_program_that_cannot_be_started_says_nothing_against_the_data() {
    let sandbox = sandbox(GOOD);
    add(&sandbox, "lost", &["--alias", "live", "--", "no-such-program"]);
    add(&sandbox, "reads", &[&["--alias", "live"], &READS[..]].concat());
    let ran = publish(&sandbox, "good, too");
    assert_eq!(ran.code, 3, "the other one tells: {ran:?}");
    sandbox.upstream.publish("note", b"{\"state\": \"good\", \"more\": 1}");
    let ran = sandbox.cli(&["refresh"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let says = "function lost: failed, on layer version 1: the probe got no answer from it (freshlayer: failed to start \
                no-such-program: No such file or directory (os error 2)); the next run probes it again";
    assert!(ran.stdout.contains(says), "{ran:?}");
    let status = sandbox.cli(&["status"]);
    assert!(
        status.stdout.contains("lost: waits, on layer version 1: the probe got no answer from it"),
        "{status:?}"
    );
    assert_eq!(serving(&sandbox), ["\"lost\" 1", "\"reads\" 3"]);
}

#[test]
fn the_open_rollout_is_told_and_ordered_about() {
    let sandbox = sandbox("{}");
    add(&sandbox, "a", &[]);
    add(&sandbox, "b", &["--tag", "freshlayer:wave=last"]);
    add(&sandbox, "c", &[]);
    let unclear = ["functions", "add", "d", "--layer", "geo", "--tag", "freshlayer:wave=first"];
    assert_eq!(sandbox.cli(&unclear).code, 2);
    let toml = std::fs::read_to_string(sandbox.path("layers/geo.toml")).expect("readable");
    let toml = toml.replace("all-at-once", "standard");
    std::fs::write(sandbox.path("layers/geo.toml"), toml).expect("writable");
    assert_eq!(sandbox.cli(&["rollout", "pause", "geo"]).code, 2, "nothing is open");
    let ran = publish(&sandbox, "new");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("wave 1 is open for 1 of 3 functions and is watched until"),
        "{ran:?}"
    );
    let told = sandbox.cli(&["rollout", "status", "geo"]);
    assert!(told.stdout.contains("wave 1, opened") && told.stdout.contains(": a\n"), "{told:?}");
    assert!(told.stdout.contains("  later: b, c\n"), "{told:?}");
    let told = sandbox.cli(&["history", "geo", "--rollout", "2"]).stdout;
    assert!(
        told.contains("wave 1: 1 function, opened ") && told.contains(", watched from "),
        "{told}"
    );
    assert_eq!(sandbox.cli(&["rollout", "pause", "geo", "--reason", "a demo"]).code, 0);
    assert!(sandbox.cli(&["status"]).stdout.contains("the rollout is paused since"));
    let ran = sandbox.cli(&["refresh"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.stdout.contains("(a demo); `freshlayer rollout resume geo` lets it go on"),
        "{ran:?}"
    );
    assert_eq!(sandbox.cli(&["rollout", "resume", "geo"]).code, 0);
    assert_eq!(sandbox.cli(&["rollout", "promote", "geo"]).code, 0);
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_eq!(serving(&sandbox), ["\"a\" 2", "\"b\" 2", "\"c\" 2"]);
    assert!(sandbox.cli(&["rollout", "status", "geo"]).stdout.contains("no open rollout"));
    publish(&sandbox, "newest");
    assert_eq!(serving(&sandbox), ["\"a\" 3", "\"b\" 2", "\"c\" 2"]);
    let back = sandbox.cli(&["rollout", "abort", "geo"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(serving(&sandbox), ["\"a\" 2", "\"b\" 2", "\"c\" 2"]);
}

#[test]
fn a_course_that_makes_no_sense_is_a_mistake_with_its_line() {
    for (text, says) in [
        (
            "rollout.waves = [50, 10]",
            "`rollout.waves`: expected rising percentages, the last one 100",
        ),
        (
            "rollout.waves = [10, 50]",
            "`rollout.waves`: expected rising percentages, the last one 100",
        ),
        ("rollout.preset = 'canary'", "expected standard or careful or fast"),
        ("rollout.speed = 3", "unknown key `rollout.speed`"),
        ("rollout.bake_minutes = 20000", "10080"),
        (
            "regions = ['eu-west-1']\nrollout.preset = 'standard'\nrollout.regions_order = ['eu-wst-1']",
            "expected Regions of `regions` (eu-west-1), found eu-wst-1",
        ),
        (
            "rollout.preset = 'standard'\nrollout.regions_order = ['eu-west-1', 'eu-west-1']",
            "eu-west-1 stands there twice",
        ),
        (
            "rollout.window = { from = '09:00', until = '16:00', days = [] }",
            "expected at least one day",
        ),
    ] {
        assert_mistake(text, says);
    }
}

/// A definition that begins with this text is refused with these words.
pub(crate) fn assert_mistake(text: &str, says: &str) {
    let sandbox = Sandbox::new();
    let dataset = "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.file = 'a'\n";
    sandbox.layer("geo", &format!("{text}\n{dataset}"));
    let ran = sandbox.cli(&["check"]);
    assert_eq!(ran.code, 2, "{text}: {ran:?}");
    assert!(ran.stderr.contains(says) || ran.stdout.contains(says), "{text}: {ran:?}");
}
