//! What people order or do about one function, on a strict simulation of AWS: it stays where it is, and all others go on.

use freshlayer::ports::FunctionName;
use freshlayer::report::{ConsumerReport, ConsumerState, Exit, Report};
use freshlayer::{
    Attention, Back, Engine, Error, FunctionsOrder, Prune, Retry, Stays, freeze_functions,
    pin_functions, prune, refresh, roll_back_functions, unfreeze_functions, unpin_functions,
};
use freshlayer_tests::sandbox::{Sandbox, layer_name};
use freshlayer_tests::simulated::NewFunction;

use crate::refresh::{GEO, assert_refreshed, released};
use crate::simulated::{World, block_on, pace, version};
use crate::way_back::next_build;

const ALL_AT_ONCE: &str = "rollout.preset = 'all-at-once'\n";

/// Two functions on release 1, one of them behind an alias, and a new build.
async fn two_functions() -> World {
    let world = World::of(ALL_AT_ONCE);
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    for (name, aliases) in [("aliased", &["live"][..]), ("plain", &[])] {
        let new = NewFunction { layers: &[version(1)], aliases, ..NewFunction::default() };
        world.aws.function(name, &new);
    }
    world.build(3);
    world
}

fn name(name: &str) -> FunctionName {
    FunctionName::parse(name).expect("a name")
}

fn of<'r>(report: &'r Report, function: &str) -> &'r ConsumerReport {
    let found = report.consumers.iter().find(|one| one.function.as_str() == function);
    found.expect("it is a consumer")
}

/// Which layer version the callers of a function get.
fn got(world: &World, function: &str) -> u64 {
    let layers = world.aws.callers_get()[function].clone();
    let number = layers[0].rsplit(':').next().and_then(|number| number.parse().ok());
    number.expect("a version of the layer")
}

/// Sets a function back to release 1, as a deployment with an old template does.
fn set_back(world: &World, function: &str) {
    if function == "aliased" {
        world.aws.point("aliased", "live", 1);
    } else {
        world.aws.set_layers("plain", &[version(1)]);
    }
}

#[test]
fn a_frozen_function_stays_and_the_others_go_on() {
    block_on(async {
        let world = two_functions().await;
        let engine = world.engine(&world.aws, "tester", pace());
        let (typo, layer) = (name("pliant"), layer_name("geo"));
        let order = |function, reason: Option<&str>| {
            let reason = reason.map(str::to_owned);
            let functions = [function];
            let (engine, world) = (&engine, &world);
            async move {
                freeze_functions(engine, &world.definition, &functions, "a person", reason).await
            }
        };
        let refused = order(typo, None).await.expect_err("a typing mistake").to_string();
        assert_eq!(refused, "layer `geo` has no function `pliant`; it has aliased, plain");
        order(name("plain"), Some("a sale")).await.expect("it is known");
        let report = world.refresh(&world.aws).await;
        assert_eq!(
            (report.exit(), got(&world, "aliased"), got(&world, "plain")),
            (Exit::Done, 2, 1)
        );
        let said = of(&report, "plain").reason.as_ref().expect("a reason").text.clone();
        assert!(
            said.starts_with("frozen since ") && said.contains(" by a person (a sale); "),
            "{said}"
        );
        assert_eq!(world.status().await.stable, Some(2), "the release is stable without it");
        let end = |functions: Vec<FunctionName>| {
            let (engine, layer) = (&engine, &layer);
            async move {
                unfreeze_functions(engine, layer, &functions, "a person", None)
                    .await
                    .expect("written")
            }
        };
        assert_eq!(end(vec![name("aliased"), name("plain")]).await, [name("plain")]);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        assert_eq!(got(&world, "plain"), 2);
    });
}

#[test]
fn a_function_that_deployments_set_back_is_brought_there_twice_more_and_then_left_alone() {
    for function in ["aliased", "plain"] {
        block_on(async {
            let world = two_functions().await;
            world.refresh(&world.aws).await;
            for times in 1..=2 {
                set_back(&world, function);
                assert_eq!(got(&world, function), 1);
                let report = world.refresh(&world.aws).await;
                assert_eq!((report.exit(), got(&world, function)), (Exit::Done, 2), "{report:#?}");
                let said = of(&report, function).reason.as_ref().expect("a reason").to_string();
                let counted = format!("({times} of 2 times that freshlayer undoes)");
                assert!(said.ends_with(&counted), "{said}");
            }
            set_back(&world, function);
            for _ in 0..2 {
                let report = world.refresh(&world.aws).await;
                assert_eq!((report.exit(), got(&world, function)), (Exit::Held, 1), "{report:#?}");
                let one = of(&report, function);
                assert_eq!(one.state, ConsumerState::Held);
                let said = one.reason.as_ref().expect("a reason").text.clone();
                assert!(
                    said.starts_with(
                        "it was brought to release 2 and set back by other hands 3 times"
                    ),
                    "{said}"
                );
            }
            world.build(6);
            let report = world.refresh(&world.aws).await;
            assert_eq!((report.exit(), got(&world, function)), (Exit::Done, 3), "{report:#?}");
        });
    }
}

