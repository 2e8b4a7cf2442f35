//! What a person orders; no lease is needed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Head;
use crate::names::{DatasetName, Digest};
use crate::ports::FunctionName;
use crate::report::minute;
use crate::state::Release;
use crate::state::orders::{
    Acceptance, Adopted, Freeze, FunctionPin, LeftBehind, Ordered, PastOrder, Pin,
};
use crate::state::rollout::Cause;

/// How many accepted builds a head remembers.
const ACCEPTED_MAX: usize = 100;
/// How many orders a head remembers. What moved functions stays in the rollouts, too.
const ORDERS_MAX: usize = 50;

impl Head {
    /// Remembers an order, in the write that carries it.
    fn note(&mut self, what: impl Into<String>, order: &Ordered) {
        self.note_of(&[], what, order);
    }

    /// Remembers an order about single functions.
    fn note_of(&mut self, functions: &[FunctionName], what: impl Into<String>, order: &Ordered) {
        let past = PastOrder { what: what.into(), functions: Vec::new(), order: order.clone() };
        self.due.extend(functions.iter().map(|function| (function.clone(), past.clone())));
        self.orders.push(PastOrder { functions: functions.to_vec(), ..past });
        let surplus = self.orders.len().saturating_sub(ORDERS_MAX);
        self.orders.drain(..surplus);
    }

    /// Goes to another release, and keeps the data of the one that is left from coming back.
    pub(crate) fn roll_back(&mut self, target: &Release, order: &Ordered) {
        let from = self.current.map_or(String::new(), |from| format!(" from release {from}"));
        self.note(format!("roll back{from} to release {}", target.seq), order);
        self.go_back(target, order, Cause::Rollback);
    }

    /// As a person's rollback, because a gate failed on the way to the release.
    pub(crate) fn retreat(&mut self, target: &Release, order: &Ordered) {
        self.go_back(target, order, Cause::Gate);
    }

    /// Lets the open rollout go no further.
    pub(crate) fn pause_rollout(&mut self, order: &Ordered) {
        if let Some(rollout) = &mut self.rollout {
            (rollout.paused, rollout.held) = (Some(order.clone()), None);
            let what = format!("pause the rollout to release {}", rollout.to);
            self.note(what, order);
        }
    }

    /// Lets the open rollout go on.
    pub(crate) fn resume_rollout(&mut self, order: &Ordered) {
        if let Some(rollout) = &mut self.rollout {
            (rollout.paused, rollout.held) = (None, None);
            let what = format!("resume the rollout to release {}", rollout.to);
            self.note(what, order);
        }
    }

    /// Lets every function of the open rollout move now.
    pub(crate) fn promote_rollout(&mut self, order: &Ordered) {
        if let Some(rollout) = &mut self.rollout {
            (rollout.promoted, rollout.paused, rollout.held) = (Some(order.clone()), None, None);
            let what = format!("promote the rollout to release {}", rollout.to);
            self.note(what, order);
        }
    }

    fn go_back(&mut self, target: &Release, order: &Ordered, cause: Cause) {
        let from = self.outline.take();
        let snapshots = from.iter().flat_map(|from| from.snapshots.iter().map(|s| (from.seq, s)));
        for (left, snapshot) in snapshots {
            let kept = target.snapshot(&snapshot.dataset);
            if kept.is_some_and(|kept| kept.digest == snapshot.digest) {
                continue;
            }
            let left = LeftBehind::new(snapshot, left, target.seq, order);
            self.left_behind.retain(|known| !known.is(&left.dataset, &left.digest));
            self.left_behind.push(left);
        }
        // What a person goes to is what the person wants.
        let wanted = |dataset: &DatasetName, digest: &Digest| {
            target.snapshot(dataset).is_some_and(|snapshot| snapshot.digest == *digest)
        };
        self.left_behind.retain(|known| !wanted(&known.dataset, &known.digest));
        self.rejected.retain(|known| !wanted(&known.dataset, &known.digest));
        self.unpublished = None;
        self.handed_back = None;
        let left = self.desired();
        self.go_to(target);
        self.served.retain(|seq| *seq <= target.seq);
        self.roll(left, target.seq, cause, order);
    }

    /// Stays on a release until unpinned.
    pub(crate) fn pin(&mut self, pin: Pin) {
        let (from, release) = (self.desired(), pin.release);
        let Pin { by, at, reason, until, .. } = pin.clone();
        let order = Ordered { at, by, reason };
        let end = until.map_or(String::new(), |until| format!(" until {}", minute(until)));
        self.note(format!("pin the layer to release {release}{end}"), &order);
        self.handed_back = None;
        self.pin = Some(pin);
        self.roll(from, release, Cause::Pin, &order);
    }

    /// Takes back a pin and an order to hand the functions back.
    pub(crate) fn unpin(&mut self, order: &Ordered) {
        let from = self.desired();
        self.note("unpin the layer", order);
        self.pin = None;
        self.handed_back = None;
        if let Some(current) = self.current {
            self.roll(from, current, Cause::Unpin, order);
        }
    }

