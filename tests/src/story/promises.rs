use std::collections::{BTreeMap, BTreeSet};

use freshlayer::definition::{Definition, Roll, RollMajor};
use freshlayer::ports::FunctionName;
use freshlayer::report::{ConsumerReport, ConsumerState, Report, Why};
use freshlayer::state::{Cause, FunctionPin, Head, OpenRollout, Rollout, Says, Session};
use freshlayer::{Engine, Place, RegionName, status};

use super::places::{Everywhere, Key, OURS, named, own};
use super::regions::Regions;
use crate::callers::Exposed;
use crate::simulated::{Met, Served};

const TAG: &str = "freshlayer:geo";
/// The newest three, those that an alias or a way back needs, and what a person made.
const OWN_VERSIONS_MAX: usize = 12;
/// How many calls more than its share a part may get: calls come one by one.
const UNEVEN: u64 = 2;

/// What must hold after every act, whatever happens; named as in the design.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// The functions that people changed since the open rollout began.
    touched: BTreeSet<Key>,
    /// Who was on the new data when its rollout was first seen, by the rollout's number.
    first: BTreeMap<u64, BTreeSet<Key>>,
    /// The rollouts in which a run was cut off: it may have been about to write that the release is stable.
    cut_off: BTreeSet<u64>,
    /// The layer versions with which functions end while they start.
    broken: BTreeSet<String>,
    /// The layer versions that people published.
    foreign: BTreeSet<String>,
    regions: Regions,
}

/// What callers meet now, and what their calls met since the last look.
struct Seen {
    met: BTreeMap<Key, Met>,
    exposed: BTreeMap<Key, Exposed>,
}

/// What was so before a run.
pub(super) struct Before {
    met: BTreeMap<Key, Met>,
    head: Head,
}

impl Promises {
    pub(super) fn touched(&mut self, place: &Place, name: &str) {
        self.touched.insert((place.clone(), name.to_owned()));
    }

    pub(super) fn breaks(&mut self, version: &freshlayer::LayerVersionArn) {
        self.broken.insert(version.to_string());
    }

    /// Notes which versions of the layer freshlayer did not make.
    pub(super) fn knows_foreign(&mut self, everywhere: &Everywhere) {
        let regions = everywhere.regions().into_iter();
        let versions = regions.flat_map(|region| everywhere.layer_versions(region));
        let foreign =
            versions.filter(|(arn, said)| arn.contains(OURS) && said.starts_with("theirs"));
        self.foreign.extend(foreign.map(|(arn, _)| arn));
    }

    /// Notes that a run was cut off.
    pub(super) async fn cut_off(&mut self, engine: &Engine, definition: &Definition) {
        let (head, _) = state(engine, definition).await;
        self.cut_off.extend(head.rollout().map(|open| open.number));
    }

    pub(super) async fn before(
        &self,
        everywhere: &Everywhere,
        engine: &Engine,
        definition: &Definition,
    ) -> Before {
        let (head, rollout) = state(engine, definition).await;
        let seen = Seen { met: everywhere.met(), exposed: everywhere.exposed() };
        if let Some(open) = head.rollout().filter(|open| is_watched(open, definition)) {
            self.members_only(open, rollout.as_ref(), &seen, &head);
        }
        Before { met: seen.met, head }
    }

    /// Holds what a run or an order left behind against the promises.
    ///
    /// # Panics
    /// Where one is broken.
    pub(super) async fn after(
        &mut self,
        before: Before,
        everywhere: &Everywhere,
        engine: &Engine,
        definition: &Definition,
        report: Option<&Report>,
    ) {
        let seen = Seen { met: everywhere.met(), exposed: everywhere.exposed() };
        let met = &seen.met;
        let (head, rollout) = state(engine, definition).await;
        for (key, was) in &before.met {
            let is = &met[key];
            left_alone(key, was, is);
            stays_where_ordered(key, was, is, &before.head);
            stays_where_pinned(key, was, is, [&before.head, &head]);
            if !definition.adopt {
                self.stays_on_foreign(key, was, is);
            }
            if definition.rollout.roll == Roll::Propose {
                let [is, was] = [is, was].map(|met| (&met.parts, &met.latest.1, &met.versions));
                assert_eq!(is, was, "{} was touched, and its own deployment does that", named(key));
            }
        }
        nothing_used_is_gone(everywhere, met);
        nothing_is_published_twice(everywhere);
        if let Some(closed) = before.head.rollout().filter(|open| {
            let to = Some(open.to);
            is_watched(open, definition) && head.desired() != to && head.stable() != to
        }) {
            let rollout = read(engine, definition, closed.number).await;
            self.members_only(closed, rollout.as_ref(), &seen, &head);
        }
        if let Some(open) = before.head.rollout().filter(|open| {
            is_watched(open, definition)
                && head.stable() == Some(open.to)
                && before.head.stable() != head.stable()
        }) && let Some(rollout) = read(engine, definition, open.number).await
        {
            watched_to_the_end(&rollout);
        }
        if let Some(open) = head.rollout() {
            self.met_before(open, &before, &head);
            if is_watched(open, definition) {
                // Where deployments move the functions, they are told at once.
                if definition.rollout.roll != Roll::Propose {
                    self.not_named_early(open, &head, everywhere);
                }
                self.members_only(open, rollout.as_ref(), &seen, &head);
                if definition.rollout.roll_major == RollMajor::Hold {
                    self.asked_for_major(open, &before, &seen, &head);
                }
                if let Some(rollout) = &rollout {
                    self.regions.one_after_the_other(rollout, definition, report);
                }
            }
        }
        if let Some(report) = report {
            gone_back(report, met, &head);
        }
    }

