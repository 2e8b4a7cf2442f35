use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::plan::{Desired, Plan, Standing, plan};
use crate::engine::{Engine, Stages};
use crate::error::{Error, chain};
use crate::ports::{Consumer, FleetError, FunctionName, PortError, Stage, Step};
use crate::report::{ConsumerReport, ConsumerState};
use crate::state::{ConsumerNote, Head, Leased, Release, Session};

/// A consumer takes three steps at most (layer, version, alias); the rest is for people who change it
/// at the same time.
const ROUNDS_MAX: usize = 12;
/// An update takes seconds to settle, and no two of a round are for the same function.
/// Each change by someone else costs a look at everything.
const CHANGES_MAX: u32 = 4;
const STEPS_AT_ONCE: usize = 32;

/// How far a rollout came.
pub(crate) struct Driven {
    pub(crate) consumers: Vec<ConsumerReport>,
    pub(crate) journal: BTreeMap<FunctionName, ConsumerNote>,
}

impl Driven {
    /// Tells whether every consumer is where it should be or where a person ordered it to be.
    pub(crate) fn converged(&self) -> bool {
        let waits = |state| matches!(state, ConsumerState::Held | ConsumerState::Failed);
        !self.consumers.iter().any(|consumer| waits(consumer.state))
    }

    pub(crate) fn moved(&self) -> usize {
        self.count(ConsumerState::Moved)
    }

    pub(crate) fn count(&self, state: ConsumerState) -> usize {
        self.consumers
            .iter()
            .filter(|consumer| consumer.state == state)
            .count()
    }
}

/// What a look at the consumers found, before anything is done.
pub(crate) struct Survey {
    desired: Desired,
    observed: Vec<Consumer>,
    plan: Plan,
}

impl Survey {
    pub(crate) fn nothing_to_do(&self) -> bool {
        self.plan.steps.is_empty()
    }
}

/// Observes the consumers of a release and plans their next steps.
pub(crate) async fn survey(
    engine: &Engine,
    head: &Head,
    release: &Release,
) -> Result<Survey, Error> {
    let desired = desired(engine, head, release)?;
    let observed = engine.ports.fleet.observe(&desired.target).await;
    let observed = observed.map_err(fault(&desired))?;
    let plan = plan(&desired, &observed);
    Ok(Survey {
        desired,
        observed,
        plan,
    })
}

/// As [`survey`], but where the last rollout was finished a glance is enough to see that nothing happened.
pub(crate) async fn glance(
    engine: &Engine,
    head: &Head,
    release: &Release,
) -> Result<Survey, Error> {
    let desired = desired(engine, head, release)?;
    let fleet = &engine.ports.fleet;
    if head.rollout.is_some()
        || !fleet
            .is_settled(&desired.target)
            .await
            .map_err(fault(&desired))?
    {
        return survey(engine, head, release).await;
    }
    Ok(Survey {
        desired,
        observed: Vec::new(),
        plan: Plan::default(),
    })
}

fn fault(desired: &Desired) -> impl FnOnce(PortError) -> Error {
    let layer = desired.layer.clone();
    move |source| Error::Fleet { layer, source }
}

fn desired(engine: &Engine, head: &Head, release: &Release) -> Result<Desired, Error> {
    let layer = release.layer.clone();
    let region = engine.ports.registry.region();
    let target = head
        .version(release.seq, region)
        .cloned()
        .ok_or_else(|| Error::State {
            key: crate::ports::Key::head(&layer).to_string(),
            problem: format!("release {} has no layer version in {region}", release.seq),
        })?;
    let releases = head
        .versions
        .iter()
        .filter_map(|(seq, r)| Some((*seq, r.get(region)?.clone())));
    Ok(Desired {
        layer,
        target,
        version: release.version.clone(),
        releases: releases.collect(),
    })
}

/// Says where every consumer stands, without doing anything.
pub(crate) fn standing(survey: Survey) -> Vec<ConsumerReport> {
    let moving: Vec<FunctionName> = survey
        .plan
        .steps
        .iter()
        .map(|step| step.function().clone())
        .collect();
    let mut consumers = Drive::new(survey).finish().consumers;
    for consumer in consumers
        .iter_mut()
        .filter(|c| moving.contains(&c.function))
    {
        consumer.state = ConsumerState::Behind;
        consumer.reason = Some("the next refresh moves it".to_owned());
    }
    consumers
}

/// Does step after step until the plan is empty, the rounds are used up, or only failures are left.
///
/// Assumes: the lease is held where there is something to do. It is taken again before each further round, and
/// the rounds end where somebody else has it or ordered another release: a machine that slept must not go on
/// with what it wanted before.
pub(crate) async fn drive(
    engine: &Engine,
    session: &mut Session<'_>,
    survey: Survey,
    stages: &mut Stages,
) -> Result<Driven, Error> {
    let wanted = session.head().desired();
    let mut drive = Drive::new(survey);
    if !drive.plan.steps.is_empty() {
        let running = stages.start(engine, Stage::Rollout, drive.desired.target.as_str(), None);
        for _ in 0..ROUNDS_MAX {
            if drive.round(engine).await? == Round::Idle || drive.plan.steps.is_empty() {
                break;
            }
            let ours = session.lease().await? == Leased::Ours;
            if !ours || session.head().desired() != wanted {
                break;
            }
        }
        stages.finish(engine, running, 0);
    }
    Ok(drive.finish())
}

