//! A new release reaches functions in waves, on a strict simulation of AWS in virtual time: each wave is watched before the
//! next one opens, and a gate that fails brings every function back.

use std::time::Duration;

use freshlayer::report::{Exit, Outcome, Report, Why};
use freshlayer::{RolloutOrder, abort_rollout, order_rollout, rollout_status};
use freshlayer_tests::sandbox::layer_name;
use freshlayer_tests::simulated::{Hit, NewFunction, Simulated};

use crate::probes::assert_mistake;
use crate::simulated::{World, block_on, pace, version};

pub(crate) const STANDARD: &str = "rollout.preset = 'standard'\n";

/// Ten functions on release 1, every other one behind an alias, and a new build.
pub(crate) async fn ten_functions(terms: &str) -> World {
    let world = World::of(terms);
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    for number in 0..10 {
        let aliases: &[&str] = if number % 2 == 0 { &["live"] } else { &[] };
        let new = NewFunction { layers: &[version(1)], aliases, ..NewFunction::default() };
        world.aws.function(&format!("f{number}"), &new);
    }
    world.build(3);
    world
}

/// How many functions give their callers a layer version.
pub(crate) fn on(aws: &Simulated, number: u64) -> usize {
    let arn = version(number).to_string();
    let is_on = |line: &&String| match line.split_once("] [") {
        Some((_, behind)) if behind.contains('"') => behind.contains(&arn),
        _ => line.contains(&arn),
    };
    aws.serving().iter().filter(is_on).count()
}

pub(crate) async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

/// Until when the open wave is watched, in minutes from now.
fn watched_for(world: &World, report: &Report) -> Option<i64> {
    let Why::Bakes { until, .. } = report.outcome.reason().why else { return None };
    assert_eq!(report.wake_at, Some(until), "the publisher is woken then");
    assert_eq!(report.exit(), Exit::Done, "a wave that is watched is as it should be");
    let now = freshlayer::ports::Clock::now(&world.aws.clock());
    Some(until.duration_since(now).as_mins())
}

#[test]
fn each_wave_is_watched_before_the_next_one_opens() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        // One box, then 10 % (which it is already, of ten), 50 % and 100 %.
        for (there, watched) in [(1, 30), (5, 15), (10, 30)] {
            let report = world.refresh(&world.aws).await;
            assert_eq!(on(&world.aws, 2), there, "{report:#?}");
            let minutes_left = watched_for(&world, &report).expect("it is watched");
            assert!((watched - 1..=watched).contains(&minutes_left), "{minutes_left}");
            assert_eq!(world.status().await.stable, Some(1));
            minutes(watched.unsigned_abs() - 2).await;
            let early = world.refresh(&world.aws).await;
            assert_eq!(on(&world.aws, 2), there, "no wave opens early: {early:#?}");
            assert!(watched_for(&world, &early).is_some());
            minutes(3).await;
        }
        let report = world.refresh(&world.aws).await;
        assert_eq!(report.exit(), Exit::Done);
        let status = world.status().await;
        assert_eq!((status.stable, status.rolling_to), (Some(2), None), "{report:#?}");
    });
}

#[test]
fn members_are_chosen_by_tag_and_fixed_when_a_wave_opens() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        world.aws.tag("f7", "freshlayer:geo", "1");
        world.aws.tag("f7", "freshlayer:wave", "canary");
        world.aws.tag("f0", "freshlayer:geo", "1");
        world.aws.tag("f0", "freshlayer:wave", "last");
        world.refresh(&world.aws).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let status = rollout_status(&engine, &world.definition).await.expect("readable");
        let open = status.open.expect("it is open");
        let members = |at: usize| -> Vec<String> {
            let all = open.waves[at].members.values().flatten();
            all.map(ToString::to_string).collect()
        };
        assert_eq!((members(0), open.later), (vec!["f7".to_owned()], 9));
        // One more function comes meanwhile: it waits for a wave of its own.
        let new = NewFunction { layers: &[version(1)], ..NewFunction::default() };
        world.aws.function("a-new-one", &new);
        for (there, share) in [(2, "a tenth of eleven"), (6, "half of eleven")] {
            minutes(31).await;
            world.refresh(&world.aws).await;
            assert_eq!(on(&world.aws, 2), there, "{share}");
        }
        minutes(16).await;
        let first_again = world.aws.serving().into_iter().find(|line| line.starts_with("f0 "));
        assert!(!first_again.expect("it is there").contains(&version(2).to_string()));
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 11);
    });
}

