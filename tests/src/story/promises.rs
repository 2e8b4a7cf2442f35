use std::collections::{BTreeMap, BTreeSet};

use freshlayer::definition::Definition;
use freshlayer::ports::FunctionName;
use freshlayer::report::{ConsumerState, Report, Why};
use freshlayer::state::{Cause, FunctionPin, Head, Rollout, Session};
use freshlayer::{Engine, Place, status};

use crate::simulated::{Met, Simulated};

const TAG: &str = "freshlayer:geo";
const OURS: &str = ":layer:geo:";
const PARAMETER: &str = "/freshlayer/geo/arn";
/// The newest three, those that an alias or a way back needs, and what a person made.
const OWN_VERSIONS_MAX: usize = 12;

/// What must hold after every act, whatever happens; named as in the design.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// The functions that people changed since the open rollout began.
    touched: BTreeSet<String>,
    /// Who was on the new data when its rollout was first seen, by the rollout's number.
    first: BTreeMap<u64, BTreeSet<String>>,
    /// The rollouts in which a run was cut off: it may have been about to write that the release is stable.
    cut_off: BTreeSet<u64>,
}

/// What was so before a run.
pub(super) struct Before {
    met: BTreeMap<String, Met>,
    head: Head,
}

impl Promises {
    pub(super) fn touched(&mut self, name: &str) {
        self.touched.insert(name.to_owned());
    }

    /// Notes that a run was cut off.
    pub(super) async fn cut_off(&mut self, engine: &Engine, definition: &Definition) {
        let (head, _) = state(engine, definition).await;
        self.cut_off.extend(head.rollout().map(|open| open.number));
    }

    pub(super) async fn before(
        &self,
        aws: &Simulated,
        engine: &Engine,
        definition: &Definition,
    ) -> Before {
        let (head, _) = state(engine, definition).await;
        Before { met: aws.met(), head }
    }

    /// Holds what a run or an order left behind against the promises.
    ///
    /// # Panics
    /// Where one is broken.
    pub(super) async fn after(
        &mut self,
        before: Before,
        aws: &Simulated,
        engine: &Engine,
        definition: &Definition,
        report: Option<&Report>,
    ) {
        let met = aws.met();
        let (head, rollout) = state(engine, definition).await;
        for (name, was) in &before.met {
            let is = &met[name];
            left_alone(name, was, is);
            stays_where_ordered(name, was, is, &before.head);
            stays_where_pinned(name, was, is, [&before.head, &head]);
        }
        nothing_used_is_gone(aws, &met);
        nothing_is_published_twice(aws);
        self.exposure(&before, &met, aws, &head, rollout.as_ref(), definition);
        if let Some(report) = report {
            gone_back(report, &met, &head);
        }
    }

    /// I4: only members of open waves meet new data, and who had it before the rollout began; deployments get it once it is
    /// stable.
    fn exposure(
        &mut self,
        before: &Before,
        met: &BTreeMap<String, Met>,
        aws: &Simulated,
        head: &Head,
        rollout: Option<&Rollout>,
        definition: &Definition,
    ) {
        let Some(open) = head.rollout() else { return };
        let Some(arn) = arn_of(head, open.to) else { return };
        let first = self.first.entry(open.number).or_insert_with(|| {
            self.touched.clear();
            let on_it = before.met.iter().filter(|(_, met)| met.layers.contains(&arn));
            on_it.map(|(name, _)| name.clone()).collect()
        });
        let watched = matches!(open.cause, Cause::NewRelease | Cause::Unpin)
            && open.promoted.is_none()
            && !definition.rollout.course.is_all_at_once();
        if !watched {
            return;
        }
        let named = aws.parameter(PARAMETER);
        if head.stable() != Some(open.to) && !self.cut_off.contains(&open.number) {
            assert_ne!(named.as_ref(), Some(&arn), "I4: deployments get it before it is stable");
        }
        let place = home();
        for (name, met) in met.iter().filter(|(_, met)| met.layers.contains(&arn)) {
            let function = FunctionName::parse(name).expect("a name");
            let waves = rollout.map(|rollout| &rollout.waves[..]).unwrap_or_default();
            let member = waves.iter().any(|wave| wave.has(&place, &function));
            let known = first.contains(name) || self.touched.contains(name);
            let ordered = head.pinned_functions().get(&function);
            let ordered = ordered.is_some_and(|pin| pin.release() == Some(open.to));
            assert!(member || known || ordered, "I4: {name} has {met:?} before its wave");
        }
    }

