//! What a rollout would do, wave by wave: the planner's own steps, taken on a copy of what was observed. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::act::PROBE_CALLS;
use super::plan::{Intent, Next, Opening, Placed, Probed, Standing, World, plan};
use crate::definition::Gates;
use crate::names::Place;
use crate::ports::{Consumer, FunctionName, Look, PublishedVersion, Routing, Step, Update};
use crate::report::Why;
use crate::state::{Members, Rollout, Wave};

/// How often the play plans anew: far more than any course has waves and any function has steps.
const ROUNDS_MAX: usize = 10_000;

/// What a rollout would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Foreseen {
    /// The functions that move, in their order; one entry where all move at once.
    pub waves: Vec<ForeseenWave>,
    /// When the release would be stable; absent where an order stops the rollout, or every function is held.
    #[schemars(with = "Option<String>")]
    pub stable_at: Option<Timestamp>,
    /// How many calls change functions.
    pub changes: usize,
    /// How many calls ask functions whether they work with the data.
    pub probes: usize,
}

/// Functions that would move together.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ForeseenWave {
    /// Its number in the rollout.
    pub number: usize,
    /// When they would begin at the earliest.
    #[schemars(with = "String")]
    pub opens: Timestamp,
    /// Until when they would be watched; absent where nothing is watched.
    #[schemars(with = "Option<String>")]
    pub watched_until: Option<Timestamp>,
    /// How many of the calls of their aliases come to the release, in percent; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// The functions, by place.
    pub members: Members,
}

/// Plays a rollout to its end, as if every step went well and took no time, and every gate passed at the end of its bake.
/// Returns where every function stands then.
pub(crate) fn foresee(
    intent: &Intent,
    world: &World,
    rollout: Rollout,
    now: Timestamp,
) -> (Foreseen, BTreeMap<(Place, FunctionName), Standing>) {
    let gates = Gates { evidence: intent.gates.evidence, ..Gates::default() };
    let intent = &Intent { gates, ..intent.clone() };
    let (mut world, mut rollout, mut at) = (world.clone(), rollout, now);
    let mut foreseen = Foreseen::default();
    for _ in 0..ROUNDS_MAX {
        let plan = plan(intent, &world, Some(&rollout), at);
        match plan.next {
            Next::Act => {
                // Where nothing is watched all that moves is one wave, behind those that were open.
                let behind = usize::from(intent.course.is_none() || rollout.waves.is_empty());
                foreseen.act(&mut world, &plan.steps, rollout.waves.len() + behind, at);
            }
            Next::Open(Opening { members, percent }) => {
                rollout.waves.push(Wave::open(members.clone(), percent, at));
                foreseen.opens(rollout.waves.len(), members, percent, at);
            }
            Next::Reached(until) => {
                if let Some(wave) = rollout.waves.last_mut() {
                    wave.watch(at, until);
                }
            }
            Next::Wait(Why::Bakes { until, .. }) => {
                foreseen.watches(&rollout, until);
                at = until;
            }
            Next::Wait(Why::OutsideWindow { until, .. }) => at = until,
            Next::Wait(_) => return (foreseen, plan.standings),
            // What holds single functions keeps no release from being stable.
            Next::Hold(_) | Next::Done => {
                let stopped = intent.frozen.is_some() || intent.paused.is_some();
                let there = plan.standings.values().any(|one| *one == Standing::Current);
                let becomes_stable = !stopped && (there || plan.standings.is_empty());
                foreseen.stable_at = becomes_stable.then_some(at);
                return (foreseen, plan.standings);
            }
        }
    }
    (foreseen, BTreeMap::new())
}

impl Foreseen {
    fn act(&mut self, world: &mut World, steps: &[Placed], wave: usize, at: Timestamp) {
        for Placed { place, step } in steps {
            match step {
                Step::Probe { .. } => self.probes += PROBE_CALLS,
                Step::Look { .. } => {}
                Step::SetLayers { .. }
                | Step::PublishVersion { .. }
                | Step::MoveAlias { .. }
                | Step::RetireVersion { .. } => self.changes += 1,
            }
            if matches!(step, Step::SetLayers { .. } | Step::MoveAlias { .. }) {
                self.moves(place, step.function(), wave, at);
            }
            imagine(world, place, step);
        }
    }

    /// Notes a function that moves without a wave of its own.
    fn moves(&mut self, place: &Place, function: &FunctionName, wave: usize, at: Timestamp) {
        let has = |wave: &ForeseenWave| {
            wave.members.get(&place.to_string()).is_some_and(|members| members.contains(function))
        };
        if self.waves.iter().any(has) {
            return;
        }
        if self.waves.is_empty() {
            self.opens(wave, Members::new(), None, at);
        }
        if let Some(wave) = self.waves.last_mut() {
            wave.members.entry(place.to_string()).or_default().insert(function.clone());
        }
    }

    fn opens(&mut self, number: usize, members: Members, percent: Option<u8>, opens: Timestamp) {
        self.waves.push(ForeseenWave { number, opens, watched_until: None, percent, members });
    }

    /// A wave that was open before is told of, too, while it is watched.
    fn watches(&mut self, rollout: &Rollout, until: Timestamp) {
        if self.waves.is_empty()
            && let Some(wave) = rollout.waves.last()
        {
            self.opens(rollout.waves.len(), wave.members.clone(), wave.percent, wave.opened);
        }
        if let Some(wave) = self.waves.last_mut() {
            wave.watched_until = Some(until);
        }
    }
}

/// Takes a step on a copy of what was observed, as the host would answer it.
fn imagine(world: &mut World, place: &Place, step: &Step) {
    let function = step.function();
    if let Step::Probe { version, .. } = step {
        let known = world.probed(place, function);
        let probed: Probed = known.into_iter().chain([*version]).collect();
        world.note_probes(place, function, probed);
        return;
    }
    let Some(mut consumer) = world.consumer(place, function).cloned() else { return };
    match step {
        Step::Look { .. } => drop(consumer.look.get_or_insert_with(Look::default)),
        Step::SetLayers { layers, .. } => {
            consumer.latest.layers.clone_from(layers);
            consumer.look.iter_mut().for_each(|look| look.update = Update::Done);
        }
        Step::PublishVersion { description, .. } => publish(&mut consumer, description),
        Step::MoveAlias { alias, version, percent, .. } => {
            let aliases = consumer.look.iter_mut().flat_map(|look| &mut look.aliases);
            for known in aliases.filter(|known| known.name == *alias) {
                match *percent {
                    100 => (known.version, known.routing) = (*version, Routing::Whole),
                    percent => known.routing = Routing::Split { version: *version, percent },
                }
            }
        }
        Step::RetireVersion { version, .. } => {
            consumer.versions.retain(|known| known.number != *version);
        }
        Step::Probe { .. } => {}
    }
    world.replace(place, consumer);
}

fn publish(consumer: &mut Consumer, description: &str) {
    let number = consumer.versions.iter().map(|version| version.number).max().unwrap_or(0) + 1;
    let (configuration, description) = (consumer.latest.clone(), description.to_owned());
    consumer.versions.push(PublishedVersion { number, configuration, description });
}
