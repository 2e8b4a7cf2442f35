use std::fmt;
use std::str::FromStr;

use freshlayer::Place;

use super::local::Local;
use super::places::{home, placed};
use crate::hook::Script;

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The upstream has the build of a day.
    Build(u64),
    /// The upstream has the build of a day, in which a field is gone that earlier ones had.
    LesserBuild(u64),
    /// The upstream has half of a file.
    DamagedBuild,
    /// Something happens in one place.
    In(Place, Local),
    /// The schedule's run.
    Schedule,
    /// A person's run.
    Refresh,
    /// Two publishers at once.
    RefreshTwice,
    /// A run that dies at a call.
    RefreshKilled(u64),
    /// So many minutes pass; the publisher is woken when its last run asked to be.
    Pass(u64),
    /// The publisher's clock goes back by so many minutes, and so do its alarms.
    ClockGoesBack(u32),
    /// A person's order.
    Order(Order),
    /// How the hook answers from now on.
    Hook(Script),
    /// Which layer versions callers get.
    CallersGet,
    /// Which layer version people's deployments get.
    DeploymentsGet,
    /// What people's tools were told since the last time.
    Events,
}

/// What a person orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Back to the last stable release, or one function alone one release back.
    Rollback(Option<String>),
    /// Stay on the current release, for so many hours or until unpinned.
    Pin(Option<u64>),
    /// End the pin, or that of one function.
    Unpin(Option<String>),
    /// Let nothing move, or one function not.
    Freeze(Option<String>),
    /// End that.
    Unfreeze(Option<String>),
    /// The rollout goes no further.
    Pause,
    /// It goes on.
    Resume,
    /// Every function moves now.
    Promote,
    /// Every function goes back.
    Abort,
    /// Delete what nothing uses.
    Prune,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(day) => write!(f, "build {day}"),
            Self::LesserBuild(day) => write!(f, "build {day} without continents"),
            Self::ClockGoesBack(minutes) => write!(f, "the clock goes back {minutes} min"),
            Self::DamagedBuild => f.write_str("damaged build"),
            Self::In(place, local) if *place == home() => local.fmt(f),
            Self::In(place, local) => write!(f, "{local} in {place}"),
            Self::Schedule => f.write_str("schedule"),
            Self::Refresh => f.write_str("refresh"),
            Self::RefreshTwice => f.write_str("refresh twice at once"),
            Self::RefreshKilled(call) => write!(f, "refresh killed at call {call}"),
            Self::Pass(minutes) => write!(f, "pass {minutes} min"),
            Self::Order(order) => write!(f, "order {order}"),
            Self::Hook(Script::Verdict(verdict)) => write!(f, "hook says {verdict}"),
            Self::Hook(Script::Text(text)) => write!(f, "hook answers {text}"),
            Self::Hook(Script::Silent) => f.write_str("hook is silent"),
            Self::CallersGet => f.write_str("callers get"),
            Self::DeploymentsGet => f.write_str("deployments get"),
            Self::Events => f.write_str("events"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rollback(None) => f.write_str("rollback"),
            Self::Rollback(Some(name)) => write!(f, "rollback {name}"),
            Self::Pin(None) => f.write_str("pin"),
            Self::Pin(Some(hours)) => write!(f, "pin for {hours} h"),
            Self::Unpin(None) => f.write_str("unpin"),
            Self::Unpin(Some(name)) => write!(f, "unpin {name}"),
            Self::Freeze(None) => f.write_str("freeze"),
            Self::Freeze(Some(name)) => write!(f, "freeze {name}"),
            Self::Unfreeze(None) => f.write_str("unfreeze"),
            Self::Unfreeze(Some(name)) => write!(f, "unfreeze {name}"),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Promote => f.write_str("promote"),
            Self::Abort => f.write_str("abort"),
            Self::Prune => f.write_str("prune"),
        }
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let own = |word: &&str| (*word).to_owned();
        let number =
            |word: &&str| word.parse().map_err(|_| format!("{text:?}: {word:?} is no number"));
        Ok(match &words[..] {
            ["build", day] => Self::Build(number(day)?),
            ["build", day, "without", "continents"] => Self::LesserBuild(number(day)?),
            ["the", "clock", "goes", "back", minutes, "min"] => Self::ClockGoesBack(
                minutes.parse().map_err(|_| format!("{text:?}: no number of minutes"))?,
            ),
            ["damaged", "build"] => Self::DamagedBuild,
            ["schedule"] => Self::Schedule,
            ["refresh"] => Self::Refresh,
            ["refresh", "twice", "at", "once"] => Self::RefreshTwice,
            ["refresh", "killed", "at", "call", call] => Self::RefreshKilled(number(call)?),
            ["pass", minutes, "min"] => Self::Pass(number(minutes)?),
            ["pass", hours, "h"] => Self::Pass(60 * number(hours)?),
            ["order", order @ ..] => Self::Order(ordered(text, order)?),
            ["hook", "says", verdict] => Self::Hook(Script::Verdict(own(verdict))),
            ["hook", "answers", words @ ..] => Self::Hook(Script::Text(words.join(" "))),
            ["hook", "is", "silent"] => Self::Hook(Script::Silent),
            ["callers", "get"] => Self::CallersGet,
            ["deployments", "get"] => Self::DeploymentsGet,
            ["events"] => Self::Events,
            _ => {
                let (local, place) = placed(text)?;
                Self::In(place, local.parse()?)
            }
        })
    }
}

fn ordered(text: &str, words: &[&str]) -> Result<Order, String> {
    Ok(match words {
        ["rollback"] => Order::Rollback(None),
        ["rollback", name] => Order::Rollback(Some((*name).to_owned())),
        ["pin"] => Order::Pin(None),
        ["pin", "for", hours, "h"] => Order::Pin(hours.parse().ok()),
        ["unpin"] => Order::Unpin(None),
        ["unpin", name] => Order::Unpin(Some((*name).to_owned())),
        ["freeze"] => Order::Freeze(None),
        ["freeze", name] => Order::Freeze(Some((*name).to_owned())),
        ["unfreeze"] => Order::Unfreeze(None),
        ["unfreeze", name] => Order::Unfreeze(Some((*name).to_owned())),
        ["pause"] => Order::Pause,
        ["resume"] => Order::Resume,
        ["promote"] => Order::Promote,
        ["abort"] => Order::Abort,
        ["prune"] => Order::Prune,
        _ => return Err(format!("{text:?} is no order")),
    })
}
