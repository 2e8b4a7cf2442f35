//! Gates where a rollout is not between waves: while functions move, and after releases that never became stable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use freshlayer::ports::{AlarmState, Clock as _};
use freshlayer::report::{Exit, Report};
use freshlayer::state::Says;
use freshlayer::{Retry, refresh, rollout_status};
use freshlayer_tests::callers::Called;
use freshlayer_tests::simulated::{Hit, Updates};

use crate::gates::{ALARMS, Fleet, METRICS, is_new};
use crate::simulated::{block_on, version};

/// The wave behind the one box has 99 functions, and takes minutes at this pace.
const SLOWLY: &str = "rollout.preset = 'standard'\nrollout.waves = [100]\nrollout.bake_minutes = 60\nrollout.max_calls_per_sec = 1\n";

/// Lets an alarm ring as soon as twenty functions have moved. Returns the last report, and the most functions that had the data.
async fn rings_midway(fleet: &Fleet) -> (Report, usize) {
    let rings = async {
        while fleet.on_new() < 20 {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let mut most = 0;
        for _ in 0..120 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            most = most.max(fleet.on_new());
        }
        most
    };
    let ((last, _, _), most) = tokio::join!(fleet.go_on(600), rings);
    (last, most)
}

#[test]
fn an_alarm_that_rings_while_a_wave_moves_brings_every_function_back() {
    block_on(async {
        let terms = format!("{SLOWLY}rollout.alarms = ['geo-errors']\n");
        let fleet = Fleet::of(vec![&[][..]; 100], &terms, 1, |_| false).await;
        let (last, most) = rings_midway(&fleet).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Rejected, 0), "{last:#?}");
        let said = last.outcome.reason().to_string();
        let says = "release 2 failed in wave 2 (alarm geo-errors rings in eu-west-1: a threshold was crossed)";
        assert!(said.starts_with(says), "{said}");
        assert!((20..=70).contains(&most), "{most} functions had it");
    });
}

#[test]
fn an_alarm_that_is_only_observed_stops_no_wave_that_moves() {
    block_on(async {
        let gate = "rollout.alarms = { names = ['geo-errors'], observe = true }\n";
        let fleet = Fleet::of(vec![&[][..]; 100], &format!("{SLOWLY}{gate}"), 1, |_| false).await;
        let (last, most) = rings_midway(&fleet).await;
        assert_eq!((last.exit(), fleet.on_new(), most), (Exit::Done, 100, 100), "{last:#?}");
    });
}

/// A release whose calls cannot be counted waits; the next one has the same fault. What it is held against is the stable release.
#[test]
fn a_release_is_held_against_the_stable_one_and_not_against_one_that_it_replaces() {
    block_on(async {
        let stable = version(1).to_string();
        let fails = move |called: Called<'_>| {
            !called.layers.contains(&stable) && called.number.is_multiple_of(3)
        };
        let fleet = Fleet::new(METRICS, 10, fails).await;
        fleet.refresh().await;
        fleet.callers.be_deaf(u32::MAX);
        let (held, _, _) = fleet.go_on(600).await;
        assert_eq!((held.exit(), fleet.on_new()), (Exit::Held, 1), "{held:#?}");
        tokio::time::sleep(Duration::from_hours(3)).await;
        fleet.callers.be_deaf(0);
        fleet.world.build(6);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!(last.exit(), Exit::Rejected, "{last:#?}");
        let said = last.outcome.reason().to_string();
        let says = "release 3 failed in wave 1 (53 of 160 calls failed, and 0 of 160 in as many minutes with the stable release";
        assert!(said.starts_with(says), "{said}");
        assert!(said.contains("every function goes back to release 1"), "{said}");
        let got = fleet.world.aws.callers_get();
        let first = version(1).to_string();
        assert!(got.values().all(|layers| layers.contains(&first)), "{got:?}");
    });
}

/// Of the functions of a wave one cannot be changed, run after run. The others are watched and judged all the same.
#[test]
fn one_function_that_cannot_be_changed_keeps_no_wave_from_its_gates() {
    for course in ["rollout.waves = [100]\n", ""] {
        block_on(async {
            let fails = |called: Called<'_>| is_new(called) && called.number.is_multiple_of(2);
            let fleet = Fleet::new(&format!("{METRICS}{course}"), 10, fails).await;
            for sick in ["f03", "f12"] {
                fleet.world.aws.take_updates(sick, Updates::Locked);
            }
            let (last, _, most) = fleet.go_on(900).await;
            assert_eq!((last.exit(), fleet.on_new()), (Exit::Rejected, 0), "{last:#?}");
            assert!(most <= 18, "{most}");
            assert_eq!(fleet.world.status().await.stable, Some(1));
        });
    }
}

