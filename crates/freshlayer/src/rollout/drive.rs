use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, ready};
use futures_util::{StreamExt as _, stream};

use super::plan::{Desired, Plan, Standing, plan};
use super::survey::{Found, Survey, fault};
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::Place;
use crate::ports::{Consumer, Fleet, FleetError, FunctionName, Stage, Step};
use crate::progress::Stages;
use crate::report::{ConsumerReport, ConsumerState};
use crate::state::{ConsumerNote, Leased, Session};

/// A consumer takes three steps at most (layer, version, alias); the rest is for people who change it
/// at the same time.
const ROUNDS_MAX: usize = 12;
/// Each change by someone else costs a look at everything.
const CHANGES_MAX: u32 = 4;
/// An update takes seconds to settle, and no two of a round are for the same function: enough of them on the
/// way keep the host's pace busy.
const STEPS_AT_ONCE: usize = 100;

const RESTLESS: &str = "it changed at every try; the next run goes on";
const NOT_YET: &str = "the run ended before its turn came; the next one goes on";

/// How far a rollout came.
#[derive(Default)]
pub(crate) struct Driven {
    /// Place by place.
    pub(crate) places: Vec<Gone>,
}

/// How far a rollout came in one place.
pub(crate) struct Gone {
    pub(crate) place: Place,
    pub(crate) consumers: Vec<ConsumerReport>,
    pub(crate) journal: BTreeMap<FunctionName, ConsumerNote>,
    /// Why the place could not be asked, or not to the end.
    pub(crate) failure: Option<String>,
    /// Consumers that the next run may get further with, without a person.
    pub(crate) on_their_way: usize,
}

impl Driven {
    pub(crate) fn consumers(&self) -> impl Iterator<Item = &ConsumerReport> {
        self.places.iter().flat_map(|gone| &gone.consumers)
    }

    /// Tells whether every consumer is where it should be or where a person ordered it to be.
    pub(crate) fn converged(&self) -> bool {
        use ConsumerState::{Behind, Failed, Held};
        let waits = |c: &ConsumerReport| matches!(c.state, Behind | Held | Failed);
        self.places.iter().all(|gone| gone.failure.is_none()) && !self.consumers().any(waits)
    }

    /// Tells whether nobody is on the way any more, and somebody is there: who is not waits for a person.
    pub(crate) fn reached(&self) -> bool {
        use ConsumerState::{Current, Moved};
        let over = |gone: &Gone| gone.failure.is_none() && gone.on_their_way == 0;
        let there = |c: &ConsumerReport| matches!(c.state, Current | Moved);
        let nobody = self.consumers().next().is_none();
        self.places.iter().all(over) && (nobody || self.consumers().any(there))
    }

    pub(crate) fn moved(&self) -> usize {
        self.count(ConsumerState::Moved)
    }

    pub(crate) fn count(&self, state: ConsumerState) -> usize {
        self.consumers().filter(|c| c.state == state).count()
    }
}

/// Does step after step in all places at once, until the plans are empty, the rounds or the time are used up,
/// or only failures are left.
///
/// Assumes: the lease is held where there is something to do. It is taken again before each further round, and
/// the rounds end where somebody else has it, or where another release is desired than the one that was surveyed:
/// a machine that slept must not go on with what it wanted before.
pub(crate) async fn drive(
    engine: &Engine,
    session: &mut Session<'_>,
    wanted: u64,
    survey: Survey,
    stages: &Stages,
) -> Result<Driven, Error> {
    let busy = !survey.nothing_to_do();
    let (mut drives, mut gone) = (Vec::new(), Driven::default());
    for look in survey.looks {
        match look.found {
            Ok(found) => drives.push(Drive::new(look.place, look.fleet, found)),
            Err(reason) => gone.places.push(Gone::not_at_all(look.place, reason)),
        }
    }
    if busy {
        let running = stages.start(Stage::Rollout, session.head().layer.as_str(), None);
        for _ in 0..ROUNDS_MAX {
            // Each write to the head may have brought a person's order with it.
            if session.head().desired() != Some(wanted) {
                break;
            }
            let rounds = join_all(drives.iter_mut().map(|drive| drive.round(engine))).await;
            let idle = rounds.iter().all(|round| *round == Round::Idle);
            if idle || drives.iter().all(Drive::is_done) || engine.is_out_of_time() {
                break;
            }
            if session.lease().await? != Leased::Ours {
                break;
            }
        }
        running.done(0);
    }
    gone.places.extend(drives.into_iter().map(Drive::finish));
    gone.places.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(gone)
}