#[test]
fn a_probe_that_fails_stops_the_release_before_any_caller_behind_an_alias_meets_it() {
    block_on(async {
        let world =
            ten_functions(&format!("{STANDARD}rollout.probe.payload = {{ ip = '192.0.2.1' }}\n"))
                .await;
        world.aws.break_layer(&version(2));
        let report = world.refresh(&world.aws).await;
        assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
        let said = report.outcome.reason().to_string();
        assert!(
            said.starts_with("release 2 failed its probe at function f0 (it failed: "),
            "{said}"
        );
        assert!(
            said.contains("every function goes back to release 1; its data stays away"),
            "{said}"
        );
        assert_eq!((on(&world.aws, 2), on(&world.aws, 1)), (0, 10));
        let again = world.refresh(&world.aws).await;
        assert_eq!(again.exit(), Exit::Held, "what was sent back stays away: {again:#?}");
        assert_eq!(on(&world.aws, 1), 10);
        world.build(6);
        let next = world.refresh(&world.aws).await;
        assert!(matches!(next.outcome, Outcome::Refreshed { .. }), "{next:#?}");
        assert_eq!(on(&world.aws, 3), 1, "another build is another try");
    });
}

/// A rollout that another one replaced was never watched to its end: its release is no way back.
#[test]
fn a_probe_that_is_answered_rightly_lets_the_waves_go_on() {
    block_on(async {
        let probe =
            "rollout.probe = { payload = { a = { b = [7] } }, path = 'a.b.0', equals = 7 }\n";
        let world = ten_functions(&format!("{STANDARD}{probe}")).await;
        for there in [1, 5, 10] {
            world.refresh(&world.aws).await;
            assert_eq!(on(&world.aws, 2), there);
            minutes(31).await;
        }
        let before = world.aws.calls();
        world.refresh(&world.aws).await;
        let called = world.aws.called();
        let probes = called[usize::try_from(before).expect("few")..].iter();
        assert_eq!(probes.filter(|name| *name == "Invoke").count(), 0, "once is enough");
        assert_eq!(world.status().await.stable, Some(2));
    });
}

/// It is not known whether the data is good: the next wave waits until it is.
#[test]
fn a_function_that_cannot_be_asked_is_asked_again_and_holds_the_next_wave() {
    for (canary, unasked) in [("f0", 0), ("f1", 1)] {
        block_on(async {
            let world = ten_functions("rollout.preset = 'fast'\nrollout.probe = {}\n").await;
            world.aws.tag(canary, "freshlayer:geo", "1");
            world.aws.tag(canary, "freshlayer:wave", "canary");
            let deaf = world.aws.hit_by(|_, name| (name == "Invoke").then_some(Hit::Cut));
            for _ in 0..3 {
                let report = world.refresh(&deaf).await;
                assert_eq!(report.exit(), Exit::Held, "{canary}: {report:#?}");
                assert_eq!(on(&world.aws, 2), unasked, "{canary}: callers behind an alias wait");
                minutes(31).await;
            }
            for _ in 0..3 {
                world.refresh(&world.aws).await;
                minutes(31).await;
            }
            assert_eq!(on(&world.aws, 2), 10, "{canary}");
            assert_eq!(world.status().await.stable, Some(2), "{canary}");
        });
    }
}

