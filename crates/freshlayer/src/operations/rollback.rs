//! A person's way back. The order is written first, without anybody's lease; then this run carries it out, or the
//! publisher that works on the layer does.

use std::time::Duration;

use super::refresh::reported;
use crate::definition::Definition;
use crate::engine::{Engine, Run};
use crate::error::Error;
use crate::ports::Stage;
use crate::progress::Stages;
use crate::report::{ConsumerReport, ConsumerState, Outcome, Report, Why};
use crate::rollout::{Converge, Outset};
use crate::state::{Head, Leased, Ordered, Pin, Release, Session};

/// How often an order looks whether the publisher that it waits for has ended.
const LOOKS_APART: Duration = Duration::from_secs(1);

/// Where a person goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// To the last stable release before the current one.
    Stable,
    /// To this release.
    Release(u64),
    /// To what each function used before the layer was adopted.
    Before,
}

/// A rollback that is about to be ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack {
    /// The release that is left.
    pub from: u64,
    /// The release that functions go to; absent for what they used before the layer was adopted.
    pub to: Option<u64>,
    /// The data version of that release.
    pub version: Option<String>,
}

impl std::fmt::Display for WayBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.to, &self.version) {
            (Some(to), Some(version)) => {
                let (way, from) = (if to > self.from { "forward" } else { "back" }, self.from);
                write!(f, "going {way} from release {from} to release {to}, version {version}")?;
                f.write_str(if to > from {
                    ": every function at once, without waves and gates"
                } else {
                    ""
                })
            }
            _ => write!(
                f,
                "going back from release {} to what each function used before freshlayer",
                self.from
            ),
        }
    }
}

/// Tells where a rollback leads, before it is ordered.
///
/// # Errors
/// [`Error::NotPossible`] where there is no such release, where a pin forbids it, and where a rollback without a number
/// would jump over releases that functions were on; and the store's errors.
pub async fn way_back(
    engine: &Engine,
    definition: &Definition,
    to: Back,
) -> Result<WayBack, Error> {
    let session = engine.session(&definition.layer).await?;
    let head = session.head();
    let from = current(head)?;
    match target(head, to)? {
        None => Ok(WayBack { from, to: None, version: None }),
        Some(to) => {
            let release = session.release(to).await?;
            Ok(WayBack { from, to: Some(to), version: Some(release.version.to_string()) })
        }
    }
}

/// Moves consumers back to an earlier release, and keeps the data that is left behind away: until the upstream has
/// another build, or a person says `--retry-rejected`.
///
/// # Errors
/// As [`way_back`].
pub async fn rollback(
    engine: &Engine,
    definition: &Definition,
    to: Back,
    by: &str,
    reason: Option<String>,
) -> Result<Report, Error> {
    let stages = Stages::new(&engine.ports, &definition.layer);
    let mut session = engine.session(&definition.layer).await?;
    let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    let release = write_order(&mut session, to, &order).await?;
    let run = Run { engine, definition, stages: &stages };
    let done = carry_out(run, &mut session, release.as_ref()).await;
    let result = session.end(done).await;
    Ok(reported(definition, result, stages, session.into_happened()))
}

/// Writes the order into the head; returns the release that functions go to.
async fn write_order(
    session: &mut Session<'_>,
    to: Back,
    order: &Ordered,
) -> Result<Option<Release>, Error> {
    // An order may come twice, as an event may: the second one goes on with the first.
    let head = session.head();
    if let (Back::Release(to), None) = (to, head.is_handed_back())
        && head.current() == Some(to)
        && head.desired() == Some(to)
    {
        return session.release(to).await.map(Some);
    }
    let Some(to) = target(head, to)? else {
        session.order(|head| Ok(head.hand_back(order))).await?;
        return Ok(None);
    };
    let release = session.release(to).await?;
    session
        .order(|head| {
            // The head may be another one by now: a prune may have come between.
            target(head, Back::Release(to))?;
            head.roll_back(&release, order);
            Ok(())
        })
        .await?;
    Ok(Some(release))
}

