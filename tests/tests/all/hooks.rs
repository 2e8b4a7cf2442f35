//! `rollout.hook`: a gate of people's own, on the local host.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Ran, Sandbox};
use serde_json::{Value, json};

use crate::refresh::GEO;

/// A layer with a hook and two functions on its first release, and a second build.
pub(crate) fn with_hook(hook: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let hook = hook
        .replace("FOLDER", sandbox.path("x").parent().and_then(Path::to_str).expect("a folder"));
    sandbox.layer("geo", &format!("rollout.preset = 'fast'\nrollout.hook = {{ {hook} }}\n{GEO}"));
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    for name in ["checkout", "search"] {
        let ran = sandbox.cli(&["functions", "add", name, "--layer", "geo", "--alias", "live"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    sandbox
}

pub(crate) fn script(sandbox: &Sandbox, text: &str) {
    let file = sandbox.path("hook");
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("writable");
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&file, runs).expect("it is ours");
}

fn refresh(sandbox: &Sandbox) -> Ran {
    sandbox
        .command(&["refresh"])
        .env("GATE_TOKEN", "wave-token-81")
        .output()
        .map_or_else(|error| panic!("the binary starts: {error}"), |output| Ran::of(&output))
}

#[test]
fn a_command_rolls_the_release_back_and_learns_what_it_needs_and_no_secret() {
    let sandbox = with_hook("command = ['FOLDER/hook', '--strict']");
    script(
        &sandbox,
        r#"cat > "$0.question"; env > "$0.env"; echo "$*" > "$0.arguments"
echo '{"verdict": "rollback", "reason": "refunds doubled", "state": {"seen": 1}}'"#,
    );
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 3, "{ran:?}");
    let said = format!(
        "(the command `{}` rolls the release back: refunds doubled)",
        sandbox.path("hook").display()
    );
    assert!(ran.stdout.contains(&said), "{ran:?}");
    let read =
        |end: &str| std::fs::read_to_string(sandbox.path(&format!("hook.{end}"))).expect("it ran");
    let question: Value = serde_json::from_str(&read("question")).expect("an object");
    let fixed = |key: &str| question[key].clone();
    assert_eq!(fixed("functions"), json!({ "local": ["checkout"] }), "{question}");
    let known = ["layer", "rollout", "from", "release", "wave", "state"].map(fixed);
    assert_eq!(Value::from(known.to_vec()), json!(["geo", 2, 1, 2, 1, null]), "{question}");
    for time in ["opened", "reached", "until", "now"] {
        let time = question[time].as_str().unwrap_or_default();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{question}");
    }
    assert_eq!(read("arguments"), "--strict\n");
    assert!(!read("env").contains("MAXMIND"), "{}", read("env"));
    let functions = sandbox.cli(&["status", "--json"]).json();
    assert!(functions.to_string().contains("checkout"), "{functions}");
}

#[test]
fn a_hook_without_a_verdict_stops_no_wave_and_is_told() {
    for (hook, text, says) in [
        (
            "command = ['FOLDER/hook'], timeout_secs = 1",
            "sleep 60",
            "no answer within the 1 s of `rollout.hook.timeout_secs`",
        ),
        (
            "command = ['FOLDER/hook']",
            "echo proceed",
            "expected {\"verdict\": \"proceed\" | \"wait\" | \"hold\" | \"rollback\", \"reason\": \"…\"}, found proceed",
        ),
        (
            "command = ['FOLDER/hook']",
            "echo out of order >&2; exit 2",
            "it ended with exit code 2: out of order",
        ),
        ("lambda = 'refunds'", "", "the function refunds needs an AWS account"),
    ] {
        let sandbox = with_hook(hook);
        script(&sandbox, text);
        let ran = refresh(&sandbox);
        assert_eq!(ran.code, 0, "the wave bakes: {ran:?}");
        assert!(ran.stdout.contains(says), "{says}: {ran:?}");
    }
}

#[test]
fn a_web_service_is_sent_its_token_and_no_one_reads_it() {
    let sandbox = with_hook("https = 'UPSTREAM/hooks/rolls-back', bearer = '${GATE_TOKEN}'");
    sandbox.upstream.seen();
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout.contains("/hooks/rolls-back rolls the release back: refunds doubled"),
        "{ran:?}"
    );
    let asked = sandbox.upstream.seen().into_iter().find(|seen| seen.path == "/hooks/rolls-back");
    let headers = asked.expect("it was asked").headers;
    assert_eq!(headers.get("authorization").map(String::as_str), Some("Bearer wave-token-81"));
    assert_eq!(headers.get("content-type").map(String::as_str), Some("application/json"));
    assert!(!format!("{ran:?}").contains("wave-token"), "{ran:?}");

    let sandbox = with_hook("https = 'UPSTREAM/hooks/repeats', bearer = '${GATE_TOKEN}'");
    let ran = refresh(&sandbox);
    assert!(ran.stdout.contains("gave no verdict: its answer repeats a secret"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("wave-token"), "{ran:?}");

    let sandbox = with_hook("https = 'UPSTREAM/hooks/fails'");
    let ran = refresh(&sandbox);
    assert!(ran.stdout.contains("gave no verdict: HTTP 500"), "{ran:?}");
}

#[test]
fn what_is_wrong_with_a_hook_is_said_before_anything_runs() {
    for (hook, says) in [
        (
            "preset = 'fast'\nhook = {}",
            "`rollout.hook`: expected exactly one of `command`, `lambda` and `https`",
        ),
        (
            "preset = 'fast'\nhook = { lambda = 'a', https = 'https://example.org' }",
            "expected exactly one of",
        ),
        (
            "preset = 'fast'\nhook = { lambda = 'a', bearer = '${TOKEN}' }",
            "`rollout.hook.bearer`: goes with `https` only",
        ),
        (
            "preset = 'fast'\nhook = { https = 'https://example.org', bearer = 'abc' }",
            "`rollout.hook.bearer`: expected a secret's reference",
        ),
        (
            "preset = 'fast'\nhook = { https = 'http://example.org' }",
            "plain http can be changed on its way; use https",
        ),
        (
            "preset = 'fast'\nhook = { lambda = 'a', timeout_secs = 301 }",
            "expected 1 to 300, found 301",
        ),
        (
            "preset = 'all-at-once'\nhook = { lambda = 'a' }",
            "`rollout.hook`: nothing is watched, because no wave bakes",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.layer("geo", &format!("[rollout]\n{hook}\n{GEO}"));
        let ran = sandbox.cli(&["check"]);
        assert_eq!(ran.code, 2, "{hook}: {ran:?}");
        assert!(ran.stderr.contains(says) || ran.stdout.contains(says), "{says}: {ran:?}");
    }
}
