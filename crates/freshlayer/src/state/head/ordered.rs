//! What a person orders; no lease is needed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Head;
use crate::names::{DatasetName, Digest};
use crate::ports::FunctionName;
use crate::state::Release;
use crate::state::orders::{Acceptance, Adopted, Freeze, FunctionPin, LeftBehind, Ordered, Pin};
use crate::state::rollout::Cause;

/// How many accepted builds a head remembers.
const ACCEPTED_MAX: usize = 100;

impl Head {
    /// Goes to another release, and keeps the data of the one that is left from coming back.
    pub(crate) fn roll_back(&mut self, target: &Release, order: &Ordered) {
        self.go_back(target, order, Cause::Rollback);
    }

    /// As a person's rollback, because a gate failed on the way to the release.
    pub(crate) fn retreat(&mut self, target: &Release, order: &Ordered) {
        self.go_back(target, order, Cause::Gate);
    }

    /// Lets the open rollout go no further; `None` lets it go on.
    pub(crate) fn pause_rollout(&mut self, order: Option<Ordered>) {
        if let Some(rollout) = &mut self.rollout {
            (rollout.paused, rollout.held) = (order, None);
        }
    }

    /// Lets every function of the open rollout move now.
    pub(crate) fn promote_rollout(&mut self, order: Ordered) {
        if let Some(rollout) = &mut self.rollout {
            (rollout.promoted, rollout.paused, rollout.held) = (Some(order), None, None);
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
        self.roll(left, target.seq, cause, &order.by, order.at);
    }

    /// Stays on a release until unpinned.
    pub(crate) fn pin(&mut self, pin: Pin) {
        let (from, release, by, at) = (self.desired(), pin.release, pin.by.clone(), pin.at);
        self.handed_back = None;
        self.pin = Some(pin);
        self.roll(from, release, Cause::Pin, &by, at);
    }

    /// Takes back a pin and an order to hand the functions back.
    pub(crate) fn unpin(&mut self, order: &Ordered) {
        let from = self.desired();
        self.pin = None;
        self.handed_back = None;
        if let Some(current) = self.current {
            self.roll(from, current, Cause::Unpin, &order.by, order.at);
        }
    }

    /// Takes back the pins that have come to their end.
    pub(crate) fn lapse(&mut self, now: Timestamp) {
        let is_over = |pin: &FunctionPin| pin.until.is_some_and(|until| until <= now);
        let functions = self.pinned_functions.iter().filter(|(_, pin)| is_over(pin));
        let functions: Vec<FunctionName> = functions.map(|(name, _)| name.clone()).collect();
        if !functions.is_empty() {
            self.unpin_functions(&functions);
        }
        let ended = self.pin.as_ref().and_then(|pin| Some((pin.until?, pin.by.clone())));
        if let Some((at, by)) = ended.filter(|(until, _)| *until <= now) {
            self.unpin(&Ordered { at, by, reason: None });
        }
    }

    /// Lets some functions stay where they are until unfrozen.
    pub(crate) fn freeze_functions(&mut self, functions: &[FunctionName], freeze: &Freeze) {
        let frozen = functions.iter().map(|function| (function.clone(), freeze.clone()));
        self.frozen_functions.extend(frozen);
    }

    /// Takes the freeze of some functions back.
    pub(crate) fn unfreeze_functions(&mut self, functions: &[FunctionName]) {
        self.frozen_functions.retain(|function, _| !functions.contains(function));
        self.looked = None;
    }

    /// Keeps some functions on a release of their own until unpinned. What the last look counted as standing elsewhere
    /// moves now.
    pub(crate) fn pin_functions(&mut self, pins: &BTreeMap<FunctionName, FunctionPin>) {
        self.pinned_functions.extend(pins.clone());
        self.looked = None;
    }

    /// Takes the pins of some functions back.
    pub(crate) fn unpin_functions(&mut self, functions: &[FunctionName]) {
        self.pinned_functions.retain(|function, _| !functions.contains(function));
        self.looked = None;
    }

    /// Lets nothing move until unfrozen.
    pub(crate) fn freeze(&mut self, freeze: Freeze) {
        self.freeze = Some(freeze);
    }

    /// Takes a freeze back. What the last look counted as standing elsewhere may move now.
    pub(crate) fn unfreeze(&mut self) {
        self.freeze = None;
        self.looked = None;
        if let Some(rollout) = &mut self.rollout {
            rollout.held = None;
        }
    }

    /// Takes the layer over with the versions that freshlayer did not make.
    pub(crate) fn adopt(&mut self, order: &Ordered) {
        if self.adopted.is_none() {
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
    pub(crate) fn hand_back(&mut self, order: Ordered) {
        let (by, at) = (order.by.clone(), order.at);
        self.handed_back = Some(order);
        if let Some(to) = self.desired() {
            self.roll(None, to, Cause::HandBack, &by, at);
        }
    }

    /// Forgets verdicts and rollbacks: what they kept away is tried again.
    pub(crate) fn forget_rejections(&mut self) {
        self.rejected.clear();
        self.left_behind.clear();
    }

    /// Lets a build pass that was refused for what differs from the live release.
    pub(crate) fn accept(&mut self, acceptance: Acceptance) {
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
