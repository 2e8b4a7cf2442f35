//! A person's orders, given in the middle of a run, at its end, and twice: the newest order holds.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use freshlayer::faults::{Faults, Strike};
use freshlayer::ports::FunctionName;
use freshlayer::report::{ConsumerState, Exit, Report, Why};
use freshlayer::state::Owner;
use freshlayer::{Attention, Back, Engine};
use freshlayer_local::{FolderRegistry, NewFunction};
use freshlayer_tests::sandbox::{Sandbox, block_on, layer_name};
use serde_json::{Value, json};

use crate::refresh::{GEO, assert_refreshed, released};
use crate::way_back::{brownfield, next_build, publish, roll_back, stands};

/// A host on release 2, with a new build that waits, and functions of which one has an alias.
fn on_two() -> Sandbox {
    let sandbox = released();
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    next_build(&sandbox, 5);
    sandbox
}

fn head(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("a head")
}

fn head_path(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("host/state/layers/geo/head.json")
}

/// Runs a refresh in which something happens before a call.
fn refresh_with(
    sandbox: &Sandbox,
    happens: impl Fn(u64, &str) + Send + Sync + 'static,
) -> (Report, u64) {
    let mut engine = sandbox.engine();
    let faults = Faults::new(
        move |number, call| {
            happens(number, call);
            None::<Strike>
        },
        || {},
    );
    engine.ports = faults.around(&engine.ports);
    let report = sandbox.refresh_with(&engine, "geo");
    (report, faults.calls())
}

/// Lets a command of the real binary happen once, before the first call of a name.
fn before_call(sandbox: &Sandbox, name: &'static str, arguments: &[&str]) -> Report {
    let command = Mutex::new(Some(sandbox.command(arguments)));
    let (report, _) = refresh_with(sandbox, move |_, call| {
        if call == name
            && let Some(mut command) = command.lock().expect("no panic").take()
        {
            assert!(command.output().expect("the binary starts").status.success());
        }
    });
    report
}