    /// I12: a function on a version that people published stays there, unless the layer is adopted.
    fn stays_on_foreign(&self, key: &Key, was: &Met, is: &Met) {
        let foreign = was.layers.iter().find(|arn| self.foreign.contains(*arn));
        let left = foreign.filter(|arn| !is.layers.contains(arn));
        assert_eq!(left, None, "I12: {} is taken off it", named(key));
    }

    /// Notes who had the data when its rollout began. Lambda itself ends the way back of an alias with provisioned concurrency
    /// that an earlier rollout began.
    fn met_before(&mut self, open: &OpenRollout, before: &Before, head: &Head) {
        if self.first.contains_key(&open.number) {
            return;
        }
        let was_stable = before.head.stable() == Some(open.to);
        let shifts = |met: &Met| {
            was_stable && !met.splits && met.parts.iter().any(|part| part.behind.is_some())
        };
        self.touched.clear();
        let on_it = before
            .met
            .iter()
            .filter(|(key, met)| has(met, head, open.to, &key.0.region) || shifts(met));
        let on_it = on_it.map(|(key, _)| key.clone()).collect();
        self.first.insert(open.number, on_it);
    }

    /// I4: deployments get new data once it is stable.
    fn not_named_early(&self, open: &OpenRollout, head: &Head, everywhere: &Everywhere) {
        if head.stable() == Some(open.to) || self.cut_off.contains(&open.number) {
            return;
        }
        for region in everywhere.regions() {
            let early = everywhere
                .parameter(region)
                .filter(|named| arn_of(head, open.to, region).as_ref() == Some(named));
            assert_eq!(early, None, "I4: deployments in {region} get it before it is stable");
        }
    }

    /// I4: calls meet new data at members of open waves only, at most for the part of the calls that the wave says, and
    /// where it was before the rollout began.
    fn members_only(
        &self,
        open: &OpenRollout,
        rollout: Option<&Rollout>,
        seen: &Seen,
        head: &Head,
    ) {
        let Some(first) = self.first.get(&open.number) else { return };
        let waves = rollout.map(|rollout| &rollout.waves[..]).unwrap_or_default();
        for (key, met) in &seen.met {
            let Some(arn) = arn_of(head, open.to, &key.0.region) else { continue };
            let ordered = head.pinned_functions().get(&function(key));
            let ordered = ordered.is_some_and(|pin| pin.release() == Some(open.to));
            if first.contains(key) || self.touched.contains(key) || ordered {
                continue;
            }
            let waves = waves.iter().filter(|wave| wave.has(&key.0, &function(key)));
            // What cannot be split moves whole.
            let most = waves.map(|wave| wave.percent.filter(|_| met.splits).unwrap_or(100));
            let most = most.max().unwrap_or(0);
            let parts = met.parts.iter().filter(|part| part.layers.contains(&arn));
            let part: u8 = parts.map(|part| part.percent).sum();
            let parts = &met.parts;
            assert!(part <= most, "I4: {} has {parts:?}: {most} % are open", named(key));
            let Some(exposed) = seen.exposed.get(key) else { continue };
            let calls: u64 = exposed.values().sum();
            let with = exposed.iter().filter(|(layers, _)| layers.contains(&arn));
            let with: u64 = with.map(|(_, calls)| calls).sum();
            let uneven = if most == 0 { 0 } else { UNEVEN };
            assert!(
                100 * with <= u64::from(most) * calls + 100 * uneven,
                "I4: {with} of {calls} calls of {} met the data: {most} % are open",
                named(key)
            );
        }
    }

