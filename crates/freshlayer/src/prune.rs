//! Deletes the layer versions and zips of old releases that nobody can need any more (I6).
//!
//! Lambda keeps a deleted version for the functions that have it, but refuses every later change of them. So a
//! release goes only where no `$LATEST`, published version, pin, rollout or way back leads to it, and where everyone
//! who may use it could be asked. Its zip goes last: a layer version may be nothing but a reference to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::{LayerName, LayerVersionArn, Place, RegionName};
use crate::ports::{Fleet, Key, PortError, Region, Registry};
use crate::publish::{description, fault};
use crate::report::Exit;
use crate::rollout::{Order, order};
use crate::state::{Head, Lease, Leased, Release, Session};

/// Whether anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prune {
    /// What can go goes.
    Delete,
    /// Nothing: it is only said what would go.
    Preview,
}

/// What was pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pruned {
    /// The layer.
    pub layer: LayerName,
    /// Whether anything was deleted.
    pub mode: Prune,
    /// The releases that are gone, or would be, oldest first.
    pub releases: Vec<PrunedRelease>,
    /// The releases that stay, oldest first.
    pub kept: Vec<Kept>,
    /// What could not be deleted, and why; the next prune tries again.
    pub failures: Vec<String>,
    /// Why nothing was done.
    pub held: Option<String>,
}

/// A release that is gone, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PrunedRelease {
    /// Its number.
    pub seq: u64,
    /// Size of its zip in bytes.
    pub zip_bytes: u64,
    /// Its layer versions.
    pub layer_versions: Vec<LayerVersionArn>,
}

/// A release that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// Its number.
    pub seq: u64,
    /// Why.
    pub reason: String,
}

impl Pruned {
    fn nothing(layer: &LayerName, mode: Prune) -> Self {
        Self {
            layer: layer.clone(),
            mode,
            releases: Vec::new(),
            kept: Vec::new(),
            failures: Vec::new(),
            held: None,
        }
    }

    /// Says that a layer could not be pruned, and why.
    pub fn failed(layer: &LayerName, mode: Prune, error: &Error) -> Self {
        Self {
            failures: vec![chain(error)],
            ..Self::nothing(layer, mode)
        }
    }

    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        match (self.failures.is_empty(), &self.held) {
            (false, _) => Exit::Failed,
            (true, Some(_)) => Exit::Held,
            (true, None) => Exit::Done,
        }
    }
}

/// Prunes a layer, but for its newest `keep` releases.
///
/// # Errors
/// Where the state or some place cannot be asked: then nothing was deleted.
pub async fn prune(
    engine: &Engine,
    definition: &Definition,
    keep: usize,
    mode: Prune,
) -> Result<Pruned, Error> {
    let mut session = Session::open(engine, &definition.layer).await?;
    let done = run(engine, &mut session, definition, keep, mode).await;
    session.end(done).await
}

async fn run(
    engine: &Engine,
    session: &mut Session<'_>,
    definition: &Definition,
    keep: usize,
    mode: Prune,
) -> Result<Pruned, Error> {
    let mut pruned = Pruned::nothing(&definition.layer, mode);
    if session.head().versions.is_empty() && session.head().leaving.is_empty() {
        return Ok(pruned);
    }
    if mode == Prune::Delete
        && let Leased::Theirs(Lease { owner, expires }) = session.lease().await?
    {
        let held = format!("publisher {owner} works on this layer, until {expires} at the latest");
        pruned.held = Some(held);
        return Ok(pruned);
    }
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let seen = Seen::look(session.head(), definition, &regions, keep).await?;
    let until = session.head().lease.as_ref().map(|lease| lease.expires);
    for seq in seen.sort(session.head()).gone.into_keys() {
        if mode == Prune::Delete && until.is_some_and(|until| engine.ports.clock.now() >= until) {
            let words = "this took so long that functions may have changed since; prune again";
            pruned.failures.push(words.to_owned());
            break;
        }
        let done = match mode {
            Prune::Delete => go(engine, session, &regions, &seen, seq).await,
            Prune::Preview => described(session, seq, session.head()).await.map(Some),
        };
        match done {
            Ok(release) => pruned.releases.extend(release),
            Err(error) => {
                let reason = format!("release {seq}: {}", chain(&error));
                pruned.failures.push(reason);
                let of_this_release = matches!(error, Error::Order(_) | Error::State { .. });
                // What stops this one stops the next one, too, and each that is begun is lost to rollbacks.
                if !of_this_release {
                    break;
                }
            }
        }
    }
    pruned.kept = seen.sort(session.head()).kept;
    if session.holds_lease()
        && let Err(error) = session.release_lease(|_| ()).await
    {
        pruned.failures.push(chain(&error));
    }
    Ok(pruned)
}

