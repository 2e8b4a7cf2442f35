use std::fmt;
use std::str::FromStr;

use crate::hook::Script;
use crate::simulated::Outage;

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The upstream has the build of a day.
    Build(u64),
    /// The upstream has half of a file.
    DamagedBuild,
    /// A person makes a function.
    Function(Making),
    /// A person changes a function's code, and releases nothing.
    Deploy(String),
    /// A person publishes `$LATEST` and points the alias to it.
    Release(String),
    /// A deployment sets a function back to a layer version.
    SetBack(String, u64),
    /// A person tags a function.
    Tag(String, String, String),
    /// A person takes a tag away.
    Untag(String, String),
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
    /// A person's order.
    Order(Order),
    /// One in so many calls fails, everywhere or with one layer version.
    CallsFail(u64, Option<u64>),
    /// No call fails.
    CallsAreWell,
    /// An alarm rings, or is quiet.
    Alarm(String, Rings),
    /// How the hook answers from now on.
    Hook(Script),
    /// A layer version ends functions while they start.
    Breaks(u64),
    /// Lambda fails, or works again.
    Lambda(Option<Outage>),
    /// Which layer versions callers get.
    CallersGet,
    /// Which layer version people's deployments get.
    DeploymentsGet,
    /// What people's tools were told since the last time.
    Events,
}

/// Whether an alarm rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rings {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// A function that a person makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Making {
    /// Its name.
    pub name: String,
    /// Whether it has the alias `live`.
    pub alias: bool,
    /// The version of the layer that it uses, with other layers before and behind it.
    pub on: Option<u64>,
    /// Whether the alias has provisioned concurrency.
    pub provisioned: bool,
    /// Whether its versions start from a snapshot.
    pub snapshot: bool,
    /// A tag.
    pub tag: Option<(String, String)>,
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
            Self::DamagedBuild => f.write_str("damaged build"),
            Self::Function(making) => write!(f, "function {making}"),
            Self::Deploy(name) => write!(f, "deploy {name}"),
            Self::Release(name) => write!(f, "release {name}"),
            Self::SetBack(name, version) => write!(f, "set {name} back to {version}"),
            Self::Tag(name, key, value) => write!(f, "tag {name} {key}={value}"),
            Self::Untag(name, key) => write!(f, "untag {name} {key}"),
            Self::Schedule => f.write_str("schedule"),
            Self::Refresh => f.write_str("refresh"),
            Self::RefreshTwice => f.write_str("refresh twice at once"),
            Self::RefreshKilled(call) => write!(f, "refresh killed at call {call}"),
            Self::Pass(minutes) => write!(f, "pass {minutes} min"),
            Self::Order(order) => write!(f, "order {order}"),
            Self::CallsFail(one_in, None) => write!(f, "calls fail 1 in {one_in}"),
            Self::CallsFail(one_in, Some(version)) => {
                write!(f, "calls fail 1 in {one_in} on {version}")
            }
            Self::CallsAreWell => f.write_str("calls are well"),
            Self::Alarm(name, Rings::Yes) => write!(f, "alarm {name} rings"),
            Self::Alarm(name, Rings::No) => write!(f, "alarm {name} is quiet"),
            Self::Hook(Script::Verdict(verdict)) => write!(f, "hook says {verdict}"),
            Self::Hook(Script::Text(text)) => write!(f, "hook answers {text}"),
            Self::Hook(Script::Silent) => f.write_str("hook is silent"),
            Self::Breaks(version) => write!(f, "version {version} breaks functions"),
            Self::Lambda(Some(Outage::Unreachable)) => f.write_str("lambda is unreachable"),
            Self::Lambda(Some(Outage::Denied)) => f.write_str("lambda denies"),
            Self::Lambda(Some(Outage::RoleDenied)) => f.write_str("lambda denies the role"),
            Self::Lambda(None) => f.write_str("lambda is back"),
            Self::CallersGet => f.write_str("callers get"),
            Self::DeploymentsGet => f.write_str("deployments get"),
            Self::Events => f.write_str("events"),
        }
    }
}

impl fmt::Display for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.alias {
            f.write_str(" alias")?;
        }
        if let Some(version) = self.on {
            write!(f, " on {version}")?;
        }
        if self.provisioned {
            f.write_str(" provisioned")?;
        }
        if self.snapshot {
            f.write_str(" snapshot")?;
        }
        match &self.tag {
            Some((key, value)) => write!(f, " tag {key}={value}"),
            None => Ok(()),
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
            ["damaged", "build"] => Self::DamagedBuild,
            ["function", name, rest @ ..] => Self::Function(making(text, name, rest)?),
            ["deploy", name] => Self::Deploy(own(name)),
            ["release", name] => Self::Release(own(name)),
            ["set", name, "back", "to", version] => Self::SetBack(own(name), number(version)?),
            ["tag", name, tag] => {
                let (key, value) = tag.split_once('=').ok_or(format!("{text:?}: no value"))?;
                Self::Tag(own(name), key.to_owned(), value.to_owned())
            }
            ["untag", name, key] => Self::Untag(own(name), own(key)),
            ["schedule"] => Self::Schedule,
            ["refresh"] => Self::Refresh,
            ["refresh", "twice", "at", "once"] => Self::RefreshTwice,
            ["refresh", "killed", "at", "call", call] => Self::RefreshKilled(number(call)?),
            ["pass", minutes, "min"] => Self::Pass(number(minutes)?),
            ["pass", hours, "h"] => Self::Pass(60 * number(hours)?),
            ["order", order @ ..] => Self::Order(ordered(text, order)?),
            ["calls", "fail", "1", "in", one_in] => Self::CallsFail(number(one_in)?, None),
            ["calls", "fail", "1", "in", one_in, "on", version] => {
                Self::CallsFail(number(one_in)?, Some(number(version)?))
            }
            ["calls", "are", "well"] => Self::CallsAreWell,
            ["alarm", name, "rings"] => Self::Alarm(own(name), Rings::Yes),
            ["alarm", name, "is", "quiet"] => Self::Alarm(own(name), Rings::No),
            ["hook", "says", verdict] => Self::Hook(Script::Verdict(own(verdict))),
            ["hook", "answers", words @ ..] => Self::Hook(Script::Text(words.join(" "))),
            ["hook", "is", "silent"] => Self::Hook(Script::Silent),
            ["version", version, "breaks", "functions"] => Self::Breaks(number(version)?),
            ["lambda", "is", "unreachable"] => Self::Lambda(Some(Outage::Unreachable)),
            ["lambda", "denies"] => Self::Lambda(Some(Outage::Denied)),
            ["lambda", "is", "back"] => Self::Lambda(None),
            ["callers", "get"] => Self::CallersGet,
            ["deployments", "get"] => Self::DeploymentsGet,
            ["events"] => Self::Events,
            _ => return Err(format!("{text:?} is no act")),
        })
    }
}

fn making(text: &str, name: &str, rest: &[&str]) -> Result<Making, String> {
    let mut making = Making { name: name.to_owned(), ..Making::default() };
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        match *word {
            "alias" => making.alias = true,
            "provisioned" => making.provisioned = true,
            "snapshot" => making.snapshot = true,
            "on" => making.on = words.next().and_then(|version| version.parse().ok()),
            "tag" => {
                let tag = words.next().and_then(|tag| tag.split_once('='));
                making.tag = tag.map(|(key, value)| (key.to_owned(), value.to_owned()));
            }
            _ => return Err(format!("{text:?}: {word:?} is nothing of a function")),
        }
    }
    Ok(making)
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
