//! The end of a run: what became of every consumer is written down and told, and the lease is given back.

use jiff::Timestamp;

use super::came::Came;
use super::converge::{Converge, Outset};
use super::end::{Moves, RolloutEnd, busy, note_all, order, outline_report};
use super::goal::{Target, pinned_functions};
use super::plan::{Intent, Next};
use super::standing::{Known, places};
use super::tag::tag;
use crate::engine::Attention;
use crate::error::Error;
use crate::names::Place;
use crate::release::announce::Told;
use crate::report::{
    BecameStable, ConsumerReport, Facts, LastLook, PlaceReport, Report, Why, outcome,
};
use crate::state::{Aim, Head, Leased, Looked, Outline, Rollout, Work};

impl Converge<'_, '_, '_> {
    /// Writes down what became of every consumer, ends the rollout where nothing is left, and gives the lease back. `None`
    /// where a person ordered otherwise meanwhile.
    pub(super) async fn end(
        &mut self,
        target: &Target,
        mut came: Came,
    ) -> Result<Option<Report>, Error> {
        let now = self.run.engine.ports.clock.now();
        let left = if self.run.engine.is_out_of_time() { Why::OutOfTime } else { Why::NextRun };
        let (strays, moved) = (&came.strays, &came.moved);
        let known = Known { world: &came.world, plan: &came.plan, strays, moved, left };
        let consumers =
            known.consumers().into_iter().map(|one| came.told_again(one)).collect::<Vec<_>>();
        let head = self.session.head();
        let release = target.outline.seq;
        let version = |place: &Place| head.version(release, &place.region).cloned();
        let failure = |place: &Place| came.failures.get(&place.region).cloned();
        let mut places = places(&came.world, version, failure, &came.storage);
        let mut end = RolloutEnd::of(&places, &consumers, came.course());
        if came.is_worth_a_note(&end)
            && self.session.head().rollout().is_some()
            && let Leased::Theirs(lease) = self.session.lease(Work::Moving).await?
        {
            return Ok(Some(busy(self.session.head().layer(), &lease)));
        }
        if self.is_overtaken(target, &came.intent) {
            return Ok(None);
        }
        let told = if end.reached { self.tell_deployments(target).await? } else { Told::default() };
        for place in &mut places {
            if let Some(reason) = told.failures.get(&place.place.region) {
                place.failure.get_or_insert_with(|| reason.clone());
                end.converged = false;
            }
        }
        let watched = came.rollout.as_ref().is_some_and(|rollout| !rollout.waves.is_empty());
        let becomes = end.reached && watched && self.session.head().stable() != Some(release);
        let too_few = came.rollout.as_ref().map(Rollout::with_too_few_calls).unwrap_or_default();
        let unjudged = came.unjudged();
        self.outset.stable = becomes.then_some(BecameStable { release, too_few, unjudged });
        self.outset.bake = came.watch().or(came.none_moved()).cloned();
        let cut_off = self.run.engine.is_out_of_time();
        let is_there = matches!(came.plan.next, Next::Reached(_)) && end.failed_for_now == 0;
        let goes_on_at = came.goes_on_at(now).filter(|_| cut_off || is_there);
        let wake_at = came.wake_at(&end, &self.outset, now).or(goes_on_at);
        if wake_at.is_some()
            && let Next::Wait(why @ (Why::Shifting { .. } | Why::Updating)) = &came.plan.next
        {
            self.outset.bake = Some(why.clone());
        }
        end.held = came.waits_for(&consumers, wake_at);
        let looked = Looked {
            at: now,
            consumers: consumers.len(),
            behind: consumers.iter().filter(|consumer| consumer.waits()).count(),
            elsewhere: came.world.elsewhere(),
            tags: came.world.tags(&tag(&came.intent.layer)),
        };
        self.write_down(target, &mut came, &consumers, &end, &told, looked).await?;
        if self.is_overtaken(target, &came.intent) {
            return Ok(None);
        }
        let mut report = self.report(Some(&target.outline), places, consumers, None);
        report.wake_at = wake_at;
        Ok(Some(report))
    }

    /// Lets people's deployments take a release that is about to be called stable.
    async fn tell_deployments(&mut self, target: &Target) -> Result<Told, Error> {
        let may = target.aim != Aim::Before && self.session.holds_lease();
        if !may || self.session.head().frozen().is_some() {
            return Ok(Told::default());
        }
        let destinations = &self.run.definition.destinations;
        let regions = self.run.engine.ports.regions.of(destinations).await;
        self.announce(target, &regions).await
    }

    /// Tells whether a person's order came that this run follows, too.
    fn is_overtaken(&self, target: &Target, intent: &Intent) -> bool {
        let head = self.session.head();
        let ordered = head.aim() != Some(target.aim) || !obeys(intent, head);
        ordered && !self.run.engine.is_out_of_time()
    }

    async fn write_down(
        &mut self,
        target: &Target,
        came: &mut Came,
        consumers: &[ConsumerReport],
        end: &RolloutEnd,
        told: &Told,
        looked: Looked,
    ) -> Result<(), Error> {
        if !self.session.holds_lease() {
            self.note_hold(came, end, looked.at).await?;
            return self.write_look(looked, &came.intent).await;
        }
        // The one that this run worked on, and no other that a person's order has opened since.
        let number = came.rollout.as_ref().map(|rollout| rollout.number);
        let is_open = |head: &Head| head.rollout().map(|open| open.number) == number;
        if let Some(rollout) = came.rollout.as_mut().filter(|_| is_open(self.session.head())) {
            let moves =
                Moves { moved: &came.moved, set_back: &came.intent.set_back, at: looked.at };
            note_all(rollout, consumers, moves, self.session.head());
            if end.converged {
                rollout.ended = Some(looked.at);
            }
            if let Some(last) = rollout.waves.last_mut().filter(|_| end.reached) {
                last.done.get_or_insert(looked.at);
            }
            self.write_rollout(came).await?;
        }
        let (ledger, accepted) = (&self.outset.ledger, self.outset.accepted);
        let intent = &came.intent;
        let held = end.held.as_ref().map(Why::code);
        let (mut stable_before, mut begins_to_wait) = (None, false);
        self.session
            .release_lease(|head| {
                stable_before = head.stable();
                begins_to_wait = is_open(head) && head.hold_rollout(held.clone());
                ledger.lessons.write(head, accepted);
                if obeys(intent, head) {
                    head.look(looked.clone());
                }
                told.write(head, looked.at);
                let Aim::Release(release) = target.aim else { return };
                if end.there > 0 && head.aim() == Some(target.aim) {
                    head.serves(release);
                }
                if !is_open(head) || head.frozen().is_some() {
                    return;
                }
                head.journal_moved();
                if end.reached {
                    head.reached();
                }
                if end.converged {
                    head.close_rollout();
                }
            })
            .await?;
        if end.reached {
            self.session.tell(came.last_wave_done(looked.at));
        }
        if end.reached && self.session.head().stable() != stable_before {
            self.session.tell([came.became_stable(end, consumers.len(), looked.at)]);
        }
        if let Some(why) = end.held.as_ref().filter(|_| begins_to_wait) {
            self.session.tell([came.held(why, looked.at)]);
        }
        if target.aim == Aim::Before && end.converged {
            self.session
                .order(|head| {
                    if is_open(head) {
                        head.close_rollout();
                    }
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    /// A run that only looks notes for what the rollout waits for a person, or that it waits no more.
    async fn note_hold(
        &mut self,
        came: &Came,
        end: &RolloutEnd,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (open, Some(rollout)) = (self.session.head().rollout(), &came.rollout) else {
            return Ok(());
        };
        let held = end.held.as_ref().map(Why::code);
        if open.is_none_or(|open| open.held.as_deref() == held.as_deref()) {
            return Ok(());
        }
        let mut begins_to_wait = false;
        self.session
            .order(|head| {
                let is_open = head.rollout().is_some_and(|open| open.number == rollout.number);
                begins_to_wait = is_open && head.hold_rollout(held.clone());
                Ok(())
            })
            .await?;
        if let Some(why) = end.held.as_ref().filter(|_| begins_to_wait) {
            self.session.tell([came.held(why, now)]);
        }
        Ok(())
    }

    /// A schedule's run remembers its whole look, so that the next ones may be content with a glance.
    async fn write_look(&mut self, looked: Looked, intent: &Intent) -> Result<(), Error> {
        if self.run.engine.attention == Attention::Glance {
            self.session
                .order(|head| {
                    if obeys(intent, head) {
                        head.look(looked.clone());
                    }
                    Ok(())
                })
                .await?;
        }
        self.write_lessons().await
    }

    /// Writes what was learned of the upstreams, where the lease is held or it must not be lost.
    pub(super) async fn write_lessons(&mut self) -> Result<(), Error> {
        let (lessons, accepted) = (&self.outset.ledger.lessons, self.outset.accepted);
        if self.session.holds_lease() {
            return self.session.release_lease(|head| lessons.write(head, accepted)).await;
        }
        match lessons.quota_until {
            Some(until) => self.session.order(|head| Ok(head.quota_reached(until))).await,
            None => Ok(()),
        }
    }

    pub(super) fn report(
        &mut self,
        release: Option<&Outline>,
        places: Vec<PlaceReport>,
        consumers: Vec<ConsumerReport>,
        last_look: Option<LastLook>,
    ) -> Report {
        let Outset { ledger, released, gate, bake, stable, .. } = std::mem::take(&mut self.outset);
        let head = self.session.head();
        let outcome = outcome(&Facts {
            serving: head.desired(),
            released,
            failures: &ledger.failures,
            datasets: &ledger.datasets,
            problems: &ledger.problems,
            waits: ledger.waits,
            places: &places,
            consumers: &consumers,
            order: order(head),
            gate,
            bake,
            stable,
        });
        Report {
            layer: head.layer().clone(),
            outcome,
            release: release.map(|outline| outline_report(head, outline)),
            datasets: ledger.datasets,
            problems: ledger.problems,
            places,
            consumers,
            last_look,
            happened: Vec::new(),
            wake_at: None,
            stages: Vec::new(),
        }
    }
}

/// Tells whether a run that ends knew of every order for a single function. Its look says nothing of one that came later.
fn obeys(intent: &Intent, head: &Head) -> bool {
    pinned_functions(head) == intent.pinned_functions
}
