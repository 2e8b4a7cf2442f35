//! The planner: a pure function, so tables and properties.

use std::collections::{BTreeMap, BTreeSet};

use freshlayer::definition::{Architecture, FieldPath, FunctionProbe, Gates, Preset, Roll};
use freshlayer::ports::{
    Alias, Configuration, Consumer, FunctionName, Look, PublishedVersion, Routing, Step,
    Unqualified, Update,
};
use freshlayer::report::Why;
use freshlayer::rollout::{
    Foreign, Goal, Intent, Next, PinnedFunction, PlaceView, Plan, Standing, World, plan as plan_all,
};
use freshlayer::state::{Cause, ConsumerNote, Rollout, StaysOn};
use freshlayer::{LayerVersionArn, Place, RegionName};
use freshlayer_tests::sandbox::layer_name;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use semver::Version;

pub(crate) fn arn(layer: &str, version: u64) -> LayerVersionArn {
    let text = format!("arn:aws:lambda:local:000000000000:layer:{layer}:{version}");
    LayerVersionArn::parse(&text).expect("an ARN")
}

pub(crate) fn place() -> Place {
    Place { region: RegionName::parse("local").expect("a Region"), account: None }
}

pub(crate) fn intent() -> Intent {
    let in_region = |seq| BTreeMap::from([(place().region, arn("geo", seq))]);
    Intent {
        left: BTreeSet::new(),
        layer: layer_name("geo"),
        goal: Goal::Release { release: 3, version: Version::new(1, 4, 0), targets: in_region(3) },
        releases: (1..=3).map(|seq| (seq, in_region(seq))).collect(),
        architectures: Vec::new(),
        foreign: Foreign::Held,
        ways_back: [2, 3].map(|seq| arn("geo", seq)).into(),
        frozen_functions: BTreeMap::new(),
        pinned_functions: BTreeMap::new(),
        set_back: BTreeMap::new(),
        frozen: None,
        paused: None,
        course: None,
        gates: Gates::default(),
        probe: None,
        roll: Roll::Functions,
        major_since: None,
    }
}

pub(crate) fn world(consumer: &Consumer) -> World {
    let view = PlaceView {
        place: place(),
        version: Some(arn("geo", 3)),
        consumers: Ok(vec![consumer.clone()]),
        foreign: BTreeSet::new(),
        probed: BTreeMap::new(),
    };
    World { places: vec![view] }
}

fn plan(intent: &Intent, consumer: &Consumer) -> Plan {
    plan_all(intent, &world(consumer), None, Timestamp::UNIX_EPOCH)
}

fn standing<'p>(plan: &'p Plan, consumer: &Consumer) -> &'p Standing {
    &plan.standings[&(place(), consumer.function.clone())]
}

pub(crate) fn configuration(code: &str, layers: &[LayerVersionArn]) -> Configuration {
    Configuration {
        code_sha256: code.to_owned(),
        settings_sha256: "settings".to_owned(),
        layers: layers.to_vec(),
    }
}

pub(crate) fn published(number: u64, configuration: Configuration) -> PublishedVersion {
    PublishedVersion { number, configuration, description: String::new() }
}

pub(crate) fn alias(name: &str, version: u64) -> Alias {
    let revision_id = "alias-1".to_owned();
    Alias { name: name.to_owned(), version, revision_id, routing: Routing::Whole }
}

pub(crate) fn consumer(
    latest: Configuration,
    served: Option<Configuration>,
    tag: Option<&str>,
) -> Consumer {
    let versions = served.map(|configuration| published(7, configuration));
    let aliases = versions.iter().map(|_| alias("live", 7)).collect();
    Consumer {
        function: FunctionName::parse("function").expect("a name"),
        latest,
        revision_id: "latest-1".to_owned(),
        unqualified: Unqualified::Latest,
        timeout_secs: 3,
        architectures: vec![Architecture::X86],
        look: Some(Look { update: Update::Done, aliases }),
        versions: versions.into_iter().collect(),
        tags: tag.map(|tag| ("freshlayer:geo".to_owned(), tag.to_owned())).into_iter().collect(),
    }
}

