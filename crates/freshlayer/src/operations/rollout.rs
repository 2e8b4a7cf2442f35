//! The open rollout of a layer: how it stands, and a person's orders about it. An order needs no lease, and a running
//! publisher obeys within seconds.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::rollback::{Back, rollback};
use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::ports::FunctionName;
use crate::report::{Report, Why};
use crate::rollout::{Next, Places, Standing, Target, no_such_alarm, plan};
use crate::state::{Cause, Freeze, Head, Members, OpenRollout, Ordered, Wave};

/// How many functions of later waves are named.
const LATER_NAMED_MAX: usize = 10;

/// How the open rollout of a layer stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RolloutStatus {
    /// The layer.
    pub layer: LayerName,
    /// The open rollout; absent where every rollout has ended.
    pub open: Option<Progress>,
}

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Progress {
    /// Its number in the layer.
    pub number: u64,
    /// The release that functions come from.
    pub from: Option<u64>,
    /// The release that functions go to.
    pub to: u64,
    /// Why it began.
    pub cause: Cause,
    /// When it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// A person's order that it goes no further for now.
    pub paused: Option<Ordered>,
    /// The waves that are open; none where every function moves at once.
    pub waves: Vec<Wave>,
    /// Until when the last one is watched.
    #[schemars(with = "Option<String>")]
    pub watched_until: Option<Timestamp>,
    /// How many functions move with a later wave.
    pub later: usize,
    /// The first of them, at most ten.
    pub later_names: Vec<FunctionName>,
    /// What comes next, in one sentence.
    pub next: String,
}

/// Tells how the open rollout stands. Changes nothing.
///
/// # Errors
/// The store's and the host's errors.
pub async fn rollout_status(
    engine: &Engine,
    definition: &Definition,
) -> Result<RolloutStatus, Error> {
    let session = engine.session(&definition.layer).await?;
    let layer = definition.layer.clone();
    let (Some(open), Some(target)) =
        (session.head().rollout().cloned(), Target::of(&session).await?)
    else {
        return Ok(RolloutStatus { layer, open: None });
    };
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let places = Places::of(session.head(), target.outline.seq, &regions);
    let mut world = places.observe(session.head(), target.outline.seq).await;
    places.look_closely(&mut world).await;
    let intent = target.intent(&session, definition).await?;
    let rollout = session.rollout().await?;
    let mut plan = plan(&intent, &world, rollout.as_ref(), engine.ports.clock.now());
    if let Some(why) = no_such_alarm(&intent, (&world, &plan), rollout.as_ref(), &regions).await {
        plan.next = Next::Hold(why);
    }
    let waves = rollout.map(|rollout| rollout.waves).unwrap_or_default();
    let waiting = plan.standings.iter().filter(|(_, standing)| **standing == Standing::Later);
    let waiting: Vec<&FunctionName> = waiting.map(|((_, function), _)| function).collect();
    let watched_until = match &plan.next {
        Next::Wait(Why::Bakes { until, .. } | Why::Undecided { until: Some(until), .. }) => {
            Some(*until)
        }
        _ => None,
    };
    let next = sentence(&plan.next, waves.len(), &layer);
    let OpenRollout { number, from, to, cause, started, paused, .. } = open;
    let open = Progress {
        number,
        from,
        to,
        cause,
        started,
        paused,
        waves,
        watched_until,
        later: waiting.len(),
        later_names: waiting.into_iter().take(LATER_NAMED_MAX).cloned().collect(),
        next,
    };
    Ok(RolloutStatus { layer, open: Some(open) })
}

fn sentence(next: &Next, waves: usize, layer: &LayerName) -> String {
    match next {
        Next::Act => "the next refresh moves functions".to_owned(),
        Next::Open(opening) => {
            format!("the next refresh opens wave {} with {}", waves + 1, names(&opening.members))
        }
        Next::Reached(_) => format!("the next refresh begins to watch wave {waves}"),
        Next::Wait(why) | Next::Hold(why) => why.said_of(layer.as_str(), None),
        Next::Done => {
            "every function is where it belongs; the next refresh closes the rollout".to_owned()
        }
    }
}

/// Names the functions of a wave, the first few of many.
fn names(members: &Members) -> String {
    const NAMED_MAX: usize = 3;
    let all: Vec<&str> = members.values().flatten().map(FunctionName::as_str).collect();
    match all.len().saturating_sub(NAMED_MAX) {
        0 => all.join(", "),
        more => format!("{} and {more} more", all[..NAMED_MAX].join(", ")),
    }
}

/// What a person orders about the open rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutOrder {
    /// It goes no further for now.
    Pause,
    /// It goes on.
    Resume,
    /// Every function moves with the next refresh: no more waves, no probes.
    Promote,
}

/// The open rollout that a person ordered something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedRollout {
    /// The release that functions go to.
    pub to: u64,
    /// The pause that stood before.
    pub paused: Option<Ordered>,
    /// A person's order that nothing moves, which comes first.
    pub frozen: Option<Freeze>,
}

/// Orders something about the open rollout. `Resume` changes nothing where the rollout is not paused.
///
/// # Errors
/// [`Error::NotPossible`] where no rollout is open, and the store's errors.
pub async fn order_rollout(
    engine: &Engine,
    layer: &LayerName,
    what: RolloutOrder,
    by: &str,
    reason: Option<String>,
) -> Result<OrderedRollout, Error> {
    let mut session = engine.session(layer).await?;
    let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    let mut paused = None;
    session
        .order(|head| {
            paused.clone_from(&open(head)?.paused);
            match what {
                RolloutOrder::Pause => head.pause_rollout(&order),
                RolloutOrder::Resume if paused.is_some() => head.resume_rollout(&order),
                RolloutOrder::Resume => {}
                RolloutOrder::Promote => head.promote_rollout(&order),
            }
            Ok(())
        })
        .await?;
    let head = session.head();
    Ok(OrderedRollout { to: open(head)?.to, paused, frozen: head.frozen().cloned() })
}

/// Moves every function back to the last stable release, as a rollback does.
///
/// # Errors
/// [`Error::NotPossible`] where no rollout is open or no release came before it, and the errors of [`rollback`].
pub async fn abort_rollout(
    engine: &Engine,
    definition: &Definition,
    by: &str,
    reason: Option<String>,
) -> Result<Report, Error> {
    let layer = &definition.layer;
    let session = engine.session(layer).await?;
    let OpenRollout { cause, to, .. } = open(session.head())?;
    if cause.is_way_back() {
        let words = format!("layer `{layer}` is on its way back to release {to} already");
        return Err(Error::NotPossible(words));
    }
    if *cause == Cause::Pin {
        let words = format!(
            "layer `{layer}` is pinned to release {to}; `freshlayer unpin {layer}` takes the pin back"
        );
        return Err(Error::NotPossible(words));
    }
    let from = session.head().before_abort();
    drop(session);
    let nowhere = || {
        Error::NotPossible(format!(
            "layer `{layer}` has no release before the rollout: nothing to go back to"
        ))
    };
    rollback(engine, definition, Back::Release(from.ok_or_else(nowhere)?), by, reason).await
}

fn open(head: &Head) -> Result<&OpenRollout, Error> {
    let none = || Error::NotPossible(format!("layer `{}` has no open rollout", head.layer()));
    head.rollout().ok_or_else(none)
}
