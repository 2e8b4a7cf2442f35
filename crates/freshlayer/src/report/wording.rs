//! The one wording of every reason, used by CLI, log, event bus and report.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::Why;
use crate::definition::Architecture;
use crate::names::DatasetName;
use crate::ports::{AlarmPattern, FunctionName};

/// What stands for a layer's name where it is not known.
const LAYER: &str = "LAYER";
/// What stands for a function's name where it is not known, or where several are meant.
const NAME: &str = "NAME";

/// The names that the commands of a reason take.
#[derive(Clone, Copy)]
struct Named<'a> {
    layer: &'a str,
    function: &'a str,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(Named { layer: LAYER, function: NAME }, f)
    }
}

impl Why {
    /// Says why, with commands that name the layer, and the function where there is one.
    pub fn said_of(&self, layer: &str, function: Option<&FunctionName>) -> String {
        let function = function.map_or(NAME, FunctionName::as_str);
        fmt::from_fn(|f| self.write(Named { layer, function }, f)).to_string()
    }
}

impl Why {
    /// Says what a gate found wrong with a release, without what follows from it; of any other reason all.
    pub(crate) fn failure(&self) -> String {
        match self {
            Self::WaveFailed { release, wave, says, .. } => {
                format!("release {release} failed in wave {wave}{}", so_far(says))
            }
            Self::GateFailed { release, function, words, .. } => {
                format!("release {release} failed its probe at function {function} ({words})")
            }
            Self::NotStarted { release, function, words, .. } => format!(
                "release {release} failed: function {function} cannot start with it ({words})"
            ),
            other => other.to_string(),
        }
    }
}

/// Says what becomes of data that a gate sent back.
fn stays_away(layer: &str) -> String {
    format!(
        "its data stays away until the upstream has another build or a person runs `freshlayer refresh {layer} \
         --retry-rejected`"
    )
}

fn until_said(until: Option<Timestamp>) -> String {
    until.map(|until| format!(", until {}", minute(until))).unwrap_or_default()
}

/// Adds what gates found to a sentence.
fn so_far(says: &[String]) -> String {
    if says.is_empty() { String::new() } else { format!(" ({})", says.join("; ")) }
}

fn with_too_few(waves: &[usize]) -> String {
    let numbers: Vec<String> = waves.iter().map(ToString::to_string).collect();
    match &numbers[..] {
        [] => String::new(),
        [one] => format!("; wave {one} had too few calls to be judged"),
        [all @ .., last] => {
            format!("; waves {} and {last} had too few calls to be judged", all.join(", "))
        }
    }
}

fn of_the_silent(unjudged: usize) -> String {
    match unjudged {
        0 => String::new(),
        1 => "; 1 function is unjudged: no call in 14 days".to_owned(),
        many => format!("; {many} functions are unjudged: no call in 14 days"),
    }
}

fn but_for(stay: usize) -> String {
    match stay {
        0 => String::new(),
        1 => ", but for 1 function that stays where an order keeps it".to_owned(),
        _ => format!(", but for {stay} functions that stay where an order keeps them"),
    }
}

fn rolled_back(layer: &str, functions: &BTreeMap<FunctionName, Option<u64>>) -> String {
    let each = functions
        .iter()
        .map(|(function, release)| format!("{function} is on {}", release_or_before(*release)));
    let each = each.collect::<Vec<_>>().join(", ");
    let stay = if functions.len() == 1 { " and stays" } else { "; they stay" };
    let again = functions.keys().map(|function| format!(" --function {function}"));
    let again: String = again.collect();
    format!("{each}{stay} there until `freshlayer unpin {layer}{again}`")
}

