//! Does the steps of a plan: one function after the other to its end, many of them at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::ready;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::evidence::Listening;
use super::goal::{frozen_functions, paused, pinned_functions};
use super::judge::{self, Verdict};
use super::measure::Function;
use super::observe::Places;
use super::plan::{Here, Intent, PlaceView, Plan, Probed, Standing, Waves, World};
use super::wave::Failure;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::Place;
use crate::ports::{Call, Consumer, Fleet, FleetError, FunctionName, Step};
use crate::report::Why;
use crate::state::{Aim, Rollout, Session, Wave};

/// An update takes seconds to settle, and no two steps at once are for the same function: enough of them on the
/// way keep the host's pace busy. A run that cannot finish has finished all but so many of those that it began.
const FUNCTIONS_AT_ONCE: usize = 100;
/// A function takes four steps at most (look, layers, version, alias), and some more where old versions are retired.
const STEPS_EACH_MAX: usize = 24;
/// How often a probe asks a function.
pub(super) const PROBE_CALLS: usize = 3;
/// How often a person's order is looked for while steps are done: it takes effect within seconds (I13).
const ORDERS_SOUGHT_EVERY: Duration = Duration::from_secs(2);
/// How often alarms are looked at while steps are done. A wave of hundreds of functions takes minutes.
const ALARMS_ASKED_EVERY: Duration = Duration::from_mins(1);
/// How long after the deadline a step that was begun may still take.
const LAST_STEPS: SignedDuration = SignedDuration::from_secs(45);

/// Why a consumer is not moved any further in this run.
#[derive(Debug, Clone)]
pub(crate) enum Stuck {
    /// The host will refuse again: a person has to look.
    Refused(Why),
    /// Another try may get further.
    ForNow(Why),
}

/// Which consumers are not moved any further, by place.
pub(crate) type Strays = BTreeMap<(Place, FunctionName), Stuck>;

/// How far the steps came.
pub(crate) struct Acted {
    /// How many steps were done that are more than a look.
    pub(crate) steps: usize,
    /// The functions that callers get another layer version from, or will when the last step is done.
    pub(crate) moved: BTreeSet<(Place, FunctionName)>,
    /// Whether the world has to be observed again.
    pub(crate) view: View,
    /// What a gate found that failed: the new data goes no further.
    pub(super) failed: Option<Failure>,
}

/// A gate that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    /// Where.
    pub(crate) place: Place,
    /// The function that it was asked of.
    pub(crate) function: FunctionName,
    /// What was expected and found.
    pub(crate) words: String,
}

/// Whether what was observed still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Every change is known by its answer.
    Fresh,
    /// Someone else changed a function, or the steps were cut off.
    Stale,
}

/// What all steps need.
pub(crate) struct Act<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) intent: &'a Intent,
    pub(crate) places: &'a Places,
    pub(crate) rollout: Option<&'a Rollout>,
    /// The rollout, while its notes spare a second look.
    pub(crate) recent: Option<&'a Rollout>,
    /// Which functions may move by now.
    pub(crate) waves: Waves<'a>,
    /// What the session's head said when the plan was made.
    pub(crate) aim: Option<Aim>,
    /// What a function means that fails its probe, or cannot start with the data.
    pub(crate) failing: Failing,
    /// The alarms that stop the data while it moves.
    pub(super) listening: Option<Listening<'a>>,
}

/// What a function means that fails its probe, or cannot start with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The data is new: it goes no further.
    FailsTheRollout,
    /// The data served well elsewhere: this function stays where it is.
    HoldsTheFunction,
}

/// One function on its way.
struct Journey {
    place: Place,
    steps: usize,
    /// Steps that are more than a look.
    changes: usize,
    moved: Moved,
    probed: Probed,
}

#[derive(PartialEq, Eq)]
enum Moved {
    Yes,
    No,
}

/// How far one function came.
struct Walked {
    walk: Journey,
    consumer: Consumer,
    end: End,
}

enum End {
    There,
    Changed,
    Stuck(Stuck),
    /// A probe failed.
    Failed(String),
    /// A version cannot start.
    NotStarted(String),
    OutOfTime,
}

