//! What can go and what stays: everybody who can be asked is asked first, then it is decided without any call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Keep, Kept, Named, Stays};
use crate::definition::Definition;
use crate::error::{Error, chain};
use crate::names::{LayerName, LayerVersionArn, Place, RegionName};
use crate::ports::{Consumer, Fleet, PortError, Region, Registry};
use crate::rollout::TagRule;
use crate::state::{Head, Versions};

/// Where one looks, and what shall stay.
pub(super) struct Looking<'a, 'r> {
    pub(super) definition: &'a Definition,
    pub(super) regions: &'r [Region],
    pub(super) keep: Keep,
}

/// What the decision rests on, beside the head.
pub(super) struct Evidence<'a> {
    pub(super) definition: &'a Definition,
    keep: Keep,
    /// When the look began.
    at: Timestamp,
    regions: BTreeSet<RegionName>,
    /// The layers, by ARN, whose use was looked at.
    pub(super) looked: BTreeSet<String>,
    /// The layer versions that functions name, and one that does.
    pub(super) in_use: BTreeMap<LayerVersionArn, String>,
    /// The layer versions that functions name, and all functions that do.
    functions: BTreeMap<LayerVersionArn, BTreeSet<String>>,
    /// The releases that functions are pinned to by their tags.
    pinned: BTreeSet<u64>,
    /// The layer versions that others may use whose functions are not seen, in words.
    open: BTreeMap<LayerVersionArn, String>,
}

/// The releases that can go, with their layer versions, and those that stay.
pub(super) struct Sorted {
    pub(super) gone: BTreeMap<u64, Versions>,
    pub(super) kept: Vec<Kept>,
}

impl<'a> Evidence<'a> {
    /// Looks at every function that can be seen, then at who else may use what none of them names.
    pub(super) async fn look(
        head: &Head,
        looking: &Looking<'a, '_>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let &Looking { definition, regions, keep } = looking;
        let names = regions.iter().map(|region| region.registry.region().clone());
        let mut evidence = Self {
            definition,
            keep,
            at: now,
            regions: names.collect(),
            looked: BTreeSet::new(),
            in_use: BTreeMap::new(),
            functions: BTreeMap::new(),
            pinned: BTreeSet::new(),
            open: BTreeMap::new(),
        };
        let looks = regions.iter().flat_map(|region| {
            let layers = layers(head, region.registry.region());
            region.places().flat_map(move |(place, fleet)| {
                let layers = layers.clone().into_iter();
                layers.map(move |layer| look_at(place.clone(), Arc::clone(&fleet), layer))
            })
        });
        for look in join_all(looks).await {
            let look =
                look.map_err(|source| Error::Fleet { layer: definition.layer.clone(), source })?;
            evidence.looked.insert(look.layer);
            evidence.in_use.extend(look.in_use);
            for (arn, function) in look.functions {
                evidence.functions.entry(arn).or_default().insert(function);
            }
            evidence.pinned.extend(look.pinned);
        }
        for (_, versions) in evidence.sort(head).gone {
            for region in regions {
                let registry = region.registry.as_ref();
                if let Some(arn) = versions.get(registry.region())
                    && let Some(reason) = unseen_reader(registry, definition, arn).await
                {
                    evidence.open.insert(arn.clone(), reason);
                }
            }
        }
        Ok(evidence)
    }

    /// Takes a release from where anybody is led to it, where it can still go.
    pub(super) fn start_deleting(&self, head: &mut Head, seq: u64) {
        if let Some(versions) = self.sort(head).gone.remove(&seq) {
            head.start_deleting(seq, versions);
        }
    }

    /// Condemns what can go, and pardons what something leads to again.
    pub(super) fn condemn(&self, head: &mut Head, now: Timestamp) {
        self.pardon(head);
        for seq in self.sort(head).gone.into_keys() {
            head.condemn(seq, now);
        }
    }

    /// Pardons the releases that something leads to again.
    pub(super) fn pardon(&self, head: &mut Head) {
        for kept in self.sort(head).kept {
            head.pardon(kept.seq);
        }
    }

