use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use freshlayer::definition::Destinations;
use freshlayer::ports::AlarmState;
use freshlayer::{AccountId, LayerVersionArn, Place, RegionName};
use jiff::SignedDuration;

use super::local::{Hears, Local, Making, Rings};
use crate::callers::{Called, Callers, Exposed};
use crate::simulated::{ACCOUNT, Met, NewFunction, REGION, Served, Settings, Simulated, SnapStart};

const CALLS_PER_MINUTE: u64 = 5;
const PARAMETER: &str = "/freshlayer/geo/arn";
pub(super) const OURS: &str = ":layer:geo:";

/// A function by its place and its name.
pub(super) type Key = (Place, String);

/// Every place that the layer goes to, with the functions there and their callers.
pub(super) struct Everywhere {
    /// In the order of the definition.
    here: Vec<(Place, Here)>,
}

/// One account in one Region.
struct Here {
    aws: Simulated,
    callers: Arc<Callers>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// Which calls fail.
struct Trouble {
    one_in: u64,
    with: Option<String>,
}

/// The place of an act that names none.
pub(super) fn home() -> Place {
    own(RegionName::parse(REGION).expect("a Region"))
}

/// The publisher's own account in a Region.
pub(super) fn own(region: RegionName) -> Place {
    Place { region, account: None }
}

/// Takes the place off an act: `… in us-east-1`, `… in us-east-1 of 210987654321`.
///
/// # Errors
/// A sentence about a place that is none.
pub(super) fn placed(text: &str) -> Result<(&str, Place), String> {
    // `calls fail 1 in 20` names no Region.
    let split = text.rsplit_once(" in ").filter(|(_, name)| name.contains('-'));
    let Some((act, name)) = split else { return Ok((text, home())) };
    let (region, account) = match name.split_once(" of ") {
        Some((region, account)) => (region, Some(AccountId::parse(account)?)),
        None => (name, None),
    };
    Ok((act, Place { region: RegionName::parse(region)?, account }))
}

/// A version of the layer in a Region: the publisher's account has all of them.
pub(super) fn layer_version(region: &RegionName, number: u64) -> LayerVersionArn {
    let arn = format!("arn:aws:lambda:{region}:{ACCOUNT}{OURS}{number}");
    LayerVersionArn::parse(&arn).expect("an ARN")
}

impl Everywhere {
    /// Lets callers call wherever the layer goes.
    pub(super) fn of(aws: &Simulated, destinations: &Destinations) -> Self {
        let home = [home().region];
        let regions = match &destinations.regions[..] {
            [] => &home,
            named => named,
        };
        let accounts = destinations.accounts.iter().map(|account| Some(account.id.clone()));
        let accounts: Vec<Option<AccountId>> = [None].into_iter().chain(accounts).collect();
        let places = regions.iter().flat_map(|region| {
            accounts
                .iter()
                .map(|account| Place { region: region.clone(), account: account.clone() })
        });
        let here = places.map(|place| {
            let here = Here::of(aws, &place);
            (place, here)
        });
        Self { here: here.collect() }
    }

    fn at(&self, place: &Place) -> &Here {
        let found = self.here.iter().find(|(here, _)| here == place);
        &found.unwrap_or_else(|| panic!("the layer does not go to {place}")).1
    }

    /// Lets one thing happen in a place.
    pub(super) fn perform(&self, place: &Place, local: &Local) {
        self.at(place).perform(&place.region, local);
    }

    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.here.iter().map(|(place, _)| place)
    }

    pub(super) fn regions(&self) -> BTreeSet<&RegionName> {
        self.places().map(|place| &place.region).collect()
    }

    pub(super) fn callers(&self) -> BTreeMap<Place, Arc<Callers>> {
        let callers = self.here.iter();
        callers.map(|(place, here)| (place.clone(), Arc::clone(&here.callers))).collect()
    }