#[test]
fn a_person_pauses_resumes_promotes_and_aborts() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let order = async |what| {
            let words = Some("a demo".to_owned());
            order_rollout(&engine, &layer_name("geo"), what, "a person", words).await
        };
        world.refresh(&world.aws).await;
        assert_eq!(order(RolloutOrder::Pause).await.expect("it is open").to, 2);
        minutes(60).await;
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), on(&world.aws, 2)), (Exit::Held, 1), "{report:#?}");
        let said = report.outcome.reason().to_string();
        assert!(said.contains("paused since") && said.contains("by a person (a demo)"), "{said}");
        order(RolloutOrder::Resume).await.expect("it is open");
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 5);
        let back =
            abort_rollout(&engine, &world.definition, "a person", None).await.expect("it is open");
        assert_eq!((back.exit(), on(&world.aws, 1)), (Exit::Done, 10), "{back:#?}");
        assert!(order(RolloutOrder::Pause).await.is_err(), "nothing is open any more");
        world.build(6);
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 3), 1);
        order(RolloutOrder::Promote).await.expect("it is open");
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), on(&world.aws, 3)), (Exit::Done, 10), "{report:#?}");
        assert_eq!(world.status().await.stable, Some(3));
    });
}

/// I3 and I4: wherever a publisher dies, no function outside the open waves meets the release, and the end is the same.
#[test]
fn killed_at_every_call_no_wave_is_jumped() {
    block_on(async {
        let probe = "rollout.probe = {}\n";
        let world = ten_functions(&format!("rollout.preset = 'fast'\n{probe}")).await;
        let mut killed = 0;
        for hit in [Hit::SilentBefore, Hit::SilentAfter] {
            for call in 0.. {
                let aws = world.aws.copy();
                let struck = aws.hit_by(move |number, _| (number == call).then_some(hit));
                let engine = world.engine(&struck, "killed", pace());
                let run =
                    freshlayer::refresh(&engine, &world.definition, freshlayer::Retry::OnChange);
                let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
                let calls = struck.calls();
                assert!(on(&aws, 2) <= 1, "{hit:?} at call {call}");
                // The lease of a dead publisher ends at once here; what is watched takes its time.
                world.refresh(&aws).await;
                assert!(on(&aws, 2) <= 1, "{hit:?} at call {call}");
                minutes(6).await;
                world.refresh(&aws).await;
                minutes(11).await;
                let last = world.refresh(&aws).await;
                assert_eq!(on(&aws, 2), 10, "{hit:?} at call {call}: {last:#?}");
                assert_eq!(aws.published("geo").len(), 2);
                if ended.is_ok() && calls <= call {
                    break;
                }
                killed += 1;
            }
        }
        assert!(killed > 40, "only {killed}");
    });
}

/// The release that functions shall be on.
async fn desired(world: &World) -> Option<u64> {
    world.status().await.release.map(|release| release.seq)
}

/// A rollout that goes on by itself is not replaced: else a build a day would never let it end.
#[test]
fn a_newer_build_waits_for_the_end_of_a_rollout_that_goes_on() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        for there in [1, 5, 10] {
            world.refresh(&world.aws).await;
            assert_eq!((desired(&world).await, on(&world.aws, 2)), (Some(2), there));
            world.build(3 + there as u64);
            minutes(31).await;
        }
        world.refresh(&world.aws).await;
        let status = world.status().await;
        assert_eq!((status.stable, status.rolling_to), (Some(2), None));
        world.refresh(&world.aws).await;
        assert_eq!((desired(&world).await, on(&world.aws, 3)), (Some(3), 1));
    });
}