/// Takes a release from where anybody is led to it, then deletes it. `None` where it stays after all: a pin may have
/// come meanwhile.
async fn go(
    engine: &Engine,
    session: &mut Session<'_>,
    regions: &[Region],
    seen: &Seen<'_>,
    seq: u64,
) -> Result<Option<PrunedRelease>, Error> {
    let described = described(session, seq, session.head()).await?;
    session.change(|head| seen.send_off(head, seq)).await?;
    let Some(versions) = session.head().leaving.get(&seq).cloned() else {
        return Ok(None);
    };
    seen.delete(engine, session, regions, seq, &versions)
        .await?;
    Ok(Some(described))
}

async fn described(session: &Session<'_>, seq: u64, head: &Head) -> Result<PrunedRelease, Error> {
    let versions = head.versions.get(&seq).or(head.leaving.get(&seq));
    Ok(PrunedRelease {
        seq,
        zip_bytes: session.record(seq).await?.zip_bytes,
        layer_versions: versions
            .into_iter()
            .flat_map(|versions| versions.values().cloned())
            .collect(),
    })
}

/// What the decision rests on, beside the head.
struct Seen<'a> {
    definition: &'a Definition,
    keep: usize,
    regions: BTreeSet<RegionName>,
    /// The layers, by ARN, whose use was looked at.
    looked: BTreeSet<String>,
    /// The layer versions that functions name, and one that does.
    in_use: BTreeMap<LayerVersionArn, String>,
    /// The releases that functions are pinned to by their tags.
    pinned: BTreeSet<u64>,
    /// The layer versions that somebody may use whose functions are not seen, in words.
    open: BTreeMap<LayerVersionArn, String>,
}

type Versions = BTreeMap<RegionName, LayerVersionArn>;

/// The releases that can go, with their layer versions, and those that stay.
struct Sorted {
    gone: BTreeMap<u64, Versions>,
    kept: Vec<Kept>,
}

impl<'a> Seen<'a> {
    /// Looks at every function that can be seen, then at who else may use what none of them names.
    async fn look(
        head: &Head,
        definition: &'a Definition,
        regions: &[Region],
        keep: usize,
    ) -> Result<Self, Error> {
        let names = regions
            .iter()
            .map(|region| region.registry.region().clone());
        let mut seen = Self {
            definition,
            keep,
            regions: names.collect(),
            looked: BTreeSet::new(),
            in_use: BTreeMap::new(),
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
            let look = look.map_err(|source| Error::Fleet {
                layer: definition.layer.clone(),
                source,
            })?;
            seen.looked.insert(look.layer);
            seen.in_use.extend(look.in_use);
            seen.pinned.extend(look.pinned);
        }
        for (_, versions) in seen.sort(head).gone {
            for region in regions {
                let registry = region.registry.as_ref();
                if let Some(arn) = versions.get(registry.region())
                    && let Some(reason) = stranger(registry, definition, arn).await
                {
                    seen.open.insert(arn.clone(), reason);
                }
            }
        }
        Ok(seen)
    }

    /// Takes a release from where anybody is led to it, where it can still go.
    fn send_off(&self, head: &mut Head, seq: u64) {
        if let Some(versions) = self.sort(head).gone.remove(&seq) {
            head.versions.remove(&seq);
            head.leaving.insert(seq, versions);
        }
    }

    fn sort(&self, head: &Head) -> Sorted {
        let (mut gone, mut kept) = (BTreeMap::new(), Vec::new());
        for (&seq, versions) in head.versions.iter().chain(&head.leaving) {
            match self.stays(head, seq, versions) {
                Some(reason) => kept.push(Kept { seq, reason }),
                None => drop(gone.insert(seq, versions.clone())),
            }
        }
        kept.sort_by_key(|kept| kept.seq);
        Sorted { gone, kept }
    }

    /// Says why a release stays; `None` where nothing speaks for it.
    fn stays(&self, head: &Head, seq: u64, versions: &Versions) -> Option<String> {
        let is = |marked: Option<u64>| marked == Some(seq);
        let rollout = head.rollout.as_ref();
        let mut told = head.told.values().map(|told| &told.version);
        let mut newest = head.versions.keys().rev().take(self.keep);
        let marks = [
            (is(head.current), "it is the current one"),
            (
                is(head.pin.as_ref().map(|pin| pin.seq)),
                "the layer is pinned to it",
            ),
            (is(head.stable), "it is the stable one"),
            (is(head.fallback()), "a rollback leads to it"),
            (
                is(rollout.map(|rollout| rollout.to)),
                "a rollout leads to it",
            ),
            (
                is(rollout.and_then(|rollout| rollout.from)),
                "a rollout comes from it",
            ),
            (
                told.any(|told| versions.values().any(|arn| arn == told)),
                "a Region was told to use it",
            ),
            (self.pinned.contains(&seq), "a function's tag pins it"),
            (
                newest.any(|newest| *newest == seq),
                "it is one of the newest",
            ),
        ];
        if let Some((_, mark)) = marks.iter().find(|(holds, _)| *holds) {
            return Some((*mark).to_owned());
        }
        if let Some(user) = versions.values().find_map(|arn| self.in_use.get(arn)) {
            return Some(format!("{user} uses it"));
        }
        if let Some(reason) = versions.values().find_map(|arn| self.open.get(arn)) {
            return Some(reason.clone());
        }
        let region = versions
            .keys()
            .find(|region| !self.regions.contains(*region))?;
        let words = "the definition does not name that Region any more, so nobody looks there";
        Some(format!("it is published in {region}; {words}"))
    }

