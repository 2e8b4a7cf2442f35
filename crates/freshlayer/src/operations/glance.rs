//! The newest rollout of a layer by the state alone, for those who look every few seconds: no function is asked about, no
//! lease is taken, and nothing is written.

use jiff::Timestamp;

use crate::definition::{Definition, OnInconclusive, RolloutSpec};
use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::report::Why;
use crate::rollout::{Next, Waves, frozen, paused};
use crate::state::{Cause, ConsumerNote, Head, OpenRollout, Rollout, Says, Session, Wave, Work};

/// What the state says of a layer's newest rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutGlance {
    /// The layer.
    pub layer: LayerName,
    /// The last release that every movable function has reached.
    pub stable: Option<u64>,
    /// The newest rollout as it is written down; absent where there was none.
    pub newest: Option<Rollout>,
    /// What comes next in it.
    pub coming: Coming,
}

/// What comes next in a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coming {
    /// Nothing: no rollout is open.
    Closed,
    /// Its release is stable; functions that a person holds may keep it open.
    Stable,
    /// A publisher works on it now.
    Moves,
    /// The next refresh goes on with it.
    NextRun,
    /// The next refresh moves every function, by a person's order.
    Promoted,
    /// A gate sends every function back.
    GoesBack,
    /// It waits, and goes on by itself.
    Waits(Why),
    /// It waits for a person.
    Held(Why),
    /// It waits for a person, for the reason of this code.
    HeldFor(String),
}

impl RolloutGlance {
    /// Says what comes next; `None` where nothing does before a person acts.
    pub fn next(&self) -> Option<String> {
        let rollout = self.newest.as_ref()?;
        let words = match &self.coming {
            Coming::Closed | Coming::Stable | Coming::Held(_) | Coming::HeldFor(_) => return None,
            Coming::Moves => "a publisher works on it now".to_owned(),
            Coming::NextRun => "the next refresh goes on with it".to_owned(),
            Coming::Promoted => {
                "the next refresh moves every function, without further waves and gates".to_owned()
            }
            Coming::GoesBack => "a gate failed, and every function goes back".to_owned(),
            Coming::Waits(Why::Bakes { moved, functions, percent, says, .. }) => {
                let gates = if says.is_empty() { "" } else { " if its gates pass" };
                if moved == functions && percent.is_none() {
                    format!("release {} is stable{gates}", rollout.to)
                } else {
                    format!("wave {} opens{gates}", rollout.waves.len() + 1)
                }
            }
            Coming::Waits(Why::Undecided { .. }) => format!(
                "it goes on once its gates can tell; `freshlayer rollout promote {}` moves every function without them",
                rollout.layer
            ),
            Coming::Waits(why) => why.said_of(self.layer.as_str(), None),
        };
        Some(words)
    }

    /// Says what it waits for a person for.
    pub fn held(&self) -> Option<String> {
        match &self.coming {
            Coming::Held(why) => Some(why.said_of(self.layer.as_str(), None)),
            Coming::HeldFor(code) => Some(format!(
                "the rollout waits for a person ({code}): `freshlayer refresh {}` says why, and what to do",
                self.layer
            )),
            _ => None,
        }
    }
}

/// Reads the head and the object of the newest rollout.
///
/// # Errors
/// The store's errors.
pub async fn rollout_glance(
    engine: &Engine,
    definition: &Definition,
) -> Result<RolloutGlance, Error> {
    glance(engine, &engine.session(&definition.layer).await?, definition).await
}

/// As [`rollout_glance`], with a head that was read.
pub(super) async fn glance(
    engine: &Engine,
    session: &Session<'_>,
    definition: &Definition,
) -> Result<RolloutGlance, Error> {
    let head = session.head();
    let newest = match session.rollout().await? {
        Some(open) => Some(open),
        None => session.read_rollout(head.rollouts()).await?,
    };
    let now = engine.ports.clock.now();
    let is_at_work = head.lease().is_some_and(|lease| {
        let may_live = now < lease.expires && !engine.ports.peers.is_gone(&lease.owner);
        may_live && lease.work == Work::Moving
    });
    let publisher = if is_at_work { Publisher::Works } else { Publisher::Rests };
    let coming = match (head.rollout(), &newest) {
        (Some(open), Some(rollout)) => {
            coming(head, open, rollout, &definition.rollout, publisher, now)
        }
        _ => Coming::Closed,
    };
    Ok(RolloutGlance { layer: definition.layer.clone(), stable: head.stable(), newest, coming })
}

