//! A person's order that single functions go back, or stay on a release, while all others go on. It needs no
//! lease, and no wave, probe or gate stands before it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::freeze::known;
use super::refresh::reported;
use super::rollback::{Back, before as may_go_before, lease, not_possible};
use crate::definition::Definition;
use crate::engine::{Engine, Run};
use crate::error::Error;
use crate::names::LayerName;
use crate::ports::FunctionName;
use crate::progress::Stages;
use crate::report::{ConsumerReport, ConsumerState, Outcome, Report, Why, minute};
use crate::rollout::{Converge, Outset, World, before, serving};
use crate::state::{FunctionPin, Head, Leased, Ordered, Session, StaysOn};

/// Where single functions shall stay, until when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionsOrder {
    /// The functions, in every place.
    pub functions: Vec<FunctionName>,
    /// Where they stay.
    pub to: Back,
    /// When the order ends by itself; absent where only a person ends it.
    pub until: Option<Timestamp>,
    /// Why, in the person's words.
    pub reason: Option<String>,
}

/// Keeps some functions of a layer on a release of their own until they are unpinned; the next run moves them there.
/// Returns where each stays.
///
/// # Errors
/// [`Error::NotPossible`] where the layer has no such function or release, or the end has passed; and the store's errors.
pub async fn pin_functions(
    engine: &Engine,
    definition: &Definition,
    order: &FunctionsOrder,
    by: &str,
) -> Result<BTreeMap<FunctionName, FunctionPin>, Error> {
    let mut session = engine.session(&definition.layer).await?;
    write_order(engine, definition, &mut session, order, by).await
}

/// Moves some functions back at once, and keeps them there until they are unpinned. Their data stays with all others.
///
/// # Errors
/// As [`pin_functions`], and [`Error::NotPossible`] for a function that is frozen.
pub async fn roll_back_functions(
    engine: &Engine,
    definition: &Definition,
    order: &FunctionsOrder,
    by: &str,
) -> Result<Report, Error> {
    let stages = Stages::new(&engine.ports, &definition.layer);
    let mut session = engine.session(&definition.layer).await?;
    can_move(session.head(), &order.functions)?;
    let pins = write_order(engine, definition, &mut session, order, by).await?;
    let run = Run { engine, definition, stages: &stages };
    let done = carry_out(run, &mut session, &pins).await;
    let result = session.end(done).await;
    Ok(reported(definition, result, stages, session.into_happened()))
}

/// Lets some functions follow the others again; returns those that were pinned.
///
/// # Errors
/// The store's errors.
pub async fn unpin_functions(
    engine: &Engine,
    layer: &LayerName,
    functions: &[FunctionName],
    by: &str,
    reason: Option<String>,
) -> Result<Vec<FunctionName>, Error> {
    let mut session = engine.session(layer).await?;
    let pinned = session.head().pinned_functions();
    let pinned: Vec<_> = functions.iter().filter(|one| pinned.contains_key(one)).cloned().collect();
    if !pinned.is_empty() {
        let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
        session.order(|head| Ok(head.unpin_functions(&pinned, &order))).await?;
    }
    Ok(pinned)
}

fn can_move(head: &Head, functions: &[FunctionName]) -> Result<(), Error> {
    let frozen = functions.iter().find(|function| head.frozen_functions().contains_key(function));
    let Some(function) = frozen else { return Ok(()) };
    let layer = head.layer();
    Err(Error::NotPossible(format!(
        "function `{function}` is frozen; `freshlayer unfreeze {layer} --function {function}` lets it move"
    )))
}

async fn write_order(
    engine: &Engine,
    definition: &Definition,
    session: &mut Session<'_>,
    order: &FunctionsOrder,
    by: &str,
) -> Result<BTreeMap<FunctionName, FunctionPin>, Error> {
    let (at, until) = (engine.ports.clock.now(), order.until);
    if let Some(until) = until.filter(|until| *until <= at) {
        let problem = format!("a pin until {} would have ended already", minute(until));
        return Err(Error::NotPossible(problem));
    }
    let world = known(engine, definition, session.head(), &order.functions).await?;
    let mut pins = BTreeMap::new();
    for function in &order.functions {
        let to = stays_on(session, function, order.to).await?;
        if let (Back::Stable, StaysOn::Release(back)) = (order.to, &to) {
            not_forward(session.head(), &world, function, *back)?;
        }
        let order = Ordered { at, by: by.to_owned(), reason: order.reason.clone() };
        pins.insert(function.clone(), FunctionPin { to, order, until });
    }
    session
        .order(|head| {
            // The head may be another one by now: a prune may have come between.
            for release in pins.values().filter_map(FunctionPin::release) {
                published(head, release)?;
            }
            head.pin_functions(&pins);
            Ok(())
        })
        .await?;
    Ok(pins)
}