/// Good data reaches all others, and is stable only after its last wave was watched; the sick function follows once it can.
#[test]
fn a_release_is_stable_only_after_its_last_wave_was_watched() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |_| false).await;
        fleet.world.aws.take_updates("f03", Updates::Locked);
        fleet.world.aws.take_updates("f12", Updates::Locked);
        let began = fleet.world.aws.clock().now();
        let mut last = fleet.refresh().await;
        while fleet.world.status().await.stable != Some(2) {
            assert!(fleet.sleep_until_woken(&last).await, "{last:#?}");
            last = fleet.refresh().await;
        }
        let minutes = fleet.world.aws.clock().now().duration_since(began).as_mins();
        assert_eq!(fleet.on_new(), 18, "{last:#?}");
        assert!(minutes >= 90, "stable after {minutes} minutes, and the bakes take 90");
        for healed in ["f03", "f12"] {
            fleet.world.aws.take_updates(healed, Updates::Taken);
        }
        let last = fleet.refresh().await;
        assert_eq!(fleet.on_new(), 20, "{last:#?}");
    });
}

/// The verdict stands in the journal before the order back: a run that dies in between is followed up, whatever the alarm says then.
#[test]
fn a_verdict_that_was_written_holds_where_its_run_died() {
    block_on(async {
        let fleet = Fleet::new(ALARMS, 1, |_| false).await;
        fleet.refresh().await;
        tokio::time::sleep(Duration::from_mins(5)).await;
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let (mut written, mut unwritten) = (0, 0);
        for call in 0.. {
            let aws = fleet.world.aws.copy();
            let struck = aws.hit_by(move |number, _| (number == call).then_some(Hit::SilentAfter));
            let engine = fleet.engine_on(&struck);
            let run = refresh(&engine, &fleet.world.definition, Retry::OnChange);
            let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
            let before = rollout_status(&fleet.engine_on(&aws), &fleet.world.definition).await;
            let open = before.expect("readable").open;
            let wave = open.and_then(|open| open.waves.last().cloned());
            let says = wave.and_then(|wave| wave.evidence).map(|evidence| evidence.says);
            fleet.callers.alarm("geo-errors", AlarmState::Quiet);
            let last =
                refresh(&fleet.engine_on(&aws), &fleet.world.definition, Retry::OnChange).await;
            fleet.callers.alarm("geo-errors", AlarmState::Rings);
            let new = version(2).to_string();
            let on_new = aws.callers_get().values().filter(|layers| layers.contains(&new)).count();
            if says == Some(Says::Fail) {
                written += 1;
                assert_eq!(on_new, 0, "at call {call}: {last:#?}");
            } else {
                unwritten += 1;
            }
            if ended.is_ok() && struck.calls() <= call {
                break;
            }
        }
        assert!(written > 0 && unwritten > 0, "{written} {unwritten}");
    });
}

/// While no function of a wave can be changed no further wave opens, however often the publisher tries, and nothing becomes stable.
#[test]
fn a_wave_of_which_no_function_can_be_changed_waits() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |_| false).await;
        let all: Vec<String> = (0..20).map(|number| format!("f{number:02}")).collect();
        for name in &all {
            fleet.world.aws.take_updates(name, Updates::Locked);
        }
        for _ in 0..10 {
            fleet.refresh().await;
            tokio::time::sleep(Duration::from_mins(30)).await;
        }
        assert_eq!(fleet.on_new(), 0);
        assert_eq!(fleet.world.status().await.stable, Some(1));
        for name in &all {
            fleet.world.aws.take_updates(name, Updates::Taken);
        }
        fleet.refresh().await;
        assert_eq!(fleet.on_new(), 1, "the one box, and no other");
    });
}

/// Lambda refuses every function for hours. Few waves give way to one another; when it takes changes again, the functions of all of
/// them move, and are judged together.
#[test]
fn functions_that_were_refused_are_judged_with_those_that_took_their_place() {
    for sick in ["f00", "f01", "f02"] {
        block_on(async {
            let fails = move |called: Called<'_>| is_new(called) && called.function == sick;
            let fleet = Fleet::of([&[""][..0]].repeat(20), METRICS, 10, fails).await;
            let all: Vec<String> = (0..20).map(|number| format!("f{number:02}")).collect();
            for name in &all {
                fleet.world.aws.take_updates(name, Updates::Denied);
            }
            let (last, minutes, most) = fleet.go_on(1_200).await;
            assert_eq!((last.exit(), most), (Exit::Held, 0), "{last:#?}");
            assert!(minutes < 600, "wake-ups end: {minutes}");
            assert_eq!(fleet.world.status().await.stable, Some(1));
            for name in &all {
                fleet.world.aws.take_updates(name, Updates::Taken);
            }
            let (last, _, most) = fleet.go_on(900).await;
            assert_eq!(most, 3, "three one boxes");
            assert_eq!((last.exit(), fleet.on_new()), (Exit::Rejected, 0), "{last:#?}");
        });
    }
}