    /// A function without a tag stays on the major version that it has.
    fn asked_for_major(&self, open: &OpenRollout, before: &Before, seen: &Seen, head: &Head) {
        let majors = (2..).map_while(|major| head.first_of_major(major));
        let Some(first) = majors.take_while(|first| *first <= open.to).last() else { return };
        for (key, was) in &before.met {
            let is_older = |release| release < first && has(was, head, release, &key.0.region);
            let came = has(&seen.met[key], head, open.to, &key.0.region);
            let asked = was.tags.contains_key(TAG) || self.touched.contains(key);
            let is_told = head.pinned_functions().contains_key(&function(key));
            let unasked = came && !asked && !is_told;
            let strays = unasked && head.versions().keys().copied().any(is_older);
            assert!(!strays, "{} did not ask for release {}", named(key), open.to);
        }
    }

    /// When every trouble and order is over, every function is on the release, or says why a person keeps it elsewhere.
    ///
    /// # Panics
    /// Where one is not.
    pub(super) async fn at_the_end(
        &self,
        everywhere: &Everywhere,
        engine: &Engine,
        definition: &Definition,
        last: &str,
    ) {
        let told = self.everyone_arrived(everywhere, engine, definition, last).await;
        let (head, _) = state(engine, definition).await;
        assert!(head.lease().is_none(), "a lease is left: {:?}; {last}", head.lease());
        let stays = told.iter().any(|one| match one.state {
            ConsumerState::Held | ConsumerState::Ordered => true,
            ConsumerState::Behind => self.cannot_start(one, &head),
            _ => false,
        });
        assert!(head.rollout().is_none() || stays, "the rollout never ends: {last}");
    }

    /// I15: where some places are sick, every function of another one is on the release, or says why a person keeps it
    /// elsewhere. What is not seen cannot be judged: a wave with functions of a sick place waits for a verdict.
    ///
    /// # Panics
    /// Where one is not.
    pub(super) async fn beside_the_sick(
        &self,
        everywhere: &Everywhere,
        engine: &Engine,
        definition: &Definition,
        last: &str,
    ) {
        let (_, rollout) = state(engine, definition).await;
        let wave = rollout.as_ref().and_then(|rollout| rollout.waves.last());
        let evidence = wave.and_then(|wave| wave.evidence.as_ref());
        if evidence.is_none_or(|evidence| evidence.says == Says::Pass) {
            self.everyone_arrived(everywhere, engine, definition, last).await;
        } else {
            println!("  the open wave waits for a verdict");
        }
    }

    /// Tells whether a function cannot start with what it waits for: Lambda keeps it where it is.
    fn cannot_start(&self, consumer: &ConsumerReport, head: &Head) -> bool {
        let desired = head.desired().and_then(|to| arn_of(head, to, &consumer.place.region));
        desired.is_some_and(|arn| self.broken.contains(&arn))
    }

    /// Returns what is told of the functions.
    async fn everyone_arrived(
        &self,
        everywhere: &Everywhere,
        engine: &Engine,
        definition: &Definition,
        last: &str,
    ) -> Vec<ConsumerReport> {
        let (head, _) = state(engine, definition).await;
        let Some(desired) = head.desired() else { return Vec::new() };
        // One that a dead publisher left stays until the next one takes it over.
        let now = engine.ports.clock.now();
        let lease = head.lease().filter(|lease| lease.expires > now);
        assert!(lease.is_none(), "a lease is left: {lease:?}; {last}");
        let sick = everywhere.sick();
        for region in everywhere.regions() {
            if sick.contains(&own(region.clone())) {
                continue;
            }
            let arn = arn_of(&head, desired, region).expect("it is published");
            // Where every function is held, no function has shown that the data is good.
            if head.stable() == Some(desired) || !definition.rollout.is_watched() {
                let named = everywhere.parameter(region);
                assert_eq!(named.as_ref(), Some(&arn), "what deployments get in {region}; {last}");
            }
        }
        let in_part = everywhere.in_part();
        let (met, told) = (everywhere.met(), status(engine, definition).await.expect("readable"));
        for consumer in &told.consumers {
            let region = &consumer.place.region;
            // Of a Region whose publisher is kept out no function can have what is not published there.
            let published = arn_of(&head, desired, region);
            if sick.contains(&consumer.place) || published.is_none() {
                continue;
            }
            let key = (consumer.place.clone(), consumer.function.to_string());
            let is = &met[&key];
            let starts = !self.cannot_start(consumer, &head);
            let is_there = published.as_ref().is_some_and(|arn| is.layers.contains(arn));
            if consumer.state != ConsumerState::Behind || (starts && !is_there) {
                arrived(consumer, is, published.as_ref(), last);
            }
            let whole = matches!(consumer.state, ConsumerState::Current | ConsumerState::Moved);
            assert!(!whole || !in_part.contains(&key), "{} is split; {last}", named(&key));
            let made = is.versions.len();
            assert!(made <= OWN_VERSIONS_MAX, "I14: {} has {made} published versions", named(&key));
        }
        told.consumers
    }
}