#[derive(PartialEq, Eq)]
enum Round {
    Worked,
    Idle,
}

struct Drive {
    desired: Desired,
    observed: Vec<Consumer>,
    plan: Plan,
    before: BTreeMap<FunctionName, Consumer>,
    failed: BTreeMap<FunctionName, String>,
    changed: BTreeMap<FunctionName, u32>,
}

impl Drive {
    fn new(survey: Survey) -> Self {
        let Survey {
            desired,
            observed,
            plan,
        } = survey;
        let before = observed
            .iter()
            .map(|c| (c.function.clone(), c.clone()))
            .collect();
        Self {
            desired,
            observed,
            plan,
            before,
            failed: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// Does one step of every consumer that has one, then plans again.
    async fn round(&mut self, engine: &Engine) -> Result<Round, Error> {
        let steps = std::mem::take(&mut self.plan.steps);
        let mut round = Round::Idle;
        let mut stale = false;
        let open = steps
            .iter()
            .filter(|step| !self.failed.contains_key(step.function()));
        let answers: Vec<(&Step, Result<Consumer, FleetError>)> = stream::iter(open)
            .map(|step| async move { (step, engine.ports.fleet.apply(step).await) })
            .buffered(STEPS_AT_ONCE)
            .collect()
            .await;
        for (step, answer) in answers {
            round = Round::Worked;
            match answer {
                Ok(consumer) => self.replace(consumer),
                Err(FleetError::Changed { function }) => {
                    stale = true;
                    let times = self.changed.entry(function.clone()).or_default();
                    *times += 1;
                    if *times == CHANGES_MAX {
                        let reason = "it changed at every try; the next run goes on";
                        self.failed.insert(function, reason.to_owned());
                    }
                }
                Err(FleetError::Refused { function, reason }) => {
                    self.failed.insert(function, reason);
                }
                Err(error) => {
                    self.failed.insert(step.function().clone(), chain(&error));
                }
            }
        }
        if stale {
            let observed = engine.ports.fleet.observe(&self.desired.target).await;
            self.observed = observed.map_err(fault(&self.desired))?;
        }
        self.plan = plan(&self.desired, &self.observed);
        Ok(round)
    }

    fn replace(&mut self, consumer: Consumer) {
        if let Some(known) = self
            .observed
            .iter_mut()
            .find(|c| c.function == consumer.function)
        {
            *known = consumer;
        }
    }

    fn finish(self) -> Driven {
        let consumers: Vec<ConsumerReport> = self
            .observed
            .iter()
            .map(|consumer| self.report(consumer))
            .collect();
        let journal = consumers.iter().map(|report| {
            let before = self.before.get(&report.function);
            let note = ConsumerNote {
                from: before.and_then(|consumer| self.serving(consumer)),
                outcome: report
                    .reason
                    .clone()
                    .unwrap_or_else(|| word(report.state).to_owned()),
            };
            (report.function.clone(), note)
        });
        Driven {
            journal: journal.collect(),
            consumers,
        }
    }

    fn report(&self, consumer: &Consumer) -> ConsumerReport {
        let changed = self.before.get(&consumer.function).is_none_or(|before| {
            before.latest.layers != consumer.latest.layers || before.aliases != consumer.aliases
        });
        let standing = self.plan.standings.get(&consumer.function);
        let (state, reason) = match (self.failed.get(&consumer.function), standing) {
            (Some(reason), _) => (ConsumerState::Failed, Some(reason.clone())),
            (None, Some(Standing::Held(reason))) => (ConsumerState::Held, Some(reason.clone())),
            (None, Some(Standing::Ordered(reason))) => {
                (ConsumerState::Ordered, Some(reason.clone()))
            }
            (None, Some(Standing::Moving) | None) => {
                let reason = "it changed at every try; the next run goes on";
                (ConsumerState::Failed, Some(reason.to_owned()))
            }
            (None, Some(Standing::Current)) if changed => (ConsumerState::Moved, None),
            (None, Some(Standing::Current)) => (ConsumerState::Current, None),
        };
        let layer_version = self.serving(consumer);
        ConsumerReport {
            function: consumer.function.clone(),
            state,
            layer_version,
            reason,
        }
    }

    /// The layer version that callers get: behind the first alias, or in `$LATEST`.
    fn serving(&self, consumer: &Consumer) -> Option<crate::names::LayerVersionArn> {
        let alias = consumer.aliases.first();
        let version = alias.and_then(|a| consumer.versions.iter().find(|v| v.number == a.version));
        let configuration = version.map_or(&consumer.latest, |version| &version.configuration);
        let mut layers = configuration.layers.iter();
        layers
            .find(|arn| arn.layer() == self.desired.target.layer())
            .cloned()
    }
}

fn word(state: ConsumerState) -> &'static str {
    match state {
        ConsumerState::Current => "current",
        ConsumerState::Behind => "behind",
        ConsumerState::Moved => "moved",
        ConsumerState::Ordered => "ordered",
        ConsumerState::Held => "held",
        ConsumerState::Failed => "failed",
    }
}