    /// Returns the functions that use a release.
    pub(super) fn functions(&self, head: &Head, seq: u64) -> Vec<String> {
        let versions = head.versions().get(&seq).into_iter().flat_map(BTreeMap::values);
        let users = versions.filter_map(|arn| self.functions.get(arn)).flatten();
        users.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn sort(&self, head: &Head) -> Sorted {
        let (mut gone, mut kept) = (BTreeMap::new(), Vec::new());
        for (&seq, versions) in head.versions().iter().chain(head.deleting()) {
            match self.stays(head, seq, versions) {
                Some(stays) => kept.push(Kept { seq, reason: stays.to_string(), why: stays }),
                None => drop(gone.insert(seq, versions.clone())),
            }
        }
        kept.sort_by_key(|kept| kept.seq);
        Sorted { gone, kept }
    }

    /// Says why a release stays; `None` where nothing speaks for it.
    fn stays(&self, head: &Head, seq: u64, versions: &Versions) -> Option<Stays> {
        let is = |marked: Option<u64>| marked == Some(seq);
        let rollout = head.rollout();
        let named = head.parameters().values().map(|parameter| &parameter.version);
        let mut told = named.chain(head.shared().values().map(|shared| &shared.version));
        let mut newest = head.versions().keys().rev().take(self.keep.newest);
        let mut functions = head.pinned_functions().values();
        let marks = [
            (is(head.current()), Stays::Current),
            (is(head.pinned().map(|pin| pin.release)), Stays::Pinned),
            (functions.any(|pin| is(pin.release())), Stays::FunctionPinned),
            (is(head.stable()), Stays::Stable),
            (is(head.fallback()), Stays::WayBack),
            (is(rollout.map(|rollout| rollout.to)), Stays::RolloutTo),
            (is(rollout.and_then(|rollout| rollout.from)), Stays::RolloutFrom),
            (told.any(|told| versions.values().any(|arn| arn == told)), Stays::Announced),
            (self.pinned.contains(&seq), Stays::Tagged),
            (newest.any(|newest| *newest == seq), Stays::Newest),
        ];
        let marked = marks.into_iter().find_map(|(holds, stays)| holds.then_some(stays));
        marked.or_else(|| self.used(versions)).or_else(|| self.named(head, versions))
    }

    /// Says which Region's parameter named a release in the last 30 days.
    fn named(&self, head: &Head, versions: &Versions) -> Option<Stays> {
        if self.keep.named == Named::Goes {
            return None;
        }
        let ends = versions.iter().filter_map(|(region, arn)| {
            let until = head.named_stays_until(arn)?;
            Some((until, region)).filter(|(until, _)| *until > self.at)
        });
        ends.max().map(|(until, region)| Stays::Named { region: region.clone(), until })
    }

    /// Says who uses a release, or may use it without being seen.
    fn used(&self, versions: &Versions) -> Option<Stays> {
        if let Some(user) = versions.values().find_map(|arn| self.in_use.get(arn)) {
            return Some(Stays::Used { user: user.clone() });
        }
        if let Some(words) = versions.values().find_map(|arn| self.open.get(arn)) {
            return Some(Stays::Readable { words: words.clone() });
        }
        let region = versions.keys().find(|region| !self.regions.contains(*region))?;
        Some(Stays::RegionNotNamed { region: region.clone() })
    }
}

/// One version of each layer that the head names in a Region: a state that came from another account names that
/// account's, too.
fn layers(head: &Head, region: &RegionName) -> Vec<LayerVersionArn> {
    let releases = head.versions().values().chain(head.deleting().values());
    let named = releases.filter_map(|versions| versions.get(region));
    let by_layer: BTreeMap<&str, &LayerVersionArn> = named.map(|arn| (arn.layer(), arn)).collect();
    by_layer.into_values().cloned().collect()
}

struct PlaceLook {
    layer: String,
    in_use: Vec<(LayerVersionArn, String)>,
    functions: Vec<(LayerVersionArn, String)>,
    pinned: Vec<u64>,
}

async fn look_at(
    place: Place,
    fleet: Arc<dyn Fleet>,
    layer: LayerVersionArn,
) -> Result<PlaceLook, PortError> {
    let blind = |source: PortError| format!("{place}: {}", chain(source.as_ref()));
    let name = LayerName::parse(layer.layer_name())?;
    let consumers = fleet.observe(&layer).await.map_err(blind)?;
    let named = fleet.in_use(&layer).await.map_err(blind)?;
    let pins = consumers.iter().filter_map(|consumer| match TagRule::of(consumer, &name)? {
        TagRule::Pin(seq) => Some(seq),
        _ => None,
    });
    let functions = consumers.iter().flat_map(|consumer| {
        let words = format!("function {} in {place}", consumer.function);
        uses(consumer).map(move |arn| (arn.clone(), words.clone()))
    });
    let users = named.into_iter();
    Ok(PlaceLook {
        layer: layer.layer().to_owned(),
        pinned: pins.collect(),
        functions: functions.collect(),
        in_use: users.map(|(arn, user)| (arn, format!("{user} in {place}"))).collect(),
    })
}

/// The layer versions that a function names, in `$LATEST` or in a published version.
fn uses(consumer: &Consumer) -> impl Iterator<Item = &LayerVersionArn> {
    let published = consumer.versions.iter().map(|version| &version.configuration);
    published.chain([&consumer.latest]).flat_map(|configuration| &configuration.layers)
}

/// Returns why a version must stay because its policy admits accounts whose functions freshlayer cannot list.
pub(in crate::operations) async fn unseen_reader(
    registry: &dyn Registry,
    definition: &Definition,
    arn: &LayerVersionArn,
) -> Option<String> {
    let readers = match registry.readers(arn).await {
        Ok(readers) => readers,
        Err(source) => {
            let words = chain(source.as_ref());
            return Some(format!("its policy cannot be read: {words}"));
        }
    };
    let members = &definition.destinations.accounts;
    let is_seen = |reader: &String| {
        let mut ids = members.iter().map(|account| account.id.as_str());
        ids.any(|id| id == reader) || arn.account() == reader
    };
    let mut strangers = readers.into_iter().filter(|reader| !is_seen(reader));
    let who = match strangers.next()?.as_str() {
        "*" => "every account".to_owned(),
        who => who.to_owned(),
    };
    Some(format!("its policy admits {who}, whose functions freshlayer cannot list"))
}
