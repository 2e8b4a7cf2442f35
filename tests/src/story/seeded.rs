use fastrand::Rng;

use freshlayer::{AccountId, Place, RegionName};

use super::act::{Act, Order};
use super::local::{Hears, Local, Making, Rings};
use super::places::{home, own};
use super::text::Story;
use crate::hook::Script;
use crate::simulated::{Outage, Updates};

const ACTS: usize = 16;
const ALARM: &str = "geo-errors";
const NAMES: [&str; 5] = ["api", "batch", "checkout", "edge", "search"];
const FAR: &str = "us-east-1";
const OTHERS: &str = "210987654321";

/// Writes the story of a seed: some functions on a first release, and then any acts in any order.
pub fn story_of(seed: u64) -> Story {
    let mut random = Rng::with_seed(seed);
    let mut acts = vec![at_home(Local::Alarm(ALARM.to_owned(), Rings::No)), Act::Refresh];
    for name in NAMES {
        acts.push(at_home(Local::Function(function(name, &mut random))));
    }
    acts.push(Act::Pass(60));
    let mut day = 0;
    for _ in 0..ACTS {
        let act = any(&mut random, &mut day);
        let goes_on = matches!(
            act,
            Act::Build(_) | Act::LesserBuild(_) | Act::Order(_) | Act::In(_, Local::SetBack(..))
        );
        acts.push(act);
        if goes_on && random.bool() {
            acts.push(Act::Schedule);
        }
    }
    let mut story =
        Story { about: format!("What seed {seed} brings."), terms: terms(&mut random), acts };
    add_hook(&mut story, &mut random);
    add_foreign(&mut story, &mut random);
    add_places(&mut story, &mut random);
    judge_few_calls(&mut story, &mut random);
    judge_otherwise(&mut story, &mut random);
    refuse_updates(&mut story, &mut random);
    story
}

fn at_home(local: Local) -> Act {
    Act::In(home(), local)
}

/// Lets half of the layers with metrics judge a tenth of the calls of their one box.
fn judge_few_calls(story: &mut Story, random: &mut Rng) {
    let has_box = !story.terms.iter().any(|term| term.contains("all-at-once"));
    let metrics = story.terms.iter_mut().find(|term| *term == "rollout.metrics = {}");
    if let Some(term) = metrics.filter(|_| has_box && random.bool()) {
        "rollout.metrics = { calls_min = 10 }".clone_into(term);
        story.terms.insert(0, "rollout.alias_weight_percent = 10".to_owned());
    }
}

/// Lets some layers do what few layers do: only look at calls, end another way where gates cannot tell, move in a window,
/// leave all moves to deployments, move functions to a new major version unasked.
fn judge_otherwise(story: &mut Story, random: &mut Rng) {
    if random.u8(..6) == 0 {
        let metrics = story.terms.iter_mut().find(|term| *term == "rollout.metrics = {}");
        if let Some(term) = metrics {
            "rollout.metrics = { observe = true }".clone_into(term);
        }
    }
    if story.terms.iter().any(|term| term.starts_with("rollout.metrics")) && random.u8(..3) == 0 {
        let otherwise = ["hold", "rollback"][random.usize(..2)];
        story.terms.insert(0, format!("rollout.on_inconclusive = '{otherwise}'"));
    }
    let rare = [
        (8, "rollout.window = { from = '05:00', until = '23:00' }"),
        (12, "rollout.roll = 'propose'"),
        (4, "rollout.roll_major = 'roll'"),
    ];
    for (one_in, term) in rare {
        if random.u8(..one_in) == 0 {
            story.terms.insert(0, term.to_owned());
        }
    }
}

/// Lets Lambda refuse to change one or two functions of one layer in four, some of them to the end.
fn refuse_updates(story: &mut Story, random: &mut Rng) {
    if random.u8(..4) > 0 {
        return;
    }
    for _ in 0..random.usize(1..3) {
        let made: Vec<(Place, String)> = story.acts.iter().filter_map(made).collect();
        let (place, name) = made[random.usize(..made.len())].clone();
        let refused = [Updates::Locked, Updates::Denied, Updates::AliasesDenied];
        let refused = refused[random.usize(..3)];
        let mut at = opening(story);
        for updates in [refused, Updates::Taken] {
            at = random.usize(at + 1..=story.acts.len() + 4);
            if at > story.acts.len() {
                break;
            }
            let local = Local::Updates(name.clone(), updates);
            story.acts.insert(at, Act::In(place.clone(), local));
        }
    }
}

fn made(act: &Act) -> Option<(Place, String)> {
    match act {
        Act::In(place, Local::Function(making)) => Some((place.clone(), making.name.clone())),
        _ => None,
    }
}