impl Why {
    fn write(&self, named: Named<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = named.layer;
        match self {
            Self::NothingNew => f.write_str("nothing new"),
            Self::Young { dataset, until } => f.write_str(&young(layer, dataset, *until)),
            Self::Released { release, version, moved, functions } => {
                write!(f, "release {release}, version {version}; {}", moved_of(*moved, *functions))
            }
            Self::Moved { moved, functions } => {
                write!(f, "nothing new; {} to where they belong", moved_of(*moved, *functions))
            }
            Self::Stable { release, there, functions, too_few, unjudged } => write!(
                f,
                "release {release} is stable: {there} of {functions} functions have it{}{}",
                with_too_few(too_few),
                of_the_silent(*unjudged)
            ),
            Self::TakenOver => f.write_str(
                "another publisher or a person's order took the layer over from this run, and goes on with it",
            ),
            Self::OrderedWhileFrozen { release } => write!(
                f,
                "the order is noted: functions go to release {release} once `freshlayer unfreeze {layer}` ends the freeze"
            ),
            Self::RolledBack { release, version, stay } => {
                write!(f, "rolled back to release {release}, version {version}{}", but_for(*stay))
            }
            Self::FunctionsRolledBack { functions } => f.write_str(&rolled_back(layer, functions)),
            Self::HandedBack { by, at } => write!(
                f,
                "functions are back on what they used before freshlayer, by order of {by} at {}; `freshlayer unpin {layer}` ends this order",
                minute(*at)
            ),
            Self::Ordered { release, owner, until } => write!(
                f,
                "the order to go to release {release} stands; publisher {owner} carries it out, and its lease ends at \
                 {} at the latest (`freshlayer break-lease {layer}` takes the lease away)",
                minute(*until)
            ),
            Self::Pinned { release, at, by, reason, until } => {
                let since = since(*at, by, reason.as_deref());
                let until = until_said(*until);
                write!(
                    f,
                    "pinned to release {release} {since}{until}; `freshlayer unpin {layer}` ends the pin"
                )
            }
            Self::Frozen { at, by, reason } => {
                let since = since(*at, by, reason.as_deref());
                write!(f, "frozen {since}; `freshlayer unfreeze {layer}` ends the freeze")
            }
            Self::ScanWaits { release, words } => write!(
                f,
                "release {release} is not published yet: its scanner wants to wait ({words}); the next refresh asks again"
            ),
            Self::Busy { owner, until } => {
                let until = minute(*until);
                write!(f, "publisher {owner} works on this layer, until {until} at the latest")
            }
            Self::Foreign { versions, newest, functions } => {
                let have =
                    if *versions == 1 { "1 version" } else { &format!("{versions} versions") };
                let users = match functions {
                    None => "functions could not be counted".to_owned(),
                    Some(1) => "1 function uses the layer".to_owned(),
                    Some(count) => format!("{count} functions use the layer"),
                };
                write!(
                    f,
                    "the layer has {have} that freshlayer did not make, the newest is {newest}, and {users}; to take \
                     the layer over write `adopt = true` into its definition or run `freshlayer refresh {layer} --adopt`, else choose \
                     another layer name"
                )
            }
            Self::StillRolledBack { serving } => {
                write!(
                    f,
                    "the upstream still has the data that was rolled back (`freshlayer refresh {layer} --retry-rejected` releases it \
                     again); {}",
                    keeps_serving(*serving)
                )
            }
            Self::BadData { released, serving } => {
                write!(
                    f,
                    "new data of the upstream failed its checks; {}",
                    rest(*released, *serving)
                )
            }
            Self::Upstream { failures, released, serving } => {
                write!(f, "{}; {}", failures.join("; "), rest(*released, *serving))
            }
            Self::Places { failures, done: 0, .. } => {
                write!(f, "{}; the next run goes on", failures.join("; "))
            }
            Self::Error { error } => f.write_str(error),
            of_a_rollout => of_a_rollout.write_rollout(named, f),
        }
    }