/// A pause in the last bake is no end: the release does not get stable by it.
#[test]
fn a_pause_in_the_last_bake_keeps_the_rollout_open() {
    block_on(async {
        let world = ten_functions("rollout.preset = 'fast'\n").await;
        world.refresh(&world.aws).await;
        minutes(6).await;
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 10);
        let engine = world.engine(&world.aws, "a person", pace());
        let order = async |what| {
            let layer = layer_name("geo");
            order_rollout(&engine, &layer, what, "a person", None).await.expect("it is open");
        };
        order(RolloutOrder::Pause).await;
        minutes(60).await;
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Held);
        let status = world.status().await;
        assert_eq!((status.stable, status.rolling_to), (Some(1), Some(2)));
        let back = abort_rollout(&engine, &world.definition, "a person", None).await;
        assert_eq!((back.expect("it is open").exit(), on(&world.aws, 1)), (Exit::Done, 10));
    });
}

/// What a person promoted moves, also where the upstream has a newer build by then.
#[test]
fn a_promoted_release_is_not_replaced_before_it_has_moved() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        world.refresh(&world.aws).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let layer = layer_name("geo");
        let promote = order_rollout(&engine, &layer, RolloutOrder::Promote, "a person", None);
        promote.await.expect("it is open");
        world.build(6);
        world.refresh(&world.aws).await;
        assert_eq!((desired(&world).await, on(&world.aws, 2)), (Some(2), 10));
        world.refresh(&world.aws).await;
        assert_eq!((desired(&world).await, on(&world.aws, 3)), (Some(3), 1));
    });
}

/// In the middle of a rollout a pin without a release could mean both.
#[test]
fn a_pin_in_a_rollout_names_its_release() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        world.refresh(&world.aws).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let pin = async |to| {
            freshlayer::pin(&engine, &layer_name("geo"), to, "a person", None, None).await
        };
        let refused = pin(None).await.expect_err("it is not clear").to_string();
        assert!(refused.contains("`--to 1` brings every function back"), "{refused}");
        pin(Some(1)).await.expect("it is clear");
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 1), 10);
    });
}

/// A one box that cannot be moved shows nothing: another function takes its place.
#[test]
fn a_one_box_that_is_held_is_replaced_by_another_one() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        let too_large = NewFunction {
            layers: &[version(1)],
            code_bytes: freshlayer::LAYER_BYTES_MAX,
            ..NewFunction::default()
        };
        world.aws.function("a", &too_large);
        let report = world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 1, "{report:#?}");
        minutes(31).await;
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 5, "half of ten and of the one that is refused");
    });
}

/// An order takes the one box elsewhere while it is watched: nothing would be watched any more.
#[test]
fn a_one_box_that_is_taken_elsewhere_is_replaced_by_another_one() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        world.refresh(&world.aws).await;
        let of_one_box = world.status().await;
        let one_box =
            of_one_box.consumers.iter().find(|one| one.layer_version.as_ref() == Some(&version(2)));
        let function = one_box.expect("it has moved").function.clone();
        minutes(5).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let order = freshlayer::FunctionsOrder {
            functions: vec![function.clone()],
            to: freshlayer::Back::Stable,
            until: None,
            reason: None,
        };
        let back =
            freshlayer::roll_back_functions(&engine, &world.definition, &order, "a person").await;
        assert_eq!(back.expect("it goes back").exit(), Exit::Done);
        let report = world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 1, "another one box: {report:#?}");
        assert_eq!(
            world
                .aws
                .serving()
                .iter()
                .filter(|line| line.contains(function.as_str()))
                .filter(|line| line.contains(&version(2).to_string()))
                .count(),
            0
        );
        let left = watched_for(&world, &report).expect("it is watched");
        assert!((24..=30).contains(&left), "from its own beginning: {left}");
    });
}

/// Lambda answers no change for a while: no wave but the first one opens meanwhile.
#[test]
fn while_nothing_can_be_moved_no_further_wave_opens() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        let sick = world
            .aws
            .hit_by(|_, name| (name == "UpdateFunctionConfiguration").then_some(Hit::SilentBefore));
        for _ in 0..2 {
            world.refresh(&sick).await;
            assert_eq!(on(&world.aws, 2), 0);
            minutes(31).await;
        }
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 1);
    });
}

