//! What lies beside a release, held against the formats by their own libraries.

use std::io::Write as _;
use std::process::{Command, Stdio};

use freshlayer_tests::databases::sqlite;
use freshlayer_tests::places::{Place, build};
use freshlayer_tests::sandbox::{Sandbox, workspace};
use freshlayer_tests::validator::validator;
use serde_json::Value;

const LAYER: &str = "
[[dataset]]
name = 'country'
format = 'mmdb'
source.https = 'UPSTREAM/files/country.mmdb'

[[dataset]]
name = 'zones'
format = 'sqlite'
source.file = 'a folder/zones.db'
";

/// A layer with one release, promoted.
fn released() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", &LAYER.replace("'a folder", &format!("'{}", folder(&sandbox))));
    sandbox.upstream.publish("country.mmdb", &build(0, |number| Some(Place::sound(number))));
    let ran = sandbox.cli(&["refresh"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    sandbox
}

fn folder(sandbox: &Sandbox) -> String {
    let folder = sandbox.path("a folder");
    std::fs::create_dir(&folder).expect("writable");
    std::fs::write(folder.join("zones.db"), sqlite(100)).expect("writable");
    folder.to_str().expect("UTF-8").to_owned()
}

/// Returns what each document is, by the validators.
fn validated(documents: &str) -> String {
    let mut child = Command::new(validator())
        .arg(workspace().join("tests/validator/validate.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    child.stdin.take().expect("piped").write_all(documents.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_document_beside_a_release_holds_by_its_own_format() {
    let sandbox = released();
    let ran = sandbox.cli(&["provenance", "geo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(validated(&ran.stdout), @r"
    https://in-toto.io/attestation/test-result/v0.1
    https://in-toto.io/attestation/release/v0.2
    CycloneDX
    https://in-toto.io/attestation/deployment/v1
    ");
}

#[test]
fn they_say_what_was_checked_what_it_is_and_where_it_came_from() {
    let sandbox = released();
    let documents = sandbox.cli(&["provenance", "geo", "--json"]).json();
    let documents = &documents["provenance"]["documents"];
    let [checks, release, bom, promotion] = [0, 1, 2, 3].map(|at| &documents[at]);
    let zip = &sandbox.head("geo")["outline"];
    assert_eq!(checks["subject"][0]["name"], "geo-1.0.0.zip", "{zip}");
    let sha256 = checks["subject"][0]["digest"]["sha256"].as_str().expect("a digest");
    assert!(sandbox.path(&format!("host/state/blobs/{sha256}.zip")).exists());
    let names = |list: &Value| -> Vec<String> {
        serde_json::from_value(list.clone()).expect("a list of names")
    };
    let passed = names(&checks["predicate"]["passedTests"]);
    for check in ["country/mmdb-tree", "zones/sqlite-corrupt"] {
        assert!(passed.iter().any(|name| name == check), "{passed:?}");
    }
    assert_eq!(checks["predicate"]["result"], "PASSED");
    assert_eq!(release["predicate"]["purl"], "pkg:generic/geo@1.0.0");
    let from = |at: usize| &bom["components"][at]["externalReferences"][0]["url"];
    assert_eq!(*from(0), sandbox.upstream.url("country.mmdb"));
    assert!(from(1).as_str().is_some_and(|url| url.ends_with("a%20folder/zones.db")), "{bom}");
    let scopes = promotion["predicate"]["scopes"].to_string();
    assert!(scopes.contains(":layer:geo:1"), "{scopes}");
}

#[test]
fn what_is_not_stored_is_told() {
    let sandbox = released();
    let ran = sandbox.cli(&["provenance", "geo", "--release", "7"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = sandbox.cli(&["provenance", "geo", "--kind", "nonsense"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}