/// Whether a publisher moves functions of the layer now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Publisher {
    Works,
    Rests,
}

fn coming(
    head: &Head,
    open: &OpenRollout,
    rollout: &Rollout,
    spec: &RolloutSpec,
    publisher: Publisher,
    now: Timestamp,
) -> Coming {
    // A way back may lead to a release that was stable all the time.
    if head.stable() == Some(open.to) && open.cause == Cause::NewRelease {
        return Coming::Stable;
    }
    if let Some(why) = frozen(head).or_else(|| paused(head)) {
        return Coming::Held(why);
    }
    let is_at_work = publisher == Publisher::Works;
    let in_waves = open.is_judged() && !spec.course.is_all_at_once();
    let by_waves = match Waves::on_record(spec, rollout, now).filter(|_| in_waves) {
        // The run that noted where functions stood before it moved them has not written yet where they stand now.
        _ if is_at_work && rollout.notes().any(ConsumerNote::is_moving) => None,
        Some(Next::Hold(_)) if goes_back(head, spec, rollout) => Some(Coming::GoesBack),
        Some(Next::Hold(why)) => Some(Coming::Held(why)),
        Some(Next::Wait(why)) => Some(Coming::Waits(with_later(why, rollout))),
        _ => outside_of_the_window(spec, rollout, now)
            .filter(|_| in_waves && !is_at_work)
            .map(Coming::Waits),
    };
    let waits = open.held.clone().filter(|_| !is_at_work).map(Coming::HeldFor);
    by_waves.or(waits).unwrap_or(match (publisher, &open.promoted) {
        (Publisher::Works, _) => Coming::Moves,
        (Publisher::Rests, Some(_)) => Coming::Promoted,
        (Publisher::Rests, None) => Coming::NextRun,
    })
}

/// Tells whether the gates that let the last wave wait for a person send every function back: there must be a release to
/// go back to.
fn goes_back(head: &Head, spec: &RolloutSpec, rollout: &Rollout) -> bool {
    let says = rollout.waves.last().and_then(|wave| wave.evidence.as_ref()).map(|found| found.says);
    let unclear = matches!(says, Some(Says::TooFew | Says::Inconclusive));
    let rolls_back = spec.gates.on_inconclusive == OnInconclusive::Rollback;
    let fails = says == Some(Says::Fail) || (unclear && rolls_back);
    fails && head.before_rollout().is_some()
}

/// Counts the functions of later waves, which the waves themselves do not know.
fn with_later(why: Why, rollout: &Rollout) -> Why {
    match why {
        Why::Bakes { wave, moved, percent, until, says, .. } => {
            let percent = percent.filter(|percent| rollout.has_in_part(*percent));
            Why::Bakes { wave, moved, functions: moved + rollout.later(), percent, until, says }
        }
        other => other,
    }
}

/// When the next wave opens, where the last one is over and the change window has not begun.
fn outside_of_the_window(spec: &RolloutSpec, rollout: &Rollout, now: Timestamp) -> Option<Why> {
    let until = spec.course.window.as_ref()?.opens(now);
    let is_over = rollout.waves.last().is_none_or(|wave| wave.reached.is_some());
    let more = rollout.waves.is_empty() || rollout.later() > 0;
    let wave = rollout.waves.len() + 1;
    (is_over && more && now < until).then_some(Why::OutsideWindow { wave, until })
}

impl Rollout {
    /// What became of each consumer so far.
    pub fn notes(&self) -> impl Iterator<Item = &ConsumerNote> {
        self.journal.values().flat_map(|place| place.values())
    }

    /// Tells whether some function had a part of its calls with the release when the last run that came to its end wrote it.
    fn has_in_part(&self, percent: u8) -> bool {
        let words = Why::Partly { percent }.to_string();
        self.notes().any(|note| note.outcome == words)
    }

    /// How many functions move with a later wave, as the last run that came to its end wrote it.
    pub fn later(&self) -> usize {
        let of_a_wave = |place: &str, function| {
            let has = |wave: &Wave| {
                wave.members.get(place).is_some_and(|members| members.contains(function))
            };
            self.waves.iter().any(has)
        };
        let notes = self.journal.iter().flat_map(|(place, notes)| {
            notes.iter().map(move |(function, note)| (place, function, note))
        });
        let later =
            notes.filter(|(place, function, note)| note.is_later() && !of_a_wave(place, function));
        later.count()
    }
}