/// Where the data is good, the waves behind them are as large as they would have been.
#[test]
fn late_one_boxes_make_no_later_wave_larger() {
    block_on(async {
        let fleet = Fleet::of([&[""][..0]].repeat(20), METRICS, 10, |_| false).await;
        for number in 0..20 {
            fleet.world.aws.take_updates(&format!("f{number:02}"), Updates::Denied);
        }
        fleet.go_on(1_200).await;
        for number in 0..20 {
            fleet.world.aws.take_updates(&format!("f{number:02}"), Updates::Taken);
        }
        let (mut last, mut seen) = (fleet.refresh().await, vec![fleet.on_new()]);
        while fleet.sleep_until_woken(&last).await {
            last = fleet.refresh().await;
            seen.push(fleet.on_new());
        }
        seen.dedup();
        assert_eq!(seen, [3, 10, 20], "{last:#?}");
        assert_eq!(fleet.world.status().await.stable, Some(2));
    });
}

/// Of few functions every one is in a wave of its own, and Lambda refuses all of them: nothing was watched, so nothing is stable.
#[test]
fn a_release_that_no_function_got_is_not_stable() {
    block_on(async {
        let fleet = Fleet::of([&[""][..0]].repeat(3), METRICS, 10, is_new).await;
        for sick in ["f00", "f01", "f02"] {
            fleet.world.aws.take_updates(sick, Updates::Denied);
        }
        let (last, minutes, _) = fleet.go_on(1_200).await;
        let says =
            "no function of the last 3 waves could be changed, so the rollout goes no further";
        assert!(last.outcome.reason().text.contains(says), "{last:#?}");
        assert!(minutes < 600, "wake-ups end: {minutes}");
        assert_eq!(fleet.world.status().await.stable, Some(1));
        for healed in ["f00", "f01", "f02"] {
            fleet.world.aws.take_updates(healed, Updates::Taken);
        }
        let (last, _, most) = fleet.go_on(900).await;
        assert_eq!((last.exit(), most, fleet.on_new()), (Exit::Rejected, 3, 0), "{last:#?}");
        assert_eq!(fleet.world.status().await.stable, Some(1));
    });
}

/// A function that could be changed only after its wave is judged with the wave that is open then.
#[test]
fn a_function_that_comes_late_is_judged_with_the_open_wave() {
    block_on(async {
        let fails = |called: Called<'_>| is_new(called) && called.function == "f00";
        let fleet = Fleet::of([&[""][..0]].repeat(20), METRICS, 10, fails).await;
        fleet.world.aws.take_updates("f00", Updates::Denied);
        let mut last = fleet.refresh().await;
        while fleet.on_new() < 2 {
            assert!(fleet.sleep_until_woken(&last).await, "{last:#?}");
            last = fleet.refresh().await;
        }
        fleet.world.aws.take_updates("f00", Updates::Taken);
        let (last, _, most) = fleet.go_on(900).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Rejected, 0), "{last:#?}");
        assert!(most < 10, "{most}");
    });
}

/// A function that comes while the last wave is watched is watched for as long as the others before the release is stable.
#[test]
fn a_function_that_comes_late_to_the_last_wave_is_watched_for_its_whole_bake() {
    comes_late_to_the_last_wave(&[]);
    comes_late_to_the_last_wave(&["live"]);
}

fn comes_late_to_the_last_wave(aliases: &'static [&'static str]) {
    block_on(async {
        let fleet = Fleet::of([aliases].repeat(20), METRICS, 10, |_| false).await;
        fleet.world.aws.take_updates("f03", Updates::Denied);
        let mut last = fleet.refresh().await;
        let mut looks = 0;
        while looks < 3 {
            assert!(fleet.sleep_until_woken(&last).await, "{last:#?}");
            last = fleet.refresh().await;
            looks += usize::from(fleet.on_new() == 19);
        }
        let wave = fleet.last_wave().await;
        let (reached, until) = (wave.reached.expect("it is watched"), wave.until.expect("so"));
        let bake = until.duration_since(reached);
        fleet.world.aws.take_updates("f03", Updates::Taken);
        last = fleet.refresh().await;
        let came = fleet.world.aws.clock().now();
        assert_eq!(fleet.on_new(), 20, "{last:#?}");
        assert!(came < until && until.duration_since(came) < bake, "{came} is within the bake");
        while fleet.world.status().await.stable != Some(2) {
            assert!(fleet.sleep_until_woken(&last).await, "{last:#?}");
            last = fleet.refresh().await;
        }
        let minutes = fleet.world.aws.clock().now().duration_since(came).as_secs_f64() / 60.0;
        let bake = bake.as_secs_f64() / 60.0;
        assert!(minutes > bake - 0.1, "watched for {minutes} minutes, and the bake takes {bake}");
    });
}

