//! Orders in the middle of a rollout, tags on the schedule, versions that are retired, and fleets that need many runs,
//! in virtual time.

use std::time::Duration;

use freshlayer::report::{ConsumerState, Exit};
use freshlayer::{Attention, Back, Engine, Retry, advance, freeze, refresh, rollback};
use freshlayer_tests::sandbox::layer_name;
use freshlayer_tests::simulated::NewFunction;
use jiff::SignedDuration;
use tokio::time::{Instant, sleep};

use crate::simulated::{World, block_on, pace, version};

/// What a publisher's pace of 8 calls a second, with its burst of 5, moves in five seconds.
const MOVED_IN_FIVE_SECS: usize = 5 * 8 + 5;

async fn fleet(functions: u32, aliases: &[&str]) -> World {
    let world = World::of("");
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    let layers = [version(1)];
    for number in 0..functions {
        let new = NewFunction { layers: &layers, aliases, ..NewFunction::default() };
        world.aws.function(&format!("f{number:05}"), &new);
    }
    world.build(3);
    world
}

fn on_release_2(world: &World) -> usize {
    world.aws.serving().iter().filter(|line| line.contains("geo:2")).count()
}

/// F6: a running publisher obeys a freeze within five seconds, in the middle of a round.
#[test]
fn a_freeze_in_the_middle_of_a_thousand_functions_is_obeyed_within_five_seconds() {
    block_on(async {
        let world = fleet(1_000, &[]).await;
        let person = world.engine(&world.aws, "a person", pace());
        let freezing = async {
            sleep(Duration::from_secs(40)).await;
            freeze(&person, &layer_name("geo"), "a person", None).await.expect("writable");
            world.aws.moved_at().len()
        };
        let (report, moved) = tokio::join!(world.refresh(&world.aws), freezing);
        assert_eq!(report.exit(), Exit::Held, "{:?}", report.outcome);
        assert!(report.outcome.reason().text.starts_with("frozen since"), "{:?}", report.outcome);
        let all = world.aws.moved_at().len();
        assert!(moved > 100, "{moved} were moved before");
        assert!(all - moved <= MOVED_IN_FIVE_SECS, "{} moved behind the freeze", all - moved);
        assert!(all < 900, "{all} were moved");
        assert!(world.status().await.lease.is_none(), "the lease is given back");
    });
}

/// F6: a rollback under the lease of a running publisher is carried out by that publisher.
#[test]
fn a_rollback_in_the_middle_is_carried_out_by_the_running_publisher() {
    block_on(async {
        let world = fleet(400, &[]).await;
        let person = world.engine_with(&world.aws, "a person", crate::simulated::NobodyIsGone);
        let going_back = async {
            sleep(Duration::from_secs(20)).await;
            rollback(&person, &world.definition, Back::Stable, "a person", None).await
        };
        let (report, ordered) = tokio::join!(world.refresh(&world.aws), going_back);
        let ordered = ordered.expect("there is an earlier release");
        assert_eq!(ordered.exit(), Exit::Held, "{:?}", ordered.outcome);
        assert!(ordered.outcome.reason().text.contains("stands"), "{:?}", ordered.outcome);
        assert_eq!(on_release_2(&world), 0, "{:?}", report.outcome);
    });
}

/// F7: a tag is seen by the schedule, though no rollout is open.
#[test]
fn a_tag_is_seen_on_the_schedule_and_nobody_counts_as_there_unseen() {
    block_on(async {
        let world = fleet(3, &[]).await;
        let schedule = || Engine {
            attention: Attention::Glance,
            ..world.engine(&world.aws, "schedule", pace())
        };
        let run = async || refresh(&schedule(), &world.definition, Retry::OnChange).await;
        assert_eq!(run().await.exit(), Exit::Done);
        let idle = run().await;
        let look = idle.last_look.expect("a glance was enough");
        assert_eq!((look.consumers, look.behind, idle.consumers.len()), (3, 0, 0));
        world.aws.tag("f00001", "freshlayer:geo", "pin=1");
        let seen = run().await;
        assert!(seen.last_look.is_none(), "{seen:#?}");
        assert_eq!(on_release_2(&world), 2, "{:?}", world.aws.serving());
        assert!(run().await.last_look.is_some(), "and then a glance is enough again");
        sleep(Duration::from_hours(25)).await;
        assert!(run().await.last_look.is_none(), "once a day everything is looked at");
    });
}

/// F10, I14: over any number of releases the number of versions that freshlayer published does not grow.
#[test]
fn versions_that_freshlayer_published_are_retired_and_no_function_is_ever_deleted() {
    block_on(async {
        let world = fleet(2, &["live"]).await;
        let mut counts = Vec::new();
        for day in 4..14 {
            world.build(day);
            assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
            counts.push(world.aws.versions_of("f00000").len());
        }
        assert!(counts[5..].iter().all(|count| *count == counts[5]), "{counts:?}");
        assert!(world.aws.versions_of("f00000").contains_key(&1), "a person published it");
        assert!(world.aws.violations().is_empty());
        let engine = world.engine(&world.aws, "tester", pace());
        let back = rollback(&engine, &world.definition, Back::Stable, "a person", None).await;
        assert_eq!(back.expect("there is one").exit(), Exit::Done);
    });
}

/// F12: a fleet that needs many runs comes to its end by itself: 5,000 functions in 4 runs. Tried with 20,000: 14 runs,
/// nine minutes in a debug build.
#[test]
fn a_fleet_that_needs_many_runs_ends_by_itself() {
    const FUNCTIONS: u32 = 5_000;
    const RUN: SignedDuration = SignedDuration::from_secs(840);
    block_on(async {
        let world = fleet(FUNCTIONS, &["live"]).await;
        let started = Instant::now();
        let mut runs = 0;
        loop {
            let mut engine = world.engine(&world.aws, "publisher", pace());
            engine.deadline = engine.ports.clock.now().checked_add(RUN).ok();
            let report = match runs {
                0 => refresh(&engine, &world.definition, Retry::OnChange).await,
                _ => advance(&engine, &world.definition).await,
            };
            runs += 1;
            let Some(wake_at) = report.wake_at else {
                assert_eq!(report.exit(), Exit::Done, "{:?}", report.outcome);
                let there = report.consumers.iter().filter(|consumer| {
                    matches!(consumer.state, ConsumerState::Current | ConsumerState::Moved)
                });
                assert_eq!(there.count(), FUNCTIONS as usize);
                break;
            };
            let pause = wake_at.duration_since(engine.ports.clock.now());
            sleep(Duration::try_from(pause).unwrap_or_default()).await;
            assert!(runs < 20, "{:?} after {:?}", report.outcome, started.elapsed());
        }
        println!("{FUNCTIONS} functions with an alias: {runs} runs, {:?}", started.elapsed());
    });
}