impl Act<'_> {
    /// Walks every function that has a step. A person's order ends it in the middle: what waits for its turn is
    /// dropped, and what was sent is seen by the look that follows.
    pub(crate) async fn act(
        &self,
        session: &mut Session<'_>,
        plan: &Plan,
        world: &mut World,
        strays: &mut Strays,
    ) -> Result<Acted, Error> {
        let mut acted = Acted { steps: 0, moved: BTreeSet::new(), view: View::Fresh, failed: None };
        let views: Vec<PlaceView> = world.places.iter().map(PlaceView::without_consumers).collect();
        let open: Vec<(&PlaceView, Consumer)> = plan
            .steps
            .iter()
            .filter_map(|placed| {
                let key = (placed.place.clone(), placed.step.function().clone());
                let view = views.iter().find(|view| view.place == placed.place)?;
                let consumer = world.consumer(&key.0, &key.1)?.clone();
                (!strays.contains_key(&key)).then_some((view, consumer))
            })
            .collect();
        let walks = stream::iter(open)
            .take_while(|_| ready(!self.engine.is_out_of_time()))
            .map(|(view, consumer)| self.walk(view, consumer))
            .buffer_unordered(FUNCTIONS_AT_ONCE);
        let mut walks = std::pin::pin!(walks);
        let mut seek = every(ORDERS_SOUGHT_EVERY, Instant::now() + ORDERS_SOUGHT_EVERY);
        let mut listen = every(ALARMS_ASKED_EVERY, Instant::now() + ALARMS_ASKED_EVERY);
        let mut looks = FuturesUnordered::new();
        if self.moves_on(plan) {
            looks.push(self.rings(self.moved(plan, &acted.moved)));
        }
        let mut is_done = false;
        while !is_done || !looks.is_empty() {
            tokio::select! {
                walked = walks.next(), if !is_done => match walked {
                    Some(walked) => {
                        take(walked, world, strays, &mut acted);
                        if acted.failed.is_some() {
                            acted.view = View::Stale;
                            break;
                        }
                    }
                    None => is_done = true,
                },
                _ = seek.tick() => if self.is_called_off(session).await? {
                    acted.view = View::Stale;
                    break;
                },
                _ = listen.tick(), if !is_done => if looks.is_empty() {
                    looks.push(self.rings(self.moved(plan, &acted.moved)));
                },
                Some(rings) = looks.next(), if !looks.is_empty() => if let Some(failure) = rings {
                    (acted.view, acted.failed) = (View::Stale, Some(failure));
                    break;
                },
            }
        }
        Ok(acted)
    }

    /// Tells whether functions move on in a wave that an earlier run opened: alarms are looked at at once.
    fn moves_on(&self, plan: &Plan) -> bool {
        let now = self.engine.ports.clock.now();
        let wave = self.rollout.and_then(|rollout| rollout.waves.last());
        let is_old = |wave: &Wave| {
            let since = Duration::try_from(now.duration_since(wave.opened));
            since.is_ok_and(|since| since >= ALARMS_ASKED_EVERY)
        };
        let moves = plan.steps.iter().any(|placed| !placed.step.is_look());
        moves && wave.is_some_and(is_old)
    }

    /// The functions of waves that have the data, with those that this run has moved.
    fn moved(&self, plan: &Plan, moved: &BTreeSet<Function>) -> Vec<Function> {
        let waves = self.rollout.map(|rollout| &rollout.waves[..]).unwrap_or_default();
        let has = |standing: &Standing| matches!(standing, Standing::Current | Standing::Partly(_));
        let known = plan.standings.iter().filter(|(_, standing)| has(standing));
        let all = known.map(|(function, _)| function).chain(moved);
        let of_waves =
            all.filter(|(place, function)| waves.iter().any(|wave| wave.has(place, function)));
        of_waves.cloned().collect()
    }

    async fn rings(&self, moved: Vec<Function>) -> Option<Failure> {
        self.listening.as_ref()?.rings(moved, self.rollout?).await
    }

    /// Tells whether the steps have to end: a person ordered otherwise, the lease is gone, or time is over.
    async fn is_called_off(&self, session: &mut Session<'_>) -> Result<bool, Error> {
        session.read_again().await?;
        let frozen = session.head().frozen().is_some();
        let frozen = frozen || paused(session.head()) != self.intent.paused;
        let frozen = frozen || frozen_functions(session.head()) != self.intent.frozen_functions;
        let pinned = pinned_functions(session.head()) != self.intent.pinned_functions;
        let ordered = session.head().aim() != self.aim || frozen || pinned;
        let ordered = ordered || !session.holds_lease();
        let over = self.engine.deadline.is_some_and(|deadline| {
            let last = deadline.checked_add(LAST_STEPS).unwrap_or(deadline);
            self.engine.ports.clock.now() >= last
        });
        Ok(ordered || over)
    }

    /// What a function that a person keeps on a release of its own makes of that says nothing of the new data.
    fn failing(&self, here: Here<'_>, consumer: &Consumer) -> Failing {
        match here.pinned(consumer) {
            Some(_) => Failing::HoldsTheFunction,
            None => self.failing,
        }
    }

    /// Does step after step of one function until it has none left.
    async fn walk(&self, view: &PlaceView, mut consumer: Consumer) -> Walked {
        let probed = view.probed.get(&consumer.function).cloned().unwrap_or_default();
        let place = view.place.clone();
        let mut walked = Journey { place, steps: 0, changes: 0, moved: Moved::No, probed };
        let Some(fleet) = self.places.fleet(&view.place) else {
            return walked.ended(consumer, End::There);
        };
        loop {
            let Self { intent, rollout, recent, waves, .. } = *self;
            let here = Here { intent, view, rollout, recent, waves };
            let (Some(step), _) = here.next(&consumer, &walked.probed) else {
                return walked.ended(consumer, End::There);
            };
            let begun = walked.steps > 0;
            if walked.steps == STEPS_EACH_MAX || (begun && self.engine.is_out_of_time()) {
                return walked.ended(consumer, End::OutOfTime);
            }
            let done = match &step {
                Step::Probe { version, .. } => self.probe(fleet, &consumer, *version).await,
                step => {
                    let applied = apply(fleet, step, self.failing(here, &consumer)).await;
                    applied.map(|next| consumer = next)
                }
            };
            if let Err(end) = done {
                return walked.ended(consumer, end);
            }
            walked.steps += 1;
            // A probe brings the function no further.
            walked.changes += usize::from(!step.is_look() && !matches!(step, Step::Probe { .. }));
            if let Step::Probe { version, .. } = step {
                walked.probed.insert(version);
            }
            if matches!(step, Step::SetLayers { .. } | Step::MoveAlias { .. }) {
                walked.moved = Moved::Yes;
            }
        }
    }
}

