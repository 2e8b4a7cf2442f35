//! The binary as a person meets it: words, exit codes, `--json`, `exec`, and a machine that is not well.

use std::fmt::Write;
use std::process::Command;

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::Sandbox;
use insta::assert_snapshot;

use crate::refresh::{GEO, released};

/// Makes what differs from run to run the same.
fn plain(text: &str) -> String {
    let words = text.split(' ').map(|word| match word {
        _ if word.contains("2026-") || word.contains("2027-") => "DAY",
        _ if word.len() == 5 && word.as_bytes()[2] == b':' => "TIME",
        _ if word.contains('@') => "PERSON",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_day_in_the_life_of_a_layer() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    let mut told = String::new();
    let mut tell = |arguments: &[&str]| {
        let ran = sandbox.cli(arguments);
        let text = plain(&ran.stdout);
        let _ = write!(told, "$ freshlayer {}\n{text}", arguments.join(" "));
        if ran.code != 0 {
            let _ = writeln!(told, "{}(exit code {})", plain(&ran.stderr), ran.code);
        }
    };
    tell(&["status"]);
    tell(&["refresh"]);
    tell(&["functions", "add", "lookup", "--layer", "geo", "--alias", "live"]);
    tell(&["functions", "add", "quiet", "--layer", "geo", "--tag", "freshlayer:geo=hold"]);
    tell(&["refresh"]);
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    tell(&["refresh"]);
    tell(&["verify", "geo"]);
    tell(&["rollback", "geo"]);
    tell(&["rollback", "geo"]);
    tell(&["refresh"]);
    tell(&["pin", "geo", "--reason", "audit"]);
    tell(&["refresh"]);
    tell(&["unpin", "geo"]);
    tell(&["functions", "list"]);
    tell(&["functions", "remove", "nobody"]);
    tell(&["rollback", "geo", "--to", "9"]);
    tell(&["refresh", "nowhere"]);
    tell(&["exec", "unknown", "--", "true"]);
    assert_snapshot!(told);
}

#[test]
fn json_is_one_document_that_the_schema_describes() {
    let sandbox = released();
    let schema = sandbox.cli(&["schema", "report"]);
    let schema: serde_json::Value =
        serde_json::from_str(&schema.stdout).expect("the schema is JSON");
    let described = schema.to_string();
    for arguments in [
        &["refresh"][..],
        &["status"],
        &["history", "geo"],
        &["report"],
        &["verify", "geo"],
        &["functions", "list"],
        &["pin", "geo"],
        &["unpin", "geo"],
        &["check"],
        &["rollback", "geo"],
        &["completions", "bash"],
        &["schema"],
        &["exec", "nowhere", "--", "true"],
    ] {
        let mut with_json = arguments.to_vec();
        with_json.insert(1, "--json");
        let ran = sandbox.cli(&with_json);
        let document = ran.json();
        assert_eq!(document["command"], arguments[0], "{ran:?}");
        assert_eq!(document["exit_code"], ran.code, "{ran:?}");
        for key in document.as_object().expect("an object").keys() {
            assert!(described.contains(&format!("{key:?}")), "{key} is not in the schema");
        }
    }
}

#[test]
fn mistakes_in_the_command_end_with_2() {
    let sandbox = Sandbox::new();
    for arguments in [&["refersh"][..], &["rollback"], &["refresh", "a b"], &["schema", "x"]] {
        let ran = sandbox.cli(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
    let ran = sandbox.cli(&["--json", "status", "--bogus"]);
    assert_eq!((ran.code, &ran.json()["exit_code"]), (2, &2.into()));
    let unclear = ["functions", "add", "x", "--tag", "freshlayer:geo=holdd"];
    assert_eq!(sandbox.cli(&unclear).code, 2);
    for option in ["--bucket", "--region", "--profile"] {
        let ran = sandbox.cli(&["prune", option, "x"]);
        let words = format!("{option} needs --target aws");
        assert!(ran.code == 2 && ran.stderr.contains(&words), "{ran:?}");
    }
    assert_eq!(sandbox.cli(&["--help"]).code, 0);
    assert_eq!(sandbox.cli(&["--version"]).stdout, "freshlayer 0.1.0\n");
}

#[test]
fn exec_shows_layers_at_opt_and_merges_them_in_order() {
    let sandbox = Sandbox::new();
    let bytes = |layer: &str, path: &str, file: &str| {
        let toml = format!(
            "[[dataset]]\nname = 'x'\nformat = 'file'\npath = '{path}'\nsource.file = '{file}'"
        );
        std::fs::write(sandbox.path(&format!("layers/{file}")), format!("of {layer}\n"))
            .expect("writable");
        sandbox.layer(layer, &toml);
    };
    bytes("one", "shared/data", "first");
    bytes("two", "shared/data", "second");
    bytes("three", "own/data", "third");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let cat =
        ["--", "sh", "-c", "cat $(ls -d /opt/*/data); touch /opt/x 2> /dev/null || echo read-only"];
    let ran = sandbox.cli(&[&["exec", "one", "two", "three"], &cat[..]].concat());
    assert_eq!(ran.stdout, "of three\nof two\nread-only\n", "{ran:?}");
    let ran = sandbox.cli(&[&["exec", "two", "one"], &cat[..]].concat());
    assert_eq!(ran.stdout, "of one\nread-only\n", "{ran:?}");
    let ran = sandbox.cli(&["exec", "one", "--", "sh", "-c", "exit 7"]);
    assert_eq!(ran.code, 7, "the command's own exit code");
    // Unpacking ends right before the namespace is made; that must not get in its way.
    for _ in 0..20 {
        let _fresh = std::fs::remove_dir_all(sandbox.path("host/layers/one/1/opt"));
        let ran = sandbox.cli(&["exec", "one", "--", "cat", "/opt/shared/data"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "of one\n"), "{ran:?}");
    }
    let ran = sandbox.cli(&["exec", "one:9", "--", "true"]);
    assert!(ran.code == 2 && ran.stderr.contains("does not exist"), "{ran:?}");
    assert!(!std::path::Path::new("/opt/shared").exists(), "nobody else sees it");
}

/// Where namespaces are not to be had, the command is told where the layers are, and so is the person.
#[test]
fn exec_takes_a_functions_layers() {
    let sandbox = crate::refresh::released();
    let build = freshlayer_tests::databases::Mmdb::later(3).bytes();
    sandbox.upstream.publish("country.mmdb", &build);
    let deployed =
        ["functions", "add", "pinned", "--layer", "geo:1", "--tag", "freshlayer:geo=hold"];
    assert_eq!(sandbox.cli(&deployed).code, 0);
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    for (function, release) in [("pinned", 1), ("aliased:live", 2), ("plain", 2)] {
        let shown = "cat ${FRESHLAYER_ROOT:-/opt}/freshlayer/geo.json";
        let ran = sandbox.cli(&["exec", "--function", function, "--", "sh", "-c", shown]);
        assert_eq!(ran.json()["release"], release, "{function}: {ran:?}");
    }
    let ran = sandbox.cli(&["exec", "--function", "aliased:none", "--", "true"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn exec_without_namespaces_falls_back_to_the_variable() {
    let sandbox = released();
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec \"$0\" exec geo -- sh -c 'ls $FRESHLAYER_ROOT'";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script])
        .arg(freshlayer_tests::sandbox::binary("freshlayer"))
        .current_dir(sandbox.path(""))
        .env("FRESHLAYER_HOST", "host")
        .output()
        .expect("util-linux has unshare");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout, "freshlayer\ngeo\n", "{stderr}");
    assert!(stderr.contains("the command gets FRESHLAYER_ROOT="), "{stderr}");
}

#[test]
fn executables_run_from_opt() {
    let sandbox = Sandbox::new();
    let toml = "[[dataset]]\nname = 'tool'\nformat = 'archive'\npath = 'bin'\n\
                source.https = 'UPSTREAM/files/tool.tar.gz'\nsource.select = ['tool/bin/*']\n\
                source.strip_components = 2\nexpect.executables = ['run']";
    sandbox.layer("tool", toml);
    sandbox.upstream.publish("tool.tar.gz", &freshlayer_tests::damage::good("archive"));
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let ran = sandbox.cli(&[
        "exec",
        "tool",
        "--",
        "sh",
        "-c",
        "run && ls -l /opt/bin | grep -c rwxr-xr-x",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1\n"), "{ran:?}");
}

#[test]
fn a_corrupted_state_file_is_named_and_left_alone() {
    let sandbox = released();
    let head = sandbox.path("host/state/layers/geo/head.json");
    std::fs::write(&head, b"{ \"format\": 1, \"layer\": ").expect("writable");
    for arguments in [&["refresh"][..], &["status"], &["rollback", "geo"], &["pin", "geo"]] {
        let ran = sandbox.cli(arguments);
        assert_eq!(ran.code, 1, "{ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("object layers/geo/head.json of the state") && said.contains("restore"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(std::fs::read(&head).expect("readable").starts_with(b"{ \"format\""));
    std::fs::write(&head, b"{ \"format\": 99 }").expect("writable");
    let ran = sandbox.cli(&["refresh"]);
    let said = "it has format 99, and this freshlayer knows formats up to 2; upgrade freshlayer";
    assert!(ran.stdout.contains(said), "{ran:?}");
}

#[test]
fn a_damaged_blob_is_found_and_never_carried_on() {
    let sandbox = released();
    let folder = sandbox.path("host/state/blobs");
    let blob = std::fs::read_dir(folder).expect("readable").find_map(|entry| {
        let path = entry.expect("readable").path();
        path.extension().is_some_and(|extension| extension == "zip").then_some(path)
    });
    let blob = blob.expect("there is a blob");
    let good = std::fs::read(&blob).expect("readable");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 0x20;
    std::fs::write(&blob, &bad).expect("writable");
    sandbox.layer("empty", GEO);
    let ran = sandbox.cli(&["verify"]);
    let told = "layer `empty` has no release to verify";
    assert!(ran.code == 3 && ran.stdout.contains(told), "{ran:?}");
    let ran = sandbox.cli(&["verify", "empty"]);
    assert!(ran.code == 2 && ran.stderr.contains(told), "{ran:?}");
    let ran = sandbox.cli(&["verify", "empty", "geo"]);
    assert!(ran.stdout.contains("geo: release") && ran.stderr.contains(told), "{ran:?}");
    let ran = sandbox.cli(&["verify", "geo", "empty", "--release", "1"]);
    assert!(ran.code == 2 && ran.stderr.contains("--release goes with one layer"), "{ran:?}");
    std::fs::remove_file(sandbox.path("layers/empty.toml")).expect("it was written");
    let ran = sandbox.cli(&["verify", "geo"]);
    assert!(ran.code == 3 && ran.stdout.contains("WRONG  the stored zip"), "{ran:?}");
    let moved = GEO.replace("source.https", "path = 'elsewhere/c.mmdb'\nsource.https");
    sandbox.layer("geo", &format!("rollout.roll_major = 'roll'\n{moved}"));
    assert_eq!(sandbox.cli(&["refresh"]).code, 1, "a damaged snapshot is not carried");
    std::fs::write(&blob, &good).expect("writable");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
}

#[test]
fn a_folder_that_cannot_be_written_is_one_line() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    let ran = sandbox.cli(&["refresh", "--host", "/proc/nowhere"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("make the folder /proc/nowhere/work"), "{ran:?}");
}

/// A file system of 200 kB, in a namespace of its own.
#[test]
fn a_full_disk_is_one_line_and_loses_nothing() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    let mmdb = Mmdb { networks: 20_000, ..Mmdb::default() }.bytes();
    sandbox.upstream.publish("country.mmdb", &mmdb);
    let script =
        "mkdir -p small && mount -t tmpfs -o size=200k none small && \"$0\" refresh --work small";
    let mut command = Command::new("unshare");
    let output = command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(freshlayer_tests::sandbox::binary("freshlayer"))
        .current_dir(sandbox.path(""))
        .env("FRESHLAYER_HOST", "host")
        .output()
        .expect("util-linux has unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("the disk is full"), "{said}");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0, "with room it goes on");
}

/// What is deployed is what the user wrote: `init` writes a definition to begin with.
#[test]
fn init_writes_a_definition_that_holds_and_overwrites_none() {
    let sandbox = Sandbox::new();
    let nothing = sandbox.cli(&["check"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("`freshlayer init` writes one"), "{nothing:?}");
    for sample in ["geo", "countries", "ffmpeg"] {
        assert!(!sandbox.path(&format!("layers/{sample}.toml")).exists());
        assert_eq!(sandbox.cli(&["init", sample]).code, 0);
        let again = sandbox.cli(&["init", sample]);
        assert_eq!(again.code, 2);
        assert!(again.stderr.contains("exists; change that one"), "{again:?}");
    }
    assert_eq!(sandbox.cli(&["check"]).code, 0);
}
