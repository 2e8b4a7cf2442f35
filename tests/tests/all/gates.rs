//! What is watched while a wave bakes decides: alarms, and the calls that fail. On a strict simulation of AWS in virtual
//! time, with callers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use freshlayer::ports::{AlarmState, AlarmTag, Behind, Calls, FunctionName, Health};
use freshlayer::report::{Exit, Report};
use freshlayer::state::Wave;
use freshlayer::{Engine, Place, RegionName, Retry, journal, refresh, rollout_status};
use freshlayer_tests::callers::{Called, Callers, Ended, Watched};
use freshlayer_tests::contracts::{self, HealthBench};
use freshlayer_tests::simulated::{Hit, NewFunction, REGION, Simulated};
use jiff::Timestamp;

use crate::probes::assert_mistake;
use crate::simulated::{World, block_on, pace, version};

pub(crate) const METRICS: &str = "rollout.preset = 'standard'\nrollout.metrics = {}\n";
pub(crate) const ALARMS: &str =
    "rollout.preset = 'standard'\nrollout.alarms = ['geo-errors', 'checkout-*']\n";

/// Functions on release 1 that have been called for two hours, and a new build.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) callers: Arc<Callers>,
}

impl Fleet {
    /// Twenty functions, every other one behind an alias.
    pub(crate) async fn new<E: Into<Ended>>(
        terms: &str,
        per_minute: u64,
        ends: impl Fn(Called<'_>) -> E + Send + Sync + 'static,
    ) -> Self {
        Self::of([&["live"][..], &[]].repeat(10), terms, per_minute, ends).await
    }

    /// One function with each of these lists of aliases.
    pub(crate) async fn of<E: Into<Ended>>(
        functions: Vec<&[&str]>,
        terms: &str,
        per_minute: u64,
        ends: impl Fn(Called<'_>) -> E + Send + Sync + 'static,
    ) -> Self {
        let world = World::of(terms);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        for (number, aliases) in functions.into_iter().enumerate() {
            let new = NewFunction { layers: &[version(1)], aliases, ..NewFunction::default() };
            world.aws.function(&format!("f{number:02}"), &new);
        }
        let callers = Callers::begin(&world.aws, per_minute, ends);
        callers.alarm("geo-errors", AlarmState::Quiet);
        callers.alarm("checkout-slow", AlarmState::Quiet);
        tokio::time::sleep(Duration::from_hours(2)).await;
        world.build(3);
        Self { world, callers }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine_on(&self.world.aws)
    }

    pub(crate) fn engine_on(&self, aws: &Simulated) -> Engine {
        let mut engine = self.world.engine(aws, "tester", pace());
        let (regions, callers) = (engine.ports.regions, self.callers.clone());
        let home = Place { region: RegionName::parse(REGION).expect("a Region"), account: None };
        let callers = BTreeMap::from([(home, callers)]);
        engine.ports.regions = Arc::new(Watched { regions, callers });
        engine
    }

    pub(crate) async fn refresh(&self) -> Report {
        refresh(&self.engine(), &self.world.definition, Retry::OnChange).await
    }

    /// How many functions give their callers the new data.
    pub(crate) fn on_new(&self) -> usize {
        let new = version(2).to_string();
        self.world.aws.callers_get().values().filter(|layers| layers.contains(&new)).count()
    }

    /// Goes on as the deployed publisher does, whenever the last report says so, at most so many minutes. Returns the last
    /// report, the minutes, and the most functions that had the new data.
    pub(crate) async fn go_on(&self, minutes_max: i64) -> (Report, i64, usize) {
        let now = || freshlayer::ports::Clock::now(&self.world.aws.clock());
        let began = now();
        let mut most = 0;
        loop {
            let report = self.refresh().await;
            most = most.max(self.on_new());
            let minutes = now().duration_since(began).as_mins();
            if minutes >= minutes_max || !self.sleep_until_woken(&report).await {
                return (report, minutes, most);
            }
        }
    }

    /// Tells whether the report asks to be woken at all.
    pub(crate) async fn sleep_until_woken(&self, report: &Report) -> bool {
        let Some(wake_at) = report.wake_at else { return false };
        let now = freshlayer::ports::Clock::now(&self.world.aws.clock());
        let pause = wake_at.duration_since(now).max(jiff::SignedDuration::ZERO);
        tokio::time::sleep(Duration::try_from(pause).expect("not past")).await;
        true
    }

    /// The waves of the newest rollout.
    pub(crate) async fn waves(&self) -> Vec<Wave> {
        let layer = &self.world.definition.layer;
        journal(&self.engine(), layer, 2).await.expect("the rollout to release 2").rollout.waves
    }

    pub(crate) async fn last_wave(&self) -> Wave {
        self.waves().await.pop().expect("a wave is open")
    }

    pub(crate) async fn evidence(&self) -> Vec<String> {
        let status =
            rollout_status(&self.engine(), &self.world.definition).await.expect("readable");
        let waves = status.open.map(|open| open.waves).unwrap_or_default();
        let last = waves.last().and_then(|wave| wave.evidence.clone());
        last.map(|evidence| evidence.sentences).unwrap_or_default()
    }
}

#[test]
fn callers_are_counted_as_the_contract_says() {
    struct Counted {
        world: World,
        callers: Arc<Callers>,
    }

    #[async_trait]
    impl HealthBench for Counted {
        fn health(&self) -> &dyn Health {
            &*self.callers
        }

        async fn call(&self, function: &FunctionName, minute: Timestamp, calls: Calls) {
            self.callers.count(function, minute, calls);
        }

        async fn call_behind(&self, behind: &Behind, minute: Timestamp, calls: Calls) {
            self.callers.count_behind(behind, minute, calls);
        }

        async fn alarm(&self, name: &str, state: AlarmState) {
            self.callers.alarm(name, state);
        }

        async fn tag_alarm(&self, name: &str, tag: AlarmTag) {
            self.callers.tag_alarm(name, tag);
        }

        async fn mute_alarm(&self, name: &str, _way: usize) {
            self.callers.mute_alarm(name);
        }

        fn now(&self) -> Timestamp {
            freshlayer::ports::Clock::now(&self.world.aws.clock())
        }
    }

    block_on(async {
        let world = World::of("");
        let callers = Callers::begin(&world.aws, 0, |_| false);
        contracts::health(&Counted { world, callers }).await;
    });
}

pub(crate) fn is_new(called: Called<'_>) -> bool {
    called.layers.contains(&version(2).to_string())
}

#[test]
fn good_data_passes_at_the_pace_of_its_bakes() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |called| called.number.is_multiple_of(200)).await;
        let first = fleet.refresh().await;
        assert_eq!((first.exit(), fleet.on_new()), (Exit::Done, 1), "{first:#?}");
        let (last, minutes, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
        assert_eq!(fleet.world.status().await.stable, Some(2));
        // 30 + 15 + 15 + 30 minutes of bakes, and a tenth of them for what the gates take to count the last minutes.
        assert!((90..=99).contains(&minutes), "{minutes}");
    });
}

