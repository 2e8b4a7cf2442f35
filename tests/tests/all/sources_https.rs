//! What is sent to an address and to no other, secrets, and mirrors.

use freshlayer::report::{Exit, Outcome, Report};
use freshlayer_tests::sandbox::{Ran, Sandbox};
use freshlayer_tests::upstream::{Fault, Seen, Upstream};

use crate::refresh::assert_refreshed;

const SECRET: &str = "s3cret-of-an-upstream";

/// One file, with more keys of its source.
fn data(source: &str) -> String {
    format!(
        "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'UPSTREAM/files/data'\n{source}\n"
    )
}

fn sandbox(source: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("data", &data(source));
    sandbox.upstream.publish("data", b"some bytes");
    sandbox
}

fn refresh(sandbox: &Sandbox) -> Ran {
    let output = sandbox.command(&["refresh", "-v"]).env("KEY", SECRET).output();
    let ran = Ran::of(&output.expect("it runs"));
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{ran:?}");
    let kept = std::process::Command::new("grep")
        .args(["-r", "-l", SECRET])
        .arg(sandbox.path("host"))
        .output()
        .expect("grep starts");
    assert!(kept.stdout.is_empty(), "{}", String::from_utf8_lossy(&kept.stdout));
    ran
}

fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.headers.get(name).map(String::as_str)
}

fn reason(report: &Report) -> &str {
    &report.outcome.reason().text
}

#[test]
fn headers_bring_texts_and_secrets() {
    let sandbox = sandbox(
        "source.headers = { 'X-Api-Key' = '${KEY}', 'X-Other-Key' = 'file:key', Accept = 'text/csv' }",
    );
    std::fs::write(sandbox.path("layers/key"), "from-a-file\n").expect("writable");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 0, "{ran:?}");
    let seen = sandbox.upstream.seen();
    assert_eq!(header(&seen[0], "x-api-key"), Some(SECRET));
    assert_eq!(header(&seen[0], "x-other-key"), Some("from-a-file"));
    assert_eq!(header(&seen[0], "accept"), Some("text/csv"));
}

#[test]
fn bearer_and_basic_authorise() {
    for (source, expected) in [
        ("source.bearer = '${KEY}'", format!("Bearer {SECRET}")),
        (
            "source.basic = { user = 'Aladdin', password = 'file:key' }",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned(),
        ),
    ] {
        let sandbox = sandbox(source);
        std::fs::write(sandbox.path("layers/key"), "open sesame\n").expect("writable");
        assert_eq!(refresh(&sandbox).code, 0);
        assert_eq!(header(&sandbox.upstream.seen()[0], "authorization"), Some(&expected[..]));
    }
}

#[test]
fn the_rest_of_a_broken_transfer_is_asked_for_with_the_same_headers() {
    let sandbox = sandbox("source.bearer = '${KEY}'");
    sandbox.upstream.publish("data", &vec![b'x'; 200_000]);
    sandbox.upstream.misbehave("data", Fault::Cut(100_000), 1);
    assert_eq!(refresh(&sandbox).code, 0);
    let seen = sandbox.upstream.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.authorized), "{seen:?}");
}

#[test]
fn a_checksum_file_that_breaks_off_is_asked_for_again() {
    let sandbox = Sandbox::new();
    let checksum = sandbox.upstream.url("data.sha256");
    sandbox.layer("data", &data(&format!("source.sha256_url = '{checksum}'")));
    sandbox.upstream.publish("data", b"some bytes");
    let digest = "1c3ae2c3d4bb3bd7a0ab2a5b8cdbd3a6dc9ed6b8f0f6a0a16d3e1ec0a5ed2a20";
    sandbox.upstream.publish("data.sha256", digest.as_bytes());
    sandbox.upstream.misbehave("data.sha256", Fault::Cut(20), 2);
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Rejected, "the whole checksum was read: {report:#?}");
    assert_eq!(sandbox.upstream.seen().len(), 4);
    sandbox.upstream.misbehave("data.sha256", Fault::Cut(20), 9);
    let report = sandbox.refresh("data");
    assert!(reason(&report).contains("4 tries"), "{report:#?}");
}

