//! The figures of delivery that do not depend on the machine: how long the way back takes, how soon a total failure is found,
//! and what the judge costs. On a strict simulation of AWS in virtual time, with callers. `--nocapture` prints them.

use std::time::Duration;

use freshlayer::ports::{AlarmState, Clock as _};
use freshlayer::report::{Exit, Report};
use freshlayer_tests::callers::Called;
use tokio::time::Instant;

use crate::gates::{ALARMS, Fleet, METRICS, is_new};
use crate::simulated::block_on;

/// What `GetMetricData` counts for one question about one function: its calls and its errors.
const METRICS_EACH: u64 = 2;

/// How many minutes the waves of each preset bake, all in all.
const BAKES: [(&str, u64); 3] = [("standard", 90), ("careful", 1_140), ("fast", 15)];

/// How many metrics of a function a good rollout may ask for.
const METRICS_MAX: u64 = 10;

/// The whole fleet has the data when its gate fails, and Lambda takes no more than the publisher's part of its calls.
#[test]
fn a_hundred_functions_behind_aliases_are_back_within_a_minute_of_the_verdict() {
    const FUNCTIONS: usize = 100;
    block_on(async {
        let aliases = vec![&["live"][..]; FUNCTIONS];
        let fleet = Fleet::of(aliases, ALARMS, 1, |_| false).await;
        while fleet.on_new() < FUNCTIONS {
            let report = fleet.refresh().await;
            assert!(fleet.sleep_until_woken(&report).await, "{:?}", report.outcome);
        }
        let aws = &fleet.world.aws;
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let (began, began_at) = (Instant::now(), aws.clock().elapsed());
        let report = fleet.refresh().await;
        let run = began.elapsed();
        assert_eq!((report.exit(), fleet.on_new()), (Exit::Rejected, 0), "{:?}", report.outcome);
        assert_eq!(aws.throttled(), 0);
        let moved = aws.moved_at().into_iter();
        let back = moved.filter(|moved| moved.alias.is_some() && moved.at >= began_at);
        let back: Vec<Duration> = back.map(|moved| moved.at.saturating_sub(began_at)).collect();
        let last = back.iter().max().expect("aliases moved");
        println!(
            "{FUNCTIONS} functions: callers are back after {last:.1?}, the run ends after {run:.1?}"
        );
        assert_eq!(back.len(), FUNCTIONS);
        assert!(run < Duration::from_mins(1), "{run:?}");
    });
}

/// A publisher that wakes late, asks too much or waits for what may go on would be slower.
#[test]
fn a_rollout_over_a_hundred_functions_takes_a_tenth_longer_than_its_bakes_at_most() {
    const FUNCTIONS: usize = 100;
    for (preset, baked_min) in BAKES {
        block_on(async {
            let terms = ALARMS.replace("standard", preset);
            let fleet = Fleet::of(vec![&["live"][..]; FUNCTIONS], &terms, 1, |_| false).await;
            let began = Instant::now();
            let (last, _) = go_on(&fleet).await;
            let took = began.elapsed();
            assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, FUNCTIONS), "{last:#?}");
            let times = took.as_secs_f64() / Duration::from_mins(baked_min).as_secs_f64();
            println!(
                "{preset}: {FUNCTIONS} functions after {took:.0?}, {times:.3} times the bakes"
            );
            assert!((1.0..=1.1).contains(&times), "{preset}: {times}");
        });
    }
}

/// Goes on whenever the publisher is woken. Returns the last report, and how often it was woken.
async fn go_on(fleet: &Fleet) -> (Report, u32) {
    let mut report = fleet.refresh().await;
    let mut looks = 0;
    while fleet.sleep_until_woken(&report).await {
        looks += 1;
        report = fleet.refresh().await;
    }
    (report, looks)
}

/// Every call with the new data fails, and no probe was asked before. Only the one box has the data by then. Where a look
/// sees three calls it is the first.
#[test]
fn a_total_failure_is_found_at_the_second_look() {
    for preset in ["standard", "careful", "fast"] {
        for (per_minute, looks_max) in [(1, 2), (10, 1)] {
            block_on(async {
                let terms = METRICS.replace("standard", preset);
                let fleet = Fleet::of(twenty(), &terms, per_minute, is_new).await;
                let began = Instant::now();
                let (last, looks) = go_on(&fleet).await;
                let minutes = began.elapsed().as_secs() / 60;
                println!(
                    "{preset}, {per_minute} calls a minute: look {looks} finds it, after {minutes} minutes"
                );
                assert_eq!((last.exit(), fleet.on_new()), (Exit::Rejected, 0), "{last:#?}");
                let said = last.outcome.reason().to_string();
                assert!(said.starts_with("release 2 failed in wave 1 "), "{said}");
                assert!(looks <= looks_max && minutes <= 10, "{preset}: {looks} looks, {minutes}");
            });
        }
    }
}

/// The last wave of `careful` is watched for twelve hours.
#[test]
fn the_judge_asks_for_ten_metrics_of_each_function_at_most() {
    let aws =
        ["codedeploy-canary-10-percent-5-minutes", "codedeploy-linear-10-percent-every-1-minute"];
    for preset in ["standard", "fast", "careful"].into_iter().chain(aws) {
        block_on(async {
            let terms = METRICS.replace("standard", preset);
            let fails = |called: Called<'_>| called.number.is_multiple_of(200);
            let fleet = Fleet::of(twenty(), &terms, 10, fails).await;
            let (last, _) = go_on(&fleet).await;
            assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{:?}", last.outcome);
            let asked = fleet.callers.asked();
            let most = METRICS_EACH * asked.values().max().expect("it was asked");
            let all = METRICS_EACH * asked.values().sum::<u64>();
            println!("{preset}: {most} metrics at most of one function, {all} of 20");
            assert!(most <= METRICS_MAX, "{preset}: {most}");
        });
    }
}

fn twenty() -> Vec<&'static [&'static str]> {
    [&["live"][..], &[]].repeat(10)
}