/// A way back leads no function to newer data than it has.
fn not_forward(
    head: &Head,
    world: &World,
    function: &FunctionName,
    back: u64,
) -> Result<(), Error> {
    let views = world.places.iter();
    let used = views.filter_map(|view| serving(view, world.consumer(&view.place, function)?));
    let used = used.filter_map(|arn| head.release_of(arn));
    match used.min().filter(|used| *used < back) {
        Some(used) => Err(Error::NotPossible(format!(
            "function `{function}` is on release {used}, and the way back leads to {back}: name an earlier one with --to"
        ))),
        None => Ok(()),
    }
}

/// Judges where a function may stay.
async fn stays_on(
    session: &Session<'_>,
    function: &FunctionName,
    to: Back,
) -> Result<StaysOn, Error> {
    let head = session.head();
    let release = match to {
        Back::Before => return used_before(session, function).await,
        Back::Release(release) => release,
        Back::Stable => one_back(head, function)?,
    };
    published(head, release)?;
    Ok(StaysOn::Release(release))
}

/// The layer version that the function used in each place before the layer was adopted.
async fn used_before(session: &Session<'_>, function: &FunctionName) -> Result<StaysOn, Error> {
    may_go_before(session.head())?;
    let all = before(session).await?.into_iter();
    let of_it = all.filter(|((_, name), _)| name == function);
    let versions: BTreeMap<_, _> = of_it.map(|((place, _), version)| (place, version)).collect();
    if versions.is_empty() {
        let words = format!("function `{function}` used no version of the layer before freshlayer");
        return Err(Error::NotPossible(words));
    }
    Ok(StaysOn::Before(versions))
}

/// The last release before the one that a function should have now: in an open rollout the one that it leads away from, and
/// otherwise the last stable one.
fn one_back(head: &Head, function: &FunctionName) -> Result<u64, Error> {
    let pinned = head.pinned_functions().get(function).and_then(FunctionPin::release);
    let none = || not_possible(head, "has no release to roll back from");
    let now = pinned.or(head.desired()).ok_or_else(none)?;
    let leads_there = head.rollout().is_some_and(|open| open.to == now);
    let leads_back = |before: &u64| leads_there && *before < now;
    let before = head.before_abort().filter(leads_back).or_else(|| head.earlier(now));
    before.filter(|before| *before < now).ok_or_else(|| {
        not_possible(head, &format!("has no release before {now} for function `{function}`"))
    })
}

/// Refuses a release that has no layer version.
pub(super) fn published(head: &Head, release: u64) -> Result<(), Error> {
    if head.versions().contains_key(&release) {
        return Ok(());
    }
    let known: Vec<String> = head.versions().keys().map(ToString::to_string).collect();
    let words = format!("has no published release {release}; it has {}", known.join(", "));
    Err(not_possible(head, &words))
}

async fn carry_out(
    run: Run<'_>,
    session: &mut Session<'_>,
    pins: &BTreeMap<FunctionName, FunctionPin>,
) -> Result<Report, Error> {
    let release = pins.values().find_map(FunctionPin::release);
    if let Leased::Theirs(lease) = lease(&run, session).await? {
        let why = match release {
            Some(release) => Why::Ordered { release, owner: lease.owner, until: lease.expires },
            None => Why::Busy { owner: lease.owner, until: lease.expires },
        };
        let report = Report::of(run.definition.layer.clone(), Outcome::held(why));
        return Ok(Report { wake_at: Some(lease.expires), ..report });
    }
    let mut report = Converge { run, session, outset: Outset::default() }.converge().await?;
    if let Some(outcome) = outcome(&report, pins) {
        report.outcome = outcome;
    }
    Ok(report)
}

/// How the order ended: what the run found of other functions comes second. `None` where the run itself says what failed.
fn outcome(report: &Report, pins: &BTreeMap<FunctionName, FunctionPin>) -> Option<Outcome> {
    if matches!(report.outcome, Outcome::Failed { .. } | Outcome::Rejected { .. }) {
        return None;
    }
    let named = report.consumers.iter().filter(|one| pins.contains_key(&one.function));
    let left: Vec<&ConsumerReport> = named.clone().filter(|one| !is_there(one)).collect();
    if let Some(first) = left.first() {
        let is_well =
            matches!(report.outcome, Outcome::Unchanged { .. } | Outcome::Refreshed { .. });
        let reason = first.reason.as_ref().map_or("no reason", |reason| &reason.text);
        let example = format!("{}: {reason}", first.function);
        let (waiting, functions) = (left.len(), report.consumers.len());
        return is_well.then(|| Outcome::held(Why::Unmoved { waiting, example, functions }));
    }
    named.clone().next()?;
    let each = pins.iter().map(|(function, pin)| (function.clone(), pin.release()));
    Some(Outcome::refreshed(Why::FunctionsRolledBack { functions: each.collect() }))
}

fn is_there(consumer: &ConsumerReport) -> bool {
    let why = consumer.reason.as_ref().map(|reason| &reason.why);
    consumer.state == ConsumerState::Ordered && matches!(why, Some(Why::FunctionPinned { .. }))
}
