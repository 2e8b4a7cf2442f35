use fastrand::Rng;

use super::act::{Act, Making, Order, Rings};
use super::text::Story;
use crate::hook::Script;
use crate::simulated::Outage;

const ACTS: usize = 16;
const ALARM: &str = "geo-errors";
const NAMES: [&str; 5] = ["api", "batch", "checkout", "edge", "search"];

/// Writes the story of a seed: some functions on a first release, and then any acts in any order.
pub fn story_of(seed: u64) -> Story {
    let mut random = Rng::with_seed(seed);
    let mut acts = vec![Act::Alarm(ALARM.to_owned(), Rings::No), Act::Refresh];
    for name in NAMES {
        acts.push(Act::Function(function(name, &mut random)));
    }
    acts.push(Act::Pass(60));
    let mut day = 0;
    for _ in 0..ACTS {
        let act = any(&mut random, &mut day);
        let goes_on = matches!(act, Act::Build(_) | Act::Order(_) | Act::SetBack(..));
        acts.push(act);
        if goes_on && random.bool() {
            acts.push(Act::Schedule);
        }
    }
    let mut story =
        Story { about: format!("What seed {seed} brings."), terms: terms(&mut random), acts };
    add_hook(&mut story, &mut random);
    story
}

/// Gives one layer in four a hook that changes its mind.
fn add_hook(story: &mut Story, random: &mut Rng) {
    let bakes = !story.terms.iter().any(|term| term.contains("all-at-once"));
    if !bakes || random.u8(..4) > 0 {
        return;
    }
    story.terms.push("rollout.hook = { lambda = 'refunds' }".to_owned());
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
    }
    terms
}

fn function(name: &str, random: &mut Rng) -> Making {
    let alias = random.bool();
    let waves = [("freshlayer:wave", "canary"), ("freshlayer:wave", "last"), ("team", "shop")];
    let (key, value) = waves[random.usize(..waves.len())];
    Making {
        name: name.to_owned(),
        alias,
        on: Some(1),
        provisioned: alias && random.u8(..4) == 0,
        snapshot: alias && random.u8(..4) == 0,
        tag: (random.u8(..3) == 0).then(|| (key.to_owned(), value.to_owned())),
    }
}

fn any(random: &mut Rng, day: &mut u64) -> Act {
    let name = NAMES[random.usize(..NAMES.len())].to_owned();
    match random.u8(..40) {
        0..=5 => {
            *day += 3;
            Act::Build(*day)
        }
        6 => Act::DamagedBuild,
        7..=9 => Act::Refresh,
        10..=14 => Act::Schedule,
        15..=21 => Act::Pass(random.u64(5..240)),
        22 => Act::RefreshTwice,
        23..=25 => Act::RefreshKilled(random.u64(..60)),
        26 => Act::Deploy(name),
        27 => Act::SetBack(name, 1),
        28 => {
            let value = ["hold", "1", "pin=1"][random.usize(..3)];
            Act::Tag(name, "freshlayer:geo".to_owned(), value.to_owned())
        }
        29 => Act::Untag(name, "freshlayer:geo".to_owned()),
        30 => Act::CallsFail(random.u64(1..20), None),
        31 => Act::CallsFail(random.u64(1..10), Some(2 + random.u64(..3))),
        32 => Act::CallsAreWell,
        33 => Act::Alarm(ALARM.to_owned(), Rings::Yes),
        34 => Act::Alarm(ALARM.to_owned(), Rings::No),
        35 => Act::Breaks(2 + random.u64(..3)),
        36 => Act::Lambda(Some([Outage::Denied, Outage::Unreachable][random.usize(..2)])),
        37 => Act::Lambda(None),
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
