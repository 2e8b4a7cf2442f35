//! A part of an alias's calls, as the planner sees it.

use std::collections::{BTreeMap, BTreeSet};

use freshlayer::definition::Preset;
use freshlayer::ports::{Consumer, PublishedVersion, Routing, Step};
use freshlayer::report::Why;
use freshlayer::rollout::{Intent, Next, PinnedFunction, SetBack, Standing, plan};
use freshlayer::state::{Cause, Rollout, StaysOn, Wave};
use freshlayer_tests::sandbox::layer_name;
use jiff::Timestamp;

use crate::plan::{alias, aliases, arn, configuration, consumer, intent, place, published, world};

/// A function behind two aliases, whose new version is published: number 8.
fn behind_two_aliases() -> Consumer {
    let (old, new) = ([arn("geo", 2)], [arn("geo", 3)]);
    let mut function =
        consumer(configuration("code", &new), Some(configuration("code", &old)), None);
    aliases(&mut function).push(alias("test", 7));
    let description = "freshlayer geo version 3".to_owned();
    function
        .versions
        .push(PublishedVersion { description, ..published(8, configuration("code", &new)) });
    function
}

fn rollout_of(function: &Consumer) -> Rollout {
    let members = BTreeSet::from([function.function.clone()]);
    Rollout {
        format: 1,
        layer: layer_name("geo"),
        number: 1,
        from: Some(2),
        to: 3,
        cause: Cause::NewRelease,
        by: String::new(),
        reason: None,
        started: Timestamp::UNIX_EPOCH,
        ended: None,
        tries: 0,
        began: BTreeMap::new(),
        promoted: None,
        waves: vec![Wave {
            late: BTreeMap::new(),
            unproven: BTreeMap::new(),
            members: BTreeMap::from([(place().to_string(), members)]),
            percent: Some(10),
            opened: Timestamp::UNIX_EPOCH,
            reached: None,
            until: None,
            evidence: None,
            done: None,
        }],
        traffic: None,
        hook_state: None,
        journal: BTreeMap::new(),
    }
}

/// Sends a part of an alias's calls to a version.
fn split(function: &mut Consumer, at: usize, version: u64, percent: u8) {
    aliases(function)[at].routing = Routing::Split { version, percent };
}

/// A function whose aliases a person pointed to other code, number 9, and left our weight on one of them.
fn with_a_weight_beside_other_code() -> Consumer {
    let mut function = behind_two_aliases();
    let other_code = configuration("other", &[arn("geo", 2)]);
    function.versions.push(published(9, other_code.clone()));
    function.latest = other_code;
    for alias in aliases(&mut function) {
        alias.version = 9;
    }
    split(&mut function, 1, 8, 10);
    function
}

#[test]
fn each_alias_gets_its_part_once_and_then_the_wave_is_there() {
    let intent = Intent { course: Some(Preset::Standard.course()), ..intent() };
    let mut function = behind_two_aliases();
    let rollout = rollout_of(&function);
    for (at, name) in ["live", "test"].into_iter().enumerate() {
        let plan = plan(&intent, &world(&function), Some(&rollout), Timestamp::UNIX_EPOCH);
        let [placed] = &plan.steps[..] else { panic!("one step: {plan:#?}") };
        match &placed.step {
            Step::MoveAlias { alias, version: 8, percent: 10, .. } => assert_eq!(alias, name),
            other => panic!("{other:?}"),
        }
        split(&mut function, at, 8, 10);
    }
    let plan = plan(&intent, &world(&function), Some(&rollout), Timestamp::UNIX_EPOCH);
    assert!(plan.steps.is_empty(), "{plan:#?}");
    assert_eq!(plan.standings.values().collect::<Vec<_>>(), [&Standing::Partly(10)]);
    assert!(matches!(plan.next, Next::Reached(_)), "{plan:#?}");
}