    /// Deletes a release's layer versions, then its zip, then the last trace of both in the head.
    async fn delete(
        &self,
        engine: &Engine,
        session: &mut Session<'_>,
        regions: &[Region],
        seq: u64,
        versions: &Versions,
    ) -> Result<(), Error> {
        let release = &session.record(seq).await?;
        for region in regions {
            let registry = region.registry.as_ref();
            if let Some(arn) = versions.get(registry.region()) {
                let deleted = registry.delete(arn).await;
                deleted.map_err(fault(release, "delete a version of"))?;
            }
            self.delete_unknown(registry, release).await?;
        }
        let key = Key::blob(&release.zip_sha256);
        let deleted = engine.ports.store.delete(&key).await;
        deleted.map_err(|source| Error::Store {
            key: key.to_string(),
            source,
        })?;
        session
            .change(|head| drop(head.leaving.remove(&release.seq)))
            .await
    }

    /// Deletes a version of the release that a lost reply left behind, and that may refer to its zip.
    async fn delete_unknown(
        &self,
        registry: &dyn Registry,
        release: &Release,
    ) -> Result<(), Error> {
        let found = registry.find(&release.layer, &description(release)).await;
        let found = found.map_err(fault(release, "look for a version of"))?;
        let Some(version) = found.filter(|version| version.sha256 == release.zip_sha256) else {
            return Ok(());
        };
        let arn = &version.arn;
        let stays = match self.in_use.get(arn) {
            Some(user) => Some(format!("{user} uses it")),
            None if self.looked.contains(arn.layer()) => {
                stranger(registry, self.definition, arn).await
            }
            None => Some("nobody looked for functions that use it".to_owned()),
        };
        if let Some(reason) = stays {
            let words = format!("its layer version {arn}, which the state does not name, stays");
            return Err(Error::Order(format!("{words}: {reason}")));
        }
        let deleted = registry.delete(&version.arn).await;
        deleted.map_err(fault(release, "delete a version of"))
    }
}

/// One version of each layer that the head names in a Region: a state that came from another account names that
/// account's, too.
fn layers(head: &Head, region: &RegionName) -> Vec<LayerVersionArn> {
    let releases = head.versions.values().chain(head.leaving.values());
    let named = releases.filter_map(|versions| versions.get(region));
    let by_layer: BTreeMap<&str, &LayerVersionArn> = named.map(|arn| (arn.layer(), arn)).collect();
    by_layer.into_values().cloned().collect()
}

struct Look {
    layer: String,
    in_use: Vec<(LayerVersionArn, String)>,
    pinned: Vec<u64>,
}

async fn look_at(
    place: Place,
    fleet: Arc<dyn Fleet>,
    layer: LayerVersionArn,
) -> Result<Look, PortError> {
    let blind = |source: PortError| format!("{place}: {}", chain(source.as_ref()));
    let name = LayerName::parse(layer.layer_name())?;
    let consumers = fleet.observe(&layer).await.map_err(blind)?;
    let named = fleet.in_use(&layer).await.map_err(blind)?;
    let pins = consumers
        .iter()
        .filter_map(|consumer| match order(consumer, &name)? {
            Order::Pin(seq) => Some(seq),
            _ => None,
        });
    let users = named.into_iter();
    Ok(Look {
        layer: layer.layer().to_owned(),
        pinned: pins.collect(),
        in_use: users
            .map(|(arn, user)| (arn, format!("{user} in {place}")))
            .collect(),
    })
}

/// Says what speaks against a version because of who may use it: somebody whose functions nobody looks at.
async fn stranger(
    registry: &dyn Registry,
    definition: &Definition,
    arn: &LayerVersionArn,
) -> Option<String> {
    let readers = match registry.readers(arn).await {
        Ok(readers) => readers,
        Err(source) => {
            let words = chain(source.as_ref());
            return Some(format!("who may use it cannot be asked: {words}"));
        }
    };
    let members = &definition.destinations.accounts;
    let is_seen = |reader: &String| {
        let mut ids = members.iter().map(|account| account.id.as_str());
        ids.any(|id| id == reader) || arn.account() == reader
    };
    let mut strangers = readers.into_iter().filter(|reader| !is_seen(reader));
    let who = match strangers.next()?.as_str() {
        "*" => "everyone".to_owned(),
        who => who.to_owned(),
    };
    Some(format!(
        "{who} may use it, and those functions are not seen"
    ))
}