/// Starts a rollback to release 1, and returns when the order is written; the command waits for the publisher.
fn start_rollback(mut command: Command, head_path: &Path) -> Child {
    const LOOKS: u32 = 600;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    for _ in 0..LOOKS {
        if head(head_path)["current"] == 1 {
            return child;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the order was not written: {:?}", child.wait_with_output());
}

/// I13: the order is carried out by whoever can, wherever in its run the publisher is: a publisher that moves nothing yet
/// gives way, one that moves functions turns round, and one that ends leaves the rest to the command.
#[test]
fn a_rollback_before_any_call_of_a_run_is_carried_out() {
    // Before its first call a run knows nothing: the rollback may be over by then, and newer data is released.
    let mut call = 1;
    loop {
        let sandbox = on_two();
        let (path, command) =
            (head_path(&sandbox), sandbox.command(&["rollback", "geo", "--to", "1"]));
        let command = Mutex::new(Some(command));
        let child = Arc::new(Mutex::new(None));
        let started = Arc::clone(&child);
        let (report, calls) = refresh_with(&sandbox, move |number, _| {
            if number == call
                && let Some(command) = command.lock().expect("no panic").take()
            {
                *started.lock().expect("no panic") = Some(start_rollback(command, &path));
            }
        });
        let Some(child) = child.lock().expect("no panic").take() else {
            assert!(call >= calls && call > 20, "the run has {calls} calls");
            return;
        };
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "at call {call}: {said} {report:#?}");
        assert_eq!(head(&head_path(&sandbox))["current"], 1, "at call {call}");
        assert!(
            stands(&sandbox).iter().all(|version| *version == 1),
            "at call {call}: {report:#?}"
        );
        assert_eq!(head(&head_path(&sandbox))["rollout"], Value::Null, "at call {call}");
        call += 1;
    }
}

/// The same order by an event: it does not wait, so whoever has the lease carries it out, also where it comes at the end.
#[test]
fn a_rollback_that_does_not_wait_is_carried_out_all_the_same() {
    // Before that the run has no lease: it is one that begins after the order, and may release another build.
    const FIRST: u64 = 4;
    let mut call = FIRST;
    loop {
        let sandbox = on_two();
        let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
        let owner = Owner { name: "an event".to_owned(), ..engine.owner.clone() };
        let order = Mutex::new(Some((Engine { owner, ..engine }, definition)));
        let (report, calls) = refresh_with(&sandbox, move |number, _| {
            if number == call
                && let Some((engine, definition)) = order.lock().expect("no panic").take()
            {
                let order = move || {
                    let to = Back::Release(1);
                    let done = freshlayer::rollback(&engine, &definition, to, "an event", None);
                    block_on(done).expect("it is possible")
                };
                std::thread::spawn(order).join().expect("no panic");
            }
        });
        if call >= calls {
            assert!(calls > 20, "the run has {calls} calls");
            return;
        }
        let now = head(&head_path(&sandbox));
        assert_eq!(now["current"], 1, "at call {call}");
        assert!(
            stands(&sandbox).iter().all(|version| *version == 1),
            "at call {call}: {report:#?}"
        );
        assert_eq!(
            (&now["rollout"], &now["lease"]),
            (&Value::Null, &Value::Null),
            "at call {call}"
        );
        call += 1;
    }
}

#[test]
fn a_rollout_that_was_replaced_says_of_no_function_that_it_is_moving() {
    let sandbox = on_two();
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    let owner = Owner { name: "an event".to_owned(), ..engine.owner.clone() };
    let order = Mutex::new(Some((Engine { owner, ..engine }, definition)));
    let (report, _) = refresh_with(&sandbox, move |_, call| {
        if call == "fleet.apply"
            && let Some((engine, definition)) = order.lock().expect("no panic").take()
        {
            let order = move || {
                let done =
                    freshlayer::rollback(&engine, &definition, Back::Release(1), "an event", None);
                block_on(done).expect("it is possible")
            };
            std::thread::spawn(order).join().expect("no panic");
        }
    });
    assert!(stands(&sandbox).iter().all(|version| *version == 1), "{report:#?}");
    let said = sandbox.cli(&["history", "geo", "--rollout", "3"]).stdout;
    let says = "on its way when the rollout was replaced";
    assert!(said.contains(says) && !said.contains("moving"), "{said}");
}

/// A release was promoted under a freeze or a pin that came during its download.
#[test]
fn a_release_is_not_promoted_under_an_order_that_came_meanwhile() {
    let freeze = (&["freeze", "geo"][..], "unfreeze", Exit::Held);
    for (order, end, exit) in [freeze, (&["pin", "geo"], "unpin", Exit::Done)] {
        let sandbox = on_two();
        let before = stands(&sandbox);
        let report = before_call(&sandbox, "registry.publish", order);
        assert_eq!(report.exit(), exit, "{order:?}: {report:#?}");
        assert_eq!(head(&head_path(&sandbox))["current"], 2, "{order:?}");
        assert_eq!(stands(&sandbox), before);
        assert_eq!(sandbox.cli(&[end, "geo"]).code, 0);
        sandbox.upstream.seen();
        assert_refreshed(&sandbox.refresh("geo"), 3);
        assert!(
            sandbox.upstream.seen().iter().all(|asked| asked.conditional),
            "no second download"
        );
    }
}

/// A publisher took a lease that a person broke again at its next step.
#[test]
fn a_lease_that_was_broken_is_not_taken_again() {
    for call in ["store.create", "registry.publish"] {
        let sandbox = on_two();
        let before = stands(&sandbox);
        let report = before_call(&sandbox, call, &["break-lease", "geo"]);
        assert_eq!(report.outcome.reason().why, Why::TakenOver, "{call}: {report:#?}");
        assert_eq!(
            (head(&head_path(&sandbox))["current"].clone(), stands(&sandbox)),
            (json!(2), before)
        );
        assert_refreshed(&sandbox.refresh("geo"), 3);
    }
}

fn add(sandbox: &Sandbox, name: &str, version: u64, tag: Option<&str>) {
    let tag = tag.map(|tag| ("freshlayer:geo".to_owned(), tag.to_owned()));
    let new = NewFunction {
        name: FunctionName::parse(name).expect("a function name"),
        layers: vec![FolderRegistry::arn(&layer_name("geo"), version)],
        aliases: vec![],
        tags: tag.into_iter().collect(),
        program: Vec::new(),
    };
    sandbox.fleet().add(new).expect("it is new");
}

fn layer_of(sandbox: &Sandbox, name: &str) -> u64 {
    let functions = sandbox.fleet().list().expect("readable");
    let found = functions.iter().find(|function| function.name.as_str() == name);
    found.expect("it is there").latest.layers[0].version()
}

/// I12: a function that came to an adopted layer after its rollout had ended was moved without a note of where it stood.
#[test]
fn a_function_that_comes_later_has_a_way_back() {
    let sandbox = brownfield();
    sandbox.layer("geo", &format!("adopt = true\n{GEO}"));
    assert_refreshed(&sandbox.refresh("geo"), 1);
    let theirs = publish(&sandbox, "a hotfix by hand").version();
    add(&sandbox, "late", theirs, None);
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    assert_eq!(layer_of(&sandbox, "late"), 3);
    assert_eq!(sandbox.cli(&["rollback", "geo", "--to", "before"]).code, 4, "it stays held");
    assert_eq!(layer_of(&sandbox, "late"), theirs);
}

/// A pin behind `rollback --to before` was written, and never obeyed.
#[test]
fn the_newest_of_two_orders_holds() {
    let sandbox = brownfield();
    sandbox.layer("geo", &format!("adopt = true\n{GEO}"));
    assert_refreshed(&sandbox.refresh("geo"), 1);
    assert_eq!(sandbox.cli(&["rollback", "geo", "--to", "before"]).code, 4);
    assert_eq!(stands(&sandbox), [2, 2, 2]);
    assert_eq!(sandbox.cli(&["pin", "geo", "--to", "1"]).code, 0);
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Done, "pinned");
    assert_eq!(stands(&sandbox), [3, 3, 3]);
}