#[test]
fn a_redirect_takes_no_header_to_another_host() {
    let sandbox = sandbox("source.headers = { 'X-Api-Key' = '${KEY}' }\nsource.bearer = '${KEY}'");
    let elsewhere = Upstream::start(&sandbox.path("elsewhere"));
    elsewhere.publish("data", b"some bytes");
    // Back from there it is a redirect of another host, too.
    elsewhere.misbehave("data", Fault::Redirect(sandbox.upstream.url("data")), 1);
    sandbox.upstream.misbehave("data", Fault::Redirect(elsewhere.url("data")), 1);
    assert_eq!(refresh(&sandbox).code, 0);
    let carries = |seen: &Seen| seen.authorized || header(seen, "x-api-key").is_some();
    let ours: Vec<bool> = sandbox.upstream.seen().iter().map(carries).collect();
    assert_eq!(ours, [true, false]);
    assert!(!elsewhere.seen().iter().any(carries));
}

#[test]
fn a_secret_that_is_gone_is_one_clear_line_and_moves_nothing() {
    for (source, says) in [
        (
            "source.bearer = '${GONE}'",
            "the secret ${GONE} cannot be read: `GONE` is not set in the environment; set it",
        ),
        ("source.bearer = 'file:gone'", "the secret file:gone cannot be read: read "),
    ] {
        let sandbox = sandbox(source);
        let ran = refresh(&sandbox);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(ran.stdout.lines().filter(|line| line.contains(says)).count(), 1, "{ran:?}");
        assert!(sandbox.upstream.seen().is_empty(), "nothing is asked without it");
        assert!(!sandbox.path("host/layers").exists());
    }
}

#[test]
fn a_secret_that_was_rotated_is_read_again() {
    let sandbox = sandbox("source.bearer = 'file:key'");
    let key = sandbox.path("layers/key");
    std::fs::write(&key, "old").expect("writable");
    let engine = sandbox.engine();
    assert_refreshed(&sandbox.refresh_with(&engine, "data"), 1);
    std::fs::write(&key, "new").expect("writable");
    sandbox.upstream.seen();
    sandbox.upstream.publish("data", b"other bytes");
    sandbox.upstream.misbehave("data", Fault::Status(401, "who?"), 1);
    assert_refreshed(&sandbox.refresh_with(&engine, "data"), 2);
    let seen = sandbox.upstream.seen();
    let sent: Vec<_> = seen.iter().map(|request| header(request, "authorization")).collect();
    assert_eq!(sent, [Some("Bearer old"), Some("Bearer new")]);
}

#[test]
fn a_secret_that_is_the_same_is_not_tried_twice() {
    let sandbox = sandbox("source.bearer = 'file:key'");
    std::fs::write(sandbox.path("layers/key"), "wrong").expect("writable");
    sandbox.upstream.misbehave("data", Fault::Status(403, "not you: Bearer wrong"), 10);
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Failed);
    assert!(reason(&report).contains("HTTP 403"), "{report:#?}");
    assert!(!reason(&report).contains("wrong"), "{report:#?}");
    assert_eq!(sandbox.upstream.seen().len(), 1);
}

#[test]
fn mirrors_are_asked_in_turn_and_the_record_says_which_one_gave_the_data() {
    let sandbox = Sandbox::new();
    let mirror = Upstream::start(&sandbox.path("mirror"));
    let nowhere = "http://127.0.0.1:1/files/data";
    let source = format!(
        "source.mirrors = ['{nowhere}', '{}']\nsource.bearer = 'file:key'",
        mirror.url("data")
    );
    sandbox.layer("data", &data(&source));
    std::fs::write(sandbox.path("layers/key"), "token").expect("writable");
    mirror.publish("data", b"some bytes");
    let report = sandbox.refresh("data");
    assert_refreshed(&report, 1);
    let from = report.datasets[0].upstream.as_ref().map(|facts| facts.url.clone());
    assert_eq!(from, Some(mirror.url("data")));
    assert!(!mirror.seen()[0].authorized, "what is sent goes to the first address only");

    assert!(matches!(sandbox.refresh("data").outcome, Outcome::Unchanged { .. }));
    let seen = mirror.seen();
    assert!(seen.len() == 1 && seen[0].conditional, "{seen:?}");

    sandbox.upstream.seen();
    sandbox.upstream.publish("data", b"some bytes");
    assert!(matches!(sandbox.refresh("data").outcome, Outcome::Unchanged { .. }));
    let seen = sandbox.upstream.seen();
    assert!(seen.len() == 1 && !seen[0].conditional, "the ETag is the mirror's: {seen:?}");
}

