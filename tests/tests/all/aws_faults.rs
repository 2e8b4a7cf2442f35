//! A wire that misbehaves between the real binary and the account: replies cut off after the work was done, throttles,
//! and two publishers at once. The end is the same as on a good day.

use std::process::Stdio;
use std::time::Duration;

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::emulator::{FaultProxy, emulator};
use freshlayer_tests::sandbox::{Ran, block_on};
use serde_json::{Value, json};

use crate::aws::Cloud;

/// One of each kind of call that a refresh with consumers makes.
const CALLS: [&str; 9] = [
    "GetObject",
    "GetFunction",
    "GetLayerVersionByArn",
    "ListFunctions",
    "PublishLayerVersion",
    "PublishVersion",
    "PutObject",
    "UpdateAlias",
    "UpdateFunctionConfiguration",
];

/// A cloud with a first release, functions of each kind on it, and a new build upstream.
async fn prepared() -> Cloud {
    let cloud = Cloud::new().await;
    assert_eq!(cloud.run(&["refresh"]).code, 0);
    let on_one = [cloud.version("geo", 1)];
    cloud.account.function("plain", &on_one, &[], &[]).await;
    cloud.account.function("aliased", &on_one, &["live"], &[]).await;
    cloud.sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    cloud
}

async fn assert_as_on_a_good_day(cloud: &Cloud, what: &str) {
    let two = cloud.version("geo", 2).to_string();
    let listed = cloud.account.lambda().list_layer_versions().layer_name("geo").send().await;
    let count = listed.expect("readable").layer_versions().len();
    assert_eq!(count, 2, "{what}: one layer version per release");
    for (function, qualifier) in [("plain", "$LATEST"), ("aliased", "$LATEST"), ("aliased", "live")]
    {
        let layers = cloud.account.layers(function, qualifier).await;
        assert_eq!(layers, [two.as_str()], "{what}: {function} {qualifier}");
    }
}

/// Runs over a proxy with one rule until all is well; the first run must meet the rule.
async fn survives(rule: Value) -> Ran {
    let cloud = prepared().await;
    let proxy = FaultProxy::start(emulator());
    proxy.rule(&rule);
    let run = || {
        let mut command = cloud.command(&["refresh"]);
        command.env("AWS_ENDPOINT_URL", proxy.endpoint());
        Ran::of(&command.output().expect("the binary starts"))
    };
    let first = run();
    assert!(proxy.fired() > 0, "{rule}: the rule met nothing: {first:?}");
    assert!([0, 1, 4].contains(&first.code), "{rule}: {first:?}");
    if first.code != 0 {
        let second = run();
        assert_eq!(second.code, 0, "{rule}: {first:?}, then {second:?}");
    }
    assert_as_on_a_good_day(&cloud, &rule.to_string()).await;
    first
}

#[test]
fn a_reply_that_is_cut_off_doubles_nothing() {
    for call in CALLS {
        let cut = json!({"operation": call, "times": 1, "response": {"abort_frac": 0.3}});
        block_on(survives(cut));
    }
}

#[test]
fn a_throttle_is_waited_out() {
    for call in
        ["ListFunctions", "PublishLayerVersion", "UpdateFunctionConfiguration", "UpdateAlias"]
    {
        let error = json!({"code": "TooManyRequestsException"});
        let throttled = json!({"operation": call, "times": 2, "error": error});
        let ran = block_on(survives(throttled));
        assert_eq!(ran.code, 0, "{call}: {ran:?}");
    }
}

#[test]
fn who_else_is_at_a_function_is_waited_for() {
    for (call, code) in [
        ("UpdateFunctionConfiguration", "ResourceConflictException"),
        ("UpdateFunctionConfiguration", "PreconditionFailedException"),
        ("PublishVersion", "ResourceConflictException"),
        ("UpdateAlias", "PreconditionFailedException"),
    ] {
        let refused = json!({"operation": call, "times": 1, "error": {"code": code}});
        let ran = block_on(survives(refused));
        assert_eq!(ran.code, 0, "{call} {code}: {ran:?}");
    }
}

/// Kills the binary while it waits for a call's reply, and runs it again.
async fn survives_a_kill(rule: Value) {
    let cloud = prepared().await;
    let proxy = FaultProxy::start(emulator());
    proxy.rule(&rule);
    let mut command = cloud.command(&["refresh"]);
    command.env("AWS_ENDPOINT_URL", proxy.endpoint());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary starts");
    while proxy.fired() == 0 {
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "{rule}: it ended before the rule was met");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The emulator ends what it began.
    std::thread::sleep(Duration::from_millis(300));
    child.kill().expect("it still waits");
    child.wait().expect("it is gone");
    let again = cloud.run(&["refresh"]);
    assert_eq!(again.code, 0, "{rule}: {again:?}");
    assert_as_on_a_good_day(&cloud, &rule.to_string()).await;
}

#[test]
fn a_publisher_killed_before_a_call_is_done_loses_nothing() {
    for call in CALLS {
        block_on(survives_a_kill(json!({"operation": call, "times": 1, "timeout_ms": 60_000})));
    }
}

#[test]
fn a_publisher_killed_behind_a_call_doubles_nothing() {
    for call in CALLS {
        let slow = json!({"bandwidth_kbps": 0.01});
        block_on(survives_a_kill(json!({"operation": call, "times": 1, "response": slow})));
    }
}

#[test]
fn two_publishers_at_once_do_the_work_once() {
    block_on(async {
        let cloud = prepared().await;
        let start = || {
            let mut command = cloud.command(&["refresh"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the binary starts")
        };
        let both = [start(), start()].map(|child| {
            let output = child.wait_with_output().expect("it ends");
            Ran::of(&output)
        });
        for ran in &both {
            assert!([0, 4].contains(&ran.code), "done, or held by the other: {ran:?}");
        }
        assert!(both.iter().any(|ran| ran.code == 0), "{both:?}");
        let after = cloud.run(&["refresh"]);
        assert_eq!(after.code, 0, "{after:?}");
        assert_as_on_a_good_day(&cloud, "two at once").await;
    });
}
