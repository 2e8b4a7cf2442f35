//! What the binary takes for layers, releases and functions: names, references, definitions, and the
//! rules of the local host.

use std::fs;
use std::process::Command;

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Ran, Sandbox, binary};

use crate::refresh::{GEO, released};

const NOTE: &str = "[[dataset]]\nname = 'note'\nformat = 'file'\nsource.file = 'note.txt'\n";

/// Two layers that hold, one with a bad key, one with a variable that is not set.
fn good_and_bad() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("layers/note.txt"), "good\n").expect("writable");
    sandbox.layer("a-note", NOTE).layer("z-note", NOTE);
    sandbox.layer("bad", &NOTE.replace("format", "formatt"));
    sandbox.layer("unset", &NOTE.replace("note.txt", "${FRESHLAYER_TEST_IS_NOT_SET}"));
    sandbox
}

fn assert_says(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for word in words {
        assert!(said.contains(word), "expected {word:?} in {ran:?}");
    }
}

#[test]
fn a_bad_definition_leaves_out_its_own_layer_and_no_other() {
    let sandbox = good_and_bad();
    let problems = ["layers/bad.toml:3: ", "layers/unset.toml:4: ", "`FRESHLAYER_TEST_IS_NOT_SET`"];
    for arguments in [&["refresh"][..], &["status"], &["prune"]] {
        let ran = sandbox.cli(arguments);
        assert_says(&ran, 2, &["a-note: ", "z-note: "]);
        assert_says(&ran, 2, &problems);
        assert_says(&ran, 2, &["problems in the definitions; their layers are left out"]);
        let json = sandbox.cli(&[arguments, &["--json"]].concat()).json();
        assert_eq!(json["exit_code"], 2);
        assert!(json["problems"].as_array().is_some_and(|problems| problems.len() > 1), "{json:#}");
        assert!(json["error"].is_null(), "{json:#}");
    }
    let layers = sandbox.cli(&["status", "--json"]).json()["status"].clone();
    assert!(layers[1]["release"]["seq"] == 1, "the refresh was done: {layers:#}");
}

#[test]
fn a_command_that_names_its_layers_fails_only_for_those() {
    let sandbox = good_and_bad();
    assert_says(&sandbox.cli(&["refresh", "a-note"]), 0, &["a-note: refreshed"]);
    assert_says(
        &sandbox.cli(&["refresh", "bad", "z-note"]),
        2,
        &["z-note: refreshed", "bad.toml:3"],
    );
    let ran = sandbox.cli(&["refresh", "bad"]);
    assert_says(&ran, 2, &["in the definitions; nothing was done"]);
    let ran = sandbox.cli(&["status", "a-note", "nowhere"]);
    assert_says(&ran, 2, &["there is no layer `nowhere`"]);
    assert!(ran.stdout.is_empty(), "a mistyped name stops the command: {ran:?}");
}

#[test]
fn a_layer_whose_state_is_sick_leaves_the_others_their_status() {
    let sandbox = good_and_bad();
    fs::remove_file(sandbox.path("layers/bad.toml")).expect("it is there");
    fs::remove_file(sandbox.path("layers/unset.toml")).expect("it is there");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    fs::write(sandbox.path("host/state/layers/a-note/head.json"), "{").expect("writable");
    assert_says(&sandbox.cli(&["status"]), 1, &["z-note: release 1", "freshlayer: a-note: read"]);
    let json = sandbox.cli(&["status", "--json"]).json();
    assert!(json["failures"][0].as_str().is_some_and(|f| f.starts_with("a-note: ")), "{json:#}");
}

#[test]
fn check_names_the_line_of_a_source_whose_account_is_not_set() {
    let sandbox = Sandbox::new();
    let maxmind =
        "\n[[dataset]]\nname = 'city'\nformat = 'mmdb'\nsource.maxmind = 'GeoLite2-City'\n";
    sandbox.layer("geo", &format!("{NOTE}{maxmind}"));
    assert_eq!(sandbox.cli(&["check"]).code, 0, "the sandbox sets an account");
    let unset = |names: &[&str]| {
        let mut command = sandbox.command(&["check"]);
        for name in names {
            command.env_remove(name);
        }
        Ran::of(&command.output().expect("it starts"))
    };
    for names in [&["MAXMIND_ACCOUNT_ID"][..], &["MAXMIND_LICENSE_KEY"]] {
        let ran = unset(names);
        assert_says(&ran, 2, &["layers/geo.toml:9: ", "MAXMIND_ACCOUNT_ID", "1 problem"]);
    }
    sandbox.layer("geo", NOTE);
    assert_eq!(unset(&["MAXMIND_ACCOUNT_ID", "MAXMIND_LICENSE_KEY"]).code, 0, "no source needs it");
}

#[test]
fn a_data_version_names_a_release() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_says(&sandbox.cli(&["verify", "geo", "--release", "1.0.1"]), 0, &["geo: release 2"]);
    assert_says(
        &sandbox.cli(&["pin", "geo", "--to", "1.0.0"]),
        0,
        &["pinned to release 1 until `freshlayer unpin geo`; "],
    );
    assert_eq!(sandbox.cli(&["unpin", "geo"]).code, 0);
    let known = "1.0.1 (release 2), 1.0.0 (release 1)";
    for command in ["pin", "rollback"] {
        let ran = sandbox.cli(&[command, "geo", "--to", "1.0.7"]);
        assert_says(&ran, 2, &["has no data version 1.0.7; it has", known]);
        let ran = sandbox.cli(&[command, "geo", "--to", "1.0"]);
        assert_says(&ran, 2, &["expected a release such as 3, ", "a data version such as 1.0.3"]);
    }
    assert_says(&sandbox.cli(&["rollback", "geo", "--to", "1.0.0"]), 0, &["back to release 1"]);
}

