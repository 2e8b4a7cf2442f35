//! What today's gates would have done in past rollouts, on a strict simulation of AWS in virtual time, with callers.

use std::time::Duration;

use freshlayer::definition::MetricsGate;
use freshlayer::ports::AlarmState;
use freshlayer::report::Exit;
use freshlayer::{
    Back, Fate, PastGates, PastRollout, StoppedOf, Would, abort_rollout, judge_past, rollback,
};
use freshlayer_tests::callers::Called;

use crate::gates::{ALARMS, Fleet, METRICS};
use crate::refresh::released;
use crate::simulated::{block_on, version};

const OBSERVED: &str = "rollout.preset = 'standard'\nrollout.metrics = { observe = true }\n";

fn has(called: Called<'_>, release: u64) -> bool {
    called.layers.contains(&version(release).to_string())
}

async fn judged(fleet: &Fleet) -> PastGates {
    judge_past(&fleet.engine(), &fleet.world.definition, 20).await.expect("it can be told")
}

/// Lets the rollout that is open, or the next build, come to its end.
async fn rolled(fleet: &Fleet) -> Exit {
    fleet.go_on(600).await.0.exit()
}

async fn days(days: u64) {
    tokio::time::sleep(Duration::from_hours(24 * days)).await;
}

/// Two good releases, and between them one with which every call fails, which a person brings back after its last wave.
async fn two_good_and_one_bad() -> Fleet {
    let fails = |called: Called<'_>| called.number.is_multiple_of(200) || has(called, 3);
    let fleet = Fleet::new(OBSERVED, 10, fails).await;
    assert_eq!(rolled(&fleet).await, Exit::Done);
    days(1).await;
    fleet.world.build(4);
    assert_eq!(rolled(&fleet).await, Exit::Done);
    assert_eq!(fleet.world.status().await.stable, Some(3), "it was only observed");
    let engine = fleet.engine();
    rollback(&engine, &fleet.world.definition, Back::Release(2), "anna", None)
        .await
        .expect("a way");
    days(1).await;
    fleet.world.build(5);
    assert_eq!(rolled(&fleet).await, Exit::Done);
    assert_eq!(fleet.world.status().await.stable, Some(4));
    days(1).await;
    fleet
}

#[test]
fn two_good_rollouts_pass_and_the_bad_one_fails_in_its_first_wave() {
    block_on(async {
        let fleet = two_good_and_one_bad().await;
        let calls = fleet.world.aws.called();
        assert!(!calls.is_empty());
        let past = judged(&fleet).await;
        assert_eq!(past.good, StoppedOf { stopped: 0, of: 2 }, "{past:#?}");
        assert_eq!(past.bad, StoppedOf { stopped: 1, of: 1 }, "{past:#?}");
        let told: Vec<(u64, Fate, &str)> =
            past.rollouts.iter().map(|one| (one.to, one.fate, one.by.as_str())).collect();
        let wanted = [(4, Fate::Stable, ""), (3, Fate::BroughtBack, "anna"), (2, Fate::Stable, "")];
        assert_eq!(told, wanted);
        let Would::Fail { wave: 1, minutes, says } = &past.rollouts[1].would else {
            panic!("{past:#?}");
        };
        assert!((5..=15).contains(minutes) && says.contains(" calls failed, "), "{past:#?}");
        assert!(!says.contains("only observed"), "it is judged as if it decided: {says}");
        // The first release, and the way back.
        assert_eq!((past.left_out, past.alarms_left_out), (2, 0));
        let reads = fleet.world.aws.called();
        assert!(reads.iter().all(|call| call.starts_with("GetObject")), "nothing else: {reads:?}");
    });
}

#[test]
fn the_newest_count_and_rollouts_whose_minutes_are_gone_are_told() {
    block_on(async {
        let fleet = two_good_and_one_bad().await;
        let (engine, definition) = (fleet.engine(), &fleet.world.definition);
        let one = judge_past(&engine, definition, 1).await.expect("it can be told");
        assert_eq!(one.rollouts.iter().map(|one| one.to).collect::<Vec<_>>(), [4]);
        days(13).await;
        let verdicts: Vec<Would> =
            judged(&fleet).await.rollouts.into_iter().map(|r| r.would).collect();
        assert!(
            matches!(&verdicts[..], [Would::Pass { .. }, Would::Gone, Would::Gone]),
            "{verdicts:#?}"
        );
        days(2).await;
        let past = judged(&fleet).await;
        assert!(past.rollouts.iter().all(|one| one.would == Would::Gone), "{past:#?}");
        assert_eq!((past.good.of, past.bad.of), (0, 0));
    });
}

#[test]
fn the_gates_of_today_count() {
    block_on(async {
        let mut fleet = Fleet::new(OBSERVED, 10, |_| false).await;
        assert_eq!(rolled(&fleet).await, Exit::Done);
        days(1).await;
        let metrics = MetricsGate { calls_min: 1_000_000, ..MetricsGate::default() };
        fleet.world.definition.rollout.gates.metrics = Some(metrics);
        let past = judged(&fleet).await;
        let too_few = Would::Pass { too_few: vec![1, 2, 3, 4] };
        assert_eq!((&past.rollouts[0].would, past.calls_min), (&too_few, 1_000_000));
        fleet.world.definition.rollout.gates.on_inconclusive =
            freshlayer::definition::OnInconclusive::Hold;
        let past = judged(&fleet).await;
        assert!(
            matches!(past.rollouts[0].would, Would::Wait { wave: 1, minutes: 150, .. }),
            "{past:#?}"
        );
        fleet.world.definition.rollout.gates.metrics = None;
        let refused = judge_past(&fleet.engine(), &fleet.world.definition, 20).await;
        assert!(refused.expect_err("nothing is watched").to_string().contains("observe = true"));
    });
}

