//! What commands tell a person to do next: commands that can be pasted, that do what is said of them, and are told once.

use std::fs;

use freshlayer_tests::sandbox::{Ran, Sandbox};

use crate::hooks::{script, with_hook};
use crate::refresh::{GEO, add_function, released};
use crate::watch::baking;
use crate::way_back::next_build;

fn run(sandbox: &Sandbox, words: &str, code: i32) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let Ran { code: ended, stdout, stderr } = sandbox.cli(&words);
    assert_eq!(ended, code, "{words:?}: {stdout}{stderr}");
    format!("{stdout}{stderr}")
}

fn says(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "expected {word:?} in {told}");
    }
}

#[test]
fn a_layer_that_does_not_exist_has_one_answer() {
    let sandbox = released();
    let answer = "freshlayer: there is no layer `geoo`: expected its definition at layers/geoo.toml; did you mean `geo`?\n";
    for words in [
        "status geoo",
        "refresh geoo",
        "plan geoo",
        "rollback geoo",
        "pin geoo",
        "pin geoo --to 1.0.0",
        "unpin geoo",
        "freeze geoo",
        "history geoo",
        "accept geoo 0123456789ab",
        "break-lease geoo",
        "rollout status geoo",
        "rollout pause geoo",
        "rollout promote geoo",
        "rollout abort geoo",
        "can-roll geoo",
        "verify geoo",
        "pull geoo",
        "diff geoo geoo:1.0.0",
        "exec geoo -- true",
        "functions add f --layer geoo",
    ] {
        assert_eq!(run(&sandbox, words, 2), answer, "{words}");
    }
    says(&run(&sandbox, "status goe", 2), &["; did you mean `geo`?\n"]);
    let far = run(&sandbox, "status nowhere", 2);
    assert!(far.ends_with("expected its definition at layers/nowhere.toml\n"), "{far}");
}

/// A definition may be gone while functions still use the layer.
#[test]
fn orders_go_on_where_a_layer_has_releases_and_no_definition() {
    let sandbox = released();
    next_build(&sandbox, 3);
    run(&sandbox, "refresh", 0);
    fs::rename(sandbox.path("layers/geo.toml"), sandbox.path("geo.toml")).expect("it is there");
    says(&run(&sandbox, "pin geo --to 1", 0), &["pinned to release 1"]);
    run(&sandbox, "unpin geo", 0);
    says(&run(&sandbox, "history geo", 0), &["1.0.1"]);
    says(&run(&sandbox, "rollout pause geo", 0), &["the rollout to release 2 is paused"]);
    run(&sandbox, "pull geo", 0);
}

#[test]
fn a_function_that_does_not_exist_has_one_answer() {
    let sandbox = released();
    let answer = "freshlayer: layer `geo` has no function `pliant`; it has aliased, plain\n";
    for words in [
        "freeze geo --function pliant",
        "pin geo --function pliant --to 1",
        "rollback geo --function pliant",
    ] {
        assert_eq!(run(&sandbox, words, 2), answer, "{words}");
    }
    sandbox.layer("other", GEO);
    run(&sandbox, "refresh other", 0);
    let both = run(&sandbox, "freeze geo other --function plain", 2);
    says(&both, &["geo: plain frozen until ", "other: failed: layer `other` has no function"]);
}

#[test]
fn a_pin_tells_what_there_is_and_how_long_it_holds() {
    let sandbox = released();
    next_build(&sandbox, 3);
    run(&sandbox, "refresh", 0);
    let none = "freshlayer: layer `geo` has no published release 9; it has 1, 2\n";
    for words in ["pin geo --to 9", "pin geo --to 9 --function plain", "rollback geo --to 9"] {
        assert_eq!(run(&sandbox, words, 2), none, "{words}");
    }
    assert_eq!(
        run(&sandbox, "pin geo --to 1.0.0 --until 2999-01-01", 0),
        "geo: pinned to release 1 until `freshlayer unpin geo` or 2999-01-01 00:00 UTC; `freshlayer refresh geo` moves its \
         functions there\n"
    );
    run(&sandbox, "freeze geo", 0);
    let first = "; the layer is frozen: first run `freshlayer unfreeze geo`, then `freshlayer refresh geo` moves ";
    says(&run(&sandbox, "pin geo --to 1 --until 2999-01-01", 0), &[first]);
    run(&sandbox, "unfreeze geo", 0);
    let way_out = ", until 2999-01-01 00:00 UTC; `freshlayer unpin geo` ends the pin\n";
    let status = run(&sandbox, "status", 0);
    says(&status, &["  pinned to release 1 since ", " by ", way_out]);
    says(&run(&sandbox, "refresh", 0), &[way_out]);
}

