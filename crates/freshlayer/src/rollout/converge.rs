//! The level-triggered loop at the end of every run: observe, plan, act, until every function is where it belongs; then
//! write down what was learned, and say so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::act::{Act, Acted, Failing, Strays, View};
use super::came::{Came, GatesAsked};
use super::end::busy;
use super::goal::{Target, for_deployments};
use super::observe::Places;
use super::plan::{Foreign, Intent, Next, Plan, Waves, World, brings_data, recent};
use super::standing::serving;
use super::wave::Turned;
use crate::engine::{Attention, Run};
use crate::error::Error;
use crate::intake::gather::{Accepted, Ledger};
use crate::ports::{Region, Stage};
use crate::release::announce::{Told, Untold, announce, unnamed, untold};
use crate::release::catch_up::{Assigned, Caught, catch_up};
use crate::release::publish::Failures;
use crate::report::{BecameStable, LastLook, PlaceReport, Report, Why};
use crate::state::{
    Aim, ConsumerNote, Head, Lease, Leased, Looked, Ordered, Outline, Session, Work, Written,
};

/// How old a whole look may be before the schedule looks at everything again.
const LOOK_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How often a run plans anew for one target. Most runs plan twice: for the steps, and for what is left.
const ROUNDS_MAX: usize = 12;
/// How many orders a run follows one after the other.
const ORDERS_MAX: usize = 4;

/// What the stages before brought.
#[derive(Default)]
pub(crate) struct Outset {
    pub(crate) ledger: Ledger,
    pub(crate) accepted: Accepted,
    /// The release that this run promoted, with its data version.
    pub(crate) released: Option<(u64, String)>,
    /// The Regions that did not take it, and why.
    pub(crate) unpublished: Failures,
    /// The gate that failed in this run.
    pub(crate) gate: Option<Why>,
    /// What the open wave waits for.
    pub(super) bake: Option<Why>,
    /// The release whose last wave was watched to its end in this run.
    pub(super) stable: Option<BecameStable>,
}

/// A run on its way to where consumers shall be.
pub(crate) struct Converge<'r, 's, 'p> {
    pub(crate) run: Run<'r>,
    pub(crate) session: &'s mut Session<'p>,
    pub(crate) outset: Outset,
}

/// What became of a rollout that was to be opened.
enum Opened {
    /// It brings new data, and is to be planned in waves.
    NewData,
    /// A person's order came first.
    Overtaken,
    /// It needs no other plan, or none was to be opened.
    Nothing,
}

/// What a turn towards one target came to.
enum Turn {
    Came(Box<Came>),
    /// A glance showed that nothing changed.
    Unchanged(LastLook),
    Busy(Lease),
}