#[test]
fn data_that_makes_calls_fail_comes_back_before_half_of_the_fleet_has_it() {
    for (share, wave) in [(1, 1), (5, 1), (20, 3)] {
        block_on(async {
            let fails = move |called: Called<'_>| {
                called.number.is_multiple_of(100)
                    || (is_new(called) && called.number.is_multiple_of(share))
            };
            let fleet = Fleet::new(METRICS, 10, fails).await;
            let (last, minutes, most) = fleet.go_on(600).await;
            assert_eq!((last.exit(), fleet.on_new()), (Exit::Rejected, 0), "{share}: {last:#?}");
            assert!(most <= 10, "1 in {share} fails: {most} functions had it");
            let said = last.outcome.reason().to_string();
            let begins = "release 2 failed in wave ";
            assert!(said.starts_with(begins) && said.contains(" calls failed, "), "{said}");
            assert!(
                said.contains("; every function goes back to release 1; its data stays away"),
                "{said}"
            );
            let number: usize = said[begins.len()..=begins.len()].parse().expect("a number");
            assert!(number <= wave && minutes < 90, "{said} after {minutes} minutes");
            let again = fleet.refresh().await;
            assert_eq!((again.exit(), fleet.on_new()), (Exit::Held, 0), "{again:#?}");
        });
    }
}

