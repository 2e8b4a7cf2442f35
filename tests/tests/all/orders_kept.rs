//! What persons and gates did to a layer is kept with its reason, and a way back leaves out what was brought back.

use std::fs;

use freshlayer_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::probes::{GOOD, READS, add, publish, sandbox, serving};
use crate::watch::baking;

fn told(sandbox: &Sandbox, words: &[&str], code: i32) -> String {
    let ran = sandbox.cli(words);
    assert_eq!(ran.code, code, "{ran:?}");
    ran.stdout + &ran.stderr
}

fn more(sandbox: &Sandbox, number: u32) {
    let note = format!("{{\"state\": \"good\", \"number\": {number}}}");
    sandbox.upstream.publish("note", note.as_bytes());
    told(sandbox, &["refresh"], 0);
}

#[test]
fn a_way_back_leaves_out_what_a_gate_brought_back() {
    let sandbox = sandbox(GOOD);
    add(&sandbox, "reader", &READS);
    // It has no program: it has the data when the other one fails.
    add(&sandbox, "unasked", &[]);
    more(&sandbox, 2);
    assert_eq!(publish(&sandbox, "bad").code, 3);
    let why =
        "release 3 failed its probe at function reader (expected \"good\" at state, found \"bad\")";
    let history = told(&sandbox, &["history", "geo"], 0);
    assert!(history.contains(&format!("a gate failed: {why}")), "{history}");
    assert!(history.contains("brought back"), "{history}");
    let journal = told(&sandbox, &["history", "geo", "--rollout", "4"], 0);
    assert!(journal.contains(why), "{journal}");
    let refused = told(&sandbox, &["status", "geo"], 0);
    assert!(refused.contains(&format!("{why}, and functions went back to 2")), "{refused}");
    more(&sandbox, 4);
    assert_eq!(serving(&sandbox), ["\"reader\" 4", "\"unasked\" 4"]);
    told(&sandbox, &["rollback", "geo"], 0);
    assert_eq!(
        serving(&sandbox),
        ["\"reader\" 2", "\"unasked\" 2"],
        "release 3 was never to be served"
    );
}

#[test]
fn history_keeps_each_order_with_who_and_why() {
    let sandbox = baking();
    let orders = [
        (&["rollout", "pause", "geo", "--reason", "a fair"][..], "pause the rollout to release 2"),
        (
            &["rollout", "resume", "geo", "--reason", "it is over"],
            "resume the rollout to release 2",
        ),
        (
            &["rollout", "promote", "geo", "--reason", "ticket 42"],
            "promote the rollout to release 2",
        ),
        (&["freeze", "geo", "--reason", "stocktaking"], "freeze the layer"),
        (&["unfreeze", "geo", "--reason", "done"], "unfreeze the layer"),
        (&["refresh", "geo"], ""),
        (&["rollback", "geo", "--reason", "it is slow"], "roll back from release 2 to release 1"),
        (&["pin", "geo", "--reason", "a sale"], "pin the layer to release 1"),
        (&["unpin", "geo", "--reason", "sold out"], "unpin the layer"),
    ];
    let person = sandbox.cli(&["status", "geo"]);
    assert_eq!(person.code, 0);
    for (words, _) in orders {
        told(&sandbox, words, 0);
    }
    let history = told(&sandbox, &["history", "geo"], 0);
    let kept = orders.iter().filter(|(_, what)| !what.is_empty());
    for (words, what) in kept {
        let reason = words.last().expect("a reason");
        let start = format!("  {what}, by ");
        let line = history.lines().find(|line| line.contains(&start)).unwrap_or_default();
        assert!(line.ends_with(&format!(": {reason}")), "{what}: {history}");
    }
    assert!(history.contains("rollback by ") && history.contains(": it is slow"), "{history}");
    let promoted = history.lines().find(|line| line.contains("new release; promoted by "));
    assert!(promoted.is_some_and(|line| line.ends_with(": ticket 42")), "{history}");
    let number = promoted.and_then(|line| line.split_whitespace().next()).expect("a number");
    let journal = told(&sandbox, &["history", "geo", "--rollout", number], 0);
    assert!(journal.contains(", when it was promoted, done "), "{journal}");
    let json = sandbox.cli(&["history", "geo", "--json"]).json();
    let orders = json["history"]["orders"].as_array().expect("a list");
    assert_eq!((orders.len(), &orders[0]["reason"]), (8, &"sold out".into()), "the newest first");
}

#[test]
fn a_way_back_of_a_frozen_layer_is_noted_and_told_as_such() {
    let sandbox = baking();
    told(&sandbox, &["freeze", "geo"], 0);
    let said = told(&sandbox, &["rollout", "abort", "geo", "--reason", "wrong countries"], 4);
    let next = "the order is noted: functions go to release 1 once `freshlayer unfreeze geo` ends the freeze";
    assert!(said.contains(next), "{said}");
    let again = told(&sandbox, &["rollout", "abort", "geo"], 2);
    assert!(again.contains("is on its way back to release 1 already"), "{again}");
    told(&sandbox, &["unfreeze", "geo"], 0);
    told(&sandbox, &["refresh", "geo"], 0);
    let state = sandbox.head("geo");
    assert_eq!((&state["current"], &state["stable"]), (&1.into(), &1.into()), "back comes first");
    told(&sandbox, &["refresh", "geo"], 4);
}