/// Of a paused rollout no newer build takes the place: the pause is a person's.
#[test]
fn a_paused_rollout_keeps_newer_builds_away() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        world.refresh(&world.aws).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let order = async |what| {
            let layer = layer_name("geo");
            order_rollout(&engine, &layer, what, "a person", None).await.expect("it is open");
        };
        order(RolloutOrder::Pause).await;
        minutes(31).await;
        world.build(6);
        let paused = world.refresh(&world.aws).await;
        assert_eq!((paused.exit(), on(&world.aws, 2)), (Exit::Held, 1), "{paused:#?}");
        assert_eq!(desired(&world).await, Some(2));
        order(RolloutOrder::Resume).await;
        world.refresh(&world.aws).await;
        assert_eq!((desired(&world).await, on(&world.aws, 2)), (Some(2), 5), "it goes on");
    });
}

/// 2026-11-01 is a Sunday.
#[test]
fn a_wave_opens_in_its_window_and_the_way_back_needs_none() {
    block_on(async {
        let window =
            "rollout.window = { days = ['mon', 'tue'], from = '09:00', until = '09:40' }\n";
        let world = ten_functions(&format!("{STANDARD}{window}")).await;
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), on(&world.aws, 2)), (Exit::Done, 0), "{report:#?}");
        let said = report.outcome.reason().to_string();
        assert!(said.starts_with("wave 1 opens at 2026-11-02 09:00 UTC, "), "{said}");
        assert_eq!(
            report.wake_at.map(|at| at.to_string()),
            Some("2026-11-02T09:00:00Z".to_owned())
        );
        minutes(33 * 60).await;
        assert!(watched_for(&world, &world.refresh(&world.aws).await).is_some());
        assert_eq!(on(&world.aws, 2), 1);
        minutes(31).await;
        assert!(watched_for(&world, &world.refresh(&world.aws).await).is_some());
        assert_eq!(on(&world.aws, 2), 5);
        minutes(16).await;
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), on(&world.aws, 2)), (Exit::Done, 5), "{report:#?}");
        let said = report.outcome.reason().to_string();
        assert!(said.starts_with("wave 3 opens at 2026-11-03 09:00 UTC, "), "{said}");
        let engine = world.engine(&world.aws, "a person", pace());
        let back =
            abort_rollout(&engine, &world.definition, "a person", None).await.expect("it is open");
        assert_eq!((back.exit(), on(&world.aws, 1)), (Exit::Done, 10), "{back:#?}");
    });
}

#[test]
fn without_waves_all_functions_move_together_in_the_window() {
    block_on(async {
        let window =
            "rollout.window = { from = '03:00', until = '04:00', time_zone = 'Asia/Tokyo' }\n";
        let world = ten_functions(window).await;
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), on(&world.aws, 2)), (Exit::Done, 0), "{report:#?}");
        assert_eq!(
            report.wake_at.map(|at| at.to_string()),
            Some("2026-11-01T18:00:00Z".to_owned())
        );
        minutes(18 * 60).await;
        let report = world.refresh(&world.aws).await;
        assert_eq!((report.exit(), on(&world.aws, 2)), (Exit::Done, 10), "{report:#?}");
        assert_eq!(world.status().await.stable, Some(2));
    });
}

#[test]
fn windows_that_make_no_sense_are_mistakes_with_their_line() {
    for (window, says) in [
        ("{ from = '9', until = '10:00' }", "expected a time such as 09:00, found 9"),
        ("{ from = '09:00', until = '09:00' }", "expected another time than `from`"),
        ("[]", "expected at least one entry"),
        ("[{ from = '09:00', until = '10:00' }, { from = '9', until = '10:00' }]", "found 9"),
        (
            "{ from = '09:00', until = '10:00', time_zone = 'Berlin' }",
            "expected a time zone such as",
        ),
        ("{ from = '09:00', until = '10:00', days = ['monday'] }", "expected mon or tue"),
        ("{ from = '09:00' }", "until"),
    ] {
        assert_mistake(&format!("rollout.window = {window}"), says);
    }
}
