//! Which alarms a definition names: by name and by tag, muted ones, those with too little data, and those that do not
//! exist, of which no wave may begin.

use std::time::Duration;

use freshlayer::ports::{AlarmState, AlarmTag};
use freshlayer::report::{Exit, Why};
use freshlayer::{Back, Retry, RolloutOrder, order_rollout, plan, rollback, rollout_status};

use crate::gates::{ALARMS, Fleet};
use crate::probes::assert_mistake;
use crate::simulated::block_on;

const NO_SUCH: &str =
    "rollout.preset = 'standard'\nrollout.alarms = ['goe-errors', 'geo-errors', 'chekout-*']\n";
const SAID: &str = "no function moves, because alarm goe-errors does not exist and no alarm's name begins with chekout- in any \
                    place of the rollout: correct `rollout.alarms` in the definition, or make or tag the alarm; the next refresh \
                    looks again";

fn table(keys: &str) -> String {
    format!("rollout.preset = 'standard'\nrollout.alarms = {{ {keys} }}\n")
}

fn team() -> AlarmTag {
    AlarmTag::parse("team=geo").expect("a tag")
}

#[test]
fn where_an_alarm_does_not_exist_no_function_moves_until_it_does() {
    block_on(async {
        let fleet = Fleet::new(NO_SUCH, 1, |_| false).await;
        let planned = plan(&fleet.engine(), &fleet.world.definition, Retry::OnChange).await;
        let waits = planned.expect("planned").waits.expect("it says for what");
        assert_eq!((waits.wave, waits.reason.text.as_str()), (0, SAID));
        for _ in 0..3 {
            let report = fleet.refresh().await;
            assert_eq!((report.exit(), fleet.on_new()), (Exit::Usage, 0), "{report:#?}");
            assert_eq!(report.outcome.reason().to_string(), SAID);
            assert_eq!(report.wake_at, None, "the schedule looks again");
            let status = rollout_status(&fleet.engine(), &fleet.world.definition).await;
            assert_eq!(status.expect("readable").open.expect("it is open").next, SAID);
            tokio::time::sleep(Duration::from_hours(6)).await;
        }
        fleet.callers.alarm("goe-errors", AlarmState::Quiet);
        let report = fleet.refresh().await;
        assert_eq!((report.exit(), fleet.on_new()), (Exit::Usage, 0), "{report:#?}");
        fleet.callers.alarm("chekout-slow", AlarmState::Quiet);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
    });
}

/// Only an answer of CloudWatch says that an alarm does not exist.
#[test]
fn alarms_that_cannot_be_read_are_not_missing() {
    block_on(async {
        let fleet = Fleet::new(NO_SUCH, 1, |_| false).await;
        fleet.callers.be_deaf(u32::MAX);
        let report = fleet.refresh().await;
        assert_eq!((report.exit(), fleet.on_new()), (Exit::Done, 1), "{report:#?}");
        tokio::time::sleep(Duration::from_mins(10)).await;
        fleet.refresh().await;
        let said = fleet.evidence().await;
        assert_eq!(said, ["alarms cannot be read: eu-west-1: the service does not answer"]);
    });
}

#[test]
fn a_way_back_and_a_promotion_need_no_alarm() {
    block_on(async {
        let fleet = Fleet::new(ALARMS, 1, |_| false).await;
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
        fleet.callers.no_alarm("geo-errors");
        let (engine, definition) = (fleet.engine(), &fleet.world.definition);
        let back = rollback(&engine, definition, Back::Release(1), "anna", None).await;
        let back = back.expect("it is possible");
        assert_eq!((back.exit(), fleet.on_new()), (Exit::Done, 0), "{back:#?}");
    });
    block_on(async {
        let fleet = Fleet::new(NO_SUCH, 1, |_| false).await;
        fleet.refresh().await;
        let (engine, layer) = (fleet.engine(), &fleet.world.definition.layer);
        let promoted = order_rollout(&engine, layer, RolloutOrder::Promote, "anna", None).await;
        promoted.expect("it is possible");
        let report = fleet.refresh().await;
        assert_eq!((report.exit(), fleet.on_new()), (Exit::Done, 20), "{report:#?}");
    });
}

/// A newer release takes the place of one of which no wave began.
#[test]
fn a_release_that_waits_for_an_alarm_keeps_no_newer_one_back() {
    block_on(async {
        let fleet = Fleet::new(NO_SUCH, 1, |_| false).await;
        fleet.refresh().await;
        fleet.world.build(6);
        let report = fleet.refresh().await;
        assert_eq!(report.exit(), Exit::Usage, "{report:#?}");
        assert_eq!(report.release.expect("there is one").seq, 3);
        assert_eq!(fleet.on_new(), 0);
    });
}

