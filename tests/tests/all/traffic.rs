//! Which functions get new data first follows from how often they are called, on a strict simulation of AWS.

use std::time::Duration;

use freshlayer::ports::{Calls, FunctionName};
use freshlayer::report::Exit;
use freshlayer::state::Wave;
use freshlayer::{Retry, plan, rollout_status};
use jiff::SignedDuration;

use crate::gates::{Fleet, METRICS};
use crate::simulated::block_on;

/// Twenty functions that are called so often for two hours, by the number in their names; the others ten times a minute.
async fn called(terms: &str, rates: &[(u64, u64)]) -> Fleet {
    let fleet = Fleet::new(terms, 10, |_| false).await;
    for (number, per_minute) in rates {
        fleet.callers.call(&format!("f{number:02}"), *per_minute);
    }
    tokio::time::sleep(Duration::from_hours(2)).await;
    fleet
}

async fn waves(fleet: &Fleet) -> Vec<Wave> {
    let status = rollout_status(&fleet.engine(), &fleet.world.definition).await;
    status.expect("readable").open.map(|open| open.waves).unwrap_or_default()
}

fn members(wave: &Wave) -> Vec<String> {
    wave.members.values().flatten().map(ToString::to_string).collect()
}

#[test]
fn the_one_box_has_the_fewest_callers_of_those_with_enough() {
    block_on(async {
        // In the 30 minutes of the one box: none, 60, 1500 and 120 calls; 100 are needed.
        let fleet = called(METRICS, &[(0, 0), (1, 2), (2, 50), (3, 4)]).await;
        let planned = plan(&fleet.engine(), &fleet.world.definition, Retry::OnChange).await;
        let foreseen = planned.expect("it can be told").rollout.expect("functions would move");
        let first = foreseen.waves[0].members.values().flatten().map(ToString::to_string);
        assert_eq!(first.collect::<Vec<_>>(), ["f03"]);
        assert_eq!(fleet.refresh().await.exit(), Exit::Done);
        assert_eq!(members(&waves(&fleet).await[0]), ["f03"]);
    });
}

#[test]
fn where_no_function_has_enough_callers_the_busiest_one_is_first() {
    block_on(async {
        let all: Vec<(u64, u64)> = (0..20).map(|number| (number, number % 3)).collect();
        let fleet = called(METRICS, &all).await;
        assert_eq!(fleet.refresh().await.exit(), Exit::Done);
        assert_eq!(members(&waves(&fleet).await[0]), ["f02"]);
    });
}

#[test]
fn functions_without_callers_come_last() {
    block_on(async {
        let quiet: Vec<(u64, u64)> = (0..10).map(|number| (number, 0)).collect();
        let fleet = called(METRICS, &quiet).await;
        assert_eq!(fleet.go_on(65).await.0.exit(), Exit::Done);
        let open = waves(&fleet).await;
        assert_eq!(members(&open[0]), ["f10"]);
        let quiet = |wave: &Wave| members(wave).iter().all(|name| name < &"f10".to_owned());
        assert_eq!(open.iter().map(quiet).collect::<Vec<_>>(), [false, false, false, true]);
        let (last, minutes, _) = fleet.go_on(600).await;
        assert_eq!(last.exit(), Exit::Done, "{last:#?}");
        assert_eq!(fleet.world.status().await.stable, Some(2));
        // Its bake, and the longest wait for calls.
        assert!((140..=160).contains(&minutes), "{minutes} minutes after the last wave opened");
    });
}

#[test]
fn a_function_that_is_called_now_and_then_comes_before_the_silent_ones_and_may_be_first() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 0, |_| false).await;
        let now = freshlayer::ports::Clock::now(&fleet.world.aws.clock());
        for (function, hours_ago, calls) in [("f05", 5, 3), ("f07", 20, 9), ("f09", 300, 70)] {
            let minute = now - SignedDuration::from_hours(hours_ago);
            let second = minute.as_second();
            let minute = jiff::Timestamp::from_second(second - second % 60).expect("a time");
            let function = FunctionName::parse(function).expect("a name");
            fleet.callers.count(&function, minute, Calls { calls, errors: 0, slow: 0 });
        }
        assert_eq!(fleet.refresh().await.exit(), Exit::Done);
        assert_eq!(members(&waves(&fleet).await[0]), ["f07"], "the busiest of the last day");
        assert_eq!(fleet.go_on(200).await.0.exit(), Exit::Done);
        assert_eq!(members(&waves(&fleet).await[1]), ["f05"], "then the others with calls");
        while waves(&fleet).await.len() < 4 {
            fleet.go_on(1).await;
        }
        let open = waves(&fleet).await;
        let many: Vec<usize> = open.iter().map(|wave| members(wave).len()).collect();
        assert_eq!(many, [1, 1, 1, 17], "and those without in the last wave");
        let (last, _, _) = fleet.go_on(600).await;
        let said = format!("{:?}", last.outcome);
        assert!(said.contains("unjudged: 17"), "{said}");
    });
}

#[test]
fn a_probe_stands_in_for_calls_where_the_definition_says_so() {
    block_on(async {
        let quiet: Vec<(u64, u64)> = (0..20).map(|number| (number, 0)).collect();
        let probe = "rollout.probe.payload = { ip = '192.0.2.1' }\nrollout.evidence = 'probe'\n";
        let fleet = called(&format!("{METRICS}{probe}"), &quiet).await;
        let (last, minutes, _) = fleet.go_on(600).await;
        assert_eq!(fleet.world.status().await.stable, Some(2), "{last:#?}");
        assert_eq!(minutes, 30 + 15 + 15 + 30, "no wave waits for calls");
        let said = format!("{:?}", last.outcome);
        assert!(said.contains("too_few: [], unjudged: 0"), "{said}");
    });
}

#[test]
fn a_call_that_failed_outweighs_the_probe() {
    block_on(async {
        let probe = "rollout.probe.payload = { ip = '192.0.2.1' }\nrollout.evidence = 'probe'\n";
        let terms = format!("{METRICS}{probe}rollout.alias_weight_percent = 100\n");
        let fleet = Fleet::new(&terms, 1, |called| called.number % 7 == 0).await;
        let (last, _, most) = fleet.go_on(45).await;
        assert_eq!(most, 1, "{last:#?}");
    });
}

#[test]
fn who_wants_to_be_asked_is_asked_about_functions_without_callers() {
    block_on(async {
        let quiet: Vec<(u64, u64)> = (0..10).map(|number| (number, 0)).collect();
        let hold = format!("{METRICS}rollout.on_inconclusive = 'hold'\n");
        for terms in [hold, METRICS.replace("standard", "careful")] {
            let fleet = called(&terms, &quiet).await;
            let (last, _, _) = fleet.go_on(4000).await;
            assert_eq!(last.exit(), Exit::Held, "{last:#?}");
            assert_eq!(fleet.world.status().await.stable, Some(1));
        }
    });
}

#[test]
fn calls_that_cannot_be_counted_leave_the_choice_to_the_names() {
    block_on(async {
        let fleet = called(METRICS, &[(0, 0)]).await;
        fleet.callers.be_deaf(1);
        assert_eq!(fleet.refresh().await.exit(), Exit::Done);
        assert_eq!(members(&waves(&fleet).await[0]), ["f00"]);
    });
}
