//! When the calls of a wave are counted, and how the counts of all waves add up. On a strict simulation of AWS in virtual
//! time, with callers.

use std::time::Duration;

use freshlayer::ports::{AlarmState, Clock as _};
use freshlayer::report::Exit;
use freshlayer::state::{Counted, Wave};
use freshlayer::{Retry, refresh, rollout_status};
use freshlayer_tests::callers::Called;
use freshlayer_tests::simulated::Hit;
use jiff::{SignedDuration, Timestamp};

use crate::gates::{ALARMS, Fleet, METRICS, is_new};
use crate::simulated::block_on;

const PER_MINUTE: u64 = 10;

async fn waves(fleet: &Fleet) -> Vec<Wave> {
    let status = rollout_status(&fleet.engine(), &fleet.world.definition).await.expect("readable");
    status.open.map(|open| open.waves).unwrap_or_default()
}

fn counted(wave: &Wave) -> Option<&Counted> {
    wave.evidence.as_ref()?.counted.as_ref()
}

fn minute_of(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).expect("a time")
}

/// How many whole minutes were counted between the wave's begin and the last three minutes.
fn minutes(wave: &Wave, counted: &Counted) -> u64 {
    let reached = wave.reached.expect("it is complete");
    let begun = minute_of(reached);
    let begun = if begun == reached { begun } else { begun + SignedDuration::from_mins(1) };
    let until = minute_of(counted.at - SignedDuration::from_mins(3));
    u64::try_from(until.duration_since(begun).as_mins()).expect("some")
}

/// I3: what is counted follows from the wave and the time alone.
#[test]
fn wherever_the_publisher_dies_no_minute_counts_twice() {
    block_on(async {
        let fleet = Fleet::new(METRICS, PER_MINUTE, |_| false).await;
        fleet.refresh().await;
        tokio::time::sleep(Duration::from_mins(12)).await;
        let mut killed = 0;
        for hit in [Hit::SilentBefore, Hit::SilentAfter] {
            for call in 0.. {
                let aws = fleet.world.aws.copy();
                let struck = aws.hit_by(move |number, _| (number == call).then_some(hit));
                let engine = fleet.engine_on(&struck);
                let run = refresh(&engine, &fleet.world.definition, Retry::OnChange);
                let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
                let calls = struck.calls();
                let engine = fleet.engine_on(&aws);
                refresh(&engine, &fleet.world.definition, Retry::OnChange).await;
                let status = rollout_status(&engine, &fleet.world.definition).await;
                let open = status.expect("readable").open.expect("it goes on");
                let found = counted(&open.waves[0]).expect("it was counted");
                let all = PER_MINUTE * minutes(&open.waves[0], found);
                assert_eq!(found.tally.new.calls, all, "{hit:?} at call {call}");
                assert!(found.tally.old.calls <= all, "{hit:?} at call {call}");
                if ended.is_ok() && calls <= call {
                    break;
                }
                killed += 1;
            }
        }
        assert!(killed > 10, "only {killed}");
    });
}

/// The box alone shows too little.
#[test]
fn what_earlier_waves_saw_counts_in_later_ones() {
    block_on(async {
        let fails = |called: Called<'_>| {
            called.number.is_multiple_of(100)
                || (is_new(called) && called.number.is_multiple_of(25))
        };
        let fleet = Fleet::new(METRICS, PER_MINUTE, fails).await;
        let mut told = None;
        loop {
            let report = fleet.refresh().await;
            let open = waves(&fleet).await;
            let earlier: u64 =
                open.iter().rev().skip(1).filter_map(counted).map(|one| one.tally.new.calls).sum();
            if let Some(last) = open.last().and_then(counted).filter(|_| earlier > 0) {
                let all = earlier + last.tally.new.calls;
                if last.sentence.contains("; in all waves so far ") {
                    assert!(last.sentence.contains(&format!(" of {all}, and ")), "{last:?}");
                    told = Some(last.sentence.clone());
                }
            }
            if !fleet.sleep_until_woken(&report).await {
                assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
                let said = report.outcome.reason().to_string();
                assert!(said.contains("; in all waves so far "), "{told:?}\n{said}");
                return;
            }
        }
    });
}

/// Alarms cost nothing, and the last bake of `careful` is long.
#[test]
fn alarms_are_read_every_quarter_of_an_hour_also_where_calls_are_counted_seldom() {
    block_on(async {
        let terms = format!("{ALARMS}rollout.metrics = {{}}\n").replace("standard", "careful");
        let fleet = Fleet::new(&terms, PER_MINUTE, |_| false).await;
        while waves(&fleet).await.len() < 4 {
            let report = fleet.refresh().await;
            assert!(fleet.sleep_until_woken(&report).await, "{report:#?}");
        }
        tokio::time::sleep(Duration::from_hours(5)).await;
        let report = fleet.refresh().await;
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let rang = fleet.world.aws.clock().now();
        assert!(fleet.sleep_until_woken(&report).await, "{report:#?}");
        let report = fleet.refresh().await;
        assert_eq!((report.exit(), fleet.on_new()), (Exit::Rejected, 0), "{report:#?}");
        let took = fleet.world.aws.clock().now().duration_since(rang);
        assert!(took <= SignedDuration::from_mins(17), "{took:?}");
        let most = fleet.callers.asked().into_values().max();
        assert!(most <= Some(5), "asked {most:?} times");
    });
}
