//! Deletes the layer versions and zips of old releases that nobody can need any more (I6).
//!
//! Lambda keeps a deleted version for the functions that have it, but refuses every later change of them. So a
//! release goes only where no `$LATEST`, published version, pin, rollout or way back leads to it, and where everyone
//! who may use it could be asked. Its zip goes last: a layer version may be nothing but a reference to it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::{Definition, Reader};
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::{LayerName, LayerVersionArn, RegionName};
use crate::ports::{Key, PortError, Region};
use crate::report::Exit;
use crate::rollout::survey;
use crate::state::{Head, Lease, Leased, Release, Session};

/// Whether anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    let mut pruned = Pruned {
        layer: definition.layer.clone(),
        releases: Vec::new(),
        kept: Vec::new(),
        failures: Vec::new(),
        held: None,
    };
    if session.head().versions.is_empty() {
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
    let seen = look(session, definition, &regions, keep).await?;
    if mode == Prune::Delete {
        // Judged on what is written over: a pin may have come meanwhile.
        session.change(|head| seen.send_off(head)).await?;
    }
    let (gone, kept) = seen.sort(session.head());
    pruned.kept = kept;
    for (seq, versions) in gone {
        let release = session.record(seq).await?;
        if mode == Prune::Delete
            && let Err(error) = delete(engine, session, &regions, &release, &versions).await
        {
            let reason = format!("release {seq}: {}", chain(&error));
            pruned.failures.push(reason);
            continue;
        }
        pruned.releases.push(PrunedRelease {
            seq,
            zip_bytes: release.zip_bytes,
            layer_versions: versions.into_values().collect(),
        });
    }
    if session.holds_lease() {
        session.release_lease(|_| ()).await?;
    }
    Ok(pruned)
}

/// What the decision rests on, beside the head.
struct Seen {
    keep: usize,
    regions: BTreeSet<RegionName>,
    in_use: BTreeMap<LayerVersionArn, String>,
    pinned: BTreeSet<u64>,
    /// Who may use the layer, and whose functions nobody can look at.
    unseen: BTreeSet<Reader>,
}

type Versions = BTreeMap<RegionName, LayerVersionArn>;

async fn look(
    session: &Session<'_>,
    definition: &Definition,
    regions: &[Region],
    keep: usize,
) -> Result<Seen, Error> {
    let (head, layer) = (session.head(), &definition.layer);
    let fault = |place: &dyn std::fmt::Display, source: PortError| Error::Fleet {
        layer: layer.clone(),
        source: format!("{place}: {}", chain(source.as_ref())).into(),
    };
    let desired = head.desired().unwrap_or_default();
    let survey = survey(head, &session.release(desired).await?, regions).await;
    if let Some((place, reason)) = survey.blind() {
        return Err(fault(place, reason.into()));
    }
    let places = regions.iter().flat_map(Region::places);
    let asked = places.filter_map(|(place, fleet)| {
        let mut known = head.versions.values();
        let any = known.find_map(|versions| versions.get(&place.region))?;
        Some(async move { (place, fleet.in_use(any).await) })
    });
    let mut in_use = BTreeMap::new();
    for (place, named) in join_all(asked).await {
        let named = named.map_err(|source| fault(&place, source))?;
        let named = named.into_iter();
        in_use.extend(named.map(|(arn, user)| (arn, format!("{user} in {place}"))));
    }
    let members = definition.destinations.accounts.iter();
    let seen: BTreeSet<Reader> = members
        .map(|account| Reader::Account(account.id.clone()))
        .collect();
    let told = head.told.values().flat_map(|told| &told.readers);
    let readers = told.chain(&head.opened_to).chain(&definition.terms.readers);
    Ok(Seen {
        keep,
        regions: regions
            .iter()
            .map(|region| region.registry.region().clone())
            .collect(),
        in_use,
        pinned: survey.pinned(layer),
        unseen: readers
            .filter(|reader| !seen.contains(reader))
            .cloned()
            .collect(),
    })
}

impl Seen {
    /// Takes every release that can go from where anybody is led to it.
    fn send_off(&self, head: &mut Head) {
        let (gone, _) = self.sort(head);
        for (seq, versions) in gone {
            head.versions.remove(&seq);
            head.leaving.insert(seq, versions);
        }
    }

    /// Sorts the releases into those that can go, with their layer versions, and those that stay.
    fn sort(&self, head: &Head) -> (BTreeMap<u64, Versions>, Vec<Kept>) {
        let (mut gone, mut kept) = (BTreeMap::new(), Vec::new());
        for (&seq, versions) in head.versions.iter().chain(&head.leaving) {
            match self.stays(head, seq, versions) {
                Some(reason) => kept.push(Kept { seq, reason }),
                None => drop(gone.insert(seq, versions.clone())),
            }
        }
        kept.sort_by_key(|kept| kept.seq);
        (gone, kept)
    }

    /// Says why a release stays; `None` where nothing speaks for it.
    fn stays(&self, head: &Head, seq: u64, versions: &Versions) -> Option<String> {
        let is = |marked: Option<u64>| marked == Some(seq);
        let rollout = head.rollout.as_ref();
        let newest = head.versions.keys().rev().take(self.keep);
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
            (self.pinned.contains(&seq), "a function's tag pins it"),
            (
                newest.into_iter().any(|newest| *newest == seq),
                "it is one of the newest",
            ),
        ];
        if let Some((_, mark)) = marks.iter().find(|(holds, _)| *holds) {
            return Some((*mark).to_owned());
        }
        if let Some(user) = versions.values().find_map(|arn| self.in_use.get(arn)) {
            return Some(format!("{user} uses it"));
        }
        if let Some(region) = versions
            .keys()
            .find(|region| !self.regions.contains(*region))
        {
            let words = "the definition does not name that Region any more, so nobody looks there";
            return Some(format!("it is published in {region}; {words}"));
        }
        let unseen = self.unseen.first()?;
        let words = "delete its layer versions by hand where you know that nobody does";
        Some(format!(
            "{unseen} may use it, and those functions are not seen; {words}"
        ))
    }
}

/// Deletes a release's layer versions, then its zip, then the last trace of both in the head.
async fn delete(
    engine: &Engine,
    session: &mut Session<'_>,
    regions: &[Region],
    release: &Release,
    versions: &Versions,
) -> Result<(), Error> {
    for region in regions {
        let registry = region.registry.as_ref();
        if let Some(arn) = versions.get(registry.region()) {
            let deleted = registry.delete(arn).await;
            deleted.map_err(|source| Error::Registry {
                action: "delete a version of",
                layer: release.layer.clone(),
                source,
            })?;
        }
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