#[test]
fn data_that_makes_calls_slow_comes_back_where_slow_calls_count() {
    let slow = |after: &str| METRICS.replace("{}", &format!("{{ slow_after_ms = {after} }}"));
    let ends = |called: Called<'_>| {
        if is_new(called) && called.number.is_multiple_of(3) { Ended::Slowly } else { Ended::Well }
    };
    block_on(async {
        let fleet = Fleet::new(&slow("800"), 10, ends).await;
        let (last, _, most) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Rejected, 0), "{last:#?}");
        assert!(most <= 10, "{most} functions had it");
        let said = last.outcome.reason().to_string();
        assert!(said.contains(" calls failed or took over 800 ms, and 0 of "), "{said}");
    });
    for terms in [slow("2000"), METRICS.to_owned()] {
        block_on(async {
            let fleet = Fleet::new(&terms, 10, ends).await;
            let (last, _, _) = fleet.go_on(900).await;
            assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{terms}: {last:#?}");
        });
    }
}

/// Everything fails since the wave opened, with the old data as well: the data did not do that.
#[test]
fn a_failure_of_everything_is_no_verdict_about_the_data() {
    for share in [1, 2] {
        block_on(async {
            let fails = move |called: Called<'_>| {
                called.number > 20 * 10 * 121 && called.number.is_multiple_of(share)
            };
            let fleet = Fleet::new(METRICS, 10, fails).await;
            let (last, minutes, most) = fleet.go_on(600).await;
            assert_eq!((last.exit(), fleet.on_new(), most), (Exit::Held, 1, 1), "{last:#?}");
            let said = last.outcome.reason().to_string();
            assert!(said.contains("that have not moved fail more often as well"), "{said}");
            assert!(
                said.contains("`freshlayer rollout promote geo` moves every function"),
                "{said}"
            );
            assert!((150..200).contains(&minutes), "it waits two hours for an answer: {minutes}");
        });
    }
}

#[test]
fn too_few_calls_are_waited_for_and_then_the_definition_decides() {
    for (decides, exit, there) in
        [("proceed", Exit::Done, 20), ("hold", Exit::Held, 1), ("rollback", Exit::Rejected, 0)]
    {
        block_on(async {
            let terms = format!(
                "{METRICS}rollout.on_inconclusive = '{decides}'\nrollout.wait_minutes = 60\n"
            );
            let terms = terms.replace("{}", "{ calls_min = 100000 }");
            let fleet = Fleet::new(&terms, 1, |_| false).await;
            let (last, minutes, _) = fleet.go_on(900).await;
            assert_eq!((last.exit(), fleet.on_new()), (exit, there), "{decides}: {last:#?}");
            let waves = if decides == "proceed" { 4 } else { 1 };
            assert!(minutes >= 60 * waves, "{decides}: {minutes}");
        });
    }
}

#[test]
fn an_alarm_that_begins_to_ring_brings_every_function_back() {
    for name in ["geo-errors", "checkout-slow"] {
        block_on(async {
            let fleet = Fleet::new(ALARMS, 1, |_| false).await;
            fleet.refresh().await;
            tokio::time::sleep(Duration::from_mins(10)).await;
            let quiet = fleet.refresh().await;
            assert_eq!((quiet.exit(), fleet.on_new()), (Exit::Done, 1), "{quiet:#?}");
            assert_eq!(fleet.evidence().await, ["2 alarms are quiet"]);
            fleet.callers.alarm(name, AlarmState::Rings);
            let back = fleet.refresh().await;
            assert_eq!((back.exit(), fleet.on_new()), (Exit::Rejected, 0), "{back:#?}");
            let said = back.outcome.reason().to_string();
            assert!(
                said.contains(&format!("alarm {name} rings in eu-west-1: a threshold")),
                "{said}"
            );
        });
    }
}