#[test]
fn an_arn_of_another_host_never_runs_the_layer_of_that_name_here() {
    let sandbox = released();
    for (arn, own) in [
        ("arn:aws:lambda:eu-west-1:123456789012:layer:geo:1", false),
        ("arn:aws:lambda:local:123456789012:layer:geo:1", false),
        ("arn:aws:lambda:local:000000000000:layer:geo:1", true),
    ] {
        let exec = sandbox.cli(&["exec", arn, "--", "true"]);
        let add = sandbox.cli(&["functions", "add", "f", "--layer", arn]);
        if own {
            assert_eq!((exec.code, add.code), (0, 0), "{exec:?} {add:?}");
        } else {
            let advice = ["name it as geo:VERSION", "--target aws"];
            assert_says(&exec, 2, &advice);
            assert_says(&add, 2, &advice);
        }
    }
}

#[test]
fn the_local_host_takes_what_lambda_takes() {
    let sandbox = released();
    let add = |options: &[&str]| sandbox.cli(&[&["functions", "add", "f"], options].concat());
    for alias in ["$LATEST", "has space", "7", "", "a:b"] {
        assert_says(&add(&["--alias", alias]), 2, &["(?!^[0-9]+$)([a-zA-Z0-9-_]+)"]);
    }
    assert_says(&add(&["--alias", "live", "--alias", "live"]), 2, &["Alias already exists"]);
    for tag in ["freshlayer:geo=^1", "team=a*b", "=x"] {
        assert_says(&add(&["--tag", tag]), 2, &["letters, digits, spaces and _ . : / = + - @"]);
    }
    let ran = add(&["--tag", "freshlayer:plcaes=hold"]);
    assert_says(&ran, 2, &["has a definition or a version, found `plcaes`"]);
    let fine = ["--alias", "live-2", "--tag", "freshlayer:geo=1.2", "--tag", "team=data + maps"];
    assert_says(&add(&fine), 0, &["live-2=1"]);
    fs::rename(sandbox.path("layers/geo.toml"), sandbox.path("geo.toml")).expect("it is there");
    let ran = sandbox.cli(&["functions", "add", "g", "--tag", "freshlayer:geo=hold"]);
    assert_says(&ran, 0, &["freshlayer:geo=hold"]);
}

#[test]
fn a_program_is_taken_from_the_folder_where_it_was_named() {
    let sandbox = released();
    fs::write(sandbox.path("probe"), "#!/bin/sh\n").expect("writable");
    let add = |name: &str, program: &str| {
        sandbox.cli(&["functions", "add", name, "--layer", "geo", "--", program, "--fast"])
    };
    assert_says(&add("none", "./none"), 2, &["program: expected a file, found none at ./none"]);
    let whole = sandbox.path("probe").display().to_string();
    assert_says(&add("near", "./probe"), 0, &["program", &format!("{whole} --fast")]);
    assert_says(&add("known", "sh"), 0, &["program   sh --fast"]);
    assert_says(&add("layers", "/opt/bin/probe"), 0, &["program   /opt/bin/probe --fast"]);
}

#[test]
fn a_rollback_of_a_pinned_layer_says_that_it_is_pinned_and_changes_nothing() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(7).bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_eq!(sandbox.cli(&["pin", "geo", "--to", "1"]).code, 0);
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    for to in [&[][..], &["--to", "2"]] {
        let ran = sandbox.cli(&[&["rollback", "geo"], to].concat());
        assert_says(&ran, 2, &["layer `geo` is pinned to release 1; run `freshlayer unpin geo`"]);
    }
    let history = sandbox.cli(&["history", "geo"]);
    assert!(!history.stdout.contains("brought back"), "{history:?}");
}

#[test]
fn exec_ends_as_a_shell_where_the_program_cannot_be_run() {
    let sandbox = released();
    let ran = sandbox.cli(&["exec", "geo", "--", "no-such-program"]);
    assert_says(&ran, 127, &["start no-such-program"]);
    let file = sandbox.path("not-executable");
    fs::write(&file, "#!/bin/sh\n").expect("writable");
    let file = file.to_str().expect("the path is text");
    assert_says(&sandbox.cli(&["exec", "geo", "--", file]), 126, &["Permission denied"]);
    let json = sandbox.cli(&["exec", "geo", "--json", "--", file]).json();
    assert_eq!(json["exit_code"], 126);
}

#[test]
fn a_dataset_that_could_not_be_asked_for_failed() {
    let sandbox = released();
    let gone = GEO.replace("files/country", "files/gone");
    sandbox.layer("geo", &gone);
    assert_says(&sandbox.cli(&["refresh"]), 1, &["dataset country: failed\n"]);
}

#[test]
fn consumers_print_errors_with_their_causes() {
    let sandbox = released();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(binary(program));
        command.args(arguments).env("FRESHLAYER_ROOT", sandbox.path("layers"));
        Ran::of(&command.output().expect("it starts"))
    };
    for (program, arguments) in [
        ("examples/lookup", &["geo", "country"][..]),
        ("examples/query", &["geo", "country", "SELECT 1"]),
        ("geo-lookup", &[]),
    ] {
        let ran = run(program, arguments);
        let name = program.trim_start_matches("examples/");
        assert_says(&ran, 1, &[&format!("{name}: find layer `geo`: ")]);
        assert!(!ran.stderr.contains("LayerNotFound"), "{ran:?}");
    }
}