pub(crate) fn aliases(consumer: &mut Consumer) -> &mut Vec<Alias> {
    &mut consumer.look.as_mut().expect("it was looked at").aliases
}

fn word_of(intent: &Intent, consumer: &Consumer) -> String {
    let plan = plan(intent, consumer);
    let step = plan.steps.first().map(|placed| match &placed.step {
        Step::Look { .. } => "look".to_owned(),
        Step::SetLayers { layers, .. } => {
            let ours = layers.iter().find(|arn| arn.layer_name() == "geo");
            format!("set {}", ours.expect("our layer is in the list").version())
        }
        Step::PublishVersion { .. } => "publish".to_owned(),
        Step::Probe { version, .. } => format!("probe {version:?}"),
        Step::MoveAlias { version, .. } => format!("alias to {version}"),
        Step::RetireVersion { version, .. } => format!("retire {version}"),
    });
    step.unwrap_or_else(|| match standing(&plan, consumer) {
        Standing::Current => "current".to_owned(),
        Standing::Moving => "moving".to_owned(),
        Standing::Later => "later".to_owned(),
        Standing::Partly(percent) => format!("{percent} %"),
        Standing::Waiting(_) => "waiting".to_owned(),
        Standing::Ordered(_) => "ordered".to_owned(),
        Standing::Held(_) => "held".to_owned(),
    })
}

fn word(consumer: &Consumer) -> String {
    word_of(&intent(), consumer)
}

fn why(consumer: &Consumer) -> Option<Why> {
    match standing(&plan(&intent(), consumer), consumer) {
        Standing::Waiting(why) | Standing::Ordered(why) | Standing::Held(why) => Some(why.clone()),
        Standing::Current | Standing::Moving | Standing::Later | Standing::Partly(_) => None,
    }
}

#[test]
#[expect(clippy::cloned_ref_to_slice_refs, reason = "rows of a table look alike")]
fn each_situation_has_its_next_step() {
    let (old, new, foreign) = (arn("geo", 2), arn("geo", 3), arn("other", 9));
    let on = |layers: &[LayerVersionArn]| configuration("code", layers);
    let other = |layers: &[LayerVersionArn]| configuration("unreleased", layers);
    for (situation, latest, served, tag, expected) in [
        ("behind", on(&[old.clone()]), None, None, "set 3"),
        ("there", on(&[foreign.clone(), new.clone()]), None, None, "current"),
        ("hold", on(&[old.clone()]), None, Some("hold"), "ordered"),
        ("pinned elsewhere", on(&[old.clone()]), None, Some("pin=1"), "set 1"),
        ("pinned there", on(&[arn("geo", 1)]), None, Some("pin=1"), "ordered"),
        ("pinned nowhere", on(&[old.clone()]), None, Some("pin=8"), "held"),
        ("fits", on(&[old.clone()]), None, Some("^1"), "set 3"),
        ("does not fit", on(&[old.clone()]), None, Some("^2"), "ordered"),
        ("unclear", on(&[old.clone()]), None, Some("please"), "held"),
        ("tagged, not attached", on(&[foreign.clone()]), None, Some(""), "set 3"),
        ("alias behind", on(&[old.clone()]), Some(on(&[old.clone()])), None, "set 3"),
        ("layer set", on(&[new.clone()]), Some(on(&[old.clone()])), None, "publish"),
        ("alias there", on(&[new.clone()]), Some(on(&[new.clone()])), None, "current"),
        ("unreleased", other(&[old.clone()]), Some(on(&[old.clone()])), None, "held"),
        (
            "another layer",
            on(&[old.clone(), foreign.clone()]),
            Some(on(&[old.clone()])),
            None,
            "held",
        ),
        ("our layer taken out, not released", on(&[]), Some(on(&[old.clone()])), None, "held"),
        (
            "layers reordered, not released",
            on(&[old.clone(), foreign.clone()]),
            Some(on(&[foreign.clone(), old.clone()])),
            None,
            "held",
        ),
        (
            "opted in by tag, behind an alias",
            on(&[foreign.clone()]),
            Some(on(&[foreign.clone()])),
            Some("^1"),
            "set 3",
        ),
        (
            "opted in by tag, layer set",
            on(&[foreign.clone(), new.clone()]),
            Some(on(&[foreign.clone()])),
            Some("^1"),
            "publish",
        ),
        ("latest behind", other(&[old.clone()]), Some(on(&[new.clone()])), None, "set 3"),
        ("alias without it", on(&[old.clone()]), Some(on(&[foreign.clone()])), None, "set 3"),
    ] {
        assert_eq!(word(&consumer(latest, served, tag)), expected, "{situation}");
    }
}