    /// The places whose Lambda fails, or whose role is denied.
    pub(super) fn sick(&self) -> BTreeSet<Place> {
        let sick = self.here.iter().filter(|(_, here)| here.aws.outage().is_some());
        sick.map(|(place, _)| place.clone()).collect()
    }

    /// Tells whether a function has the alias.
    pub(super) fn has_alias(&self, place: &Place, name: &str) -> bool {
        let mut here = self.here.iter().filter(|(known, _)| known == place);
        here.any(|(_, here)| here.aws.has_alias(name, "live"))
    }

    /// What callers of each function meet.
    pub(super) fn met(&self) -> BTreeMap<Key, Met> {
        let met = self.here.iter().flat_map(|(place, here)| {
            here.aws.met().into_iter().map(|(name, met)| ((place.clone(), name), met))
        });
        met.collect()
    }

    /// Takes how many calls of each function met which layers since this was asked last.
    pub(super) fn exposed(&self) -> BTreeMap<Key, Exposed> {
        let exposed = self.here.iter().flat_map(|(place, here)| {
            here.callers.exposed().into_iter().map(|(name, met)| ((place.clone(), name), met))
        });
        exposed.collect()
    }

    /// The layer versions of a Region with their descriptions.
    pub(super) fn layer_versions(&self, region: &RegionName) -> BTreeMap<String, String> {
        self.at(&own(region.clone())).aws.layer_versions()
    }

    /// The version that people's deployments get in a Region.
    pub(super) fn parameter(&self, region: &RegionName) -> Option<String> {
        self.at(&own(region.clone())).aws.parameter(PARAMETER)
    }

    /// Tells which layer versions callers get.
    pub(super) fn callers_get(&self) -> Vec<String> {
        let lines = self.here.iter().flat_map(|(place, here)| {
            here.aws
                .callers_meet()
                .into_iter()
                .map(|(name, parts)| format!("{}: {}", named(&(place.clone(), name)), met(&parts)))
        });
        lines.collect()
    }

    /// The functions of which a part of the callers gets another layer version.
    pub(super) fn in_part(&self) -> BTreeSet<Key> {
        let keys = self.here.iter().flat_map(|(place, here)| {
            let split = here.aws.callers_meet().into_iter().filter(|(_, parts)| parts.len() > 1);
            split.map(|(name, _)| (place.clone(), name))
        });
        keys.collect()
    }

    /// Tells which layer version people's deployments get in each Region.
    pub(super) fn deployments_get(&self) -> Vec<String> {
        let own = self.places().filter(|place| place.account.is_none());
        let lines = own.map(|place| {
            let parameter = self.parameter(&place.region);
            let number = parameter.as_ref().and_then(|arn| arn.rsplit(':').next());
            format!("version {}{}", number.unwrap_or("none"), elsewhere(place))
        });
        lines.collect()
    }
}

/// The version of the layer that callers get, or how many of them get which.
fn met(parts: &[Served]) -> String {
    let number = |part: &Served| {
        let ours = part.layers.iter().find(|arn| arn.contains(OURS));
        let number = ours.and_then(|arn| arn.rsplit(':').next());
        number.unwrap_or("no version of the layer").to_owned()
    };
    if let [whole] = parts {
        return number(whole);
    }
    let parts = parts.iter().map(|part| format!("{} in {} %", number(part), part.percent));
    parts.collect::<Vec<_>>().join(", ")
}

/// Names a function, and its place where it is another one than home.
pub(super) fn named((place, name): &Key) -> String {
    format!("{name}{}", elsewhere(place))
}

/// Names a place where it is another one than home.
fn elsewhere(place: &Place) -> String {
    if *place == home() { String::new() } else { format!(" in {place}") }
}

