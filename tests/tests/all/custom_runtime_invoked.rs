//! Functions without a bootstrap of their own: their runtime is one that freshlayer released as a layer.

use std::path::Path;

use freshlayer_tests::emulator::{emulator, zip_of};
use freshlayer_tests::rie::Running;
use freshlayer_tests::sandbox::{Sandbox, block_on};
use serde_json::{Value, json};

use crate::aws::Cloud;

const RUNTIME: &str = "
[[dataset]]
name = 'runtime'
format = 'file'
path = 'bootstrap'
executable = true
source.https = 'UPSTREAM/files/bootstrap'
";

/// Speaks Lambda's runtime interface. Each answer names what came from the layer, from the function and from the caller.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import http.client
import json
import os


def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, f"/2018-06-01/runtime/invocation/{path}", body)
    reply = connection.getresponse()
    return reply.getheader("Lambda-Runtime-Aws-Request-Id"), reply.read()


opt = os.path.dirname(os.path.abspath(__file__))
with open(f"{opt}/freshlayer/rt.json") as manifest:
    release = json.load(manifest)["release"]
with open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "handler.txt")) as handler:
    handler = handler.read()
while True:
    request, event = call("GET", "next")
    answer = {"runtime": "VERSION", "release": release, "handler": handler, "event": json.loads(event)}
    call("POST", f"{request}/response", json.dumps(answer))
"#;

const HANDLER: &str = "of the function";

fn publish(sandbox: &Sandbox, version: &str) {
    sandbox.upstream.publish("bootstrap", BOOTSTRAP.replace("VERSION", version).as_bytes());
}

fn runtime() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("rt", RUNTIME);
    publish(&sandbox, "first");
    sandbox
}

fn answer(version: &str, release: u64, event: &Value) -> Value {
    json!({"runtime": version, "release": release, "handler": HANDLER, "event": event})
}

#[test]
fn a_deployed_function_runs_on_the_layers_bootstrap_and_follows_it() {
    block_on(async {
        let cloud = Cloud { sandbox: runtime(), account: emulator().account().await };
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let (code, layer) = (zip_of("handler.txt", HANDLER), cloud.version("rt", 1));
        cloud.account.function_of(code, "runs", &[layer], &["live"], &[]).await;
        assert_answers(&cloud, "first", 1).await;

        publish(&cloud.sandbox, "second");
        let ran = cloud.run(&["refresh"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_answers(&cloud, "second", 2).await;
    });
}

async fn assert_answers(cloud: &Cloud, version: &str, release: u64) {
    for function in ["runs", "runs:live"] {
        let event = json!({ "asked": function });
        let found = cloud.account.invoke(function, &event).await;
        assert_eq!(found, answer(version, release, &event));
    }
}

#[test]
fn a_local_function_runs_on_the_layers_bootstrap_and_follows_it() {
    let sandbox = runtime();
    std::fs::write(sandbox.path("handler.txt"), HANDLER).expect("writable");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let add = ["functions", "add", "runs", "--layer", "rt", "--alias", "live"];
    assert_eq!(sandbox.cli(&add).code, 0);
    assert_answers_here(&sandbox, "first", 1);

    publish(&sandbox, "second");
    let ran = sandbox.cli(&["refresh"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_answers_here(&sandbox, "second", 2);
}

/// Asks twice: a runtime goes on after an answer.
fn assert_answers_here(sandbox: &Sandbox, version: &str, release: u64) {
    let running = start(sandbox);
    for event in [json!({"asked": 1}), json!({"asked": 2})] {
        assert_eq!(running.invoke(&event), answer(version, release, &event));
    }
}

/// Starts the function under AWS's emulator of the runtime interface, with its layers as `exec` shows them.
fn start(sandbox: &Sandbox) -> Running {
    Running::start(Path::new("./bootstrap"), |line| {
        let at_opt = "cd ${FRESHLAYER_ROOT:-/opt} && exec \"$@\"";
        let exec = ["exec", "--function", "runs:live", "--", "sh", "-c", at_opt, "sh"];
        let whole: Vec<&str> = exec.into_iter().chain(line.iter().map(String::as_str)).collect();
        let mut command = sandbox.command(&whole);
        command.env("LAMBDA_TASK_ROOT", sandbox.path(""));
        command
    })
}