#[test]
fn an_abort_after_unpin_goes_back_to_what_the_pin_held() {
    let sandbox = sandbox(GOOD);
    for name in ["a", "b"] {
        add(&sandbox, name, &READS);
    }
    more(&sandbox, 2);
    told(&sandbox, &["rollback", "geo"], 0);
    told(&sandbox, &["pin", "geo", "--to", "2"], 0);
    told(&sandbox, &["refresh"], 0);
    assert_eq!(serving(&sandbox), ["\"a\" 2", "\"b\" 2"]);
    let definition = sandbox.path("layers/geo.toml");
    let text = fs::read_to_string(&definition).expect("readable");
    fs::write(&definition, text.replace("all-at-once", "standard")).expect("writable");
    told(&sandbox, &["unpin", "geo"], 0);
    let opened = sandbox.cli(&["refresh"]);
    let there = serving(&sandbox);
    assert!(
        there.contains(&"\"b\" 2".to_owned()) && there.contains(&"\"a\" 1".to_owned()),
        "{opened:?}"
    );
    told(&sandbox, &["rollout", "abort", "geo"], 0);
    assert_eq!(serving(&sandbox), ["\"a\" 2", "\"b\" 2"]);
    told(&sandbox, &["pin", "geo", "--to", "1"], 0);
    let pinned = told(&sandbox, &["rollout", "abort", "geo"], 2);
    assert!(pinned.contains("`freshlayer unpin geo` takes the pin back"), "{pinned}");
}

#[test]
fn a_way_back_leaves_out_what_a_person_brought_back() {
    let sandbox = sandbox(GOOD);
    add(&sandbox, "reader", &READS);
    more(&sandbox, 2);
    told(&sandbox, &["freeze", "geo"], 0);
    told(&sandbox, &["rollback", "geo"], 4);
    sandbox.upstream.publish("note", b"{\"state\": \"good\", \"number\": 3}");
    told(&sandbox, &["unfreeze", "geo"], 0);
    told(&sandbox, &["refresh"], 0);
    assert_eq!(serving(&sandbox), ["\"reader\" 1"]);
    told(&sandbox, &["refresh"], 0);
    assert_eq!(serving(&sandbox), ["\"reader\" 3"]);
    told(&sandbox, &["rollback", "geo"], 0);
    assert_eq!(serving(&sandbox), ["\"reader\" 1"], "release 2 was brought back");
}

#[test]
fn a_rollback_tells_of_functions_that_an_order_keeps() {
    let sandbox = sandbox(GOOD);
    for name in ["a", "b"] {
        add(&sandbox, name, &READS);
    }
    more(&sandbox, 2);
    told(&sandbox, &["freeze", "geo", "--function", "a"], 0);
    let said = told(&sandbox, &["rollback", "geo"], 0);
    assert!(said.contains("but for 1 function that stays where an order keeps it"), "{said}");
    assert_eq!(serving(&sandbox), ["\"a\" 2", "\"b\" 1"]);
}

#[test]
fn the_doctor_leaves_a_rollout_alone_that_is_watched() {
    let sandbox = baking();
    assert_eq!(told(&sandbox, &["doctor", "geo"], 0), "geo: nothing is wrong\n");
    let long_ago = || Value::from("2026-09-17T12:00:00Z");
    let put_back = |file: &str, change: fn(&mut Value, Value)| {
        let file = sandbox.path("host/state/layers/geo").join(file);
        let text = fs::read_to_string(&file).expect("it is there");
        let mut value: Value = serde_json::from_str(&text).expect("it is JSON");
        change(&mut value, long_ago());
        fs::write(&file, value.to_string()).expect("writable");
    };
    put_back("rollouts/2.json", |rollout, then| rollout["waves"][0]["until"] = then);
    put_back("head.json", |head, then| head["rollout"]["started"] = then);
    let told_of = told(&sandbox, &["doctor", "geo"], 0);
    assert_eq!(told_of, "geo: nothing is wrong\n", "a run has looked");
    put_back("head.json", |head, then| head["looked"]["at"] = then);
    let said = told(&sandbox, &["doctor", "geo"], 1);
    assert!(
        said.contains("was to go on at ") && said.contains("no run has brought it on"),
        "{said}"
    );
    assert_eq!(
        told(&sandbox, &["doctor", "geo", "--fix"], 1),
        said,
        "its own lease is no publisher"
    );
    put_back("head.json", |head, then| head["lease"] = json!({ "owner": "p", "expires": then }));
    assert_eq!(told(&sandbox, &["doctor", "geo"], 1), said, "that publisher is dead");
    put_back("head.json", |head, _| head["lease"]["expires"] = json!("2099-01-01T00:00:00Z"));
    assert_eq!(told(&sandbox, &["doctor", "geo"], 0), "geo: nothing is wrong\n", "one works");
}