/// A person's order takes the function away, and no deployment does.
#[test]
fn a_pin_is_not_counted_as_set_back() {
    block_on(async {
        let world = two_functions().await;
        world.refresh(&world.aws).await;
        let engine = world.engine(&world.aws, "a person", pace());
        for _ in 0..4 {
            let order = back("plain", Back::Stable);
            let done = roll_back_functions(&engine, &world.definition, &order, "a person").await;
            assert_eq!((done.expect("possible").exit(), got(&world, "plain")), (Exit::Done, 1));
            let (layer, plain) = (&world.definition.layer, [name("plain")]);
            let unpinned = unpin_functions(&engine, layer, &plain, "a person", None).await;
            assert_eq!(unpinned.expect("written"), plain);
            let report = world.refresh(&world.aws).await;
            assert_eq!((report.exit(), got(&world, "plain")), (Exit::Done, 2), "{report:#?}");
            assert_eq!(of(&report, "plain").reason, None);
        }
        set_back(&world, "plain");
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        let order = back("plain", Back::Stable);
        let done = roll_back_functions(&engine, &world.definition, &order, "a person").await;
        assert_eq!(done.expect("possible").exit(), Exit::Done);
        let (layer, plain) = (&world.definition.layer, [name("plain")]);
        let unpinned = unpin_functions(&engine, layer, &plain, "a person", None).await;
        assert_eq!(unpinned.expect("written"), plain);
        let report = world.refresh(&world.aws).await;
        assert_eq!(
            of(&report, "plain").reason,
            None,
            "what a deployment did before is told before"
        );
    });
}

/// What is counted of one function is not forgotten because of another one.
#[test]
fn two_deployments_that_take_turns_are_both_left_alone() {
    block_on(async {
        let world = two_functions().await;
        world.refresh(&world.aws).await;
        for _ in 0..3 {
            for function in ["aliased", "plain"] {
                set_back(&world, function);
                world.refresh(&world.aws).await;
            }
        }
        for _ in 0..2 {
            let report = world.refresh(&world.aws).await;
            let got = (got(&world, "aliased"), got(&world, "plain"));
            assert_eq!((report.exit(), got), (Exit::Held, (1, 1)), "{report:#?}");
        }
    });
}

#[test]
fn a_pin_with_an_end_ends_by_itself() {
    block_on(async {
        let world = two_functions().await;
        let engine = world.engine(&world.aws, "tester", pace());
        let now = freshlayer::ports::Clock::now(&world.aws.clock());
        let at = |hours| Some(now + jiff::SignedDuration::from_hours(hours));
        let pin = |until| {
            freshlayer::pin(&engine, &world.definition.layer, None, "a person", None, until)
        };
        let refused = pin(at(0)).await.expect_err("it is over");
        assert!(matches!(refused, Error::NotPossible(_)), "{refused}");
        pin(at(24)).await.expect("there is a release");
        let pinned = world.refresh(&world.aws).await;
        assert_eq!((pinned.exit(), got(&world, "plain")), (Exit::Done, 1));
        let said = pinned.outcome.reason().to_string();
        let end = " by a person, until 2026-11-02 00:00 UTC; `freshlayer unpin geo` ends the pin";
        assert!(said.ends_with(end), "{said}");
        tokio::time::sleep(std::time::Duration::from_hours(25)).await;
        assert_eq!(world.status().await.pinned, None);
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), got(&world, "plain")), (Exit::Done, 2), "{report:#?}");
    });
}

/// A run of the schedule, which is content with a glance where nothing changed.
async fn scheduled(world: &World) -> Report {
    let engine = world.engine(&world.aws, "tester", pace());
    let engine = Engine { attention: Attention::Glance, ..engine };
    refresh(&engine, &world.definition, Retry::OnChange).await
}

fn back(function: &str, to: Back) -> FunctionsOrder {
    FunctionsOrder { functions: vec![name(function)], to, until: None, reason: None }
}

