use std::fmt;
use std::str::FromStr;

use freshlayer::ports::AlarmTag;

use crate::simulated::{Outage, Updates};

/// What happens in one place: people's work on functions, and what goes wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// A person makes a function.
    Function(Making),
    /// A person changes a function's code, and releases nothing.
    Deploy(String),
    /// A person publishes `$LATEST` and points the alias to it.
    Release(String),
    /// The same, but a weight that the alias had stays, as with `aws lambda update-alias`.
    ReleaseBesideWeight(String),
    /// A person points the alias to an earlier version of the function.
    Point(String, u64),
    /// A person takes the weight off the alias.
    Unweigh(String),
    /// A deployment sets a function back to a layer version.
    SetBack(String, u64),
    /// A person tags a function.
    Tag(String, String, String),
    /// A person takes a tag away.
    Untag(String, String),
    /// One in so many calls fails, all over the place or with one layer version.
    CallsFail(u64, Option<u64>),
    /// No call fails.
    CallsAreWell,
    /// An alarm rings, or is quiet.
    Alarm(String, Rings),
    /// An alarm is deleted.
    NoAlarm(String),
    /// An alarm is muted.
    MuteAlarm(String),
    /// An alarm gets a tag.
    TagAlarm(String, AlarmTag),
    /// From now on a function is called so many times a minute.
    Called(String, u64),
    /// From now on CloudWatch tells of calls so many minutes late.
    CallsAreToldLate(u32),
    /// From now on Lambda takes updates of a function, or refuses them.
    Updates(String, Updates),
    /// A person publishes a version of the layer: freshlayer did not make it.
    Foreign,
    /// A layer version ends functions while they start.
    Breaks(u64),
    /// CloudWatch answers no question, or answers again.
    CloudWatch(Hears),
    /// Lambda fails, or works again.
    Lambda(Option<Outage>),
}

/// Whether an alarm rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rings {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// Whether CloudWatch answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
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
    /// How often a minute it is called, where it is not as often as all others.
    pub called: Option<u64>,
    /// A tag.
    pub tag: Option<(String, String)>,
}