    /// When every trouble and order is over, every function is on the release, or says why a person keeps it elsewhere.
    ///
    /// # Panics
    /// Where one is not.
    pub(super) async fn at_the_end(
        &self,
        aws: &Simulated,
        engine: &Engine,
        definition: &Definition,
        last: &str,
    ) {
        let (head, _) = state(engine, definition).await;
        let Some(desired) = head.desired() else { return };
        assert!(head.lease().is_none(), "a lease is left: {:?}; {last}", head.lease());
        let arn = arn_of(&head, desired).expect("it is published");
        let named = aws.parameter(PARAMETER);
        // Where every function is held, no function has shown that the data is good.
        if head.stable() == Some(desired) || !definition.rollout.is_watched() {
            assert_eq!(named.as_ref(), Some(&arn), "what deployments get; {last}");
        }
        let (met, told) = (aws.met(), status(engine, definition).await.expect("readable"));
        for consumer in &told.consumers {
            let name = consumer.function.as_str();
            let why = consumer.reason.as_ref().map(|reason| &reason.why);
            match consumer.state {
                ConsumerState::Current | ConsumerState::Moved => {
                    let is = &met[name];
                    assert!(is.layers.contains(&arn), "{name} is said to be there: {is:?}; {last}");
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
                        )
                    ),
                    "{name} waits for nobody: {consumer:?}; {last}"
                ),
            }
            let own = met[name].versions.len();
            assert!(own <= OWN_VERSIONS_MAX, "I14: {name} has {own} published versions");
        }
        let stays = told.consumers.iter().any(|one| one.state == ConsumerState::Held);
        assert!(head.rollout().is_none() || stays, "the rollout never ends: {last}");
    }
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

fn home() -> Place {
    let region = crate::simulated::REGION;
    Place { region: freshlayer::RegionName::parse(region).expect("a Region"), account: None }
}

fn arn_of(head: &Head, release: u64) -> Option<String> {
    head.version(release, &home().region).map(ToString::to_string)
}

fn others(layers: &[String]) -> Vec<&String> {
    layers.iter().filter(|arn| !arn.contains(OURS)).collect()
}

fn position(layers: &[String]) -> Option<usize> {
    layers.iter().position(|arn| arn.contains(OURS))
}

/// I5 and I7: a run changes neither the code nor the settings that callers meet, nor any other layer.
fn left_alone(name: &str, was: &Met, is: &Met) {
    assert_eq!(is.code, was.code, "I7: {name} serves other code");
    assert_eq!(is.settings, was.settings, "I5: {name} has other settings");
    assert_eq!(is.latest.0, was.latest.0, "I5: {name} has other code in $LATEST");
    for (is, was) in [(&is.layers, &was.layers), (&is.latest.1, &was.latest.1)] {
        assert_eq!(others(is), others(was), "I5: {name} has other layers");
        if position(was).is_some() {
            assert_eq!(position(is), position(was), "I5: {name} has another order of layers");
        }
    }
    assert_eq!(is.tags, was.tags, "I5: {name} has other tags");
}

/// I8 and I13: what a person froze or holds does not move.
fn stays_where_ordered(name: &str, was: &Met, is: &Met, head: &Head) {
    let function = FunctionName::parse(name).expect("a name");
    let frozen = head.frozen().is_some() || head.frozen_functions().contains_key(&function);
    let stays = was.tags.get(TAG).is_some_and(|tag| tag == "hold");
    if frozen || stays {
        assert_eq!((&is.layers, &is.latest.1), (&was.layers, &was.latest.1), "I8: {name} moved");
    }
}

/// I8: a function that a person keeps on a release does not leave it while the order stands.
fn stays_where_pinned(name: &str, was: &Met, is: &Met, [before, after]: [&Head; 2]) {
    let function = FunctionName::parse(name).expect("a name");
    let [pin, still] = [before, after].map(|head| head.pinned_functions().get(&function));
    let Some(release) = pin.filter(|pin| still == Some(*pin)).and_then(FunctionPin::release) else {
        return;
    };
    let arn = arn_of(after, release).expect("I6: what a function is pinned to is kept");
    if was.layers.contains(&arn) {
        assert!(is.layers.contains(&arn), "I8: {name} left release {release}: {is:?}");
    }
}

/// I6: every layer version that a function names exists.
fn nothing_used_is_gone(aws: &Simulated, met: &BTreeMap<String, Met>) {
    let versions = aws.layer_versions();
    for (name, met) in met {
        let used = met.versions.iter().chain([&met.layers, &met.latest.1]).flatten();
        for arn in used.filter(|arn| arn.contains(OURS)) {
            assert!(versions.contains_key(arn), "I6: {arn} of {name} is gone");
        }
    }
}

/// I3: no content has two layer versions.
fn nothing_is_published_twice(aws: &Simulated) {
    let versions = aws.layer_versions();
    let distinct: BTreeSet<&String> = versions.values().collect();
    assert_eq!(distinct.len(), versions.len(), "I3: published twice: {versions:?}");
}

/// I1: where a gate failed, no caller is left on what it stopped.
fn gone_back(report: &Report, met: &BTreeMap<String, Met>, head: &Head) {
    let (Why::GateFailed { release, .. }
    | Why::WaveFailed { release, .. }
    | Why::NotStarted { release, .. }) = &report.outcome.reason().why
    else {
        return;
    };
    let Some(arn) = arn_of(head, *release) else { return };
    let left = report.consumers.iter().filter(|one| {
        matches!(one.state, ConsumerState::Current | ConsumerState::Moved)
            && met[one.function.as_str()].layers.contains(&arn)
    });
    let left: Vec<&str> = left.map(|one| one.function.as_str()).collect();
    assert!(left.is_empty(), "I1: {left:?} still have release {release}");
}