#[test]
fn orders_about_a_rollout_name_their_layer_and_what_comes_first() {
    let sandbox = baking();
    says(&run(&sandbox, "rollout pause geo", 0), &["until `freshlayer rollout resume geo`\n"]);
    says(&run(&sandbox, "status", 0), &["; `freshlayer rollout resume geo` lets it go on\n"]);
    says(&run(&sandbox, "freeze geo", 0), &["until `freshlayer unfreeze geo`"]);
    let first = "; the layer is frozen: first run `freshlayer unfreeze geo`, then ";
    let goes_on = format!("{first}the next refresh goes on\n");
    says(&run(&sandbox, "rollout resume geo", 0), &[&goes_on]);
    let moves = format!("{first}run `freshlayer refresh geo` to move every function at once\n");
    says(&run(&sandbox, "rollout promote geo", 0), &[&moves]);
    says(&run(&sandbox, "refresh", 4), &["geo: held: frozen since "]);
    run(&sandbox, "unfreeze geo", 0);
    let done = run(&sandbox, "refresh", 0);
    says(&done, &["geo: refreshed: release 2 is stable: 2 of 2 functions have it\n"]);
    assert!(!done.contains("because"), "the release is not new in this run: {done}");
    next_build(&sandbox, 5);
    says(&run(&sandbox, "refresh", 0), &["  version 1.0.2 because only data changed; zip of "]);
    let back = run(&sandbox, "rollout abort geo", 0);
    assert!(!back.contains("because"), "{back}");
    let rolled_back = run(&sandbox, "refresh", 4);
    assert!(!rolled_back.contains("LAYER"), "{rolled_back}");
    says(&rolled_back, &["(`freshlayer refresh geo --retry-rejected` releases it again)"]);
}

/// Ten functions of which all stay for one reason are one line; `-v` lists each, and `--json` has them all.
#[test]
fn functions_of_whom_the_same_is_said_are_one_line() {
    let sandbox = released();
    for number in 0..11 {
        add_function(&sandbox, &format!("f{number:02}"), &[]);
    }
    next_build(&sandbox, 3);
    run(&sandbox, "freeze geo --function plain --function f00 --function f01", 0);
    let refreshed = run(&sandbox, "refresh", 0);
    says(
        &refreshed,
        &[
            "  functions f00, f01, plain: each stays, on layer version 1: frozen since ",
            "; `freshlayer unfreeze geo --function NAME` lets it move\n",
            "  functions aliased, f02, f03, f04, f05, f06, f07, f08, f09, f10: each moved, on layer version 2\n",
        ],
    );
    let status = run(&sandbox, "status", 0);
    says(&status, &["  functions aliased, f02, ", ": each up to date, on layer version 2\n"]);
    assert_eq!(run(&sandbox, "status -v", 0).matches("  function ").count(), 13);
    let json = sandbox.cli(&["status", "--json"]).json();
    assert_eq!(json["status"][0]["consumers"].as_array().map(Vec::len), Some(13));
    add_function(&sandbox, "f11", &[]);
    run(&sandbox, "refresh", 0);
    let status = run(&sandbox, "status", 0);
    says(&status, &["f09, f10 and 1 more: each up to date, on layer version 2\n"]);
    let one = "  function plain: stays, on layer version 1: ";
    run(&sandbox, "unfreeze geo --function f00", 0);
    run(&sandbox, "refresh", 0);
    says(&run(&sandbox, "status", 0), &[one, "`freshlayer unfreeze geo --function plain` lets"]);
}

/// A rollout that waits goes on where it stands: with its own wave numbers, and not before a person acts.
#[test]
fn a_plan_counts_on_and_tells_for_whom_a_rollout_waits() {
    let sandbox = baking();
    let foreseen = run(&sandbox, "plan", 0);
    says(&foreseen, &["  wave 1, ", "  wave 2, ", "; stable at "]);
    run(&sandbox, "rollout pause geo --reason incident", 0);
    let paused = run(&sandbox, "plan", 0);
    let waits = "  the rollout waits for a person since wave 1: the rollout is paused since ";
    says(&paused, &[waits, "(incident); `freshlayer rollout resume geo` lets it go on\n"]);
    assert!(!paused.contains("stable at") && !paused.contains("  wave "), "{paused}");
    let sandbox = with_hook("command = ['FOLDER/hook']");
    script(&sandbox, r#"echo '{"verdict": "hold", "reason": "a sale"}'"#);
    run(&sandbox, "refresh", 4);
    says(&run(&sandbox, "status", 0), &["the rollout to release 2 waits for a person; "]);
    let held = run(&sandbox, "plan", 0);
    says(
        &held,
        &["\n  wave 1 waits for a person (", "a sale", "`freshlayer rollout promote geo` moves "],
    );
    assert!(!held.contains("stable at") && !held.contains("  wave 2"), "{held}");
    says(&held, &["function search: waits, on layer version 1: it moves with a later wave\n"]);
}
