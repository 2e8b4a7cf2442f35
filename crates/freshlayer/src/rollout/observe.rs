//! Observes the consumers of every place: facts, nothing decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::act::{Strays, Stuck};
use super::plan::{PlaceView, Probed, World};
use crate::error::{Error, chain};
use crate::names::{Digest, LayerName, LayerVersionArn, Place, RegionName};
use crate::ports::{
    CodeStorage, Consumer, Fleet, FunctionName, Glimpse, PortError, Region, Registry, Step,
};
use crate::release::publish::made_by_freshlayer;
use crate::report::{Reason, Why};
use crate::state::{Head, Looked};

/// How many functions are looked at at the same time; the host's pace spaces the calls.
const LOOKS_AT_ONCE: usize = 32;

/// Where the functions are: each place with its fleet, and a version of the layer there.
pub(crate) struct Places {
    pub(crate) layer: LayerName,
    pub(crate) here: Vec<PlaceFleet>,
}

/// One place with its fleet.
pub(crate) struct PlaceFleet {
    pub(crate) place: Place,
    pub(crate) fleet: Arc<dyn Fleet>,
    registry: Arc<dyn Registry>,
    /// A version of the layer in the place's Region: it names the layer there.
    version: Option<LayerVersionArn>,
}

impl Places {
    /// Takes the places of all Regions. `release` is the one whose version names the layer where it is published.
    pub(crate) fn of(head: &Head, release: u64, regions: &[Region]) -> Self {
        let here = regions.iter().flat_map(|region| {
            let version = any_version(head, release, region.registry.region());
            region.places().map(move |(place, fleet)| PlaceFleet {
                place,
                fleet,
                registry: Arc::clone(&region.registry),
                version: version.clone(),
            })
        });
        Self { layer: head.layer().clone(), here: here.collect() }
    }

    pub(crate) fn fleet(&self, place: &Place) -> Option<&Arc<dyn Fleet>> {
        self.here.iter().find(|here| here.place == *place).map(|here| &here.fleet)
    }

    /// Looks at everything that a list tells, in all places at once.
    pub(crate) async fn observe(&self, head: &Head, release: u64) -> World {
        let views = self.here.iter().map(|here| async move {
            let consumers = here.observe(&self.layer, release).await;
            let foreign = match &consumers {
                Ok(consumers) => here.foreign(head, &self.layer, consumers).await,
                Err(_) => Ok(BTreeSet::new()),
            };
            let (consumers, foreign) = match foreign {
                Ok(foreign) => (consumers, foreign),
                Err(reason) => (Err(reason), BTreeSet::new()),
            };
            let (place, version) = (here.place.clone(), here.version.clone());
            PlaceView { place, version, consumers, foreign, probed: BTreeMap::new() }
        });
        World { places: join_all(views).await }
    }

