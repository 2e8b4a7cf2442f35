//! Runs against what AWS does and no emulator shows: provisioned concurrency that Lambda shifts itself, aliases that
//! split, lists that lag and answers that differ, updates and snapshots that take long or fail, permissions that spread
//! late, places that are sick.

use std::time::Duration;

use freshlayer::report::{ConsumerState, Exit, Report, Why};
use freshlayer::{Attention, Engine, Retry, refresh};
use freshlayer_tests::simulated::{Answering, NewFunction, Outage, Settings, Simulated, SnapStart};
use tokio::time::{Instant, sleep};

use crate::probes::assert_mistake;
use crate::simulated::{World, block_on, pace, version};

const MINUTE: Duration = Duration::from_mins(1);
const OTHER: &str = "210987654321";

async fn aliased(settings: Settings) -> World {
    let world = World::of("");
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    let layers = [version(1)];
    let new =
        NewFunction { layers: &layers, aliases: &["live"], settings, ..NewFunction::default() };
    world.aws.function("f", &new);
    world.build(3);
    world
}

async fn plain() -> World {
    let world = World::of("");
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    let layers = [version(1)];
    world.aws.function("f", &NewFunction { layers: &layers, ..NewFunction::default() });
    world.build(3);
    world
}

async fn on_schedule(world: &World) -> Report {
    let engine = world.engine(&world.aws, "schedule", pace());
    let engine = Engine { attention: Attention::Glance, ..engine };
    refresh(&engine, &world.definition, Retry::OnChange).await
}

fn why(report: &Report) -> Option<&Why> {
    report.consumers[0].reason.as_ref().map(|reason| &reason.why)
}

/// How long a run takes that moves twenty functions.
async fn twenty_moved_in(terms: &str) -> Duration {
    let world = World::of(&format!("rollout.preset = 'all-at-once'\n{terms}"));
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    for number in 0..20 {
        let new = NewFunction { layers: &[version(1)], ..NewFunction::default() };
        world.aws.function(&format!("f{number}"), &new);
    }
    world.build(3);
    let started = Instant::now();
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    started.elapsed()
}

#[test]
fn a_layer_makes_no_more_calls_a_second_than_its_definition_allows() {
    block_on(async {
        let [usual, slow] =
            [twenty_moved_in("").await, twenty_moved_in("rollout.max_calls_per_sec = 2\n").await];
        assert!(slow >= Duration::from_secs(10), "twenty updates, two a second: {slow:?}");
        assert!(usual < slow / 2, "{usual:?}");
    });
    let wrong = ["0", "16"].map(|calls| format!("rollout.max_calls_per_sec = {calls}\n"));
    for terms in wrong {
        assert_mistake(&terms, "max_calls_per_sec");
    }
}

#[test]
fn an_alias_with_provisioned_concurrency_is_on_its_way_until_lambda_is_done() {
    block_on(async {
        let world = aliased(Settings::default()).await;
        world.aws.provision("f", "live", 3);
        world.aws.provision_after(MINUTE * 10);
        let first = world.refresh(&world.aws).await;
        assert_eq!(why(&first), Some(&Why::Shifting { alias: "live".to_owned() }), "{first:#?}");
        assert!(first.wake_at.is_some(), "{first:#?}");
        sleep(MINUTE * 11).await;
        let second = world.refresh(&world.aws).await;
        assert_eq!(second.exit(), Exit::Done, "{second:#?}");
        assert!(world.aws.shares("f", "live").contains_key("2"));
    });
}

#[test]
fn an_alias_that_splits_its_calls_changes_nothing() {
    block_on(async {
        let world = aliased(Settings::default()).await;
        world.aws.configure("f", |settings| settings.timeout_secs = 9);
        assert_eq!(world.aws.release("f"), 2);
        world.aws.point("f", "live", 2);
        world.aws.weigh("f", "live", 1, 0.1);
        let (before, versions) = (world.aws.serving(), world.aws.versions_of("f"));
        let report = world.refresh(&world.aws).await;
        assert_eq!(why(&report), Some(&Why::SplitAlias { alias: "live".to_owned() }));
        assert_eq!((world.aws.serving(), world.aws.versions_of("f")), (before, versions));
    });
}

#[test]
fn a_field_that_one_answer_lacks_holds_nobody() {
    block_on(async {
        for (of, field) in [(Answering::List, "VpcConfig"), (Answering::Get, "TracingConfig")] {
            let settings = Settings { subnet: Some("subnet-1".to_owned()), ..Settings::default() };
            let world = aliased(settings).await;
            world.aws.leave_out(of, field);
            let report = world.refresh(&world.aws).await;
            assert_eq!(report.consumers[0].state, ConsumerState::Moved, "{field}: {report:#?}");
        }
    });
}