/// I15: one layer whose state cannot be read kept a freeze, or an examination, from all layers behind it.
#[test]
fn a_sick_layer_keeps_no_order_from_another_one() {
    let sandbox = released();
    sandbox.layer("zoo", GEO);
    assert_refreshed(&sandbox.refresh("zoo"), 1);
    std::fs::write(head_path(&sandbox), "{").expect("writable");
    for (command, says) in [
        ("freeze", "zoo: frozen"),
        ("doctor", "zoo: nothing is wrong"),
        ("unfreeze", "zoo: unfrozen"),
    ] {
        let ran = sandbox.cli(&[command]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains(says) && ran.stdout.contains("geo"), "{ran:?}");
    }
}

/// A tag that keeps a function on rolled-back data was counted as well.
#[test]
fn a_function_that_stays_on_rolled_back_data_is_told_of() {
    let sandbox = on_two();
    add(&sandbox, "stubborn", 2, Some("1.0.1"));
    let back = roll_back(&sandbox, Back::Release(1));
    assert_eq!(back.exit(), Exit::Held, "{back:#?}");
    let stubborn = back.consumers.iter().find(|one| one.function.as_str() == "stubborn");
    let stubborn = stubborn.expect("it is told of");
    assert_eq!(stubborn.state, ConsumerState::Held, "{back:#?}");
    assert_eq!(layer_of(&sandbox, "stubborn"), 2);
}

/// What a look under a freeze counted as standing elsewhere was not looked at for a day.
#[test]
fn the_first_scheduled_run_after_a_freeze_goes_on() {
    let sandbox = on_two();
    let scheduled = Engine { attention: Attention::Glance, ..sandbox.engine() };
    assert_refreshed(&sandbox.refresh_with(&scheduled, "geo"), 3);
    assert_eq!(sandbox.cli(&["freeze", "geo"]).code, 0);
    add(&sandbox, "late", 1, None);
    assert_eq!(sandbox.refresh_with(&scheduled, "geo").exit(), Exit::Held);
    assert_eq!(sandbox.cli(&["unfreeze", "geo"]).code, 0);
    assert_eq!(sandbox.refresh_with(&scheduled, "geo").exit(), Exit::Done);
    assert_eq!(layer_of(&sandbox, "late"), 3);
}

/// A rollback needed the record of the release that it leaves.
#[test]
fn a_release_without_its_record_can_be_left() {
    let sandbox = on_two();
    next_build(&sandbox, 3);
    std::fs::remove_file(sandbox.path("host/state/layers/geo/releases/2.json")).expect("removable");
    assert_eq!(roll_back(&sandbox, Back::Release(1)).exit(), Exit::Done);
    assert!(stands(&sandbox).iter().all(|version| *version == 1));
    assert_eq!(sandbox.refresh("geo").exit(), Exit::Held, "its data stays away");
}

/// An order that arrives twice, as an event may, goes on with the first one.
#[test]
fn a_rollback_that_arrives_twice_goes_back_once() {
    let sandbox = on_two();
    for _ in 0..2 {
        assert_eq!(roll_back(&sandbox, Back::Release(1)).exit(), Exit::Done);
        assert_eq!(head(&head_path(&sandbox))["current"], 1);
    }
}

/// Under a freeze nothing is deleted either: people look for what happened.
#[test]
fn nothing_is_deleted_under_a_freeze() {
    let sandbox = on_two();
    assert_refreshed(&sandbox.refresh("geo"), 3);
    assert_eq!(sandbox.cli(&["freeze", "geo"]).code, 0);
    for command in [&["prune", "--keep", "0"][..], &["doctor", "--fix"]] {
        let ran = sandbox.cli(command);
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.stdout.starts_with("geo: held: frozen since "), "{ran:?}");
    }
    assert_eq!(sandbox.cli(&["prune", "--keep", "0", "--dry-run"]).code, 0);
}