    /// Takes back the pins that have come to their end.
    pub(crate) fn lapse(&mut self, now: Timestamp) {
        let is_over = |pin: &FunctionPin| pin.until.is_some_and(|until| until <= now);
        let functions = self.pinned_functions.iter().filter(|(_, pin)| is_over(pin));
        let functions: Vec<FunctionName> = functions.map(|(name, _)| name.clone()).collect();
        let over = |at, by| Ordered { at, by, reason: Some("its time was over".to_owned()) };
        let mut ended: BTreeMap<(Timestamp, String), Vec<FunctionName>> = BTreeMap::new();
        for function in functions {
            let pin = self.pinned_functions.get(&function);
            let Some(FunctionPin { until: Some(until), order, .. }) = pin else { continue };
            ended.entry((*until, order.by.clone())).or_default().push(function);
        }
        for ((until, by), functions) in ended {
            self.unpin_functions(&functions, &over(until, by));
        }
        let ended = self.pin.as_ref().and_then(|pin| Some((pin.until?, pin.by.clone())));
        if let Some((at, by)) = ended.filter(|(until, _)| *until <= now) {
            self.unpin(&over(at, by));
        }
    }

    /// Lets some functions stay where they are until unfrozen.
    pub(crate) fn freeze_functions(&mut self, functions: &[FunctionName], freeze: &Freeze) {
        self.note_of(functions, format!("freeze {}", named(functions)), freeze);
        let frozen = functions.iter().map(|function| (function.clone(), freeze.clone()));
        self.frozen_functions.extend(frozen);
    }

    /// Takes the freeze of some functions back.
    pub(crate) fn unfreeze_functions(&mut self, functions: &[FunctionName], order: &Ordered) {
        self.note_of(functions, format!("unfreeze {}", named(functions)), order);
        self.frozen_functions.retain(|function, _| !functions.contains(function));
        self.looked = None;
    }

    /// Keeps some functions on a release of their own until unpinned. What the last look counted as standing elsewhere
    /// moves now.
    pub(crate) fn pin_functions(&mut self, pins: &BTreeMap<FunctionName, FunctionPin>) {
        if let Some(pin) = pins.values().next() {
            let to = match pin.release() {
                Some(release) => format!("release {release}"),
                None => "what they used before freshlayer".to_owned(),
            };
            let end = pin.until.map_or(String::new(), |until| format!(" until {}", minute(until)));
            let functions: Vec<FunctionName> = pins.keys().cloned().collect();
            self.note_of(&functions, format!("pin {} to {to}{end}", named(&functions)), &pin.order);
        }
        self.pinned_functions.extend(pins.clone());
        self.looked = None;
    }

    /// Takes the pins of some functions back.
    pub(crate) fn unpin_functions(&mut self, functions: &[FunctionName], order: &Ordered) {
        self.note_of(functions, format!("unpin {}", named(functions)), order);
        self.pinned_functions.retain(|function, _| !functions.contains(function));
        self.looked = None;
    }

    /// The last order about a function alone, where no run has carried it out yet. A note of it stands at the function.
    pub(crate) fn order_about(&self, function: &FunctionName) -> Option<PastOrder> {
        self.due.get(function).cloned()
    }

    /// Lets nothing move until unfrozen.
    pub(crate) fn freeze(&mut self, freeze: Freeze) {
        self.note("freeze the layer", &freeze);
        self.freeze = Some(freeze);
    }

    /// Takes a freeze back. What the last look counted as standing elsewhere may move now.
    pub(crate) fn unfreeze(&mut self, order: &Ordered) {
        self.note("unfreeze the layer", order);
        self.freeze = None;
        self.looked = None;
        if let Some(rollout) = &mut self.rollout {
            rollout.held = None;
            rollout.thawed = rollout.cause.is_way_back().then_some(order.at);
        }
    }

    /// Takes the layer over with the versions that freshlayer did not make.
    pub(crate) fn adopt(&mut self, order: &Ordered) {
        if self.adopted.is_none() {
            self.note("adopt the layer", order);
            let (at, by) = (order.at, order.by.clone());
            self.adopted = Some(Adopted { at, by, rollouts: BTreeSet::new() });
            self.looked = None;
        }
    }

    /// Notes that a rollout moves functions off versions that freshlayer did not make: its journal is a way back.
    pub(crate) fn takes_over(&mut self, rollout: u64) {
        if let Some(adopted) = &mut self.adopted {
            adopted.rollouts.insert(rollout);
        }
    }

    /// Hands the functions back to what they used before the layer was adopted.
    pub(crate) fn hand_back(&mut self, order: &Ordered) {
        self.note("roll back to what functions used before freshlayer", order);
        self.handed_back = Some(order.clone());
        if let Some(to) = self.desired() {
            self.roll(None, to, Cause::HandBack, order);
        }
    }

    /// Forgets verdicts and rollbacks: what they kept away is tried again.
    pub(crate) fn forget_rejections(&mut self) {
        self.rejected.clear();
        self.left_behind.clear();
    }

    /// Lets a build pass that was refused for what differs from the live release.
    pub(crate) fn accept(&mut self, acceptance: Acceptance) {
        let Acceptance { dataset, digest, order, .. } = &acceptance;
        self.note(format!("accept build {} of {dataset}", digest.short()), &order.clone());
        self.rejected.retain(|known| known.digest != acceptance.digest);
        self.accepted.push(acceptance);
        let surplus = self.accepted.len().saturating_sub(ACCEPTED_MAX);
        self.accepted.drain(..surplus);
    }

    /// Tells whether a release carries data that a person rolled back.
    pub(crate) fn carries_left_behind(&self, release: &Release) -> bool {
        release.snapshots.iter().any(|snapshot| {
            self.left_behind.iter().any(|left| left.is(&snapshot.dataset, &snapshot.digest))
        })
    }
}

fn named(functions: &[FunctionName]) -> String {
    let names: Vec<&str> = functions.iter().map(FunctionName::as_str).collect();
    let noun = if names.len() == 1 { "function" } else { "functions" };
    format!("{noun} {}", names.join(", "))
}