/// Lambda refuses the functions of a wave, and keeps on: what it refuses is not watched, and keeps no release from being stable.
#[test]
fn a_function_that_is_refused_for_good_prolongs_no_watch() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |_| false).await;
        fleet.world.aws.take_updates("f03", Updates::Denied);
        let (_, minutes, _) = fleet.go_on(1_200).await;
        assert_eq!(fleet.world.status().await.stable, Some(2));
        assert!(minutes < 300, "{minutes}");
        let late = fleet.waves().await.iter().map(|wave| wave.late.len()).sum::<usize>();
        assert_eq!(late, 0);
    });
}

/// An alias that may not be moved behind a probe that passes: the probe is no progress.
#[test]
fn a_probe_that_passes_wakes_no_run_where_the_alias_may_not_be_moved() {
    block_on(async {
        let terms = format!("{METRICS}rollout.probe.payload = {{ ip = '192.0.2.1' }}\n");
        let fleet = Fleet::of([&["live"][..]].repeat(20), &terms, 10, |_| false).await;
        for number in 0..20 {
            fleet.world.aws.take_updates(&format!("f{number:02}"), Updates::AliasesDenied);
        }
        let (last, minutes, most) = fleet.go_on(1_200).await;
        assert_eq!((last.exit(), most), (Exit::Held, 0), "{last:#?}");
        assert!(minutes < 600, "wake-ups end: {minutes}");
    });
}

/// A function that has moved and can be read no more holds no other one.
#[test]
fn a_look_that_fails_holds_no_other_function() {
    block_on(async {
        let fleet = Fleet::of([&["live"][..]].repeat(20), METRICS, 10, |_| false).await;
        fleet.refresh().await;
        assert_eq!(fleet.on_new(), 1);
        fleet.world.aws.guard("f00");
        fleet.go_on(900).await;
        assert_eq!(fleet.on_new(), 20);
    });
}

/// No function of the last wave can be changed, for longer than the publisher tries by itself. The release is not stable; the
/// rollout waits for a person, and keeps no newer build away.
#[test]
fn a_release_is_not_stable_while_its_last_wave_cannot_be_moved() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |_| false).await;
        let mut last = fleet.refresh().await;
        while fleet.on_new() < 10 {
            assert!(fleet.sleep_until_woken(&last).await, "{last:#?}");
            last = fleet.refresh().await;
        }
        let all: Vec<String> = (0..20).map(|number| format!("f{number:02}")).collect();
        for name in &all {
            fleet.world.aws.take_updates(name, Updates::Locked);
        }
        let (last, minutes, _) = fleet.go_on(1_200).await;
        assert!(minutes < 600, "wake-ups end: {minutes}");
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Held, 10), "{last:#?}");
        assert_eq!(fleet.world.status().await.stable, Some(1));
        fleet.world.build(6);
        let report = fleet.refresh().await;
        assert_eq!(report.release.expect("there is one").seq, 3);
        for name in &all {
            fleet.world.aws.take_updates(name, Updates::Taken);
        }
        let (last, _, _) = fleet.go_on(1_200).await;
        assert_eq!(last.exit(), Exit::Done, "{last:#?}");
        assert_eq!(fleet.world.status().await.stable, Some(3));
    });
}

/// Everything fails while the release that replaced one is watched, with the old data as well: the data did not do that.
#[test]
fn a_failure_of_everything_excuses_a_release_that_replaced_one() {
    block_on(async {
        let outage = Arc::new(AtomicBool::new(false));
        let is_down = Arc::clone(&outage);
        let fails = move |called: Called<'_>| {
            is_down.load(Ordering::Relaxed) && called.number.is_multiple_of(2)
        };
        let fleet = Fleet::new(METRICS, 10, fails).await;
        fleet.refresh().await;
        fleet.callers.be_deaf(u32::MAX);
        let (held, _, _) = fleet.go_on(600).await;
        assert_eq!((held.exit(), fleet.on_new()), (Exit::Held, 1), "{held:#?}");
        fleet.callers.be_deaf(0);
        fleet.world.build(6);
        fleet.refresh().await;
        outage.store(true, Ordering::Relaxed);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!(last.exit(), Exit::Held, "{last:#?}");
        let said = last.outcome.reason().to_string();
        assert!(said.contains("that have not moved fail more often as well"), "{said}");
    });
}