impl Local {
    /// Returns the function that it is about.
    pub(super) fn function(&self) -> Option<&str> {
        match self {
            Self::Function(making) => Some(&making.name),
            Self::Deploy(name)
            | Self::Release(name)
            | Self::ReleaseBesideWeight(name)
            | Self::Unweigh(name)
            | Self::SetBack(name, _)
            | Self::Point(name, _)
            | Self::Called(name, _)
            | Self::Updates(name, _)
            | Self::Tag(name, ..)
            | Self::Untag(name, _) => Some(name),
            Self::CallsFail(..)
            | Self::CallsAreWell
            | Self::Alarm(..)
            | Self::NoAlarm(_)
            | Self::MuteAlarm(_)
            | Self::TagAlarm(..)
            | Self::CallsAreToldLate(_)
            | Self::Foreign
            | Self::Breaks(_)
            | Self::CloudWatch(_)
            | Self::Lambda(_) => None,
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(making) => write!(f, "function {making}"),
            Self::Deploy(name) => write!(f, "deploy {name}"),
            Self::Release(name) => write!(f, "release {name}"),
            Self::ReleaseBesideWeight(name) => write!(f, "release {name} beside its weight"),
            Self::Point(name, version) => write!(f, "point {name} to {version}"),
            Self::Unweigh(name) => write!(f, "unweigh {name}"),
            Self::SetBack(name, version) => write!(f, "set {name} back to {version}"),
            Self::Tag(name, key, value) => write!(f, "tag {name} {key}={value}"),
            Self::Untag(name, key) => write!(f, "untag {name} {key}"),
            Self::CallsFail(one_in, None) => write!(f, "calls fail 1 in {one_in}"),
            Self::CallsFail(one_in, Some(version)) => {
                write!(f, "calls fail 1 in {one_in} on {version}")
            }
            Self::CallsAreWell => f.write_str("calls are well"),
            Self::Alarm(name, Rings::Yes) => write!(f, "alarm {name} rings"),
            Self::Alarm(name, Rings::No) => write!(f, "alarm {name} is quiet"),
            Self::NoAlarm(name) => write!(f, "alarm {name} is gone"),
            Self::MuteAlarm(name) => write!(f, "alarm {name} is muted"),
            Self::TagAlarm(name, tag) => write!(f, "alarm {name} gets {tag}"),
            Self::Called(name, calls) => write!(f, "{name} is called {calls} times a minute"),
            Self::CallsAreToldLate(minutes) => write!(f, "calls are told {minutes} min late"),
            Self::Updates(name, Updates::Taken) => write!(f, "{name} can be changed"),
            Self::Updates(name, Updates::Locked) => write!(f, "{name} is locked"),
            Self::Updates(name, Updates::Denied) => write!(f, "{name} may not be changed"),
            Self::Updates(name, Updates::AliasesDenied) => {
                write!(f, "aliases of {name} may not be changed")
            }
            Self::Foreign => f.write_str("a person publishes a version"),
            Self::Breaks(version) => write!(f, "version {version} breaks functions"),
            Self::CloudWatch(Hears::No) => f.write_str("cloudwatch does not answer"),
            Self::CloudWatch(Hears::Yes) => f.write_str("cloudwatch answers"),
            Self::Lambda(Some(Outage::Unreachable)) => f.write_str("lambda is unreachable"),
            Self::Lambda(Some(Outage::Throttled)) => f.write_str("lambda throttles"),
            Self::Lambda(Some(Outage::Denied)) => f.write_str("lambda denies"),
            Self::Lambda(Some(Outage::RoleDenied)) => f.write_str("the role is denied"),
            Self::Lambda(None) => f.write_str("lambda is back"),
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
        if let Some(calls) = self.called {
            write!(f, " called {calls}")?;
        }
        match &self.tag {
            Some((key, value)) => write!(f, " tag {key}={value}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Local {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let own = |word: &&str| (*word).to_owned();
        let number =
            |word: &&str| word.parse().map_err(|_| format!("{text:?}: {word:?} is no number"));
        Ok(match &words[..] {
            ["function", name, rest @ ..] => Self::Function(making(text, name, rest)?),
            ["deploy", name] => Self::Deploy(own(name)),
            ["release", name] => Self::Release(own(name)),
            ["release", name, "beside", "its", "weight"] => Self::ReleaseBesideWeight(own(name)),
            ["point", name, "to", version] => Self::Point(own(name), number(version)?),
            ["unweigh", name] => Self::Unweigh(own(name)),
            ["set", name, "back", "to", version] => Self::SetBack(own(name), number(version)?),
            ["tag", name, tag] => {
                let (key, value) = tag.split_once('=').ok_or(format!("{text:?}: no value"))?;
                Self::Tag(own(name), key.to_owned(), value.to_owned())
            }
            ["untag", name, key] => Self::Untag(own(name), own(key)),
            ["calls", "fail", "1", "in", one_in] => Self::CallsFail(number(one_in)?, None),
            ["calls", "fail", "1", "in", one_in, "on", version] => {
                Self::CallsFail(number(one_in)?, Some(number(version)?))
            }
            ["calls", "are", "well"] => Self::CallsAreWell,
            ["alarm", name, "rings"] => Self::Alarm(own(name), Rings::Yes),
            ["alarm", name, "is", "quiet"] => Self::Alarm(own(name), Rings::No),
            ["alarm", name, "is", "gone"] => Self::NoAlarm(own(name)),
            ["alarm", name, "is", "muted"] => Self::MuteAlarm(own(name)),
            ["alarm", name, "gets", tag] => Self::TagAlarm(own(name), AlarmTag::parse(tag)?),
            [name, "is", "called", calls, "times", "a", "minute"] => {
                Self::Called(own(name), number(calls)?)
            }
            [name, "can", "be", "changed"] => Self::Updates(own(name), Updates::Taken),
            [name, "is", "locked"] => Self::Updates(own(name), Updates::Locked),
            ["aliases", "of", name, "may", "not", "be", "changed"] => {
                Self::Updates(own(name), Updates::AliasesDenied)
            }
            [name, "may", "not", "be", "changed"] => Self::Updates(own(name), Updates::Denied),
            ["calls", "are", "told", minutes, "min", "late"] => {
                Self::CallsAreToldLate(minutes.parse().map_err(|_| format!("{text:?}: no number"))?)
            }
            ["a", "person", "publishes", "a", "version"] => Self::Foreign,
            ["version", version, "breaks", "functions"] => Self::Breaks(number(version)?),
            ["cloudwatch", "does", "not", "answer"] => Self::CloudWatch(Hears::No),
            ["cloudwatch", "answers"] => Self::CloudWatch(Hears::Yes),
            ["lambda", "is", "unreachable"] => Self::Lambda(Some(Outage::Unreachable)),
            ["lambda", "throttles"] => Self::Lambda(Some(Outage::Throttled)),
            ["lambda", "denies"] => Self::Lambda(Some(Outage::Denied)),
            ["the", "role", "is", "denied"] => Self::Lambda(Some(Outage::RoleDenied)),
            ["lambda", "is", "back"] => Self::Lambda(None),
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
            "called" => making.called = words.next().and_then(|calls| calls.parse().ok()),
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