#[test]
fn the_way_back_takes_the_part_away_and_a_persons_split_is_left_alone() {
    let mut back = intent();
    let freshlayer::rollout::Goal::Release { targets, release, .. } = &mut back.goal else {
        unreachable!("it is a release")
    };
    (*targets, *release) = (BTreeMap::from([(place().region, arn("geo", 2))]), 2);
    let mut function = behind_two_aliases();
    function.latest = configuration("code", &[arn("geo", 2)]);
    split(&mut function, 1, 8, 10);
    let plan_of = |function: &Consumer| plan(&back, &world(function), None, Timestamp::UNIX_EPOCH);
    let planned = plan_of(&function);
    match &planned.steps[..] {
        [placed] => match &placed.step {
            Step::MoveAlias { alias, version: 7, percent: 100, .. } => assert_eq!(alias, "test"),
            other => panic!("{other:?}"),
        },
        _ => panic!("{planned:#?}"),
    }
    function.versions[1].description = String::new();
    let planned = plan_of(&function);
    assert!(planned.steps.is_empty(), "{planned:#?}");
    assert!(matches!(planned.standings.values().next(), Some(Standing::Held(_))), "{planned:#?}");
}

/// A person points the alias to other code and leaves our weight, with data that every function left.
#[test]
fn a_weight_with_data_that_was_left_goes_though_the_alias_has_other_code() {
    let mut back = intent();
    let freshlayer::rollout::Goal::Release { targets, release, .. } = &mut back.goal else {
        unreachable!("it is a release")
    };
    (*targets, *release) = (BTreeMap::from([(place().region, arn("geo", 2))]), 2);
    back.left = BTreeSet::from([3]);
    back.releases.insert(3, BTreeMap::from([(place().region, arn("geo", 3))]));
    // The function's own wave is not open yet.
    back.course = Some(Preset::Standard.course());
    let mut function = with_a_weight_beside_other_code();
    let steps_of = |function: &Consumer| {
        let planned = plan(&back, &world(function), None, Timestamp::UNIX_EPOCH);
        planned.steps.into_iter().map(|placed| placed.step).collect::<Vec<_>>()
    };
    match &steps_of(&function)[..] {
        [Step::MoveAlias { alias, version: 9, percent: 100, .. }] => assert_eq!(alias, "test"),
        other => panic!("{other:?}"),
    }
    // Where most calls still get our version, the other code is a person's own canary.
    split(&mut function, 1, 8, 90);
    assert_eq!(steps_of(&function), []);
}

/// A deployment left our weight beside other code, and a person orders the function to the release before.
#[test]
fn an_order_back_takes_a_weight_away_that_a_deployment_left() {
    let function = with_a_weight_beside_other_code();
    let at = Timestamp::UNIX_EPOCH;
    let why =
        Why::FunctionPinned { release: Some(2), at, by: String::new(), reason: None, until: None };
    let pinned = PinnedFunction { to: StaysOn::Release(2), why };
    let back = Intent {
        course: Some(Preset::Standard.course()),
        pinned_functions: BTreeMap::from([(function.function.clone(), pinned)]),
        ..intent()
    };
    for paused in [None, Some(Why::Paused { at, by: String::new(), reason: None })] {
        let back = Intent { paused, ..back.clone() };
        let planned = plan(&back, &world(&function), Some(&rollout_of(&function)), at);
        match &planned.steps[..] {
            [placed] => assert!(
                matches!(&placed.step, Step::MoveAlias { version: 9, percent: 100, .. }),
                "{placed:?}"
            ),
            other => panic!("{other:?}"),
        }
    }
}

/// CI deploys the release that it was told to take, again and again, while the one box has a part of another one.
#[test]
fn a_function_that_lost_its_part_too_often_is_held() {
    let mut function = behind_two_aliases();
    aliases(&mut function).pop();
    let key = (place().to_string(), function.function.clone());
    for (before, was_in_part, held) in [(2, true, true), (2, false, false), (1, true, false)] {
        let set_back = SetBack { before, was_there: false, was_in_part };
        let intent = Intent {
            course: Some(Preset::Standard.course()),
            set_back: BTreeMap::from([(key.clone(), set_back)]),
            ..intent()
        };
        let planned =
            plan(&intent, &world(&function), Some(&rollout_of(&function)), Timestamp::UNIX_EPOCH);
        let standing = planned.standings.values().next().expect("one function");
        assert_eq!(matches!(standing, Standing::Held(_)), held, "{set_back:?}: {planned:#?}");
    }
}
