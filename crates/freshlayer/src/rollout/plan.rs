//! The plan: a pure function of what is desired and what was observed.

use std::collections::BTreeMap;

use semver::Version;

use super::tag::{Order, order, tag};
use crate::names::{LayerName, LayerVersionArn};
use crate::ports::{Alias, Configuration, Consumer, FunctionName, PublishedVersion, Step};

/// What is desired.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The layer.
    pub layer: LayerName,
    /// The layer version that consumers shall be on.
    pub target: LayerVersionArn,
    /// The data version that it carries.
    pub version: Version,
    /// The layer version of each release, for functions that are pinned by a tag.
    pub releases: BTreeMap<u64, LayerVersionArn>,
}

/// What is to be done, and where everyone stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// At most one step per function; the next one follows from what it answers.
    pub steps: Vec<Step>,
    /// Every consumer.
    pub standings: BTreeMap<FunctionName, Standing>,
}

/// Where a consumer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Where it should be.
    Current,
    /// On its way.
    Moving,
    /// Where a person ordered it to stay.
    Ordered(String),
    /// Not to be moved without a person.
    Held(String),
}

/// Plans the next step of every consumer.
pub fn plan(desired: &Desired, observed: &[Consumer]) -> Plan {
    let mut plan = Plan::default();
    for consumer in observed {
        let (step, standing) = next(desired, consumer);
        plan.steps.extend(step);
        plan.standings.insert(consumer.function.clone(), standing);
    }
    plan
}

fn next(desired: &Desired, consumer: &Consumer) -> (Option<Step>, Standing) {
    let asked = order(consumer, &desired.layer);
    let opted_in = asked.is_some();
    let target = match asked {
        Some(Order::Hold) => return stays(format!("its tag {} says hold", tag(&desired.layer))),
        Some(Order::Unclear(text)) => {
            let tag = tag(&desired.layer);
            return held(format!(
                "its tag {tag} says {text:?}; use hold, pin=<release> or a version such as 1"
            ));
        }
        Some(Order::Follow(wanted)) if !wanted.matches(&desired.version) => {
            return stays(format!("its tag asks for {wanted}; the data is {}", desired.version));
        }
        Some(Order::Pin(seq)) => match desired.releases.get(&seq) {
            Some(target) => target,
            None => {
                return held(format!("its tag pins release {seq}, which has no layer version"));
            }
        },
        Some(Order::Follow(_)) | None => &desired.target,
    };
    let look = Look { consumer, target, opted_in };
    let (step, standing) = look.next();
    match standing {
        Standing::Current if target != &desired.target => {
            stays(format!("its tag {} pins it there", tag(&desired.layer)))
        }
        standing => (step, standing),
    }
}

fn stays(reason: String) -> (Option<Step>, Standing) {
    (None, Standing::Ordered(reason))
}

fn held(reason: String) -> (Option<Step>, Standing) {
    (None, Standing::Held(reason))
}

/// One consumer against its target.
struct Look<'a> {
    consumer: &'a Consumer,
    target: &'a LayerVersionArn,
    opted_in: bool,
}

impl Look<'_> {
    fn next(&self) -> (Option<Step>, Standing) {
        let latest = &self.consumer.latest;
        let behind: Vec<(&Alias, &PublishedVersion)> = self
            .served()
            .filter(|(_, version)| !version.configuration.layers.contains(self.target))
            .collect();
        // An alias that serves other code or settings than $LATEST cannot follow without shipping them.
        let (free, stuck): (Vec<_>, Vec<_>) =
            behind.iter().partition(|(_, version)| self.differs_in_our_layer_only(version));
        if let Some(step) = free.first().map(|(alias, _)| self.toward(alias)) {
            return (Some(step), Standing::Moving);
        }
        if let Some((alias, version)) = stuck.first() {
            return held(format!(
                "$LATEST differs from version {} behind alias {} in more than this layer; release or \
                 revert it, then run again",
                version.number, alias.name
            ));
        }
        let wants = self.opted_in || self.has_our_layer(latest);
        if wants && !latest.layers.contains(self.target) {
            return (Some(self.set_layer()), Standing::Moving);
        }
        (None, Standing::Current)
    }

    /// The aliases that serve our layer, or shall, each with its version.
    fn served(&self) -> impl Iterator<Item = (&Alias, &PublishedVersion)> {
        self.consumer.aliases.iter().filter_map(|alias| {
            let mut versions = self.consumer.versions.iter();
            let version = versions.find(|version| version.number == alias.version)?;
            let serves = self.opted_in || self.has_our_layer(&version.configuration);
            serves.then_some((alias, version))
        })
    }

    fn has_our_layer(&self, configuration: &Configuration) -> bool {
        configuration.layers.iter().any(|arn| arn.layer() == self.target.layer())
    }

    /// Tells whether releasing `$LATEST` would change nothing but our layer: not the code, not the settings,
    /// not the other layers, and not the order in which they cover each other.
    fn differs_in_our_layer_only(&self, version: &PublishedVersion) -> bool {
        let (latest, served) = (&self.consumer.latest, &version.configuration);
        let same_layers = match (self.has_our_layer(latest), self.has_our_layer(served)) {
            (true, true) | (false, false) => self.places(latest) == self.places(served),
            (true, false) => self.opted_in && self.others(latest) == self.others(served),
            // A person took our layer out and has not released that yet.
            (false, true) => false,
        };
        same_layers
            && latest.code_sha256 == served.code_sha256
            && latest.settings_sha256 == served.settings_sha256
    }

    /// The layers in their order, with a blank where ours stands.
    fn places<'c>(&self, configuration: &'c Configuration) -> Vec<Option<&'c LayerVersionArn>> {
        let layers = configuration.layers.iter();
        layers.map(|arn| Some(arn).filter(|arn| arn.layer() != self.target.layer())).collect()
    }

    fn others<'c>(&self, configuration: &'c Configuration) -> Vec<&'c LayerVersionArn> {
        self.places(configuration).into_iter().flatten().collect()
    }

    /// The next step that brings an alias to the target: layer, then version, then alias.
    fn toward(&self, alias: &Alias) -> Step {
        let latest = &self.consumer.latest;
        if !latest.layers.contains(self.target) {
            return self.set_layer();
        }
        let mut versions = self.consumer.versions.iter();
        let ready = versions.rfind(|version| version.configuration == *latest);
        match ready {
            Some(version) => Step::MoveAlias {
                function: self.consumer.function.clone(),
                alias: alias.name.clone(),
                version: version.number,
                revision_id: alias.revision_id.clone(),
            },
            None => Step::PublishVersion {
                function: self.consumer.function.clone(),
                code_sha256: latest.code_sha256.clone(),
                revision_id: self.consumer.revision_id.clone(),
            },
        }
    }

    fn set_layer(&self) -> Step {
        Step::SetLayer {
            function: self.consumer.function.clone(),
            layer: self.target.clone(),
            revision_id: self.consumer.revision_id.clone(),
        }
    }
}