#[test]
fn a_ready_version_is_used_before_a_new_one_is_made() {
    let (old, new) = (arn("geo", 2), arn("geo", 3));
    let on = |layer: &LayerVersionArn| configuration("c", std::slice::from_ref(layer));
    let mut consumer = consumer(on(&new), Some(on(&old)), None);
    consumer.versions.push(published(8, on(&new)));
    assert_eq!(word(&consumer), "alias to 8");
}

/// The way back is one alias move, whatever `$LATEST` holds (F3).
#[test]
fn a_published_version_with_the_target_is_one_alias_move_away_whatever_latest_holds() {
    let (old, new) = (arn("geo", 3), arn("geo", 2));
    let on = |code, layer: &LayerVersionArn| configuration(code, std::slice::from_ref(layer));
    let mut consumer = consumer(on("unreleased", &new), Some(on("released", &new)), None);
    consumer.versions.insert(0, published(6, on("released", &old)));
    assert_eq!(word(&consumer), "alias to 6");
    consumer.versions[0] = published(6, on("another", &old));
    assert_eq!(word(&consumer), "held", "a version with other code is no way back");
}

#[test]
fn an_alias_that_sends_calls_elsewhere_is_left_alone_before_the_first_step() {
    let (old, new) = (arn("geo", 2), arn("geo", 3));
    let on = |layer: &LayerVersionArn| configuration("c", std::slice::from_ref(layer));
    let mut split = consumer(on(&old), Some(on(&old)), None);
    split.versions.push(published(8, on(&old)));
    aliases(&mut split)[0].routing = Routing::Split { version: 8, percent: 10 };
    assert_eq!(why(&split), Some(Why::SplitAlias { alias: "live".to_owned() }));
    let mut shifting = consumer(on(&new), Some(on(&new)), None);
    shifting.versions.insert(0, published(6, on(&old)));
    aliases(&mut shifting)[0].routing = Routing::Split { version: 6, percent: 100 };
    assert_eq!(why(&shifting), Some(Why::Shifting { alias: "live".to_owned() }));
    assert!(matches!(plan(&intent(), &shifting).next, Next::Wait(_)));
}

#[test]
fn what_a_list_does_not_tell_is_looked_at_first() {
    let (old, new) = (arn("geo", 2), arn("geo", 3));
    let on = |layer: &LayerVersionArn| configuration("c", std::slice::from_ref(layer));
    let listed = |consumer: Consumer| Consumer { look: None, ..consumer };
    let behind = listed(consumer(on(&old), None, None));
    assert_eq!(word(&behind), "set 3", "without published versions there is no alias");
    let aliased = listed(consumer(on(&old), Some(on(&old)), None));
    assert_eq!(word(&aliased), "look");
    let there = listed(consumer(on(&new), None, None));
    assert_eq!(word(&there), "look", "the last update may have failed");
    let mut failed = consumer(on(&new), None, None);
    failed.look = Some(Look { update: Update::Failed(String::new()), aliases: Vec::new() });
    assert_eq!(word(&failed), "set 3", "and then the old layers are served");
}

