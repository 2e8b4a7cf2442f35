use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::functions::Function;
use super::{Place, Settings, Simulated};
use crate::clock::VirtualClock;

/// What happened that no state shows.
#[derive(Clone)]
pub(crate) struct Record {
    clock: VirtualClock,
    moved: Vec<Moved>,
    deleted: Vec<(String, u64)>,
    violations: Vec<String>,
}

/// A change of what callers get: an update of `$LATEST`, or an alias that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Where.
    pub place: Place,
    /// The function.
    pub function: String,
    /// The alias; without one, `$LATEST`.
    pub alias: Option<String>,
    /// When: time since the clock's origin.
    pub at: Duration,
}

/// What callers of a function meet, and what it has beside that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// The code.
    pub code: String,
    /// The settings.
    pub settings: Settings,
    /// The ARNs of the layers.
    pub layers: Vec<String>,
    /// What each part of the callers gets, where a weight sends some of them to another version.
    pub parts: Vec<Served>,
    /// Whether a weight can split its calls: it has an alias, and that no provisioned concurrency.
    pub splits: bool,
    /// Code and layers of `$LATEST`.
    pub latest: (String, Vec<String>),
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The layers of every published version.
    pub versions: Vec<Vec<String>>,
}

/// What a part of a function's callers gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The code.
    pub code: String,
    /// The ARNs of the layers.
    pub layers: Vec<String>,
    /// The alias and the published version; absent for `$LATEST`.
    pub behind: Option<(String, u64)>,
    /// How many of a hundred calls.
    pub percent: u8,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 100")]
fn percent(weight: f64) -> u8 {
    (weight * 100.0).round() as u8
}

/// What callers of a function get: behind its first alias, or else of `$LATEST`.
fn parts_of(function: &mut Function, now: Instant) -> Vec<Served> {
    let first = function.aliases.iter_mut().next();
    let first = first.map(|(called, alias)| (called.clone(), alias.settle().clone()));
    let shape = function.shape();
    let Some((called, alias)) = first else {
        let (code, layers) = (shape.latest.code.clone(), shape.served(now).to_vec());
        return vec![Served { code, layers, behind: None, percent: 100 }];
    };
    let parts = alias.weights.iter().map(|(version, weight)| (version, percent(*weight)));
    let parts: Vec<(&String, u8)> = parts.collect();
    let rest = 100 - parts.iter().map(|(_, percent)| percent).sum::<u8>();
    let of = |(version, percent): (&String, u8)| {
        let number = version.parse().ok();
        let published = number.and_then(|number: u64| shape.versions.get(&number));
        let config = published.map_or(&shape.latest, |version| &version.config);
        let layers = function.layers_of(version).unwrap_or_default().to_vec();
        let behind = number.map(|number| (called.clone(), number));
        Served { code: config.code.clone(), layers, behind, percent }
    };
    let parts = parts.into_iter().chain([(&alias.version, rest)]);
    parts.filter(|(_, percent)| *percent > 0).map(of).collect()
}

impl Record {
    pub(super) fn new(clock: VirtualClock) -> Self {
        Self { clock, moved: Vec::new(), deleted: Vec::new(), violations: Vec::new() }
    }

    pub(super) fn moved(&mut self, place: &Place, function: &str, alias: Option<&str>) {
        self.moved.push(Moved {
            place: place.clone(),
            function: function.to_owned(),
            alias: alias.map(str::to_owned),
            at: self.clock.since_origin(Instant::now()),
        });
    }

    pub(super) fn deleted(&mut self, function: &str, version: u64) {
        self.deleted.push((function.to_owned(), version));
    }

    pub(super) fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// Holds an update against the invariant that nothing but layers changes.
    pub(super) fn settings_left_alone(&mut self, function: &str, document: &Value) {
        let fields = document.as_object().into_iter().flatten();
        let fields = fields.map(|(field, _)| field.as_str());
        for field in fields.filter(|field| !["Layers", "RevisionId"].contains(field)) {
            self.violated(format!("UpdateFunctionConfiguration {function} sets {field}"));
        }
    }
}

/// A violation that no test asked for fails the test.
impl Drop for Record {
    fn drop(&mut self) {
        let quiet = self.violations.is_empty() || std::thread::panicking();
        assert!(quiet, "freshlayer must never do this: {:?}", self.violations);
    }
}

