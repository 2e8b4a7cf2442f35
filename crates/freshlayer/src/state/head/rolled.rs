//! Rollouts as the publisher opens and ends them, holding the lease.

use jiff::Timestamp;

use super::Head;
use crate::state::Release;
use crate::state::orders::Ordered;
use crate::state::rollout::{Cause, OpenRollout};

/// How many stable releases a head remembers.
const STABLE_MAX: usize = 100;

impl Head {
    /// Makes a release the one that consumers shall be on, and opens its rollout.
    pub(crate) fn promote(&mut self, release: &Release, now: Timestamp) {
        let from = self.desired();
        let before = self.outline.as_ref().map(|outline| outline.version.major);
        if before.is_some_and(|before| before < release.version.major) {
            self.majors.entry(release.version.major).or_insert(release.seq);
        }
        self.go_to(release);
        self.unpublished = None;
        self.roll(from, release.seq, Cause::NewRelease, &Ordered::by_publisher(now));
    }

    pub(super) fn go_to(&mut self, release: &Release) {
        let to = release.seq;
        self.newest = self.newest.max(to);
        self.stable_before.retain(|before| *before <= to);
        if self.stable.is_some_and(|stable| stable > to) {
            self.stable = None;
        }
        self.current = Some(to);
        self.outline = Some(release.outline());
    }

    /// Opens the rollout to a release that a Region or an account got later than the others. A release that no function
    /// was on is new data still.
    pub(crate) fn roll_again(&mut self, to: u64, now: Timestamp) {
        let is_known = self.stable == Some(to) || self.served.contains(&to);
        let cause = if is_known { Cause::CatchUp } else { Cause::NewRelease };
        self.roll(self.stable, to, cause, &Ordered::by_publisher(now));
    }

    /// Opens a rollout: from now on consumers are looked at until every one is there.
    pub(super) fn roll(&mut self, from: Option<u64>, to: u64, cause: Cause, order: &Ordered) {
        if cause != Cause::CatchUp {
            // The others move because of this rollout.
            self.due.retain(|function, _| self.pinned_functions.contains_key(function));
            self.parameters.values_mut().for_each(|parameter| parameter.confirmed = false);
        }
        self.pardon(to);
        self.rollouts += 1;
        self.rollout = Some(OpenRollout {
            number: self.rollouts,
            from: from.filter(|from| *from != to),
            to,
            cause,
            by: order.by.clone(),
            reason: order.reason.clone(),
            started: order.at,
            paused: None,
            promoted: None,
            held: None,
            thawed: None,
            journal: None,
        });
    }

    /// Notes that functions are on a release.
    pub(crate) fn serves(&mut self, release: u64) {
        self.pardon(release);
        self.served.insert(release);
        self.served.retain(|seq| self.versions.contains_key(seq));
    }

    /// Notes that every consumer that can be moved has reached the rollout's release.
    pub(crate) fn reached(&mut self) {
        let Some(to) = self.rollout.as_ref().map(|rollout| rollout.to) else {
            return;
        };
        self.stable_before.retain(|before| *before != to);
        if let Some(before) = self.stable.replace(to).filter(|before| *before < to) {
            self.stable_before.push(before);
            let surplus = self.stable_before.len().saturating_sub(STABLE_MAX);
            self.stable_before.drain(..surplus);
        }
    }

    /// Notes for what the open rollout waits for a person, `None` where it goes on. Tells whether such a wait begins.
    pub(crate) fn hold_rollout(&mut self, code: Option<String>) -> bool {
        let Some(rollout) = &mut self.rollout else { return false };
        let begins = code.is_some() && code != rollout.held;
        rollout.held = code;
        begins
    }

    /// Notes that the way back of this number, which a freeze had kept, was carried out.
    pub(crate) fn carried_out(&mut self, number: u64) {
        if let Some(rollout) = self.rollout.as_mut().filter(|open| open.number == number) {
            rollout.thawed = None;
        }
    }

    /// Closes the rollout.
    pub(crate) fn close_rollout(&mut self) {
        self.rollout = None;
    }

    /// Notes that the journal which an earlier format kept in the head lies in the rollout's own object.
    pub(crate) fn journal_moved(&mut self) {
        if let Some(rollout) = &mut self.rollout {
            rollout.journal = None;
        }
    }
}