#[test]
fn an_alarm_that_rang_before_is_no_verdict_and_one_that_vanishes_holds() {
    block_on(async {
        let fleet = Fleet::new(ALARMS, 1, |_| false).await;
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Held, 1), "{last:#?}");
        assert!(last.outcome.reason().to_string().contains("since before functions moved there"));
        fleet.callers.alarm("geo-errors", AlarmState::Unknown);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
    });
    block_on(async {
        let fleet = Fleet::new(ALARMS, 1, |_| false).await;
        fleet.refresh().await;
        fleet.callers.no_alarm("geo-errors");
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Held, 1), "{last:#?}");
        assert!(last.outcome.reason().to_string().contains("alarm geo-errors does not exist"));
        fleet.callers.alarm("checkout-slow", AlarmState::Rings);
        let back = fleet.refresh().await;
        assert_eq!(back.exit(), Exit::Rejected, "a missing alarm hides no other one: {back:#?}");
    });
}

#[test]
fn what_cannot_be_measured_holds_after_four_looks_and_goes_on_once_it_can() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |_| false).await;
        fleet.refresh().await;
        fleet.callers.be_deaf(u32::MAX);
        let (last, minutes, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Held, 1), "{last:#?}");
        let said = last.outcome.reason().to_string();
        assert!(
            said.contains("calls cannot be counted: eu-west-1: the service does not answer"),
            "{said}"
        );
        assert!((30..60).contains(&minutes), "{minutes}");
        fleet.callers.be_deaf(2);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!(
            (last.exit(), fleet.on_new()),
            (Exit::Held, 1),
            "the next schedule looks again: {last:#?}"
        );
        fleet.callers.be_deaf(0);
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
    });
}

/// A rollout that waits for a person is replaced by a newer release, and that one goes back to the stable one.
#[test]
fn a_release_that_replaces_one_that_waits_goes_back_to_the_stable_one() {
    block_on(async {
        let probe = "rollout.probe.payload = { ip = '192.0.2.1' }\n";
        let fleet = Fleet::new(&format!("{ALARMS}{probe}"), 1, |_| false).await;
        fleet.refresh().await;
        fleet.callers.no_alarm("geo-errors");
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Held, 1), "{last:#?}");
        fleet.callers.alarm("geo-errors", AlarmState::Quiet);
        fleet.world.build(6);
        fleet.world.aws.break_layer(&version(3));
        let report = fleet.refresh().await;
        assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
        let first = version(1).to_string();
        let got = fleet.world.aws.callers_get();
        assert!(got.values().all(|layers| layers.contains(&first)), "{report:#?}");
    });
}

/// I3: wherever the publisher dies while a gate fails, the next one brings every function back.
#[test]
fn killed_at_every_call_the_way_back_is_gone() {
    block_on(async {
        let fleet = Fleet::new(ALARMS, 1, |_| false).await;
        fleet.refresh().await;
        tokio::time::sleep(Duration::from_mins(5)).await;
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let new = version(2).to_string();
        let on_new = |aws: &Simulated| {
            aws.callers_get().values().filter(|layers| layers.contains(&new)).count()
        };
        let mut killed = 0;
        for hit in [Hit::SilentBefore, Hit::SilentAfter] {
            for call in 0.. {
                let aws = fleet.world.aws.copy();
                let struck = aws.hit_by(move |number, _| (number == call).then_some(hit));
                let engine = fleet.engine_on(&struck);
                let run = refresh(&engine, &fleet.world.definition, Retry::OnChange);
                let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
                let calls = struck.calls();
                assert!(on_new(&aws) <= 1, "{hit:?} at call {call}");
                let engine = fleet.engine_on(&aws);
                let last = refresh(&engine, &fleet.world.definition, Retry::OnChange).await;
                assert_eq!(on_new(&aws), 0, "{hit:?} at call {call}: {last:#?}");
                if ended.is_ok() && calls <= call {
                    break;
                }
                killed += 1;
            }
        }
        assert!(killed > 20, "only {killed}");
    });
}

