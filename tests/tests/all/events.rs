//! What people's tools are told: every event fits the published schema, and none is told twice.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

use freshlayer::report::{EVENT_SOURCE, Happening, Report, event_schema};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::emulator::emulator;
use freshlayer_tests::sandbox::{self, Sandbox, workspace};
use freshlayer_tests::story::Story;
use serde_json::Value;

use crate::aws_deployed::{Deployed, geo};
use crate::docs::hold;
use crate::refresh::released;
use crate::schema_fit::misfit;
use crate::simulated::{World, block_on};

/// As a rule of the event bus sees it.
fn event(happening: &Happening) -> Value {
    let mut event = serde_json::to_value(happening).expect("it is JSON");
    event["source"] = EVENT_SOURCE.into();
    event
}

/// Why an event does not fit the schema.
pub(crate) fn misfit_of(event: &Value) -> Option<String> {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    misfit(SCHEMA.get_or_init(event_schema), event)
}

/// Every event fits the schema, and what can happen only once is told only once.
pub(crate) fn assert_told_well(happened: &[Happening]) {
    let mut once = BTreeSet::new();
    for happening in happened {
        let event = event(happening);
        assert_eq!(misfit_of(&event), None, "{event:#}");
        let about = happening.about();
        let key = match happening {
            Happening::ReleasePublished { .. } => (about.release, None),
            Happening::RolloutStarted { .. } | Happening::RolledBack { .. } => {
                (about.rollout, None)
            }
            Happening::WaveOpened { wave, .. } | Happening::WaveDone { wave, .. } => {
                (about.rollout, Some(*wave))
            }
            _ => continue,
        };
        assert!(once.insert((happening.detail_type(), key)), "told twice: {event:#}");
    }
}

#[test]
fn the_schema_that_is_printed_is_that_of_the_events() {
    let printed = Sandbox::new().cli(&["schema", "event"]).stdout;
    let printed: Value = serde_json::from_str(&printed).expect("the schema is JSON");
    assert_eq!(printed, event_schema());
    let kinds = printed["oneOf"].as_array().expect("a list of kinds");
    let named = kinds.iter().map(|kind| &kind["properties"]["detail-type"]["const"]);
    assert_eq!(named.collect::<Vec<_>>(), Happening::DETAIL_TYPES.iter().collect::<Vec<_>>());
}

fn kinds(report: &Report) -> Vec<&'static str> {
    report.happened.iter().map(Happening::detail_type).collect()
}

/// Data that serves, and grows older than the definition wants.
async fn grown_old() -> (World, Report) {
    let mut world = World::of("");
    world.definition.datasets[0].expect.build_age_days_warn = Some(60);
    let first = world.refresh(&world.aws).await;
    assert_eq!(kinds(&first), ["Release published", "Rollout started", "Release stable"]);
    tokio::time::sleep(Duration::from_hours(20 * 24)).await;
    let old = world.refresh(&world.aws).await;
    (world, old)
}

#[test]
fn data_that_grows_old_while_it_serves_is_told_once_per_build() {
    block_on(async {
        let (world, old) = grown_old().await;
        assert_eq!(kinds(&old), ["Data stale"]);
        assert_told_well(&old.happened);
        assert_eq!(kinds(&world.refresh(&world.aws).await), [""; 0]);
        world.build(1);
        let newer = world.refresh(&world.aws).await;
        let of_a_release = ["Release published", "Rollout started", "Release stable"];
        assert_eq!(kinds(&newer), [&of_a_release[..], &["Data stale"]].concat());
        assert_eq!(kinds(&world.refresh(&world.aws).await), [""; 0]);
    });
}

#[test]
fn a_report_shows_what_happened() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let report = sandbox.cli(&["--json", "refresh", "geo"]).json();
    let happened = report["layers"][0]["happened"].as_array().expect("a list").iter();
    let kinds: Vec<&Value> = happened.map(|event| &event["detail-type"]).collect();
    assert_eq!(kinds, ["Release published", "Rollout started", "Release stable"]);
    let again = sandbox.cli(&["--json", "refresh", "geo"]).json();
    assert_eq!(again["layers"][0]["happened"], Value::Null, "nothing happened");
}

/// What a story tells.
async fn told_by(story: &str) -> Vec<Happening> {
    let file = workspace().join("tests/stories").join(story);
    let text = std::fs::read_to_string(file).expect("readable");
    Box::pin(Story::parse(&text).expect("a story").play()).await.happened
}

#[test]
fn every_example_on_the_page_is_what_the_code_tells() {
    let told = block_on(async {
        let mut told = told_by("events_of_a_good_rollout.txt").await;
        told.drain(..told.iter().position(|one| one.about().release == Some(2)).unwrap_or(0));
        told.extend(told_by("events_of_a_stopped_rollout.txt").await);
        told.extend(grown_old().await.1.happened);
        told
    });
    let mut page = String::new();
    let schema = event_schema();
    for (at, kind) in Happening::DETAIL_TYPES.iter().enumerate() {
        let means = schema["oneOf"][at]["description"].as_str().expect("a sentence");
        let example = told.iter().find(|one| one.detail_type() == *kind).expect(kind);
        let example = event(example);
        let _ = writeln!(page, "\n### {kind}\n\n{means}\n\n```json\n{example:#}\n```");
    }
    hold("docs/events.md", "examples", &format!("{page}\n"));
}

#[test]
fn the_publisher_puts_each_event_on_the_bus_once() {
    sandbox::block_on(async {
        let account = emulator().account().await;
        let deployed = Deployed::of(account, &[], "").without_tls().await;
        deployed.ask_boto("events.py", &["listen"]);
        let run = async || {
            deployed.invoke(&deployed.publisher, &geo()).await;
            let heard = deployed.ask_boto("events.py", &["heard"]).into_iter();
            let heard = heard.map(|line| {
                let event: Value = serde_json::from_str(&line).expect("JSON");
                assert_eq!(misfit_of(&event), None, "{event:#}");
                assert_eq!(event["detail"]["layer"], "geo", "{event:#}");
                event["detail-type"].as_str().expect("a kind").to_owned()
            });
            heard.collect::<Vec<_>>()
        };
        assert_eq!(run().await, ["Release published", "Rollout started", "Release stable"]);
        assert_eq!(run().await, [""; 0], "nothing is new");
        deployed.sandbox.upstream.publish("country.mmdb", b"<html>an error page</html>");
        assert_eq!(run().await, ["Data rejected"]);
        assert_eq!(run().await, [""; 0], "it is known");
    });
}