#[test]
fn functions_that_the_layer_is_not_for_are_held() {
    let old = arn("geo", 2);
    let on = |layer: &LayerVersionArn| configuration("c", std::slice::from_ref(layer));
    let arm = Intent { architectures: vec![Architecture::Arm], ..intent() };
    let x86 = consumer(on(&old), None, None);
    let held = plan(&arm, &x86);
    assert!(
        matches!(standing(&held, &x86), Standing::Held(Why::WrongArchitecture { .. })),
        "{held:?}"
    );
    let both = vec![Architecture::Arm, Architecture::X86];
    assert_eq!(word_of(&Intent { architectures: both, ..intent() }, &x86), "set 3");
    let instances = Consumer { unqualified: Unqualified::LatestPublished, ..x86 };
    assert_eq!(why(&instances), Some(Why::OnInstances));
}

#[test]
fn a_version_that_freshlayer_did_not_make_is_left_unless_it_is_adopted() {
    let theirs = arn("geo", 1);
    let on_theirs = consumer(configuration("c", std::slice::from_ref(&theirs)), None, None);
    let mut world = world(&on_theirs);
    world.places[0].foreign = BTreeSet::from([theirs.clone()]);
    let planned = plan_all(&intent(), &world, None, Timestamp::UNIX_EPOCH);
    let held = Standing::Held(Why::ForeignVersion { version: theirs });
    assert_eq!((planned.steps.len(), standing(&planned, &on_theirs)), (0, &held));
    let adopted = Intent { foreign: Foreign::Adopted, ..intent() };
    let planned = plan_all(&adopted, &world, None, Timestamp::UNIX_EPOCH);
    assert_eq!(planned.steps.len(), 1);
}

/// What a person orders for one function waits for no wave, and no probe asks whether the data is good.
#[test]
fn a_pinned_function_moves_before_any_wave_and_unasked() {
    let old = consumer(configuration("c", &[arn("geo", 3)]), None, None);
    let why = Why::FunctionPinned {
        release: Some(2),
        at: Timestamp::UNIX_EPOCH,
        by: String::new(),
        reason: None,
        until: None,
    };
    let pin = PinnedFunction { to: StaysOn::Release(2), why: why.clone() };
    let probe = FunctionProbe {
        payload: serde_json::Value::Null,
        path: FieldPath::default(),
        equals: None,
    };
    let pinned = Intent {
        course: Some(Preset::Standard.course()),
        probe: Some(probe),
        pinned_functions: BTreeMap::from([(old.function.clone(), pin)]),
        ..intent()
    };
    assert_eq!(word_of(&pinned, &old), "set 2");
    let there = consumer(configuration("c", &[arn("geo", 2)]), None, None);
    let planned = plan(&pinned, &there);
    assert_eq!((planned.steps.len(), standing(&planned, &there)), (0, &Standing::Ordered(why)));
    let tags = BTreeMap::from([("freshlayer:geo".to_owned(), "hold".to_owned())]);
    let held = Consumer { tags, ..old };
    assert!(plan(&pinned, &held).steps.is_empty(), "a tag that says hold comes first");
}

#[test]
fn frozen_nothing_moves() {
    let behind = consumer(configuration("c", &[arn("geo", 2)]), None, None);
    let why = Why::Frozen { at: Timestamp::UNIX_EPOCH, by: String::new(), reason: None };
    let frozen = Intent { frozen: Some(why.clone()), ..intent() };
    let planned = plan(&frozen, &behind);
    assert_eq!((planned.steps.len(), &planned.next), (0, &Next::Hold(why)));
}

/// Old versions that freshlayer published are retired: never one behind an alias, of other hands, or of a way back.
#[test]
fn surplus_versions_of_our_own_making_are_retired_oldest_first() {
    let on = |layer: u64| configuration("c", &[arn("geo", layer)]);
    let mut there = consumer(on(3), Some(on(3)), None);
    let own = |number, layer| PublishedVersion {
        description: format!("freshlayer geo version {layer}"),
        ..published(number, on(layer))
    };
    there.versions =
        vec![published(1, on(1)), own(2, 1), own(3, 1), own(4, 2), own(5, 1), own(6, 3), own(7, 3)];
    assert_eq!(word(&there), "retire 2");
    there.versions.remove(1);
    assert_eq!(word(&there), "retire 3");
    there.versions.remove(1);
    assert_eq!(word(&there), "current", "version 4 is a way back, and the newest three stay");
    there.versions.insert(1, own(2, 1));
    let proposes = Intent { roll: Roll::Propose, ..intent() };
    assert_eq!(word_of(&proposes, &there), "current", "its own deployment deletes them");
}