#[test]
fn a_mirror_stands_in_for_an_address_that_stays_broken() {
    let sandbox = Sandbox::new();
    let mirror = Upstream::start(&sandbox.path("mirror"));
    sandbox.layer("data", &data(&format!("source.mirrors = ['{}']", mirror.url("data"))));
    sandbox.upstream.publish("data", b"some bytes");
    mirror.publish("data", b"some bytes");
    sandbox.upstream.misbehave("data", Fault::Status(503, "later"), 4);
    assert_refreshed(&sandbox.refresh("data"), 1);
    assert_eq!((sandbox.upstream.seen().len(), mirror.seen().len()), (4, 1));
}

#[test]
fn a_mirror_stands_in_for_an_address_that_breaks_off_each_time() {
    let sandbox = Sandbox::new();
    let mirror = Upstream::start(&sandbox.path("mirror"));
    sandbox.layer("data", &data(&format!("source.mirrors = ['{}']", mirror.url("data"))));
    sandbox.upstream.publish("data", b"some bytes");
    mirror.publish("data", b"some bytes");
    sandbox.upstream.misbehave("data", Fault::Cut(0), 100);
    assert_refreshed(&sandbox.refresh("data"), 1);
    assert!(!mirror.seen().is_empty());
    assert_eq!(sandbox.refresh("data").exit(), Exit::Done);
}

#[test]
fn a_refusal_is_no_reason_to_ask_a_mirror() {
    let sandbox = Sandbox::new();
    let mirror = Upstream::start(&sandbox.path("mirror"));
    sandbox.layer("data", &data(&format!("source.mirrors = ['{}']", mirror.url("data"))));
    mirror.publish("data", b"some bytes");
    sandbox.upstream.misbehave("data", Fault::Status(403, "no"), 10);
    assert_eq!(sandbox.refresh("data").exit(), Exit::Failed);
    assert!(mirror.seen().is_empty());
}

#[test]
fn where_no_address_has_the_file_each_is_named() {
    let sandbox = Sandbox::new();
    let mirror = Upstream::start(&sandbox.path("mirror"));
    sandbox.layer("data", &data(&format!("source.mirrors = ['{}']", mirror.url("data"))));
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Failed);
    for address in [sandbox.upstream.url("data"), mirror.url("data")] {
        assert!(reason(&report).contains(&address), "{report:#?}");
    }
}

#[test]
fn a_redirect_into_a_private_network_is_refused() {
    for target in ["http://169.254.169.254/latest/meta-data", "https://10.0.0.1/data"] {
        let sandbox = sandbox("");
        sandbox.upstream.misbehave("data", Fault::Redirect(target.to_owned()), 10);
        let report = sandbox.refresh("data");
        assert_eq!(report.exit(), Exit::Failed);
        assert!(reason(&report).contains("private network"), "{report:#?}");
    }
}

#[test]
fn keys_of_an_address_are_judged_with_their_lines() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "data",
        "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'https://example.org/a'\n\
         source.bearer = 'written-out'\nsource.headers = { Authorization = 'Bearer hidden' }\n\
         source.basic = { user = 'me', password = 'hidden' }\n\n\
         [[dataset]]\nname = 'b'\nformat = 'file'\nsource.file = 'x'\nsource.bearer = '${KEY}'\n",
    );
    let ran = sandbox.cli(&["check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for says in [
        "data.toml:5: `dataset.source.bearer`: expected a secret's reference",
        "data.toml:6: `dataset.source.headers.Authorization`: what is written here",
        "data.toml:7: `dataset.source.basic.password`: expected a secret's reference",
        "expected one of `bearer`, `basic`",
        "data.toml:13: `dataset.source.bearer`: goes with `https` only",
    ] {
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
}