impl Gone {
    fn not_at_all(place: Place, reason: String) -> Self {
        Self {
            place,
            consumers: Vec::new(),
            journal: BTreeMap::new(),
            failure: Some(reason),
            on_their_way: 0,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Round {
    Worked,
    Idle,
}

/// Why a consumer is not moved any further in this run.
enum Stuck {
    /// The host will refuse again: a person has to look.
    Refused(String),
    /// The next run may get further.
    ForNow(String),
}

/// One place on its way.
pub(super) struct Drive {
    place: Place,
    fleet: Arc<dyn Fleet>,
    desired: Desired,
    observed: Vec<Consumer>,
    plan: Plan,
    before: BTreeMap<FunctionName, Consumer>,
    stuck: BTreeMap<FunctionName, Stuck>,
    changed: BTreeMap<FunctionName, u32>,
    failure: Option<String>,
}

impl Drive {
    pub(super) fn new(place: Place, fleet: Arc<dyn Fleet>, found: Found) -> Self {
        let Found { desired, observed, plan } = found;
        let before = observed.iter().map(|c| (c.function.clone(), c.clone())).collect();
        Self {
            place,
            fleet,
            desired,
            observed,
            plan,
            before,
            stuck: BTreeMap::new(),
            changed: BTreeMap::new(),
            failure: None,
        }
    }

    fn is_done(&self) -> bool {
        self.plan.steps.is_empty() || self.failure.is_some()
    }

    /// Does one step of every consumer that has one, then plans again.
    async fn round(&mut self, engine: &Engine) -> Round {
        if self.is_done() {
            return Round::Idle;
        }
        let steps = std::mem::take(&mut self.plan.steps);
        let (mut round, mut stale) = (Round::Idle, false);
        let open = steps.iter().filter(|step| !self.stuck.contains_key(step.function()));
        let fleet = &self.fleet;
        let answers: Vec<(&Step, Result<Consumer, FleetError>)> = stream::iter(open)
            .take_while(|_| ready(!engine.is_out_of_time()))
            .map(|step| async move { (step, fleet.apply(step).await) })
            .buffer_unordered(STEPS_AT_ONCE)
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
                        self.stuck.insert(function, Stuck::ForNow(RESTLESS.to_owned()));
                    }
                }
                Err(FleetError::Refused { function, reason }) => {
                    self.stuck.insert(function, Stuck::Refused(reason));
                }
                Err(error) => {
                    let stuck = Stuck::ForNow(chain(&error));
                    self.stuck.insert(step.function().clone(), stuck);
                }
            }
        }
        if stale {
            match self.fleet.observe(&self.desired.target).await {
                Ok(observed) => self.observed = observed,
                Err(error) => self.failure = Some(fault(&self.desired, error)),
            }
        }
        self.plan = plan(&self.desired, &self.observed);
        round
    }

    fn replace(&mut self, consumer: Consumer) {
        if let Some(known) = self.observed.iter_mut().find(|c| c.function == consumer.function) {
            *known = consumer;
        }
    }

    pub(super) fn finish(self) -> Gone {
        let consumers: Vec<ConsumerReport> =
            self.observed.iter().map(|consumer| self.report(consumer)).collect();
        let journal = consumers.iter().map(|report| {
            let before = self.before.get(&report.function);
            let note = ConsumerNote {
                from: before.and_then(|consumer| self.serving(consumer)),
                outcome: report.reason.clone().unwrap_or_else(|| word(report.state).to_owned()),
            };
            (report.function.clone(), note)
        });
        let on_their_way = consumers.iter().filter(|consumer| match consumer.state {
            ConsumerState::Behind => true,
            ConsumerState::Failed => {
                let stuck = self.stuck.get(&consumer.function);
                !matches!(stuck, Some(Stuck::Refused(_)))
            }
            _ => false,
        });
        Gone {
            on_their_way: on_their_way.count(),
            journal: journal.collect(),
            failure: self.failure,
            place: self.place,
            consumers,
        }
    }

    fn report(&self, consumer: &Consumer) -> ConsumerReport {
        let changed = self.before.get(&consumer.function).is_none_or(|before| {
            before.latest.layers != consumer.latest.layers || before.aliases != consumer.aliases
        });
        let stuck = self.stuck.get(&consumer.function);
        let standing = self.plan.standings.get(&consumer.function);
        let (state, reason) = match (stuck, standing) {
            (Some(Stuck::Refused(reason) | Stuck::ForNow(reason)), _) => {
                (ConsumerState::Failed, Some(reason.clone()))
            }
            (None, Some(Standing::Held(reason))) => (ConsumerState::Held, Some(reason.clone())),
            (None, Some(Standing::Ordered(reason))) => {
                (ConsumerState::Ordered, Some(reason.clone()))
            }
            (None, Some(Standing::Moving) | None) => {
                (ConsumerState::Behind, Some(NOT_YET.to_owned()))
            }
            (None, Some(Standing::Current)) if changed => (ConsumerState::Moved, None),
            (None, Some(Standing::Current)) => (ConsumerState::Current, None),
        };
        let layer_version = self.serving(consumer);
        ConsumerReport {
            place: self.place.clone(),
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
        layers.find(|arn| arn.layer() == self.desired.target.layer()).cloned()
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