/// The publisher decided by the same gates: what it did is what is told.
#[test]
fn a_replay_says_what_the_publisher_did() {
    for share in [1, 5, 20] {
        block_on(async {
            let fails = move |called: Called<'_>| {
                called.number.is_multiple_of(100)
                    || (has(called, 2) && called.number.is_multiple_of(share))
            };
            let fleet = Fleet::new(METRICS, 10, fails).await;
            let (last, _, _) = fleet.go_on(600).await;
            assert_eq!(last.exit(), Exit::Rejected, "{last:#?}");
            let past = judged(&fleet).await;
            let [PastRollout { fate: Fate::GateFailed, would, .. }] = &past.rollouts[..] else {
                panic!("{past:#?}");
            };
            let Would::Fail { wave, says, .. } = would else { panic!("{past:#?}") };
            let said = last.outcome.reason().to_string();
            assert!(said.contains(&format!("failed in wave {wave} ({says})")), "{said}\n{past:#?}");
        });
    }
}

#[test]
fn a_rollout_that_an_alarm_or_a_person_ended_early_left_the_calls_no_time() {
    block_on(async {
        let terms = format!("{ALARMS}rollout.metrics = {{}}\n");
        let fleet = Fleet::new(&terms, 10, |_| false).await;
        fleet.refresh().await;
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        tokio::time::sleep(Duration::from_mins(8)).await;
        assert_eq!(fleet.refresh().await.exit(), Exit::Rejected);
        let past = judged(&fleet).await;
        let [first] = &past.rollouts[..] else { panic!("{past:#?}") };
        assert_eq!(first.fate, Fate::GateFailed);
        assert!(matches!(first.would, Would::Unclear { wave: 1, .. }), "{past:#?}");
        assert_eq!((past.bad, past.alarms_left_out), (StoppedOf { stopped: 0, of: 1 }, 2));
        fleet.world.build(6);
        fleet.callers.alarm("geo-errors", AlarmState::Quiet);
        assert_eq!(fleet.refresh().await.exit(), Exit::Done);
        let open = judged(&fleet).await;
        assert_eq!((open.rollouts.len(), open.left_out), (1, past.left_out + 1), "{open:#?}");
        abort_rollout(&fleet.engine(), &fleet.world.definition, "anna", None)
            .await
            .expect("a way back");
        let past = judged(&fleet).await;
        assert_eq!((past.rollouts[0].would.clone(), past.bad.of), (Would::Unseen, 1), "{past:#?}");
        assert_eq!(
            (past.rollouts[0].fate, past.rollouts[0].by.as_str()),
            (Fate::BroughtBack, "anna")
        );
    });
}

/// The publisher let the wave of silent functions pass without calls, and so does the replay.
#[test]
fn a_wave_of_functions_without_calls_passes() {
    block_on(async {
        let terms = format!("{METRICS}rollout.on_inconclusive = 'hold'\n");
        let fleet = Fleet::new(&terms, 10, |_| false).await;
        for number in 0..10 {
            fleet.callers.call(&format!("f{number:02}"), 0);
        }
        days(15).await;
        assert_eq!(rolled(&fleet).await, Exit::Done);
        let past = judged(&fleet).await;
        assert_eq!(past.rollouts[0].would, Would::Pass { too_few: Vec::new() }, "{past:#?}");
    });
}

/// Everything failed, with the old data as well.
#[test]
fn functions_that_had_not_moved_are_counted_again() {
    block_on(async {
        let fails =
            |called: Called<'_>| called.number > 20 * 10 * 121 && called.number.is_multiple_of(2);
        let fleet = Fleet::new(METRICS, 10, fails).await;
        assert_eq!(rolled(&fleet).await, Exit::Held);
        abort_rollout(&fleet.engine(), &fleet.world.definition, "anna", None)
            .await
            .expect("a way back");
        let past = judged(&fleet).await;
        let Would::Wait { wave: 1, says, .. } = &past.rollouts[0].would else {
            panic!("{past:#?}")
        };
        assert!(says.contains("functions that have not moved fail more often as well"), "{says}");
    });
}

#[test]
fn what_cannot_be_counted_is_told() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |_| false).await;
        assert!(judged(&fleet).await.rollouts.is_empty(), "no rollout is no error");
        assert_eq!(rolled(&fleet).await, Exit::Done);
        fleet.callers.be_deaf(1);
        let past = judged(&fleet).await;
        let Would::Uncounted { why } = &past.rollouts[0].would else { panic!("{past:#?}") };
        assert!(why.contains("the service does not answer"), "{why}");
    });
}

#[test]
fn a_host_that_counts_no_calls_says_so() {
    let sandbox = released();
    let ran = sandbox.cli(&["rollout", "judge", "geo", "--past"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("this host counts no calls"), "{ran:?}");
    let ran = sandbox.cli(&["rollout", "judge", "geo"]);
    assert!(ran.code == 2 && ran.stderr.contains("rollout judge geo --past` tells"), "{ran:?}");
}
