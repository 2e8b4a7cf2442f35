//! Downloads that somebody has to have signed.

use freshlayer::Code;
use freshlayer::report::{Exit, Report};
use freshlayer_tests::sandbox::Sandbox;

use crate::refresh::assert_refreshed;

/// A key of these tests; its secret half is the bytes 0 to 31.
const KEY: &str = "RWRmcmVzaGxheQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
const OTHER_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const SIGNED: &[u8] = b"signed bytes";
const SIGNATURE: &str = "untrusted comment: a signature of the tests
RURmcmVzaGxheV78RAkAjKVFGgJx/IXGQ9Sv98B5xoHe8LA+QKBDQQZGOdytUchVJVVNz4K3db474F9StuvS5OeOkZ1goU8JpAc=
trusted comment: timestamp:1789473600\tfile:data
5bnjEthEpj0Lg4KfHZtbT9VhTVQJPo2MUsLo0/RindyV9yzo2CdI9Yb47ObxSAYk9VPvEysO8Hy2LdGTUk37Dw==
";

fn sandbox(key: &str, more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let toml = format!(
        "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'UPSTREAM/files/data'\nsource.minisign_key = '{key}'\n{more}\n"
    );
    sandbox.layer("data", &toml);
    sandbox.upstream.publish("data", SIGNED);
    sandbox
}

fn assert_refused(report: &Report) {
    assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
    assert_eq!(report.problems[0].code, Code::Signature);
}

#[test]
fn what_is_signed_is_released() {
    let sandbox = sandbox(KEY, "");
    sandbox.upstream.publish("data.minisig", SIGNATURE.as_bytes());
    assert_refreshed(&sandbox.refresh("data"), 1);
    let checks = sandbox.cli(&["provenance", "data", "--kind", "checks", "--json"]).json();
    let predicate = &checks["provenance"]["documents"][0]["predicate"];
    let passed = predicate["passedTests"].as_array().expect("a list of names");
    assert!(passed.iter().any(|name| name == "a/signature"), "{checks:#}");
    assert!(
        passed.iter().all(|name| name != "a/checksum-mismatch"),
        "no checksum was stated: {checks:#}"
    );
}

#[test]
fn a_signature_may_lie_elsewhere() {
    let sandbox = sandbox(KEY, "source.signature_url = 'UPSTREAM/files/signatures/data.sig'");
    sandbox.upstream.publish("signatures/data.sig", SIGNATURE.as_bytes());
    assert_refreshed(&sandbox.refresh("data"), 1);
}

#[test]
fn what_is_not_signed_by_the_key_moves_nothing() {
    let changed = SIGNATURE.replace("file:data", "file:other");
    for (key, data, signature) in [
        (KEY, &b"other bytes!"[..], SIGNATURE),
        (OTHER_KEY, SIGNED, SIGNATURE),
        (KEY, SIGNED, &changed),
        (KEY, SIGNED, "no signature"),
        (KEY, SIGNED, ""),
    ] {
        let sandbox = sandbox(key, "");
        sandbox.upstream.publish("data", data);
        sandbox.upstream.publish("data.minisig", signature.as_bytes());
        assert_refused(&sandbox.refresh("data"));
        assert!(!sandbox.path("host/layers").exists());
        // A signature that came late is no verdict about the data.
        assert_refused(&sandbox.refresh("data"));
        let status = sandbox.cli(&["status"]).stdout;
        assert!(
            status.contains("the last refresh failed") && status.contains("signature"),
            "{status}"
        );
    }
}

#[test]
fn a_signature_that_is_missing_is_a_failure() {
    let report = sandbox(KEY, "").refresh("data");
    assert_eq!(report.exit(), Exit::Failed);
    assert!(report.outcome.reason().text.contains("data.minisig"), "{report:#?}");
}