#[test]
fn one_function_goes_back_at_once_and_stays_there_while_the_others_go_on() {
    for function in ["aliased", "plain"] {
        block_on(async {
            let world = two_functions().await;
            let other = if function == "plain" { "aliased" } else { "plain" };
            world.refresh(&world.aws).await;
            let engine = world.engine(&world.aws, "a person", pace());
            let order = FunctionsOrder {
                reason: Some("a sale".to_owned()),
                ..back(function, Back::Stable)
            };
            let report = roll_back_functions(&engine, &world.definition, &order, "a person").await;
            let report = report.expect("there is a release before");
            assert_eq!(report.exit(), Exit::Done, "{report:#?}");
            assert_eq!(
                report.outcome.reason().text,
                format!(
                    "{function} is on release 1 and stays there until `freshlayer unpin geo --function {function}`"
                )
            );
            assert_eq!((got(&world, function), got(&world, other)), (1, 2));
            world.build(6);
            let report = world.refresh(&world.aws).await;
            assert_eq!(
                (report.exit(), got(&world, function), got(&world, other)),
                (Exit::Done, 1, 3)
            );
            let one = of(&report, function);
            let said = one.reason.as_ref().expect("a reason").text.clone();
            assert_eq!(one.state, ConsumerState::Ordered);
            assert!(said.starts_with("pinned to release 1 since "), "{said}");
            assert!(
                said.contains(&format!("(a sale); `freshlayer unpin geo --function {function}` ")),
                "{said}"
            );
            assert_eq!(world.status().await.stable, Some(3), "the release is stable without it");
            let unpinned =
                unpin_functions(&engine, &layer_name("geo"), &[name(function)], "a person", None)
                    .await;
            assert_eq!(unpinned.expect("written"), [name(function)]);
            assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
            assert_eq!(got(&world, function), 3);
        });
    }
}

#[test]
fn what_no_function_can_go_back_to_is_refused_in_one_line() {
    block_on(async {
        let world = two_functions().await;
        let engine = world.engine(&world.aws, "a person", pace());
        let refused = async |function: &str, to| {
            let order = back(function, to);
            let done = roll_back_functions(&engine, &world.definition, &order, "a person").await;
            let error = done.expect_err("it is refused");
            assert!(matches!(error, Error::NotPossible(_)), "{error}");
            error.to_string()
        };
        let first = refused("plain", Back::Stable).await;
        assert_eq!(first, "layer `geo` has no release before 1 for function `plain`");
        world.refresh(&world.aws).await;
        let typo = refused("pliant", Back::Stable).await;
        assert_eq!(typo, "layer `geo` has no function `pliant`; it has aliased, plain");
        let gone = refused("plain", Back::Release(7)).await;
        assert_eq!(gone, "layer `geo` has no published release 7; it has 1, 2");
        let before = refused("plain", Back::Before).await;
        assert_eq!(
            before,
            "layer `geo` has nothing to go back to before freshlayer; name a release with `--to`"
        );
        let frozen = [name("plain")];
        freeze_functions(&engine, &world.definition, &frozen, "a person", None)
            .await
            .expect("known");
        let frozen = refused("plain", Back::Release(1)).await;
        assert_eq!(
            frozen,
            "function `plain` is frozen; `freshlayer unfreeze geo --function plain` lets it move"
        );
        assert_eq!((got(&world, "aliased"), got(&world, "plain")), (2, 2));
    });
}

#[test]
fn a_pin_of_one_function_ends_by_itself_and_moves_no_other() {
    block_on(async {
        let world = two_functions().await;
        world.refresh(&world.aws).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let now = freshlayer::ports::Clock::now(&world.aws.clock());
        let until = Some(now + jiff::SignedDuration::from_hours(5));
        let order = FunctionsOrder { until, ..back("aliased", Back::Release(1)) };
        pin_functions(&engine, &world.definition, &order, "a person").await.expect("it is there");
        assert_eq!(got(&world, "aliased"), 2, "the next run moves it");
        // Nothing is new, and the schedule looks all the same.
        assert_eq!(scheduled(&world).await.exit(), Exit::Done);
        assert_eq!((got(&world, "aliased"), got(&world, "plain")), (1, 2));
        tokio::time::sleep(std::time::Duration::from_hours(6)).await;
        assert_eq!(scheduled(&world).await.exit(), Exit::Done);
        assert_eq!((got(&world, "aliased"), got(&world, "plain")), (2, 2));
    });
}

/// I6: what an order refers to is kept, also before the function is there.
#[test]
fn prune_keeps_the_release_that_a_function_is_pinned_to() {
    block_on(async {
        let world = two_functions().await;
        for day in [6, 9] {
            world.refresh(&world.aws).await;
            world.build(day);
        }
        world.refresh(&world.aws).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let order = back("plain", Back::Release(2));
        pin_functions(&engine, &world.definition, &order, "a person").await.expect("it is there");
        let pruned = prune(&engine, &world.definition, 1, Prune::Delete).await.expect("done");
        let kept = pruned.kept.iter().find(|kept| kept.seq == 2).expect("it is kept");
        assert_eq!(kept.why, Stays::FunctionPinned, "{pruned:#?}");
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), got(&world, "plain")), (Exit::Done, 2), "{report:#?}");
    });
}