/// Tells whether what functions make of the data is watched, wave after wave.
fn is_watched(open: &OpenRollout, definition: &Definition) -> bool {
    matches!(open.cause, Cause::NewRelease | Cause::Unpin)
        && open.promoted.is_none()
        && !definition.rollout.course.is_all_at_once()
}

/// A function is on the release, or says why a person keeps it elsewhere.
fn arrived(consumer: &ConsumerReport, is: &Met, published: Option<&String>, last: &str) {
    let why = consumer.reason.as_ref().map(|reason| &reason.why);
    match consumer.state {
        ConsumerState::Current | ConsumerState::Moved => {
            let there = published.is_some_and(|arn| is.layers.contains(arn));
            assert!(there, "{consumer:?} is said to be there: {is:?}; {last}");
        }
        _ => assert!(
            matches!(
                why,
                Some(
                    Why::Unreleased { .. }
                        | Why::TagHold { .. }
                        | Why::TagPin { .. }
                        | Why::TagVersion { .. }
                        | Why::RevertedByDeploy { .. }
                        | Why::NotProvisioned { .. }
                        | Why::ForeignVersion { .. }
                        | Why::NewMajor { .. }
                        | Why::Proposed
                )
            ),
            "{consumer:?} waits for nobody; {last}"
        ),
    }
}

/// A release is stable once its last wave was watched to its end.
fn watched_to_the_end(rollout: &Rollout) {
    let Some(last) = rollout.waves.last() else { return };
    let Some((reached, until)) = last.reached.zip(last.until) else { return };
    let to_its_end = last.done.is_some_and(|done| done >= until);
    let (number, to) = (rollout.waves.len(), rollout.to);
    assert!(
        to_its_end,
        "release {to} is stable, and its wave {number} of {reached} was to be watched until {until}: {last:?}"
    );
}

async fn state(engine: &Engine, definition: &Definition) -> (Head, Option<Rollout>) {
    let session = Session::open(&engine.ports, &engine.owner, &definition.layer).await;
    let session = session.expect("the head is readable");
    let head = session.head().clone();
    let rollout = match head.rollout() {
        Some(open) => session.read_rollout(open.number).await.expect("readable"),
        None => None,
    };
    let rollout = rollout.filter(|found| head.rollout().is_some_and(|open| open.to == found.to));
    (head, rollout)
}

/// Reads a rollout that the head no longer names.
async fn read(engine: &Engine, definition: &Definition, number: u64) -> Option<Rollout> {
    let session = Session::open(&engine.ports, &engine.owner, &definition.layer).await;
    session.expect("the head is readable").read_rollout(number).await.expect("readable")
}

fn arn_of(head: &Head, release: u64, region: &RegionName) -> Option<String> {
    head.version(release, region).map(ToString::to_string)
}

/// Tells whether some callers meet a release.
fn has(met: &Met, head: &Head, release: u64, region: &RegionName) -> bool {
    let arn = arn_of(head, release, region);
    arn.is_some_and(|arn| met.parts.iter().any(|part| part.layers.contains(&arn)))
}

/// Tells whether all callers meet a layer version, and no alias is on its way to another one.
fn is_whole(met: &Met, arn: &String) -> bool {
    met.layers.contains(arn) && met.parts.iter().all(|part| part.layers.contains(arn))
}

fn function((_, name): &Key) -> FunctionName {
    FunctionName::parse(name).expect("a name")
}

fn others(layers: &[String]) -> Vec<&String> {
    layers.iter().filter(|arn| !arn.contains(OURS)).collect()
}

fn position(layers: &[String]) -> Option<usize> {
    layers.iter().position(|arn| arn.contains(OURS))
}

