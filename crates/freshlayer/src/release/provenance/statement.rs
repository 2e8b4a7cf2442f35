//! in-toto statements, version 1. <https://github.com/in-toto/attestation>

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::names::LayerVersionArn;
use crate::ports::Key;
use crate::problem::{GateCheck, Verdict};
use crate::state::{Release, Versions};

/// `test-result` 0.1: every check of every dataset that applied.
pub(super) fn checks(release: &Release) -> Value {
    let [passed, warned, failed] =
        [Verdict::Passed, Verdict::Warned, Verdict::Failed].map(|verdict| named(release, verdict));
    let result = match (&failed[..], &warned[..]) {
        ([], []) => "PASSED",
        ([], _) => "WARNED",
        _ => "FAILED",
    };
    let version = env!("CARGO_PKG_VERSION");
    let predicate = json!({
        "result": result,
        "configuration": [{ "name": "freshlayer", "uri": format!("pkg:cargo/freshlayer@{version}") }],
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    });
    statement(release, "https://in-toto.io/attestation/test-result/v0.1", &predicate)
}

/// `release` 0.2: which zip a data version is.
pub(super) fn release(release: &Release) -> Value {
    let predicate = json!({ "purl": purl(release), "packageId": release.layer });
    statement(release, "https://in-toto.io/attestation/release/v0.2", &predicate)
}

/// `deployment` 1: consumers shall be on the release from now on, because its checks and its record say so.
pub(super) fn promotion(release: &Release, versions: &Versions, decided: Timestamp) -> Value {
    let evidence = |key: Key| json!({ "name": "state", "uri": key.as_str() });
    let checks = Key::evidence(&release.layer, release.seq, super::Evidence::Checks.file_name());
    let arns: Vec<&str> = versions.values().map(LayerVersionArn::as_str).collect();
    let predicate = json!({
        "creationTime": decided,
        "decisionDetails": {
            "evidence": [evidence(checks), evidence(Key::release(&release.layer, release.seq))],
            "policy": [],
        },
        "scopes": { "lambda.amazonaws.com/layer-version/v1": arns.join(" ") },
    });
    statement(release, "https://in-toto.io/attestation/deployment/v1", &predicate)
}

/// Returns the package URL of a release.
pub(super) fn purl(release: &Release) -> String {
    format!("pkg:generic/{}@{}", release.layer, release.version)
}

fn statement(release: &Release, kind: &str, predicate: &Value) -> Value {
    let name = format!("{}-{}.zip", release.layer, release.version);
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": release.zip_sha256 } }],
        "predicateType": kind,
        "predicate": predicate,
    })
}

fn named(release: &Release, verdict: Verdict) -> Vec<String> {
    let checks = release.snapshots.iter().flat_map(|snapshot| {
        let checks = snapshot.gates.checks().iter();
        checks.map(move |check: &GateCheck| (&snapshot.dataset, check))
    });
    let found = checks.filter(|(_, check)| check.verdict == verdict);
    found.map(|(dataset, check)| format!("{dataset}/{}", check.id)).collect()
}