#[test]
fn alarms_that_are_only_observed_are_told_and_decide_nothing() {
    block_on(async {
        let terms = table("names = ['geo-errors', 'no-such'], observe = true");
        let fleet = Fleet::new(&terms, 1, |_| false).await;
        let first = fleet.refresh().await;
        assert_eq!((first.exit(), fleet.on_new()), (Exit::Done, 1), "{first:#?}");
        tokio::time::sleep(Duration::from_mins(10)).await;
        fleet.refresh().await;
        let missing = "alarm no-such does not exist (only observed: it would hold)";
        assert_eq!(fleet.evidence().await, [missing]);
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        fleet.refresh().await;
        let rings = "alarm geo-errors rings in eu-west-1: a threshold was crossed (only observed: it would fail)";
        assert_eq!(fleet.evidence().await, [rings]);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
    });
}

#[test]
fn an_alarm_without_data_is_waited_for_where_the_definition_says_so() {
    for (without_data, exit, there) in [("quiet", Exit::Done, 20), ("wait", Exit::Held, 1)] {
        block_on(async {
            let keys = format!("names = ['geo-errors'], without_data = '{without_data}'");
            let fleet = Fleet::new(&table(&keys), 1, |_| false).await;
            fleet.callers.alarm("geo-errors", AlarmState::Unknown);
            let (last, _, _) = fleet.go_on(600).await;
            assert_eq!((last.exit(), fleet.on_new()), (exit, there), "{last:#?}");
            if there == 1 {
                let said = last.outcome.reason().to_string();
                assert!(
                    said.contains("alarm geo-errors has too little data in eu-west-1"),
                    "{said}"
                );
                fleet.callers.alarm("geo-errors", AlarmState::Quiet);
                let (last, _, _) = fleet.go_on(600).await;
                assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
            }
        });
    }
}

#[test]
fn an_alarm_is_found_by_its_tag_and_a_muted_one_counts() {
    block_on(async {
        let terms = table("names = ['checkout-slow'], tags = ['team=geo']");
        let fleet = Fleet::new(&terms, 1, |_| false).await;
        let report = fleet.refresh().await;
        assert_eq!((report.exit(), fleet.on_new()), (Exit::Usage, 0), "{report:#?}");
        let said = report.outcome.reason().to_string();
        assert!(said.contains("because no alarm has the tag team=geo in any place"), "{said}");
        fleet.callers.tag_alarm("geo-errors", team());
        fleet.callers.mute_alarm("geo-errors");
        fleet.refresh().await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        fleet.refresh().await;
        let quiet = "2 alarms are quiet, 1 of all is muted";
        assert_eq!((fleet.evidence().await, fleet.on_new()), (vec![quiet.to_owned()], 1));
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let back = fleet.refresh().await;
        assert_eq!((back.exit(), fleet.on_new()), (Exit::Rejected, 0), "{back:#?}");
        let said = match &back.outcome.reason().why {
            Why::WaveFailed { says, .. } => says.join("; "),
            other => panic!("{other:?}"),
        };
        let rings = "alarm geo-errors rings in eu-west-1: a threshold was crossed (its notifications are muted)";
        assert_eq!(said, rings);
    });
}

#[test]
fn alarms_that_make_no_sense_are_mistakes_with_their_line() {
    for (keys, says) in [
        ("[]", "1: `rollout.alarms`: expected at least one entry"),
        ("{}", "1: `rollout.alarms`: expected at least one of `names` and `tags`"),
        ("{ names = [] }", "1: `rollout.alarms.names`: expected at least one entry"),
        ("{ tags = [] }", "1: `rollout.alarms.tags`: expected at least one entry"),
        ("{ tag = ['team=geo'] }", "1: unknown key `rollout.alarms.tag`; did you mean `tags`?"),
        ("{ tags = ['team'] }", "1: `rollout.alarms.tags`: expected a tag such as team=geo"),
        ("{ tags = ['team='] }", "1: `rollout.alarms.tags`: expected a tag such as team=geo"),
        ("{ tags = [3] }", "1: `rollout.alarms.tags[0]`: expected string, found integer"),
        ("{ names = ['*'] }", "1: `rollout.alarms.names`: expected an alarm's name"),
        ("{ names = ['a'], observe = 1 }", "1: `rollout.alarms.observe`: expected boolean"),
        ("{ names = ['a'], without_data = 'no' }", "expected quiet or wait, found \"no\""),
        ("'geo'", "1: `rollout.alarms`: expected array, found string"),
        ("[\n'geo',\n'a*b',\n]", "3: `rollout.alarms`: expected an alarm's name"),
    ] {
        assert_mistake(&format!("rollout.alarms = {keys}"), says);
    }
}