impl Converge<'_, '_, '_> {
    /// Brings every Region to the release, moves the consumers to where they shall be, and gives the lease back. A run
    /// that has nothing to move and nothing to remember writes nothing.
    pub(crate) async fn converge(mut self) -> Result<Report, Error> {
        let layer = self.session.head().layer().clone();
        for _ in 0..ORDERS_MAX {
            let Some(target) = Target::of(self.session).await? else {
                self.write_lessons().await?;
                return Ok(self.report(None, Vec::new(), Vec::new(), None));
            };
            let came = match self.turn(&target).await? {
                Turn::Came(came) => came,
                Turn::Busy(lease) => return Ok(busy(&layer, &lease)),
                Turn::Unchanged(look) => {
                    self.write_lessons().await?;
                    let places = self.glanced(&target).await;
                    return Ok(self.report(Some(&target.outline), places, Vec::new(), Some(look)));
                }
            };
            let ordered = self.session.head().aim() != Some(target.aim);
            let again = ordered || self.forget_deleted(&target, &came).await?;
            if again && !self.run.engine.is_out_of_time() {
                continue;
            }
            // An order may come until the last write: it is followed by this run, which its giver was told of.
            if let Some(report) = self.end(&target, *came).await? {
                return Ok(report);
            }
        }
        Err(Error::Contended { layer, writes: u32::try_from(ORDERS_MAX).unwrap_or(u32::MAX) })
    }

    /// Goes towards one target until nothing is left to do, a person orders otherwise, or time is over.
    async fn turn(&mut self, target: &Target) -> Result<Turn, Error> {
        let Run { engine, definition, stages } = self.run;
        let regions = engine.ports.regions.of(&definition.destinations).await;
        let failures = match self.catch_up(target, &regions).await? {
            Caught::Up(failures) => failures,
            Caught::Busy(lease) => return Ok(Turn::Busy(lease)),
        };
        let release = target.outline.seq;
        let here = Places::of(self.session.head(), release, &regions);
        if let Some(look) = self.glance(&here).await {
            return Ok(Turn::Unchanged(look));
        }
        let mut came = Came { failures, ..self.begin(target, &here).await? };
        let mut pauses = engine.retry_pauses.iter();
        let layer = self.session.head().layer().to_string();
        let mut running = None;
        for _ in 0..ROUNDS_MAX {
            let now = engine.ports.clock.now();
            came.plan(now);
            // An update that runs is over in seconds.
            if came.plan.next == Next::Wait(Why::Updating)
                && !engine.is_out_of_time()
                && let Some(pause) = pauses.next()
            {
                running.get_or_insert_with(|| stages.start(Stage::Rollout, &layer, None));
                tokio::time::sleep(*pause).await;
                self.session.read_again().await?;
                if self.is_ordered_otherwise(target) {
                    break;
                }
                came.intent.obey(self.session.head());
                came.world.see_again(here.observe(self.session.head(), release).await);
                continue;
            }
            match came.plan.next {
                Next::Open(_) | Next::Reached(_) => {}
                Next::Act if !came.is_stuck() => {}
                _ if came.is_to_judge() => {}
                _ if self.is_unproven() && came.not_provisioned().is_some() => {}
                _ => break,
            }
            if let Leased::Theirs(lease) = self.session.lease(Work::Moving).await? {
                return Ok(Turn::Busy(lease));
            }
            // Taking the lease may have brought a person's order with it.
            if self.is_ordered_otherwise(target) {
                break;
            }
            match self.turn_wave(&mut came, &regions).await? {
                Turned::On => continue,
                Turned::Back => break,
                Turned::Not => {}
            }
            running.get_or_insert_with(|| stages.start(Stage::Rollout, &layer, None));
            // What a function needs is known before its rollout is opened: the journal comes before the act.
            let looks = came.looks_first();
            if !looks.is_empty() {
                came.strays.extend(here.look_at(&mut came.world, looks).await);
                continue;
            }
            match self.open_rollout(&mut came, target).await? {
                Opened::NewData => continue,
                Opened::Overtaken => break,
                Opened::Nothing => {}
            }
            self.take_over(&mut came, &here).await?;
            self.write_before(&mut came).await?;
            let acted = self.act(&mut came, (&here, &regions), target.aim, now).await?;
            came.steps += acted.steps;
            came.moved.extend(acted.moved);
            if let Some(failure) = acted.failed {
                self.fail(&mut came, failure).await?;
                break;
            }
            // An order may have come while the last steps were done.
            self.session.read_again().await?;
            if !self.session.holds_lease() {
                return Err(Error::LeaseLost { layer: came.intent.layer });
            }
            came.intent.obey(self.session.head());
            if self.is_ordered_otherwise(target) || engine.is_out_of_time() {
                break;
            }
            if acted.view == View::Fresh && !came.fails_for_now() {
                continue;
            }
            let pause = pauses.next();
            if pause.is_none() && came.intent.course.is_none() {
                break;
            }
            came.try_again(pause).await;
            if pause.is_some() || acted.view == View::Stale {
                came.world.see_again(here.observe(self.session.head(), release).await);
            }
        }
        came.plan(engine.ports.clock.now());
        came.storage = here.storage().await;
        if let Some(running) = running {
            running.done(0);
        }
        Ok(Turn::Came(Box::new(came)))
    }

    /// Does the steps of the plan.
    async fn act(
        &mut self,
        came: &mut Came,
        (here, regions): (&Places, &[Region]),
        aim: Aim,
        now: Timestamp,
    ) -> Result<Acted, Error> {
        let failing =
            if self.is_unproven() { Failing::FailsTheRollout } else { Failing::HoldsTheFunction };
        let act = Act {
            engine: self.run.engine,
            intent: &came.intent,
            places: here,
            rollout: came.rollout.as_ref(),
            recent: recent(came.rollout.as_ref(), now),
            waves: Waves::of(&came.intent, came.rollout.as_ref()),
            aim: Some(aim),
            failing,
            listening: self.listening(&came.intent, regions),
        };
        act.act(self.session, &came.plan, &mut came.world, &mut came.strays).await
    }

    /// Observes where everyone stands.
    async fn begin(&self, target: &Target, here: &Places) -> Result<Came, Error> {
        let world = here.observe(self.session.head(), target.outline.seq).await;
        let rollout = self.session.rollout().await?;
        Ok(Came {
            intent: self.intent(target, &world).await?,
            world,
            rollout,
            plan: Plan::default(),
            strays: Strays::new(),
            moved: BTreeSet::new(),
            steps: 0,
            storage: BTreeMap::new(),
            failures: Failures::new(),
            gates: GatesAsked::No,
            no_such_alarm: None,
            failed: None,
        })
    }

    /// A layer version that other hands deleted is forgotten, so that the next turn publishes it again from its zip.
    async fn forget_deleted(&mut self, target: &Target, came: &Came) -> Result<bool, Error> {
        if came.strays.is_empty() || !self.session.holds_lease() {
            return Ok(false);
        }
        let mut lost = Vec::new();
        let destinations = &self.run.definition.destinations;
        for region in self.run.engine.ports.regions.of(destinations).await {
            let name = region.registry.region();
            let version = self.session.head().version(target.outline.seq, name);
            if let Some(version) = version
                && matches!(region.registry.read_back(version).await, Ok(None))
            {
                lost.push(name.clone());
            }
        }
        let release = target.outline.seq;
        if lost.is_empty() {
            return Ok(false);
        }
        let forget = |head: &mut Head| lost.iter().for_each(|region| head.lost(release, region));
        self.session.change(forget).await?;
        Ok(true)
    }

    fn is_ordered_otherwise(&self, target: &Target) -> bool {
        let head = self.session.head();
        head.aim() != Some(target.aim) || head.frozen().is_some()
    }

    async fn catch_up(&mut self, target: &Target, regions: &[Region]) -> Result<Caught, Error> {
        let is_frozen = self.session.head().frozen().is_some();
        if target.aim == Aim::Before || is_frozen {
            return Ok(Caught::Up(Failures::new()));
        }
        let wanted = Assigned {
            definition: self.run.definition,
            outline: &target.outline,
            regions,
            given_up: &self.outset.unpublished,
        };
        let caught = catch_up(&self.run, self.session, &wanted).await?;
        let Caught::Up(mut failures) = caught else { return Ok(caught) };
        match self.tell_of(target, regions).await? {
            Caught::Up(more) => failures.extend(more),
            busy @ Caught::Busy(_) => return Ok(busy),
        }
        Ok(Caught::Up(failures))
    }

    /// Lets people's deployments take the release that they may take by now.
    async fn tell_of(&mut self, target: &Target, regions: &[Region]) -> Result<Caught, Error> {
        let (head, release) = (self.session.head(), target.outline.seq);
        match for_deployments(head, self.run.definition, release) {
            Some(taken) if taken == release => {
                let regions = untold(head, release, regions);
                self.name(&target.outline, regions).await
            }
            Some(before) => self.tell_of_earlier(before, regions).await,
            None => Ok(Caught::Up(Failures::new())),
        }
    }

    /// The way to the new release does not wait for the old one's name: what fails here is tried again by the next run.
    async fn tell_of_earlier(&mut self, before: u64, regions: &[Region]) -> Result<Caught, Error> {
        let regions = unnamed(self.session.head(), before, regions);
        if regions.is_empty() {
            return Ok(Caught::Up(Failures::new()));
        }
        let outline = self.session.release(before).await?.outline();
        match self.name(&outline, regions).await? {
            Caught::Up(_) => Ok(Caught::Up(Failures::new())),
            busy @ Caught::Busy(_) => Ok(busy),
        }
    }

    async fn name(&mut self, outline: &Outline, regions: Untold<'_>) -> Result<Caught, Error> {
        if regions.is_empty() {
            return Ok(Caught::Up(Failures::new()));
        }
        if let Leased::Theirs(lease) = self.session.lease(Work::Preparing).await? {
            return Ok(Caught::Busy(lease));
        }
        let now = self.run.engine.ports.clock.now();
        let told = announce(self.session, outline, regions, now).await?;
        self.session.change(|head| told.write(head, now)).await?;
        Ok(Caught::Up(told.failures))
    }

    pub(super) async fn announce(
        &mut self,
        target: &Target,
        regions: &[Region],
    ) -> Result<Told, Error> {
        let untold = untold(self.session.head(), target.outline.seq, regions);
        let now = self.run.engine.ports.clock.now();
        announce(self.session, &target.outline, untold, now).await
    }

    /// Where the last rollout is finished, a schedule's run is content with a glance that shows no change, until the
    /// last whole look is a day old.
    async fn glance(&self, here: &Places) -> Option<LastLook> {
        let head = self.session.head();
        let looked = head.looked().filter(|_| head.rollout().is_none())?;
        let age = self.run.engine.ports.clock.now().duration_since(looked.at);
        let may = self.run.engine.attention == Attention::Glance && age < LOOK_AGE_MAX;
        if !may || !here.unchanged_since(looked).await {
            return None;
        }
        let Looked { at, consumers, behind, .. } = *looked;
        Some(LastLook { at, consumers, behind })
    }

    async fn glanced(&self, target: &Target) -> Vec<PlaceReport> {
        let destinations = &self.run.definition.destinations;
        let regions = self.run.engine.ports.regions.of(destinations).await;
        let head = self.session.head();
        let all = regions.iter().flat_map(Region::places).map(|(place, _)| PlaceReport {
            layer_version: head.version(target.outline.seq, &place.region).cloned(),
            place,
            storage: None,
            failure: None,
        });
        all.collect()
    }

    /// Functions that come to the layer after its rollout has ended get one of their own: its journal is their way back.
    async fn open_rollout(&mut self, came: &mut Came, target: &Target) -> Result<Opened, Error> {
        if came.rollout.is_some() || !came.plan.moves() {
            return Ok(Opened::Nothing);
        }
        let (release, now) = (target.outline.seq, self.run.engine.ports.clock.now());
        self.session
            .change(|head| {
                // A person's order may have come meanwhile, with a rollout of its own.
                if head.rollout().is_none() && head.aim() == Some(target.aim) {
                    head.roll_again(release, now);
                }
            })
            .await?;
        if self.is_ordered_otherwise(target) {
            return Ok(Opened::Overtaken);
        }
        came.rollout = self.session.rollout().await?;
        if !self.is_judged() {
            return Ok(Opened::Nothing);
        }
        came.intent = self.intent(target, &came.world).await?;
        Ok(Opened::NewData)
    }

    async fn intent(&self, target: &Target, world: &World) -> Result<Intent, Error> {
        let mut intent = target.intent(self.session, self.run.definition).await?;
        intent.excuse_deployments(world, self.session.head());
        Ok(intent)
    }

    /// Where functions move off versions that freshlayer did not make, the rollout's journal is a way back: the head
    /// names it, and where each function stands is looked at before anything moves.
    async fn take_over(&mut self, came: &mut Came, here: &Places) -> Result<(), Error> {
        let foreign = came.world.places.iter().any(|view| !view.foreign.is_empty());
        let adopts = came.intent.foreign == Foreign::Adopted && foreign;
        let Some(rollout) = came.rollout.as_ref().filter(|_| adopts) else { return Ok(()) };
        let number = rollout.number;
        let known = self.session.head().adopted().is_some_and(|a| a.rollouts.contains(&number));
        if !known {
            let (at, by) = (self.run.engine.ports.clock.now(), self.run.engine.owner.name.clone());
            let order = Ordered { at, by, reason: None };
            self.session
                .change(|head| {
                    head.adopt(&order);
                    head.takes_over(number);
                })
                .await?;
        }
        let unread = here.look_closely(&mut came.world).await;
        came.strays.extend(unread);
        Ok(())
    }

    /// Notes where each function stands before it is moved: the journal comes before the act.
    async fn write_before(&mut self, came: &mut Came) -> Result<(), Error> {
        let now = self.run.engine.ports.clock.now();
        let mut is_new = came.note_late(now);
        let Some(rollout) = &mut came.rollout else { return Ok(()) };
        for placed in &came.plan.steps {
            let function = placed.step.function();
            let leaves = came.intent.pinned_functions.contains_key(function);
            let order = self.session.head().order_about(function);
            let known = rollout.note_mut(&placed.place, function);
            if let Some(known) = known.filter(|note| !note.done || !leaves) {
                is_new |= known.follow(order);
                continue;
            }
            let view = came.world.places.iter().find(|view| view.place == placed.place);
            let consumer = came.world.consumer(&placed.place, function);
            let from = view.zip(consumer).and_then(|(view, consumer)| serving(view, consumer));
            let foreign = from.is_some_and(|from| !self.session.head().made(from));
            let outcome = ConsumerNote::MOVING.to_owned();
            let from = from.cloned();
            let key = (placed.place.to_string(), function.clone());
            let known = came.intent.set_back.get(&key);
            let again = brings_data(&placed.step) && !leaves;
            let set_back =
                known.map_or(0, |known| if again { known.times() } else { known.before });
            let (done, in_part, failed) = (false, false, false);
            let at = Some(now);
            let note =
                ConsumerNote { from, foreign, outcome, done, in_part, failed, set_back, at, order };
            rollout.write(&placed.place, function, note);
            is_new = true;
        }
        if is_new { self.write_rollout(came).await } else { Ok(()) }
    }

    /// Writes the rollout's object. The run that writes it first tells that the rollout began, whoever ordered it.
    pub(super) async fn write_rollout(&mut self, came: &Came) -> Result<(), Error> {
        let Some(rollout) = &came.rollout else { return Ok(()) };
        if self.session.write_rollout(rollout).await? == Written::First {
            let now = self.run.engine.ports.clock.now();
            self.session.tell(came.began(self.outset.gate.as_ref(), now));
        }
        Ok(())
    }
}
