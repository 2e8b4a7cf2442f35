//! What people's tools are told: every event fits the published schema, and none is told twice.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use freshlayer::report::{EVENT_SOURCE, Happening, event_schema};
use freshlayer_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::schema_fit::misfit;

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
            Happening::RolloutStarted { .. } | Happening::RolledBack { .. } => (about.rollout, None),
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
