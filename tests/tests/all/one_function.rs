//! What people order or do about one function, on a strict simulation of AWS: it stays where it is, and all others go on.

use freshlayer::ports::FunctionName;
use freshlayer::report::{ConsumerReport, ConsumerState, Exit, Report};
use freshlayer::{Error, freeze_functions, unfreeze_functions};
use freshlayer_tests::sandbox::layer_name;
use freshlayer_tests::simulated::NewFunction;

use crate::simulated::{World, block_on, pace, version};

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
            async move { unfreeze_functions(engine, layer, &functions).await.expect("written") }
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
            for _ in 0..2 {
                set_back(&world, function);
                assert_eq!(got(&world, function), 1);
                let report = world.refresh(&world.aws).await;
                assert_eq!((report.exit(), got(&world, function)), (Exit::Done, 2), "{report:#?}");
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
        assert!(said.ends_with(" by a person, until 2026-11-02 00:00 UTC"), "{said}");
        tokio::time::sleep(std::time::Duration::from_hours(25)).await;
        assert_eq!(world.status().await.pinned, None);
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), got(&world, "plain")), (Exit::Done, 2), "{report:#?}");
    });
}