    /// Says why functions stand where they stand.
    fn write_rollout(&self, named: Named<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = named.layer;
        match self {
            Self::Places { failures, done, places } => {
                write!(
                    f,
                    "{}; {done} of {places} places are done, the next run goes on",
                    failures.join("; ")
                )
            }
            Self::Unmoved { waiting, example, functions } => {
                let more = and_more(*waiting);
                write!(f, "{waiting} of {functions} functions were not moved ({example}{more})")
            }
            Self::HostWorks { waiting, example, functions } => {
                let more = and_more(*waiting);
                write!(f, "{waiting} of {functions} functions are on their way ({example}{more})")
            }
            Self::Paused { at, by, reason } => write!(
                f,
                "the rollout is paused {}; `freshlayer rollout resume {layer}` lets it go on",
                since(*at, by, reason.as_deref())
            ),
            Self::OutsideWindow { wave, until } => write!(
                f,
                "wave {wave} opens at {}, when the change window begins; `freshlayer rollout promote {layer}` moves every function now, without \
                 further waves and gates",
                minute(*until)
            ),
            Self::GoesOn { release } => write!(
                f,
                "release {release} goes on from wave to wave: no upstream is asked before its rollout is over or waits for a \
                 person"
            ),
            Self::Bakes { wave, moved, functions, percent, until, says } => {
                let part = percent.map(|percent| format!(" with {percent} % of the calls"));
                let part = part.unwrap_or_default();
                let then = if moved == functions && percent.is_none() {
                    "the release is stable"
                } else {
                    "the next wave opens"
                };
                let gates = if says.is_empty() { "" } else { " if its gates pass" };
                write!(
                    f,
                    "wave {wave} is open for {moved} of {functions} functions{part} and is watched until {}; then {then}{gates}{}",
                    minute(*until),
                    so_far(says)
                )
            }
            Self::Undecided { wave, says, until: Some(until) } => write!(
                f,
                "the bake of wave {wave} has ended, and its gates are asked again until {} at the latest{}",
                minute(*until),
                so_far(says)
            ),
            Self::Undecided { wave, says, until: None } => write!(
                f,
                "wave {wave} waits for a person{}; later refreshes ask its gates again, \
                 `freshlayer rollout promote {layer}` moves every function without further waves, `freshlayer rollout abort {layer}` brings \
                 every function back",
                so_far(says)
            ),
            Self::NoneMoved { waves } => write!(
                f,
                "no function of the last {waves} could be changed, so the rollout goes no further: \
                 `freshlayer refresh {layer}` tries again and names what keeps each function; \
                 `freshlayer freeze {layer} --function {function}` goes on without that function",
                waves = if *waves == 1 { "wave".to_owned() } else { format!("{waves} waves") },
                function = named.function
            ),
            Self::NoSuchAlarm { missing } => write!(
                f,
                "no function moves, because {} in any place of the rollout: correct `rollout.alarms` in the definition, or make \
                 or tag the alarm; the next refresh looks again",
                missing.iter().map(AlarmPattern::names_none).collect::<Vec<_>>().join(" and ")
            ),
            Self::WaveFailed { to, .. }
            | Self::GateFailed { to, .. }
            | Self::NotStarted { to, .. } => write!(
                f,
                "{}; every function goes back to release {to}; {}",
                self.failure(),
                stays_away(layer)
            ),
            of_a_function => of_a_function.write_function(named, f),
        }
    }

    /// Says why a function stands where it stands.
    fn write_function(&self, named: Named<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = named.layer;
        match self {
            Self::Unreleased { alias, version } => write!(
                f,
                "$LATEST differs from version {version} behind alias {alias} in more than this layer; release or \
                 revert it, then run again"
            ),
            Self::SplitAlias { alias } => {
                write!(f, "alias {alias} splits its traffic between two versions; end the split, then run again")
            }
            Self::Shifting { alias } => {
                write!(f, "Lambda prepares provisioned concurrency behind alias {alias}")
            }
            Self::NotProvisioned { alias } => write!(
                f,
                "{}; Lambda sends every call to the version before", not_provisioned(alias)
            ),
            Self::Updating => f.write_str("Lambda still updates it"),
            Self::OnInstances => f.write_str(
                "it runs on Managed Instances, where callers get $LATEST.PUBLISHED and not $LATEST; give it an alias, \
                 and the alias moves",
            ),
            Self::WrongArchitecture { function, layer } => {
                write!(f, "it runs on {}, and the layer is made for {}", words(function), words(layer))
            }
            Self::ForeignVersion { version } => write!(
                f,
                "it uses {version}, which freshlayer did not make; write `adopt = true` into the definition or run \
                 `freshlayer refresh {layer} --adopt` to move it"
            ),
            Self::NothingBefore => {
                f.write_str("it used no version of the layer before freshlayer, so it stays where it is")
            }
            Self::NotPublished { release } => {
                write!(f, "release {release} is not published in the function's Region yet")
            }
            Self::NotRetired { words } => {
                write!(f, "an old version that freshlayer published could not be deleted: {words}")
            }
            Self::Refused { words } | Self::FailedForNow { words } => f.write_str(words),
            Self::Restless => {
                f.write_str("another change of the function came between at every attempt; the next run tries again")
            }
            Self::NewMajor { version, tag } => {
                let major = version.split('.').next().unwrap_or_default();
                write!(
                    f,
                    "it uses an older major version than {version}; to move it, give it the tag {tag} = {major}; to move \
                     every function without waves and probes, run `freshlayer rollout promote {layer}`"
                )
            }
            Self::Proposed => {
                f.write_str("its own deployment moves it (`rollout.roll = \"propose\"`)")
            }
            Self::LaterWave => f.write_str("it moves with a later wave"),
            Self::Partly { percent } => {
                write!(f, "{percent} % of its calls get the release; the rest of its calls follow with a later wave")
            }
            Self::ProbeFailed { words } => write!(
                f,
                "it fails its probe ({words}); the release is not taken back: it is stable, or no release was stable before it"
            ),
            Self::NotMeasured { words } => {
                write!(f, "the probe got no answer from it ({words}); the next run probes it again")
            }
            Self::OutOfTime => f.write_str("the run ended before the function had its turn; the next run moves it"),
            Self::NextRun => f.write_str("the next refresh moves it"),
            by_others => by_others.write_by_others(named, f),
        }
    }