/// Where its functions stand is not known: what is not seen does not count as good.
#[test]
fn a_wave_whose_functions_cannot_be_listed_is_not_judged() {
    block_on(async {
        let fleet = Fleet::new(METRICS, 10, |_| false).await;
        fleet.refresh().await;
        tokio::time::sleep(Duration::from_mins(20)).await;
        let deaf = fleet.world.aws.hit_by(|_, name| (name == "ListFunctions").then_some(Hit::Cut));
        refresh(&fleet.engine_on(&deaf), &fleet.world.definition, Retry::OnChange).await;
        let said = fleet.evidence().await;
        assert!(said[1].starts_with("out of sight: eu-west-1: "), "{said:?}");
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
    });
}

#[test]
fn a_first_release_that_fails_waits_for_a_person() {
    block_on(async {
        let world = World::of(ALARMS);
        let tags = &[("freshlayer:geo", "1")];
        world.aws.function("first", &NewFunction { tags, ..NewFunction::default() });
        let callers = Callers::begin(&world.aws, 1, |_| false);
        callers.alarm("geo-errors", AlarmState::Quiet);
        callers.alarm("checkout-slow", AlarmState::Quiet);
        let fleet = Fleet { world, callers };
        fleet.refresh().await;
        let got = fleet.world.aws.callers_get()["first"].clone();
        assert_eq!(got, [version(1).to_string()]);
        tokio::time::sleep(Duration::from_mins(5)).await;
        fleet.callers.alarm("geo-errors", AlarmState::Rings);
        let held = fleet.refresh().await;
        assert_eq!(held.exit(), Exit::Held, "{held:#?}");
        let said = held.outcome.reason().to_string();
        assert!(said.starts_with("wave 1 waits for a person (alarm geo-errors rings"), "{said}");
        assert_eq!(fleet.world.aws.callers_get()["first"], got, "there is nothing to go back to");
    });
}

#[test]
fn what_is_only_observed_is_told_and_decides_nothing() {
    block_on(async {
        let terms = METRICS.replace("{}", "{ observe = true }");
        let fleet = Fleet::new(&terms, 10, is_new).await;
        fleet.refresh().await;
        tokio::time::sleep(Duration::from_mins(20)).await;
        fleet.refresh().await;
        let said = fleet.evidence().await;
        assert!(
            said[0].ends_with(" (only observed: it would fail)")
                && said[0].contains("calls failed"),
            "{said:?}"
        );
        let (last, _, _) = fleet.go_on(600).await;
        assert_eq!((last.exit(), fleet.on_new()), (Exit::Done, 20), "{last:#?}");
    });
}

#[test]
fn gates_that_make_no_sense_are_mistakes_with_their_line() {
    for (text, says) in [
        (
            "rollout.preset = 'all-at-once'\nrollout.alarms = ['geo']",
            "`rollout.alarms`: nothing is watched, because no wave bakes",
        ),
        (
            "rollout.preset = 'all-at-once'\nrollout.metrics = {}",
            "`rollout.metrics`: nothing is watched, because no wave bakes",
        ),
        ("rollout.preset = 'fast'\nrollout.alarms = ['*']", "expected an alarm's name"),
        ("rollout.preset = 'fast'\nrollout.alarms = ['a*b']", "expected an alarm's name"),
        ("rollout.preset = 'fast'\nrollout.metrics = { calls = 3 }", "unknown key"),
        (
            "rollout.preset = 'fast'\nrollout.metrics = { slow_after_ms = 0 }",
            "expected 1 to 900000",
        ),
        ("rollout.wait_minutes = 20000", "10080"),
        ("rollout.preset = 'fats'", "did you mean `fast`?"),
        ("rollout.on_inconclusive = 'maybe'", "expected proceed or hold or rollback"),
    ] {
        assert_mistake(text, says);
    }
}