/// Puts one or two functions of one layer in six on a version of the layer that people published.
fn add_foreign(story: &mut Story, random: &mut Rng) {
    if random.u8(..6) > 0 {
        return;
    }
    let first = opening(story) - NAMES.len();
    story.acts.insert(first, at_home(Local::Foreign));
    for at in [1, 1 + random.usize(1..=NAMES.len())] {
        if let Act::In(_, Local::Function(making)) = &mut story.acts[first + at] {
            making.on = Some(2);
        }
    }
}

/// Gives one layer in four a hook that changes its mind.
fn add_hook(story: &mut Story, random: &mut Rng) {
    let bakes = !story.terms.iter().any(|term| term.contains("all-at-once"));
    if !bakes || random.u8(..4) > 0 {
        return;
    }
    let observe = if random.u8(..4) == 0 { ", observe = true" } else { "" };
    story.terms.push(format!("rollout.hook = {{ lambda = 'refunds'{observe} }}"));
    for _ in 0..ACTS / 4 {
        let verdicts = ["proceed", "proceed", "wait", "hold", "rollback"];
        let script = match random.usize(..verdicts.len() + 2) {
            0 => Script::Silent,
            1 => Script::Text("busy".to_owned()),
            verdict => Script::Verdict(verdicts[verdict - 2].to_owned()),
        };
        story.acts.insert(random.usize(..story.acts.len()), Act::Hook(script));
    }
    story.acts.insert(0, Act::Hook(Script::Verdict("proceed".to_owned())));
}

/// Gives one layer in five a second Region, and half of them another account: the same acts in any place, and places that
/// fail alone.
fn add_places(story: &mut Story, random: &mut Rng) {
    if random.u8(..5) > 0 {
        return;
    }
    let mut further = vec![own(RegionName::parse(FAR).expect("a Region"))];
    if random.bool() {
        let of_others = |place: Place| Place {
            account: Some(AccountId::parse(OTHERS).expect("an account")),
            ..place
        };
        further.extend([home(), further[0].clone()].map(of_others));
        let role = format!("role_arn = 'arn:aws:iam::{OTHERS}:role/freshlayer'");
        story.terms.extend(["[[account]]".to_owned(), format!("id = '{OTHERS}'"), role]);
    }
    story.terms.splice(..0, terms_of_regions(&story.terms, random));
    let mut functions = vec![(home(), NAMES.len())];
    functions.extend(further.iter().map(|place| (place.clone(), random.usize(2..5))));
    for act in &mut story.acts {
        let Act::In(place, local) = act else { continue };
        let made = |many: usize| local.function().is_none_or(|name| NAMES[..many].contains(&name));
        let (chosen, many) = &functions[random.usize(..functions.len())];
        if made(*many) && !matches!(local, Local::Function(_) | Local::Foreign) {
            chosen.clone_into(place);
        }
    }
    make_functions(story, &functions[1..], random);
    add_outages(story, &functions, random);
}

fn terms_of_regions(terms: &[String], random: &mut Rng) -> Vec<String> {
    let mut added = vec![format!("regions = ['{}', '{FAR}']", home())];
    let gap = ["0", "20", "120"][random.usize(..3)];
    let first = [None, Some(FAR.to_owned()), Some(home().to_string())][random.usize(..3)].clone();
    let waves = ["standard", "careful"].map(|preset| format!("rollout.preset = '{preset}'"));
    if terms.iter().any(|term| waves.contains(term)) {
        added.push(format!("rollout.region_gap_minutes = {gap}"));
        if let Some(first) = first.filter(|_| gap != "0") {
            added.push(format!("rollout.regions_order = ['{first}']"));
        }
        let later = ["0", "30"][random.usize(..2)];
        added.push(format!("rollout.later_region_gap_minutes = {later}"));
    }
    added
}

/// Makes functions of further places when those at home are there.
fn make_functions(story: &mut Story, further: &[(Place, usize)], random: &mut Rng) {
    let made = opening(story);
    for (place, many) in further {
        for name in &NAMES[..*many] {
            let act = Act::In(place.clone(), Local::Function(function(name, random)));
            story.acts.insert(made, act);
        }
    }
}

/// Lets places fail and come back alone; some stay away to the end. The calls and alarms of one cannot be read for a while.
fn add_outages(story: &mut Story, places: &[(Place, usize)], random: &mut Rng) {
    for _ in 0..2 {
        let (place, _) = &places[random.usize(..places.len())];
        let outage = match random.u8(..3) {
            0 if place.account.is_some() => Outage::RoleDenied,
            0 | 1 => Outage::Denied,
            _ => Outage::Unreachable,
        };
        let begins = random.usize(opening(story)..=story.acts.len());
        let ends = random.usize(begins..=story.acts.len() + 4) + 1;
        story.acts.insert(begins, Act::In(place.clone(), Local::Lambda(Some(outage))));
        if ends <= story.acts.len() {
            story.acts.insert(ends, Act::In(place.clone(), Local::Lambda(None)));
        }
    }
    let (place, _) = &places[random.usize(..places.len())];
    for hears in [Hears::No, Hears::Yes] {
        let at = random.usize(opening(story)..=story.acts.len());
        story.acts.insert(at, Act::In(place.clone(), Local::CloudWatch(hears)));
    }
}

