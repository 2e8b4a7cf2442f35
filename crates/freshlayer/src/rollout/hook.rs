//! Asks the layer's hook about the open wave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::came::Came;
use super::evidence::members_of;
use super::judge::Reply;
use crate::engine::Run;
use crate::error::chain;
use crate::names::LayerName;
use crate::ports::FunctionName;

/// What a hook is asked.
#[derive(Debug, Serialize)]
struct Question<'a> {
    layer: &'a LayerName,
    /// The rollout's number.
    rollout: u64,
    /// The release that functions come from.
    from: Option<u64>,
    /// The release that they go to.
    release: u64,
    /// The wave, counted from 1.
    wave: usize,
    opened: Timestamp,
    reached: Option<Timestamp>,
    /// Until when the wave bakes.
    until: Option<Timestamp>,
    now: Timestamp,
    /// The functions of the wave that have the release, by place.
    functions: BTreeMap<String, BTreeSet<FunctionName>>,
    /// What the hook answered last in this rollout.
    state: Option<&'a Value>,
}

/// Asks the hook that the gates name; `None` where they name none.
pub(super) async fn ask(
    run: &Run<'_>,
    came: &Came,
    now: Timestamp,
) -> Option<Result<Reply, String>> {
    let gate = came.intent.gates.hook.as_ref()?;
    let question = question(came, now)?;
    let longest = Duration::from_secs(u64::from(gate.timeout_secs));
    let asked = run.engine.ports.hook.ask(&gate.hook, &question);
    Some(match tokio::time::timeout(longest, asked).await {
        Ok(Ok(answer)) => Reply::parse(&answer),
        Ok(Err(error)) => Err(chain(error.as_ref())),
        Err(_elapsed) => {
            let secs = gate.timeout_secs;
            Err(format!("no answer within the {secs} s of `rollout.hook.timeout_secs`"))
        }
    })
}

fn question(came: &Came, now: Timestamp) -> Option<String> {
    let rollout = came.rollout.as_ref()?;
    let wave = rollout.waves.last()?;
    let mut functions: BTreeMap<String, BTreeSet<FunctionName>> = BTreeMap::new();
    for (place, function) in members_of(came, wave) {
        functions.entry(place.to_string()).or_default().insert(function);
    }
    let question = Question {
        layer: &rollout.layer,
        rollout: rollout.number,
        from: rollout.from,
        release: rollout.to,
        wave: rollout.waves.len(),
        opened: wave.opened,
        reached: wave.reached,
        until: wave.until,
        now,
        functions,
        state: rollout.hook_state.as_ref(),
    };
    serde_json::to_string(&question).ok()
}