    /// Says how a person, a tag or a deployment keeps a function from the release.
    fn write_by_others(&self, named: Named<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named { layer, function } = named;
        match self {
            Self::TagHold { tag } => write!(f, "its tag {tag} says hold"),
            Self::FunctionFrozen { at, by, reason } => write!(
                f,
                "frozen {}; `freshlayer unfreeze {layer} --function {function}` lets it move",
                since(*at, by, reason.as_deref())
            ),
            Self::FunctionPinned { release, at, by, reason, until } => write!(
                f,
                "pinned to {} {}{}; `freshlayer unpin {layer} --function {function}` lets it follow the others",
                release_or_before(*release),
                since(*at, by, reason.as_deref()),
                until_said(*until)
            ),
            Self::RevertedByDeploy { times, release } => write!(
                f,
                "it was brought to release {release} and set back by other hands {times} times, so it is left alone until \
                 the next release; let its deployment read the layer version from a parameter (docs/deploying.md)"
            ),
            Self::MovedAgain { times, times_max } => write!(
                f,
                "other hands had moved it away ({times} of {times_max} times that freshlayer undoes)"
            ),
            Self::TagUnclear { tag, value } => write!(
                f,
                "its tag {tag} says {value:?}; use hold, pin=<release> or a version such as 1"
            ),
            Self::TagVersion { wanted, version } => {
                write!(
                    f,
                    "its tag asks for {}; the data is {version}",
                    wanted.trim_start_matches('^')
                )
            }
            Self::TagPin { tag } => write!(f, "its tag {tag} pins it there"),
            Self::TagPinMissing { release } => {
                write!(f, "its tag pins release {release}, which has no layer version")
            }
            of_a_run => unreachable!("{of_a_run:?} is worded where runs are"),
        }
    }
}

/// Says what provisioned concurrency behind an alias came to.
pub(crate) fn not_provisioned(alias: &str) -> String {
    format!("provisioned concurrency behind alias {alias} could not be prepared")
}

/// Writes a time to the minute, in UTC.
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Writes the first whole minute that is not before a time, in UTC: from then on what is due at that time is due.
pub fn next_minute(at: Timestamp) -> String {
    let up = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
    minute(at.round(up).unwrap_or(at))
}

/// Names where single functions stay.
fn release_or_before(release: Option<u64>) -> String {
    match release {
        Some(release) => format!("release {release}"),
        None => "what was used before freshlayer".to_owned(),
    }
}

fn young(layer: &str, dataset: &DatasetName, until: Timestamp) -> String {
    format!(
        "nothing new to release: the new build of {dataset} is younger than `expect.min_age_hours` and waits until {}; \
         `freshlayer refresh {layer} --now` does not wait",
        minute(until)
    )
}

fn since(at: Timestamp, by: &str, reason: Option<&str>) -> String {
    format!("since {}{}", minute(at), said(by, reason))
}

fn said(by: &str, reason: Option<&str>) -> String {
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    match reason {
        Some(reason) => format!("{by} ({reason})"),
        None => by,
    }
}

/// Says how many there are beside the one that is named.
fn and_more(count: usize) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!("; and {more} more"),
    }
}

fn moved_of(moved: usize, functions: usize) -> String {
    match functions {
        0 => "no function uses it yet".to_owned(),
        1 => format!("{moved} of 1 function moved"),
        _ => format!("{moved} of {functions} functions moved"),
    }
}

fn keeps_serving(serving: Option<u64>) -> String {
    match serving {
        Some(release) => format!("release {release} keeps serving"),
        None => "there is no release yet".to_owned(),
    }
}

fn rest(released: Option<u64>, serving: Option<u64>) -> String {
    match released {
        Some(release) => format!("the other datasets are in release {release}"),
        None => keeps_serving(serving),
    }
}

fn words(architectures: &[Architecture]) -> String {
    let words: Vec<String> = architectures.iter().map(ToString::to_string).collect();
    words.join(" and ")
}