/// I5 and I7: a run changes neither the code nor the settings that callers meet, nor any other layer.
fn left_alone(key: &Key, was: &Met, is: &Met) {
    let name = named(key);
    assert_eq!(is.code, was.code, "I7: {name} serves other code");
    assert_eq!(is.settings, was.settings, "I5: {name} has other settings");
    assert_eq!(is.latest.0, was.latest.0, "I5: {name} has other code in $LATEST");
    for (is, was) in [(&is.layers, &was.layers), (&is.latest.1, &was.latest.1)] {
        assert_eq!(others(is), others(was), "I5: {name} has other layers");
        if position(was).is_some() {
            assert_eq!(position(is), position(was), "I5: {name} has another order of layers");
        }
    }
    let known = |is: &Served| {
        let mut parts = was.parts.iter();
        parts.any(|was| was.code == is.code && others(&was.layers) == others(&is.layers))
    };
    let strange = is.parts.iter().find(|part| !known(part));
    assert_eq!(strange, None, "I5, I7: a part of {name} serves other code or layers: {was:?}");
    assert_eq!(is.tags, was.tags, "I5: {name} has other tags");
}

/// I8 and I13: what a person froze or holds does not move.
fn stays_where_ordered(key: &Key, was: &Met, is: &Met, head: &Head) {
    let frozen = head.frozen().is_some() || head.frozen_functions().contains_key(&function(key));
    let stays = was.tags.get(TAG).is_some_and(|tag| tag == "hold");
    if frozen || stays {
        // Lambda itself ends the move of an alias with provisioned concurrency, which is never split.
        if [was, is].iter().any(|met| met.parts.len() > 1) {
            assert_eq!(is.parts, was.parts, "I8: calls of {} moved", named(key));
        }
        let (is, was) = ((&is.layers, &is.latest.1), (&was.layers, &was.latest.1));
        assert_eq!(is, was, "I8: {} moved", named(key));
    }
}

/// I8: a function that a person keeps on a release does not leave it while the order stands.
fn stays_where_pinned(key: &Key, was: &Met, is: &Met, [before, after]: [&Head; 2]) {
    let pins = [before, after].map(|head| head.pinned_functions().get(&function(key)));
    let Some(release) = pins[0].filter(|pin| pins[1] == Some(*pin)).and_then(FunctionPin::release)
    else {
        return;
    };
    let arn = arn_of(after, release, &key.0.region);
    let arn = arn.expect("I6: what a function is pinned to is kept");
    if is_whole(was, &arn) {
        assert!(is_whole(is, &arn), "I8: {} left release {release}: {is:?}", named(key));
    }
}

/// I6: every layer version that a function names exists.
fn nothing_used_is_gone(everywhere: &Everywhere, met: &BTreeMap<Key, Met>) {
    let regions = everywhere.regions().into_iter();
    let versions: BTreeMap<String, String> =
        regions.flat_map(|region| everywhere.layer_versions(region)).collect();
    for (key, met) in met {
        let used = met.versions.iter().chain([&met.layers, &met.latest.1]).flatten();
        for arn in used.filter(|arn| arn.contains(OURS)) {
            assert!(versions.contains_key(arn), "I6: {arn} of {} is gone", named(key));
        }
    }
}

/// I3: no content has two layer versions in one Region.
fn nothing_is_published_twice(everywhere: &Everywhere) {
    for region in everywhere.regions() {
        let versions = everywhere.layer_versions(region);
        let distinct: BTreeSet<&String> = versions.values().collect();
        assert_eq!(distinct.len(), versions.len(), "I3: published twice: {versions:?}");
    }
}

/// I1: where a gate failed, no caller is left on what it stopped.
fn gone_back(report: &Report, met: &BTreeMap<Key, Met>, head: &Head) {
    let (Why::GateFailed { release, .. }
    | Why::WaveFailed { release, .. }
    | Why::NotStarted { release, .. }) = &report.outcome.reason().why
    else {
        return;
    };
    let left = report.consumers.iter().filter(|one| {
        let key = (one.place.clone(), one.function.to_string());
        matches!(one.state, ConsumerState::Current | ConsumerState::Moved)
            && has(&met[&key], head, *release, &one.place.region)
    });
    let left: Vec<&str> = left.map(|one| one.function.as_str()).collect();
    assert!(left.is_empty(), "I1: {left:?} still have release {release}");
}

/// I15: a run of which no call was lost fails in a place only where that place, or the registry of its Region, is sick.
///
/// # Panics
/// Where it fails elsewhere.
pub(super) fn holds_no_other_back(report: &Report, sick: &BTreeSet<Place>) {
    for told in &report.places {
        let is_sick = sick.contains(&told.place) || sick.contains(&own(told.place.region.clone()));
        assert!(told.failure.is_none() || is_sick, "I15: {told:?}");
    }
}