/// The data of the others is new, and is judged by functions that have it.
#[test]
fn a_pinned_function_that_cannot_start_holds_no_release_back() {
    block_on(async {
        let world = World::of("rollout.preset = 'fast'\n");
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        for name in ["a", "b"] {
            let new =
                NewFunction { layers: &[version(1)], aliases: &["live"], ..NewFunction::default() };
            world.aws.function(name, &new);
        }
        world.build(3);
        world.refresh(&world.aws).await;
        assert_eq!((got(&world, "a"), got(&world, "b")), (2, 1), "the one box");
        world.aws.deploy("a");
        world.aws.release("a");
        world.aws.point("a", "live", 3);
        world.aws.fail_next_version("a", "it cannot start");
        let engine = world.engine(&world.aws, "a person", pace());
        let order = back("a", Back::Stable);
        let report = roll_back_functions(&engine, &world.definition, &order, "a person").await;
        let report = report.expect("there is a release before");
        assert_eq!(report.exit(), Exit::Held, "{report:#?}");
        assert_eq!(report.outcome.reason().why.code(), "unmoved");
        let head = world.status().await;
        assert_eq!((head.rolling_to, head.rejected.len()), (Some(2), 0), "{head:#?}");
    });
}

#[test]
fn a_layer_without_functions_says_so() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 1);
    let ran = sandbox.cli(&["rollback", "geo", "--function", "plain"]);
    let says = "layer `geo` has no function `plain`: no function uses it yet\n";
    assert!(ran.code == 2 && ran.stderr.ends_with(says), "{ran:?}");
}

#[test]
fn people_order_one_function_back_by_the_command_line_and_read_of_it() {
    let sandbox = released();
    next_build(&sandbox, 3);
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let words = ["rollback", "geo", "--function", "plain", "--reason", "a sale"];
    let ran = sandbox.cli(&words);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = "geo: refreshed: plain is on release 1 and stays there until `freshlayer unpin geo --function plain`";
    assert!(ran.stdout.starts_with(told), "{ran:?}");
    for (command, says) in [
        (
            ["status", "geo"],
            "function plain: stays, on layer version 1: pinned to release 1 since ",
        ),
        (["plan", "geo"], "function plain: stays, on layer version 1: pinned to release 1 since "),
        (["history", "geo"], "\nfunction plain is pinned to release 1 since "),
    ] {
        let ran = sandbox.cli(&command);
        assert!(ran.code == 0 && ran.stdout.contains(says), "{ran:?}");
        assert!(ran.stdout.contains("a sale"), "{ran:?}");
        assert!(!ran.stdout.contains("LAYER"), "{ran:?}");
    }
    for (words, says) in [
        (&["rollback", "geo", "--function", "pliant"][..], "layer `geo` has no function `pliant`"),
        (&["rollback", "geo", "--function", "plain", "--to", "9"], "no published release 9"),
        (&["rollback", "--function", "plain"], "LAYER"),
        (&["pin", "geo", "--function", "plain"], "add `--to RELEASE`"),
    ] {
        let ran = sandbox.cli(words);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{ran:?}");
    }
    let late = ["functions", "add", "late", "--layer", "geo:1", "--tag", "freshlayer:geo=pin=1"];
    assert_eq!(sandbox.cli(&late).code, 0);
    next_build(&sandbox, 4);
    assert_refreshed(&sandbox.refresh("geo"), 3);
    let ran = sandbox.cli(&["rollback", "geo", "--function", "late"]);
    let says = "function `late` is on release 1, and the way back leads to 2: name an earlier one";
    assert!(ran.code == 2 && ran.stderr.contains(says), "{ran:?}");
    let unpin = ["unpin", "geo", "--function", "plain"];
    let unpinned = "geo: plain unpinned; the next refresh lets it follow the others\n";
    assert_eq!(sandbox.cli(&unpin).stdout, unpinned);
    assert_eq!(sandbox.cli(&unpin).stdout, "geo: plain has no pin of its own; nothing changed\n");
    assert_refreshed(&sandbox.refresh("geo"), 3);
    let pin = ["pin", "geo", "--function", "plain", "--to", "1", "--until", "2999-01-01"];
    let pinned = sandbox.cli(&pin);
    assert_eq!(
        (pinned.code, pinned.stdout.as_str()),
        (
            0,
            "geo: plain pinned to release 1 until `freshlayer unpin geo --function plain` or 2999-01-01 00:00 UTC; \
             `freshlayer refresh geo` moves it there\n"
        )
    );
}