#[test]
fn an_update_that_failed_is_made_again() {
    block_on(async {
        let world = plain().await;
        world.aws.fail_next_update("f");
        let first = world.refresh(&world.aws).await;
        assert_eq!(first.exit(), Exit::Held, "{first:#?}");
        let second = on_schedule(&world).await;
        assert!(world.aws.serving()[0].contains("geo:2"), "{second:#?} {:?}", world.aws.serving());
    });
}

#[test]
fn an_update_that_still_runs_is_not_told_as_done() {
    block_on(async {
        let world = plain().await;
        world.aws.settle_after(MINUTE * 30);
        let first = world.refresh(&world.aws).await;
        let second = on_schedule(&world).await;
        for report in [first, second] {
            let said = report.outcome.reason().to_string();
            let expected = "1 of 1 functions are on their way (f: Lambda still updates it)";
            assert_eq!(said, expected, "{report:#?} {:?}", world.aws.serving());
            assert!(report.wake_at.is_some(), "{report:#?}");
        }
        assert_eq!(world.status().await.stable, Some(1));
    });
}

#[test]
fn a_snapshot_that_takes_longer_than_a_run_waits_is_gone_on_with() {
    block_on(async {
        let settings = Settings { snap_start: SnapStart::PublishedVersions, ..Settings::default() };
        let world = aliased(settings).await;
        world.aws.activate_after(MINUTE * 30);
        let first = world.refresh(&world.aws).await;
        assert!(first.wake_at.is_some(), "{first:#?}");
        sleep(MINUTE * 30).await;
        let second = world.refresh(&world.aws).await;
        assert_eq!(second.exit(), Exit::Done, "{second:#?}");
    });
}

/// A home account with one function, and another account with one.
async fn members() -> (World, Simulated) {
    let role = format!("arn:aws:iam::{OTHER}:role/freshlayer");
    let world = World::of(&format!("[[account]]\nid = '{OTHER}'\nrole_arn = '{role}'\n"));
    let there = world.aws.at(OTHER, "eu-west-1");
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    let layers = [version(1)];
    world.aws.function("home", &NewFunction { layers: &layers, ..NewFunction::default() });
    there.function("there", &NewFunction { layers: &layers, ..NewFunction::default() });
    world.build(3);
    (world, there)
}

/// F11: what passes is tried again in the same run.
#[test]
fn a_permission_that_spreads_late_is_waited_for() {
    block_on(async {
        let (world, there) = members().await;
        world.aws.permit_after(Duration::from_secs(10));
        let report = world.refresh(&world.aws).await;
        assert_eq!(report.exit(), Exit::Done, "{report:#?}");
        assert!(there.serving()[0].contains("geo:2"), "{:?}", there.serving());
    });
}

/// F5, I15: a sick place holds back no other, and does not freeze `stable`.
#[test]
fn a_place_that_is_sick_holds_back_no_other() {
    block_on(async {
        for outage in [Outage::RoleDenied, Outage::Denied, Outage::Unreachable] {
            let (world, there) = members().await;
            there.fail_place(Some(outage));
            let report = world.refresh(&world.aws).await;
            assert_eq!(report.exit(), Exit::Failed, "{outage:?}: {report:#?}");
            let failures: String = report
                .places
                .iter()
                .filter_map(|place| place.failure.as_ref())
                .map(|failure| failure.text.as_str())
                .collect();
            let says_so = failures.contains("sts:AssumeRole");
            assert_eq!(says_so, outage == Outage::RoleDenied, "{failures}");
            assert!(world.aws.serving()[0].contains("geo:2"));
            let status = world.status().await;
            assert_eq!(status.stable, Some(2), "{outage:?}: {status:#?}");
            there.fail_place(None);
            let report = world.refresh(&world.aws).await;
            assert_eq!(report.exit(), Exit::Done, "{report:#?}");
            assert!(there.serving()[0].contains("geo:2"));
        }
    });
}

/// F16: one function that cannot be read held back its whole account and Region.
#[test]
fn a_function_that_cannot_be_read_holds_back_no_other() {
    block_on(async {
        let world = plain().await;
        let layers = [version(1)];
        let aliased = NewFunction { layers: &layers, aliases: &["live"], ..NewFunction::default() };
        world.aws.function("guarded", &aliased);
        world.aws.function("open", &aliased);
        world.aws.guard("guarded");
        world.build(5);
        let report = world.refresh(&world.aws).await;
        let state = |name: &str| {
            let found = report.consumers.iter().find(|one| one.function.as_str() == name);
            found.map(|one| (one.state, one.reason.clone().map(|reason| reason.text)))
        };
        let (guarded, words) = state("guarded").expect("it is told of");
        assert_eq!(guarded, ConsumerState::Failed, "{report:#?}");
        assert!(words.unwrap_or_default().contains("explicit deny"), "{report:#?}");
        assert_eq!(state("open"), Some((ConsumerState::Moved, None)), "{report:#?}");
    });
}