/// A deployment put a new major's layer on `$LATEST`, and what callers get is on the one before.
#[test]
fn an_alias_on_an_earlier_major_waits_for_its_users_word() {
    let latest = || configuration("c", &[arn("geo", 3)]);
    let on = |layer| Some(configuration("c", &[arn("geo", layer)]));
    let holds = Intent { major_since: Some(3), ..intent() };
    let waits = consumer(latest(), on(2), None);
    assert_eq!(word_of(&holds, &waits), "held");
    let asked = consumer(latest(), on(2), Some(">=1"));
    assert_eq!(word_of(&holds, &asked), "publish");
    assert_eq!(word_of(&holds, &consumer(latest(), on(3), None)), "current");
}

/// Does a step the way Lambda does.
fn apply(consumer: &mut Consumer, step: &Step) {
    match step {
        Step::Look { .. } | Step::Probe { .. } => {}
        Step::SetLayers { layers, .. } => consumer.latest.layers.clone_from(layers),
        Step::PublishVersion { description, .. } => {
            let number = consumer.versions.iter().map(|v| v.number).max().unwrap_or(0) + 1;
            let (configuration, description) = (consumer.latest.clone(), description.clone());
            consumer.versions.push(PublishedVersion { number, configuration, description });
        }
        Step::MoveAlias { alias, version, percent, .. } => {
            let mut aliases = aliases(consumer).iter_mut();
            let alias = aliases.find(|known| known.name == *alias).expect("an alias");
            match *percent {
                100 => (alias.version, alias.routing) = (*version, Routing::Whole),
                percent => alias.routing = Routing::Split { version: *version, percent },
            }
        }
        Step::RetireVersion { version, .. } => {
            assert!(consumer.aliases().iter().all(|alias| alias.version != *version));
            consumer.versions.retain(|known| known.number != *version);
        }
    }
}

fn layers() -> impl Strategy<Value = Vec<LayerVersionArn>> {
    let ours = prop::option::of(1_u64..4);
    (ours, prop::collection::btree_set(0_u64..3, 0..3)).prop_map(|(ours, others)| {
        let mut layers: Vec<_> = others.iter().map(|n| arn(&format!("other{n}"), 1)).collect();
        layers.extend(ours.map(|version| arn("geo", version)));
        layers
    })
}

fn any_consumer() -> impl Strategy<Value = Consumer> {
    let configuration = |code: &'static [&'static str]| {
        (prop::sample::select(code), layers())
            .prop_map(|(code, layers)| configuration(code, &layers))
    };
    let tags = prop::option::of(prop::sample::select(&["hold", "pin=1", "^1", "^2", "", "?"][..]));
    let versions = prop::collection::vec(configuration(&["a", "b"]), 0..4);
    (
        configuration(&["a", "b"]),
        versions,
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        tags,
    )
        .prop_map(|(latest, versions, aliases, tag)| {
            let mut consumer = consumer(latest, None, tag);
            let numbered = versions.into_iter().zip(1..);
            consumer.versions = numbered.map(|(c, number)| published(number, c)).collect();
            let count = consumer.versions.len();
            let pointed = aliases.iter().filter(|_| count > 0).zip(0..);
            let pointed: Vec<Alias> = pointed
                .map(|(index, number)| {
                    let version = consumer.versions[index.index(count)].number;
                    alias(&format!("alias{number}"), version)
                })
                .collect();
            consumer.look = Some(Look { update: Update::Done, aliases: pointed });
            consumer
        })
}