impl Here {
    fn of(aws: &Simulated, place: &Place) -> Self {
        let account = place.account.as_ref().map_or(ACCOUNT, AccountId::as_str);
        let aws = aws.at(account, place.region.as_str());
        let trouble = Arc::new(Mutex::new(None::<Trouble>));
        let known = Arc::clone(&trouble);
        let callers = Callers::begin(&aws, CALLS_PER_MINUTE, move |called: Called<'_>| {
            let trouble = known.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.as_ref().is_some_and(|trouble| {
                let with = trouble.with.as_ref().is_none_or(|arn| called.layers.contains(arn));
                with && called.number.is_multiple_of(trouble.one_in)
            })
        });
        Self { aws, callers, trouble }
    }

    fn perform(&self, region: &RegionName, local: &Local) {
        let version = |number: &u64| layer_version(region, *number);
        match local {
            Local::Function(making) => self.make(region, making),
            Local::Deploy(name) => self.aws.deploy(name),
            Local::Release(name)
            | Local::ReleaseBesideWeight(name)
            | Local::Point(name, _)
            | Local::Unweigh(name)
                if !self.aws.has_alias(name, "live") => {}
            Local::Release(name) => {
                let version = self.aws.release(name);
                self.aws.point(name, "live", version);
            }
            Local::ReleaseBesideWeight(name) => {
                let version = self.aws.release(name);
                self.aws.point_beside_weight(name, "live", version);
            }
            Local::Point(name, version) => self.aws.point(name, "live", *version),
            Local::Unweigh(name) => self.aws.unweigh(name, "live"),
            Local::SetBack(name, number) => self.aws.put_layer(name, &version(number)),
            Local::Tag(name, key, value) => self.aws.tag(name, key, value),
            Local::Untag(name, key) => self.aws.untag(name, key),
            Local::CallsFail(one_in, number) => {
                let with = number.as_ref().map(|number| version(number).to_string());
                self.trouble(Some(Trouble { one_in: *one_in, with }));
            }
            Local::CallsAreWell => self.trouble(None),
            Local::Alarm(name, Rings::Yes) => self.callers.alarm(name, AlarmState::Rings),
            Local::Alarm(name, Rings::No) => self.callers.alarm(name, AlarmState::Quiet),
            Local::NoAlarm(name) => self.callers.no_alarm(name),
            Local::MuteAlarm(name) => self.callers.mute_alarm(name),
            Local::TagAlarm(name, tag) => self.callers.tag_alarm(name, tag.clone()),
            Local::Called(name, calls) => self.callers.call(name, *calls),
            Local::CallsAreToldLate(minutes) => {
                self.callers.be_late(SignedDuration::from_mins(i64::from(*minutes)));
            }
            Local::Updates(name, updates) => self.aws.take_updates(name, *updates),
            Local::Foreign => drop(self.aws.publish_foreign("geo")),
            Local::Breaks(number) => self.aws.break_layer(&version(number)),
            Local::CloudWatch(Hears::No) => self.callers.be_deaf(u32::MAX),
            Local::CloudWatch(Hears::Yes) => self.callers.be_deaf(0),
            Local::Lambda(outage) => self.aws.fail_place(*outage),
        }
    }

    fn trouble(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn make(&self, region: &RegionName, making: &Making) {
        let [before, behind] = ["before", "behind"].map(|name| self.aws.other_layer(name));
        let layers = match making.on {
            Some(version) => vec![before, layer_version(region, version), behind],
            None => vec![before, behind],
        };
        let snapshot = if making.snapshot { SnapStart::PublishedVersions } else { SnapStart::Off };
        let tag = making.tag.as_ref().map(|(key, value)| (key.as_str(), value.as_str()));
        self.aws.function(
            &making.name,
            &NewFunction {
                layers: &layers,
                aliases: if making.alias { &["live"] } else { &[] },
                tags: tag.as_slice(),
                settings: Settings { snap_start: snapshot, ..Settings::default() },
                ..NewFunction::default()
            },
        );
        if let Some(calls) = making.called {
            self.callers.call(&making.name, calls);
        }
        if making.provisioned {
            self.aws.provision(&making.name, "live", 2);
        }
    }
}