impl Simulated {
    /// Returns the layers that callers of each function's `$LATEST` get, and those behind each alias. Where aliases
    /// split their calls, the weights follow.
    pub fn serving(&self) -> Vec<String> {
        let (mut world, now) = (self.world(), Instant::now());
        let functions = world.places.entry(self.place.clone()).or_default().all.iter_mut();
        let lines = functions.map(|(name, function)| {
            let split = function.aliases.iter_mut().map(|(name, alias)| (name, alias.settle()));
            let split = split.filter(|(_, alias)| !alias.weights.is_empty());
            let split: BTreeMap<_, _> = split.map(|(name, alias)| (name, &alias.weights)).collect();
            let split = if split.is_empty() { String::new() } else { format!(" {split:?}") };
            let aliases = function.aliases.values();
            let behind =
                aliases.map(|alias| function.layers_of(&alias.version).unwrap_or_default());
            let behind: Vec<&[String]> = behind.collect();
            format!("{name} {:?} {behind:?}{split}", function.shape().served(now))
        });
        lines.collect()
    }

    /// Returns the layers that callers of each function get: behind its first alias, or else of `$LATEST`.
    pub fn callers_get(&self) -> BTreeMap<String, Vec<String>> {
        let (mut world, now) = (self.world(), Instant::now());
        let functions = world.places.entry(self.place.clone()).or_default().all.iter_mut();
        let layers = functions.map(|(name, function)| {
            let alias = function.aliases.values().next();
            let behind = alias.map(|alias| function.layers_of(&alias.version).unwrap_or_default());
            let behind = behind.map(<[String]>::to_vec);
            (name.clone(), behind.unwrap_or_else(|| function.shape().served(now).to_vec()))
        });
        layers.collect()
    }

    /// Returns what callers of each function get: the layers, the published version, and how many of a hundred calls meet
    /// them.
    pub fn callers_meet(&self) -> BTreeMap<String, Vec<Served>> {
        let (mut world, now) = (self.world(), Instant::now());
        let functions = world.places.entry(self.place.clone()).or_default().all.iter_mut();
        functions.map(|(name, function)| (name.clone(), parts_of(function, now))).collect()
    }

    /// Returns what callers of each function meet: behind its first alias, or else in `$LATEST`.
    pub fn met(&self) -> BTreeMap<String, Met> {
        let (mut world, now) = (self.world(), Instant::now());
        let functions = world.places.entry(self.place.clone()).or_default().all.iter_mut();
        let met = functions.map(|(name, function)| {
            let parts = parts_of(function, now);
            let shape = function.shape();
            let alias = function.aliases.values().next();
            let splits = alias.is_some_and(|alias| alias.provisioned.is_none());
            let number = alias.and_then(|alias| alias.version.parse().ok());
            let version = number.and_then(|number: u64| shape.versions.get(&number));
            let (config, layers) = match version {
                Some(version) => (&*version.config, version.config.layers.clone()),
                None => (&*shape.latest, shape.served(now).to_vec()),
            };
            let (code, settings) = (config.code.clone(), config.settings.clone());
            let latest = (shape.latest.code.clone(), shape.latest.layers.clone());
            let tags = shape.tags.clone();
            let versions = shape.versions.values().map(|version| version.config.layers.clone());
            let versions = versions.collect();
            (name.clone(), Met { code, settings, layers, parts, splits, latest, tags, versions })
        });
        met.collect()
    }

    /// Returns the share of an alias's calls that each version gets.
    ///
    /// # Panics
    /// Where there is no such alias.
    pub fn shares(&self, function: &str, alias: &str) -> BTreeMap<String, f64> {
        self.change(function, |function, _| {
            let alias = function.aliases.get_mut(alias).expect("the alias is there").settle();
            let mut shares = alias.weights.clone();
            let rest = 1.0 - shares.values().sum::<f64>();
            if rest > 0.0 {
                shares.insert(alias.version.clone(), rest);
            }
            shares
        })
    }

    /// Returns the published versions of a function, with their layers.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn versions_of(&self, function: &str) -> BTreeMap<u64, Vec<String>> {
        self.change(function, |function, _| {
            let versions = function.shape().versions.iter();
            versions.map(|(number, version)| (*number, version.config.layers.clone())).collect()
        })
    }

    /// Returns every change of what callers get, in all places, in order.
    pub fn moved_at(&self) -> Vec<Moved> {
        self.world().record.moved.clone()
    }

    /// Returns the function versions that were deleted, in order.
    pub fn deleted_versions(&self) -> Vec<(String, u64)> {
        self.world().record.deleted.clone()
    }

    /// Returns what freshlayer must never do and did, and forgets it. What is not asked for fails the test.
    pub fn violations(&self) -> Vec<String> {
        std::mem::take(&mut self.world().record.violations)
    }

    /// Counts the calls since [`called`](Self::called) was asked last, by name.
    pub fn called_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for name in &self.world().names {
            *counts.entry(name.clone()).or_default() += 1;
        }
        counts
    }
}