fn others(layers: &[LayerVersionArn]) -> Vec<LayerVersionArn> {
    let mut layers = layers.to_vec();
    layers.retain(|arn| arn.layer_name() != "geo");
    layers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// From any situation the plan comes to an end; on the way other layers stay as they are (I5), callers
    /// never get other code (I7), and who is ordered to stay stays (I8).
    #[test]
    fn every_plan_ends_and_harms_nobody(start in any_consumer()) {
        let mut now = start.clone();
        let served = |c: &Consumer| -> BTreeMap<String, Configuration> {
            let of = |alias: &Alias| {
                let mut versions = c.versions.iter();
                versions.find(|v| v.number == alias.version).map(|v| v.configuration.clone())
            };
            c.aliases().iter().filter_map(|alias| Some((alias.name.clone(), of(alias)?))).collect()
        };
        let before = served(&start);
        let mut steps = 0;
        loop {
            let plan = plan(&intent(), &now);
            prop_assert!(plan.steps.len() <= 1);
            prop_assert_eq!(plan.steps.is_empty(), plan.next != Next::Act);
            let Some(placed) = plan.steps.first() else { break };
            apply(&mut now, &placed.step);
            steps += 1;
            prop_assert!(steps <= 12, "no end: {:?}", now);
        }
        prop_assert_eq!(others(&now.latest.layers), others(&start.latest.layers));
        prop_assert_eq!(&now.latest.code_sha256, &start.latest.code_sha256);
        for (alias, after) in served(&now) {
            let before = &before[&alias];
            prop_assert_eq!(&after.code_sha256, &before.code_sha256);
            prop_assert_eq!(others(&after.layers), others(&before.layers));
            let place = |c: &Configuration| c.layers.iter().position(|a| a.layer_name() == "geo");
            prop_assert!(place(before).is_none() || place(&after) == place(before), "in its place");
        }
        if start.tags.values().any(|tag| ["hold", "^2", "?"].contains(&tag.as_str())) {
            prop_assert_eq!(&now, &start);
        }
        let ours: BTreeSet<u64> = now.latest.layers.iter()
            .filter(|arn| arn.layer_name() == "geo").map(LayerVersionArn::version).collect();
        prop_assert!(ours.len() <= 1);
    }
}

/// A rollout may stay open for months, for one function that is held; the others were never looked at again.
#[test]
fn a_rollouts_notes_spare_a_second_look_for_a_day() {
    let mut consumer = consumer(configuration("code", &[arn("geo", 3)]), None, None);
    consumer.look = None;
    let note = ConsumerNote {
        from: None,
        foreign: false,
        outcome: "moved".to_owned(),
        done: true,
        in_part: false,
        failed: false,
        set_back: 0,
        at: None,
        order: None,
    };
    let notes = BTreeMap::from([(consumer.function.clone(), note)]);
    let started = Timestamp::UNIX_EPOCH;
    let rollout = Rollout {
        hook_state: None,
        began: BTreeMap::new(),
        promoted: None,
        format: 1,
        layer: layer_name("geo"),
        number: 1,
        from: Some(2),
        to: 3,
        cause: Cause::NewRelease,
        by: String::new(),
        reason: None,
        started,
        ended: None,
        tries: 0,
        waves: Vec::new(),
        traffic: None,
        journal: BTreeMap::from([(place().to_string(), notes)]),
    };
    for (hours, looks) in [(1, false), (25, true)] {
        let now = started + SignedDuration::from_hours(hours);
        let plan = plan_all(&intent(), &world(&consumer), Some(&rollout), now);
        let look = plan.steps.iter().any(|placed| matches!(placed.step, Step::Look { .. }));
        assert_eq!(look, looks, "after {hours} h: {plan:#?}");
    }
    // A day later it is looked at again, and not probed again.
    let probe = FunctionProbe {
        payload: serde_json::Value::Null,
        path: FieldPath::parse(""),
        equals: None,
    };
    let probing = Intent { probe: Some(probe), ..intent() };
    consumer.look = Some(Look::default());
    let now = started + SignedDuration::from_hours(25);
    let plan = plan_all(&probing, &world(&consumer), Some(&rollout), now);
    assert!(plan.steps.is_empty(), "{plan:#?}");
}
