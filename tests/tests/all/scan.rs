//! `scan`: the layer's scanner has the last word before a zip is published.

use std::os::unix::fs::PermissionsExt as _;

use freshlayer_tests::damage::tar_of;
use freshlayer_tests::sandbox::{Ran, Sandbox};

/// A layer whose scanner is a shell script beside it.
fn scanned(script: &str, more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    write_scanner(&sandbox, script);
    let scanner = sandbox.path("scanner");
    sandbox.layer(
        "tools",
        &format!(
            "scan.command = ['{}', '--quiet']\n{more}\n[[dataset]]\nname = 'tools'\nformat = 'archive'\n\
             source.https = 'UPSTREAM/files/tools.tar'\n",
            scanner.display()
        ),
    );
    publish(&sandbox, b"first");
    sandbox
}

fn write_scanner(sandbox: &Sandbox, script: &str) {
    let scanner = sandbox.path("scanner");
    std::fs::write(&scanner, format!("#!/bin/sh\n{script}\n")).expect("writable");
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&scanner, runs).expect("it is ours");
}

fn publish(sandbox: &Sandbox, content: &[u8]) {
    sandbox.upstream.publish("tools.tar", &tar_of(&[("tools/run", 0o755, content)]));
}

fn refresh(sandbox: &Sandbox) -> Ran {
    sandbox.cli(&["refresh"])
}

fn versions(sandbox: &Sandbox) -> usize {
    std::fs::read_dir(sandbox.path("host/layers/tools")).map_or(0, |versions| {
        versions.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir())).count()
    })
}

#[test]
fn a_zip_that_the_scanner_lets_pass_is_published_and_it_learns_no_secret() {
    let sandbox = scanned(
        "env > \"$0.env\"; printf '%s' \"$*\" > \"$0.arguments\"; test -s \"$2\" && echo clean",
        "",
    );
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("scan "), "it is a stage: {ran:?}");
    let read = |end: &str| {
        std::fs::read_to_string(sandbox.path(&format!("scanner.{end}"))).expect("it ran")
    };
    assert!(read("arguments").starts_with("--quiet /"), "{}", read("arguments"));
    assert!(read("env").contains("FRESHLAYER_LAYER=tools"));
    assert!(!read("env").contains("MAXMIND"), "{}", read("env"));
}

#[test]
fn a_zip_that_the_scanner_refuses_is_never_published_and_nothing_is_asked_twice() {
    let sandbox = scanned(
        "echo \"$(basename \"$2\"): Eicar-Signature FOUND\"; echo x >> \"$0.ran\"; exit 1",
        "",
    );
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout.contains("fail scan: expected a zip that the scanner lets pass, found "),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("Eicar-Signature FOUND"), "{ran:?}");
    assert!(ran.stdout.contains("what to do about scan: "), "{ran:?}");
    assert_eq!(versions(&sandbox), 0);
    let again = refresh(&sandbox);
    assert_eq!(again.code, 3, "{again:?}");
    let asked =
        || std::fs::read_to_string(sandbox.path("scanner.ran")).expect("it ran").lines().count();
    assert_eq!(asked(), 1, "the verdict is remembered");
    let status = sandbox.cli(&["status"]);
    assert!(status.stdout.contains("Eicar-Signature"), "{status:?}");
    write_scanner(&sandbox, "exit 0");
    let retried = sandbox.cli(&["refresh", "--retry-rejected"]);
    assert_eq!(retried.code, 0, "{retried:?}");
    assert_eq!(versions(&sandbox), 1);
}

#[test]
fn the_last_good_release_serves_while_a_new_one_is_refused() {
    let sandbox = scanned("exit 0", "");
    assert_eq!(refresh(&sandbox).code, 0);
    write_scanner(&sandbox, "exit 1");
    publish(&sandbox, b"second");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("release 1 keeps serving"), "{ran:?}");
    write_scanner(&sandbox, "exit 0");
    publish(&sandbox, b"third");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 0, "the next build is judged anew: {ran:?}");
    assert_eq!(versions(&sandbox), 2);
}

#[test]
fn a_zip_that_waits_is_kept_and_published_without_another_download() {
    let sandbox = scanned("echo 'the queue is long'; exit 75", "");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.stdout.contains(
            "release 1 is not published yet: its scanner wants to wait (the queue is long"
        ),
        "{ran:?}"
    );
    assert_eq!(versions(&sandbox), 0);
    let status = sandbox.cli(&["status"]);
    assert!(status.stdout.contains("release 1 is stored and not published"), "{status:?}");
    sandbox.upstream.seen();
    write_scanner(&sandbox, "exit 0");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(versions(&sandbox), 1);
    let asked = sandbox.upstream.seen();
    assert!(asked.iter().all(|request| request.conditional), "the zip was stored: {asked:?}");
}

#[test]
fn a_scanner_that_gives_no_clear_answer_publishes_nothing() {
    for (script, says) in [
        ("exit 2", "it ended with exit code 2: it printed nothing"),
        ("echo broken >&2; exit 40", "it ended with exit code 40: broken"),
        ("kill -9 $$", "a signal ended it"),
        ("yes | head -c 3000000; exit 3", "it ended with exit code 3: y y y"),
    ] {
        let sandbox = scanned(script, "");
        let ran = refresh(&sandbox);
        assert_eq!(ran.code, 1, "{script}: {ran:?}");
        assert!(ran.stdout.contains(says), "{script}: {ran:?}");
        assert!(
            ran.stdout.contains("gave no verdict on release 1, which stays unpublished"),
            "{script}: {ran:?}"
        );
        assert_eq!(versions(&sandbox), 0, "{script}");
    }
}

#[test]
fn a_scanner_that_hangs_is_ended_with_all_its_children() {
    let sandbox = scanned("sleep 300 & echo $! > \"$0.child\"; wait", "scan.timeout_secs = 1");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("no answer within the 1 s of `scan.timeout_secs`"), "{ran:?}");
    let child = std::fs::read_to_string(sandbox.path("scanner.child")).expect("it ran");
    let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
    assert!(state.is_err() || state.is_ok_and(|state| state.contains(") Z ")), "it is gone");
}

#[test]
fn a_scanner_that_cannot_be_asked_is_told_in_one_line() {
    let sandbox = scanned("exit 0", "");
    std::fs::remove_file(sandbox.path("scanner")).expect("it is there");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("it cannot be started: No such file or directory"), "{ran:?}");
    let dataset = "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.file = '/nowhere'\n";
    for (definition, says) in [
        ("scan.guardduty = true\nscan.lambda = 'scan'\n", "expected exactly one of"),
        ("scan.timeout_secs = 10\n", "expected exactly one of"),
        ("scan.command = 'clamscan'\n", "scan.command"),
        ("scan.command = ['a']\nscan.timeout_secs = 0\n", "timeout_secs"),
        ("scan.program = 'a'\n", "program"),
    ] {
        sandbox.layer("bad", &format!("{definition}{dataset}"));
        let ran = sandbox.cli(&["check"]);
        assert_eq!(ran.code, 2, "{definition}: {ran:?}");
        assert!(ran.stderr.contains(says), "{definition}: {ran:?}");
    }
}

#[test]
fn scanners_of_aws_need_an_account() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "tools",
        "scan.guardduty = true\n[[dataset]]\nname = 'tools'\nformat = 'archive'\nsource.https = 'UPSTREAM/files/tools.tar'\n",
    );
    publish(&sandbox, b"first");
    let ran = refresh(&sandbox);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("GuardDuty needs an AWS account: `--target aws`"), "{ran:?}");
}