    /// Asks each place how full its code storage is. What cannot be asked is left out: no run fails for a measure.
    pub(crate) async fn storage(&self) -> BTreeMap<Place, CodeStorage> {
        let asked = self.here.iter().map(|here| async move {
            let storage = here.fleet.storage().await.ok().flatten()?;
            Some((here.place.clone(), storage))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Looks closely at every function of which only a list was read. Functions that cannot be read are told of, and
    /// keep no other back.
    pub(crate) async fn look_closely(&self, world: &mut World) -> Strays {
        let open = world.places.iter().flat_map(|view| {
            let consumers = view.consumers.iter().flatten().filter(|one| one.look.is_none());
            consumers.map(|one| (view.place.clone(), one.function.clone()))
        });
        let open: Vec<(Place, FunctionName)> = open.collect();
        self.look_at(world, open).await
    }

    /// Looks closely at some functions.
    pub(crate) async fn look_at(
        &self,
        world: &mut World,
        functions: Vec<(Place, FunctionName)>,
    ) -> Strays {
        let looks = stream::iter(functions).map(|(place, function)| async move {
            let look = Step::Look { function: function.clone() };
            let seen = match self.fleet(&place) {
                Some(fleet) => Some(fleet.apply(&look).await),
                None => None,
            };
            (place, function, seen)
        });
        let mut looks = std::pin::pin!(looks.buffer_unordered(LOOKS_AT_ONCE));
        let mut strays = Strays::new();
        while let Some((place, function, seen)) = looks.next().await {
            match seen {
                Some(Ok(consumer)) => world.replace(&place, consumer),
                Some(Err(error)) => {
                    let why = Why::FailedForNow { words: chain(&error) };
                    strays.insert((place, function), Stuck::ForNow(why));
                }
                None => {}
            }
        }
        strays
    }

    /// Tells at the smallest cost whether nothing changed since the last whole look: as many `$LATEST` as then use another
    /// version, and the tags are the same. What cannot be asked says nothing.
    pub(crate) async fn unchanged_since(&self, looked: &Looked) -> bool {
        let glances = self.here.iter().map(|here| async move {
            let version = here.version.as_ref()?;
            let glimpse = here.fleet.glance(version).await.ok()?;
            Some((here.place.to_string(), glimpse))
        });
        let glimpses: Option<Vec<(String, Glimpse)>> =
            join_all(glances).await.into_iter().collect();
        let Some(glimpses) = glimpses else { return false };
        let elsewhere: usize = glimpses.iter().map(|(_, glimpse)| glimpse.elsewhere).sum();
        let tags = glimpses.iter().map(|(place, glimpse)| {
            let tags = glimpse.tags.iter().map(|(function, tag)| (function.as_str(), tag.as_str()));
            (place.clone(), tags.collect())
        });
        elsewhere == looked.elsewhere && digest_of_tags(tags) == looked.tags
    }
}

impl PlaceFleet {
    async fn observe(&self, layer: &LayerName, release: u64) -> Result<Vec<Consumer>, Reason> {
        let version = self.version.as_ref().ok_or(Reason::from(Why::NotPublished { release }))?;
        let observed = self.fleet.observe(version).await;
        let mut consumers = observed.map_err(|source| unlisted(layer, source))?;
        consumers.sort_by(|a, b| a.function.cmp(&b.function));
        Ok(consumers)
    }

    /// Finds the versions in use that freshlayer did not make: those that the state does not name, and whose
    /// description is not ours.
    async fn foreign(
        &self,
        head: &Head,
        layer: &LayerName,
        consumers: &[Consumer],
    ) -> Result<BTreeSet<LayerVersionArn>, Reason> {
        let Some(version) = &self.version else { return Ok(BTreeSet::new()) };
        let configurations = consumers.iter().flat_map(|consumer| {
            let published = consumer.versions.iter().map(|version| &version.configuration);
            published.chain([&consumer.latest])
        });
        let used = configurations.flat_map(|configuration| &configuration.layers);
        let unknown = used.filter(|arn| arn.layer() == version.layer() && !head.made(arn));
        let mut unknown: BTreeSet<LayerVersionArn> = unknown.cloned().collect();
        if unknown.is_empty() {
            return Ok(unknown);
        }
        let listed = self.registry.versions(layer).await.map_err(|source| {
            let error =
                Error::Registry { action: "list the versions of", layer: layer.clone(), source };
            Reason::from(Why::Error { error: chain(&error) })
        })?;
        for version in listed.iter().filter(|v| made_by_freshlayer(&v.description, layer)) {
            unknown.remove(&version.arn);
        }
        Ok(unknown)
    }
}

/// Any version of the layer in a Region: that of the release, or else the newest.
fn any_version(head: &Head, release: u64, region: &RegionName) -> Option<LayerVersionArn> {
    let newest = head.versions().values().rev().find_map(|versions| versions.get(region));
    head.version(release, region).or(newest).cloned()
}

fn unlisted(layer: &LayerName, source: PortError) -> Reason {
    let error = Error::Fleet { layer: layer.clone(), source };
    Reason::from(Why::Error { error: chain(&error) })
}

/// Names the tags of all functions, so that a change of one is seen.
pub(crate) fn digest_of_tags<'t>(
    places: impl Iterator<Item = (String, BTreeMap<&'t str, &'t str>)>,
) -> String {
    let mut hasher = Sha256::new();
    for (place, tags) in places {
        for (function, tag) in tags {
            hasher.update(format!("{place}\n{function}\n{tag}\n"));
        }
    }
    Digest::of(hasher).short().to_owned()
}

impl World {
    /// Names the tags for this layer of all functions that were observed.
    pub(crate) fn tags(&self, tag: &str) -> String {
        digest_of_tags(self.places.iter().map(|view| {
            let consumers = view.consumers.iter().flatten();
            let tags = consumers.filter_map(|consumer| {
                Some((consumer.function.as_str(), consumer.tags.get(tag)?.as_str()))
            });
            (view.place.to_string(), tags.collect())
        }))
    }

    /// Counts the functions that use another version of the layer in `$LATEST` than the one that is wanted in their
    /// place.
    pub(crate) fn elsewhere(&self) -> usize {
        let views = self.places.iter().filter_map(|view| Some((view, view.version.as_ref()?)));
        let counts = views.map(|(view, wanted)| {
            let consumers = view.consumers.iter().flatten();
            let elsewhere = consumers.filter(|consumer| {
                let mut layers = consumer.latest.layers.iter();
                layers.any(|arn| arn.layer() == wanted.layer() && arn != wanted)
            });
            elsewhere.count()
        });
        counts.sum()
    }

    /// Keeps which versions of a function were probed.
    pub(crate) fn note_probes(&mut self, place: &Place, function: &FunctionName, probed: Probed) {
        let view = self.places.iter_mut().find(|view| view.place == *place);
        if let Some(view) = view.filter(|_| !probed.is_empty()) {
            view.probed.insert(function.clone(), probed);
        }
    }

    /// Returns which versions of a function were probed.
    pub(crate) fn probed(&self, place: &Place, function: &FunctionName) -> Probed {
        let view = self.places.iter().find(|view| view.place == *place);
        view.and_then(|view| view.probed.get(function)).cloned().unwrap_or_default()
    }

    /// Takes what was observed anew, and keeps what was probed.
    pub(crate) fn see_again(&mut self, mut world: Self) {
        for view in &mut world.places {
            let known = self.places.iter_mut().find(|known| known.place == view.place);
            view.probed = known.map(|known| std::mem::take(&mut known.probed)).unwrap_or_default();
        }
        *self = world;
    }

    /// Takes the function as a step left it.
    pub(crate) fn replace(&mut self, place: &Place, consumer: Consumer) {
        let view = self.places.iter_mut().find(|view| view.place == *place);
        if let Some(consumers) = view.and_then(|view| view.consumers.as_mut().ok())
            && let Some(at) = position(consumers, &consumer.function)
        {
            consumers[at] = consumer;
        }
    }

    pub(crate) fn consumer(&self, place: &Place, function: &FunctionName) -> Option<&Consumer> {
        let view = self.places.iter().find(|view| view.place == *place)?;
        let consumers = view.consumers.as_ref().ok()?;
        position(consumers, function).map(|at| &consumers[at])
    }
}

/// Consumers are sorted by name.
fn position(consumers: &[Consumer], function: &FunctionName) -> Option<usize> {
    consumers.binary_search_by(|known| known.function.cmp(function)).ok()
}
