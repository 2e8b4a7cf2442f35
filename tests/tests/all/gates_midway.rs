//! Gates where a rollout is not between waves: while functions move, and after releases that never became stable.

use std::time::Duration;

use freshlayer::ports::AlarmState;
use freshlayer::report::{Exit, Report};
use freshlayer_tests::callers::Called;

use crate::gates::{Fleet, METRICS};
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