/// How many acts set the scene: the first release, and the functions.
fn opening(story: &Story) -> usize {
    story.acts.iter().position(|act| matches!(act, Act::Pass(_))).expect("time passes")
}

fn terms(random: &mut Rng) -> Vec<String> {
    let preset = ["standard", "standard", "careful", "fast", "all-at-once"][random.usize(..5)];
    let mut terms = vec![format!("rollout.preset = '{preset}'")];
    if preset != "all-at-once" && random.bool() {
        terms.push(format!("rollout.alarms = ['{ALARM}']"));
    }
    if preset != "all-at-once" && random.bool() {
        terms.push("rollout.metrics = {}".to_owned());
    }
    if random.bool() {
        terms.push("rollout.probe.payload = { ip = '192.0.2.1' }".to_owned());
        if random.bool() {
            terms.push("rollout.evidence = 'probe'".to_owned());
        }
    }
    terms
}

fn function(name: &str, random: &mut Rng) -> Making {
    let alias = random.bool();
    let tags = [
        ("freshlayer:wave", "canary"),
        ("freshlayer:wave", "last"),
        ("team", "shop"),
        ("freshlayer:geo", ">=1"),
    ];
    let (key, value) = tags[random.usize(..tags.len())];
    Making {
        name: name.to_owned(),
        alias,
        on: Some(1),
        provisioned: alias && random.u8(..4) == 0,
        snapshot: alias && random.u8(..4) == 0,
        called: (random.u8(..4) == 0).then(|| [0, 1, 20][random.usize(..3)]),
        tag: (random.u8(..3) == 0).then(|| (key.to_owned(), value.to_owned())),
    }
}

fn any(random: &mut Rng, day: &mut u64) -> Act {
    let name = NAMES[random.usize(..NAMES.len())].to_owned();
    match random.u8(..46) {
        0..=5 => {
            *day += 3;
            if random.u8(..12) == 0 { Act::LesserBuild(*day) } else { Act::Build(*day) }
        }
        6 => Act::DamagedBuild,
        7..=9 => Act::Refresh,
        10..=14 => Act::Schedule,
        15..=21 => Act::Pass(random.u64(5..240)),
        22 => Act::RefreshTwice,
        23..=25 => Act::RefreshKilled(random.u64(..60)),
        26 | 27 => at_home(match random.u8(..8) {
            0 | 1 => Local::Deploy(name),
            2 => Local::ReleaseBesideWeight(name),
            3 => Local::Release(name),
            4 | 5 => Local::Point(name, 1),
            _ => Local::Unweigh(name),
        }),
        28 => at_home(Local::SetBack(name, 1)),
        29 => {
            let value = ["hold", "1", "2", "pin=1"][random.usize(..4)];
            at_home(Local::Tag(name, "freshlayer:geo".to_owned(), value.to_owned()))
        }
        30 => at_home(Local::Untag(name, "freshlayer:geo".to_owned())),
        31 => at_home(Local::CallsFail(random.u64(1..20), None)),
        32 => at_home(Local::CallsFail(random.u64(1..10), Some(2 + random.u64(..3)))),
        33 => at_home(Local::CallsAreWell),
        34 => at_home(Local::Alarm(ALARM.to_owned(), Rings::Yes)),
        35 => at_home(match random.u8(..6) {
            0 | 1 => Local::NoAlarm(ALARM.to_owned()),
            2 => Local::MuteAlarm(ALARM.to_owned()),
            _ => Local::Alarm(ALARM.to_owned(), Rings::No),
        }),
        36 => at_home(Local::Breaks(2 + random.u64(..3))),
        37 => at_home(Local::CallsAreToldLate([0, 2, 10][random.usize(..3)])),
        38 => Act::ClockGoesBack(random.u32(1..60)),
        39 => {
            let outages = [Outage::Denied, Outage::Unreachable, Outage::Throttled];
            at_home(Local::Lambda(Some(outages[random.usize(..3)])))
        }
        40 => at_home(Local::Lambda(None)),
        41 | 42 => at_home(Local::Called(name, [0, 2, 30][random.usize(..3)])),
        _ => Act::Order(order(name, random)),
    }
}

fn order(name: String, random: &mut Rng) -> Order {
    let function = random.bool().then_some(name);
    match random.u8(..11) {
        0 => Order::Rollback(None),
        1 => Order::Rollback(function),
        2 => Order::Pin(random.bool().then_some(3)),
        3 => Order::Unpin(function),
        4 => Order::Freeze(function),
        5 => Order::Unfreeze(function),
        6 => Order::Pause,
        7 => Order::Resume,
        8 => Order::Promote,
        9 => Order::Abort,
        _ => Order::Prune,
    }
}