async fn carry_out(
    run: Run<'_>,
    session: &mut Session<'_>,
    release: Option<&Release>,
) -> Result<Report, Error> {
    if let Leased::Theirs(lease) = lease(&run, session).await? {
        let release = session.head().desired().unwrap_or_default();
        let why = Why::Ordered { release, owner: lease.owner, until: lease.expires };
        let report = Report::of(run.definition.layer.clone(), Outcome::held(why));
        return Ok(Report { wake_at: Some(lease.expires), ..report });
    }
    let mut report = Converge { run, session, outset: Outset::default() }.converge().await?;
    let well = matches!(report.outcome, Outcome::Unchanged { .. } | Outcome::Refreshed { .. });
    let is_frozen = session.head().frozen().is_some();
    let stands = matches!(report.outcome, Outcome::Held { .. } | Outcome::Unchanged { .. });
    match release {
        Some(release) if is_frozen && stands => {
            report.outcome = Outcome::held(Why::OrderedWhileFrozen { release: release.seq });
        }
        Some(release) if well => {
            let versions = session.head().versions().get(&release.seq);
            let is_there = |one: &ConsumerReport| {
                versions
                    .is_some_and(|all| all.values().any(|v| one.layer_version.as_ref() == Some(v)))
            };
            let stays =
                |one: &&ConsumerReport| one.state == ConsumerState::Ordered && !is_there(one);
            let stay = report.consumers.iter().filter(stays).count();
            let (release, version) = (release.seq, release.version.to_string());
            report.outcome = Outcome::refreshed(Why::RolledBack { release, version, stay });
        }
        _ => {}
    }
    Ok(report)
}

/// Takes the lease. A publisher that moves functions obeys within seconds, and one that crashed is waited for.
pub(super) async fn lease(run: &Run<'_>, session: &mut Session<'_>) -> Result<Leased, Error> {
    let engine = run.engine;
    let now = engine.ports.clock.now();
    let give_up = now.saturating_add(engine.patience).unwrap_or(now);
    let mut waiting = None;
    loop {
        let leased = session.lease_for_order().await?;
        if leased == Leased::Ours || engine.ports.clock.now() >= give_up {
            return Ok(leased);
        }
        let layer = run.definition.layer.as_str();
        waiting.get_or_insert_with(|| run.stages.start(Stage::Wait, layer, None));
        tokio::time::sleep(LOOKS_APART).await;
        session.read_again().await?;
    }
}

fn current(head: &Head) -> Result<u64, Error> {
    let none = || not_possible(head, "has no release to roll back from");
    head.current().ok_or_else(none)
}

/// Judges where a person may go back to.
fn target(head: &Head, to: Back) -> Result<Option<u64>, Error> {
    let current = current(head)?;
    let pin = head.pinned();
    let to = match to {
        Back::Before => return before(head).map(|()| None),
        Back::Release(to) => to,
        Back::Stable => match pin {
            Some(pin) => return Err(pinned(head, pin, "RELEASE")),
            None => fallback(head, current)?,
        },
    };
    if let Some(pin) = pin.filter(|pin| pin.release != to) {
        return Err(pinned(head, pin, &to.to_string()));
    }
    if to == current && head.is_handed_back().is_none() {
        return Err(not_possible(head, &format!("is on release {to} already")));
    }
    if !head.versions().contains_key(&to) {
        let known: Vec<String> = head.versions().keys().map(ToString::to_string).collect();
        let words = format!("has no published release {to}; it has {}", known.join(", "));
        return Err(not_possible(head, &words));
    }
    Ok(Some(to))
}

fn pinned(head: &Head, pin: &Pin, to: &str) -> Error {
    let (layer, release) = (head.layer(), pin.release);
    let words = format!(
        "is pinned to release {release}; run `freshlayer unpin {layer}` first, or `freshlayer pin {layer} --to {to}`"
    );
    not_possible(head, &words)
}

/// The last stable release before the current one. A jump over releases that functions were on is a person's to
/// decide.
pub(super) fn fallback(head: &Head, current: u64) -> Result<u64, Error> {
    let none = || not_possible(head, &format!("has no release before {current} to roll back to"));
    let to = head.earlier(current).ok_or_else(none)?;
    let between = head.served_between(to, current);
    let Some(nearest) = between.last() else { return Ok(to) };
    let jumped: Vec<String> = between.iter().map(ToString::to_string).collect();
    let layer = head.layer();
    Err(not_possible(
        head,
        &format!(
            "is on release {current}; a rollback to the last stable release, {to}, would jump over {}: choose with \
             `freshlayer rollback {layer} --to {nearest}` or `--to {to}`",
            jumped.join(", ")
        ),
    ))
}

pub(super) fn before(head: &Head) -> Result<(), Error> {
    if head.adopted().is_some_and(|adopted| !adopted.rollouts.is_empty()) {
        return Ok(());
    }
    let words = "has nothing to go back to before freshlayer; name a release with `--to`";
    Err(not_possible(head, words))
}

pub(super) fn not_possible(head: &Head, words: &str) -> Error {
    Error::NotPossible(format!("layer `{}` {words}", head.layer()))
}