impl Act<'_> {
    /// Calls a function with the new data, several times, because data may fail now and then. A call that could not be made does
    /// not fail the probe: the next run makes it again.
    async fn probe(
        &self,
        fleet: &Arc<dyn Fleet>,
        consumer: &Consumer,
        version: Option<u64>,
    ) -> Result<(), End> {
        let Some(probe) = &self.intent.probe else { return Ok(()) };
        let call = Call { function: &consumer.function, version, payload: &probe.payload };
        for asked in 0..PROBE_CALLS {
            if asked > 0 && self.engine.is_out_of_time() {
                return Err(End::OutOfTime);
            }
            let answer = fleet.call(call).await.map_err(|error| {
                End::Stuck(Stuck::ForNow(Why::NotMeasured { words: chain(error.as_ref()) }))
            })?;
            match (judge::probe(probe, &answer, consumer.timeout_secs), self.failing) {
                (Verdict::Pass | Verdict::Unjudged, _) => {}
                (Verdict::Unmeasured(words), _) => {
                    return Err(End::Stuck(Stuck::ForNow(Why::NotMeasured { words })));
                }
                (Verdict::Fail(words), Failing::FailsTheRollout) => return Err(End::Failed(words)),
                (Verdict::Fail(words), Failing::HoldsTheFunction) => {
                    return Err(End::Stuck(Stuck::Refused(Why::ProbeFailed { words })));
                }
            }
        }
        Ok(())
    }
}

fn every(pause: Duration, first: Instant) -> Interval {
    let mut ticks = interval_at(first, pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Journey {
    fn ended(self, consumer: Consumer, end: End) -> Walked {
        Walked { walk: self, consumer, end }
    }
}

fn take(walked: Walked, world: &mut World, strays: &mut Strays, acted: &mut Acted) {
    let Walked { walk, consumer, end } = walked;
    let key = (walk.place.clone(), consumer.function.clone());
    world.note_probes(&walk.place, &consumer.function, walk.probed);
    acted.steps += walk.changes;
    if walk.moved == Moved::Yes {
        acted.moved.insert(key.clone());
    }
    world.replace(&walk.place, consumer);
    match end {
        End::There | End::OutOfTime => {}
        End::Failed(words) => {
            let (place, function) = key;
            acted.failed.get_or_insert(Failure::Probe(Failed { place, function, words }));
        }
        End::NotStarted(words) => {
            let (place, function) = key;
            acted.failed.get_or_insert(Failure::Start(Failed { place, function, words }));
        }
        End::Changed => {
            acted.view = View::Stale;
            strays.insert(key, Stuck::ForNow(Why::Restless));
        }
        End::Stuck(stuck) => drop(strays.insert(key, stuck)),
    }
}

async fn apply(fleet: &Arc<dyn Fleet>, step: &Step, failing: Failing) -> Result<Consumer, End> {
    let failed = match fleet.apply(step).await {
        Ok(consumer) => return Ok(consumer),
        Err(error) => error,
    };
    // The function is where it should be: an old version that stays is worth a word, and no more.
    if matches!(step, Step::RetireVersion { .. }) {
        let words = chain(&failed);
        return Err(End::Stuck(Stuck::ForNow(Why::NotRetired { words })));
    }
    Err(match failed {
        FleetError::Changed { .. } => End::Changed,
        FleetError::NotStarted { reason, .. } if failing == Failing::FailsTheRollout => {
            End::NotStarted(reason)
        }
        FleetError::Refused { reason, .. } | FleetError::NotStarted { reason, .. } => {
            End::Stuck(Stuck::Refused(Why::Refused { words: reason }))
        }
        error => End::Stuck(Stuck::ForNow(Why::FailedForNow { words: chain(&error) })),
    })
}
