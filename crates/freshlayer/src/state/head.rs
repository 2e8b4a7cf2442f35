//! A layer's head: its fields are private, and it changes by named transitions only.

mod failed;
mod ordered;
mod pruned;
mod rolled;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::lease::{Lease, Work};
use super::noted::{FailedRun, Looked, Parameter, Shared, Unpublished};
use super::orders::{
    Acceptance, Adopted, Freeze, FunctionPin, LeftBehind, Ordered, PastOrder, Pin,
};
use super::outline::Outline;
use super::rollout::{Cause, OpenRollout};
use super::seen::{DailyDownloads, Rejection, SeenUpstream};
use super::{HEAD_FORMAT, Release};
use crate::names::{DatasetName, Digest, LayerName, LayerVersionArn, RegionName};
use crate::ports::FunctionName;
use crate::problem::Problem;

/// How many verdicts a head remembers (I11). A person's orders are kept apart, and are not counted.
const VERDICTS_MAX: usize = 100;

/// The layer versions of one release, by Region.
pub type Versions = BTreeMap<RegionName, LayerVersionArn>;

/// A layer's only small mutable object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    format: u32,
    layer: LayerName,
    newest: u64,
    current: Option<u64>,
    outline: Option<Outline>,
    stable: Option<u64>,
    stable_before: Vec<u64>,
    served: BTreeSet<u64>,
    /// The first release of each major data version, where one came behind another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    majors: BTreeMap<u64, u64>,
    versions: BTreeMap<u64, Versions>,
    /// The releases that the next prune may delete, each with the time when nothing led to it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    condemned: BTreeMap<u64, Timestamp>,
    deleting: BTreeMap<u64, Versions>,
    lost: BTreeSet<LayerVersionArn>,
    #[serde(rename = "announced")]
    shared: BTreeMap<RegionName, Shared>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<RegionName, Parameter>,
    /// The versions that Regions' parameters named before, each with the time when that ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    named: BTreeMap<LayerVersionArn, Timestamp>,
    upstream: BTreeMap<DatasetName, SeenUpstream>,
    quota_until: Option<Timestamp>,
    downloads: Option<DailyDownloads>,
    rejected: Vec<Rejection>,
    left_behind: Vec<LeftBehind>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<Acceptance>,
    /// The build of each dataset that was told to be older than the definition wants.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    stale: BTreeMap<DatasetName, Timestamp>,
    unpublished: Option<Unpublished>,
    pin: Option<Pin>,
    freeze: Option<Freeze>,
    /// Functions that a person lets stay where they are, in every place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    frozen_functions: BTreeMap<FunctionName, Freeze>,
    /// Functions that a person keeps on a release of their own, in every place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pinned_functions: BTreeMap<FunctionName, FunctionPin>,
    handed_back: Option<Ordered>,
    /// The last orders, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    orders: Vec<PastOrder>,
    /// The last order about each single function that no run has carried out yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    due: BTreeMap<FunctionName, PastOrder>,
    adopted: Option<Adopted>,
    rollouts: u64,
    rollout: Option<OpenRollout>,
    looked: Option<Looked>,
    /// Why the last refresh failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<FailedRun>,
    lease: Option<Lease>,
}

/// Where consumers shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// On this release.
    Release(u64),
    /// On what they used before the layer was adopted.
    Before,
}

/// What a head says.
impl Head {
    /// Makes the head of a layer that has no release yet.
    pub fn new(layer: LayerName) -> Self {
        Self {
            format: HEAD_FORMAT,
            layer,
            newest: 0,
            current: None,
            outline: None,
            stable: None,
            stable_before: Vec::new(),
            served: BTreeSet::new(),
            majors: BTreeMap::new(),
            versions: BTreeMap::new(),
            condemned: BTreeMap::new(),
            deleting: BTreeMap::new(),
            lost: BTreeSet::new(),
            shared: BTreeMap::new(),
            parameters: BTreeMap::new(),
            named: BTreeMap::new(),
            upstream: BTreeMap::new(),
            quota_until: None,
            downloads: None,
            rejected: Vec::new(),
            left_behind: Vec::new(),
            accepted: Vec::new(),
            stale: BTreeMap::new(),
            unpublished: None,
            pin: None,
            freeze: None,
            frozen_functions: BTreeMap::new(),
            pinned_functions: BTreeMap::new(),
            handed_back: None,
            orders: Vec::new(),
            due: BTreeMap::new(),
            adopted: None,
            rollouts: 0,
            rollout: None,
            looked: None,
            failed: None,
            lease: None,
        }
    }

    /// Returns the layer.
    pub fn layer(&self) -> &LayerName {
        &self.layer
    }

    /// Returns the newest release number that was given out.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Returns the newest release that was promoted, or the one that a person went back to.
    pub fn current(&self) -> Option<u64> {
        self.current
    }

    /// Returns what a run that finds nothing new needs to know of the current release.
    pub fn outline(&self) -> Option<&Outline> {
        self.outline.as_ref()
    }

    /// Returns the last release that every movable consumer has reached.
    pub fn stable(&self) -> Option<u64> {
        self.stable
    }

    /// Returns the release that consumers shall be on, a pin before anything else.
    pub fn desired(&self) -> Option<u64> {
        self.pin.as_ref().map(|pin| pin.release).or(self.current)
    }

    /// Returns where consumers shall be.
    pub fn aim(&self) -> Option<Aim> {
        match &self.handed_back {
            Some(_) => Some(Aim::Before),
            None => self.desired().map(Aim::Release),
        }
    }

    /// Returns the first release of a major data version, where an earlier one is known.
    pub fn first_of_major(&self, major: u64) -> Option<u64> {
        self.majors.get(&major).copied()
    }

    /// Returns the layer versions of each release.
    pub fn versions(&self) -> &BTreeMap<u64, Versions> {
        &self.versions
    }

    /// Returns the releases that are being deleted, with the layer versions that are left of each.
    pub fn deleting(&self) -> &BTreeMap<u64, Versions> {
        &self.deleting
    }

    /// Returns the layer version of a release in a Region.
    pub fn version(&self, release: u64, region: &RegionName) -> Option<&LayerVersionArn> {
        self.versions.get(&release)?.get(region)
    }

    /// Tells whether a layer version is one of ours, by the state.
    pub fn made(&self, version: &LayerVersionArn) -> bool {
        self.release_of(version).is_some() || self.lost.contains(version)
    }

    /// Returns the release that a layer version was made of, as far as it is known.
    pub(crate) fn release_of(&self, version: &LayerVersionArn) -> Option<u64> {
        let mut known = self.versions.iter().chain(&self.deleting);
        let of = known.find(|(_, versions)| versions.values().any(|arn| arn == version));
        of.map(|(seq, _)| *seq)
    }

    /// Returns which version each Region shares, and with whom.
    pub fn shared(&self) -> &BTreeMap<RegionName, Shared> {
        &self.shared
    }

    /// Returns what each Region's parameter names.
    pub fn parameters(&self) -> &BTreeMap<RegionName, Parameter> {
        &self.parameters
    }

    /// Tells whether a Region's parameter names a version for certain.
    pub(crate) fn is_announced(&self, region: &RegionName, version: &LayerVersionArn) -> bool {
        let parameter = self.parameters.get(region);
        parameter.is_some_and(|parameter| parameter.confirmed && parameter.version == *version)
    }

    /// Returns the last state of an upstream that was downloaded whole.
    pub fn upstream(&self, dataset: &DatasetName) -> Option<&SeenUpstream> {
        self.upstream.get(dataset)
    }

    /// Returns until when the account's downloads are used up.
    pub fn quota_until(&self) -> Option<Timestamp> {
        self.quota_until
    }

    /// Returns how many counted downloads there were on a day.
    pub fn downloads_on(&self, day: Date) -> u32 {
        self.downloads.as_ref().filter(|counted| counted.day == day).map_or(0, |today| today.count)
    }

    /// Returns the verdicts.
    pub fn rejected(&self) -> &[Rejection] {
        &self.rejected
    }

    /// Returns the builds that a person let pass.
    pub fn accepted(&self) -> &[Acceptance] {
        &self.accepted
    }

    /// Returns the last 50 orders of persons, oldest first.
    pub fn orders(&self) -> &[PastOrder] {
        &self.orders
    }

    /// Returns the data that a person or a gate brought back.
    pub fn left_behind(&self) -> &[LeftBehind] {
        &self.left_behind
    }

    /// Tells whether it was told that a build is older than the definition wants.
    pub(crate) fn is_known_as_stale(&self, dataset: &DatasetName, built: Timestamp) -> bool {
        self.stale.get(dataset) == Some(&built)
    }

    /// Returns the release that no Region took yet.
    pub fn unpublished(&self) -> Option<&Unpublished> {
        self.unpublished.as_ref()
    }

    /// Returns a person's order to stay on a release.
    pub fn pinned(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// Returns a person's order that nothing moves.
    pub fn frozen(&self) -> Option<&Freeze> {
        self.freeze.as_ref()
    }

    /// Returns the functions that a person lets stay where they are.
    pub fn frozen_functions(&self) -> &BTreeMap<FunctionName, Freeze> {
        &self.frozen_functions
    }

    /// Returns the functions that a person keeps on a release of their own.
    pub fn pinned_functions(&self) -> &BTreeMap<FunctionName, FunctionPin> {
        &self.pinned_functions
    }

    /// Returns a person's order to hand the functions back to what they used before.
    pub fn is_handed_back(&self) -> Option<&Ordered> {
        self.handed_back.as_ref()
    }

    /// Returns when and by whom the layer was adopted.
    pub fn adopted(&self) -> Option<&Adopted> {
        self.adopted.as_ref()
    }

    /// Returns the rollout that is not finished.
    pub fn rollout(&self) -> Option<&OpenRollout> {
        self.rollout.as_ref()
    }

    /// Returns the release that functions go back to from the open rollout: the last stable one. A rollout may begin in the middle
    /// of another one, from data that was never watched to the end.
    pub fn before_rollout(&self) -> Option<u64> {
        let open = self.rollout.as_ref()?;
        let known = |release: &u64| *release < open.to && self.versions.contains_key(release);
        self.last_stable().filter(known)
    }

    /// Returns the stable release; while functions are on their way back, the newest one that was stable.
    pub(crate) fn last_stable(&self) -> Option<u64> {
        self.stable.or(self.stable_before.last().copied())
    }

    /// Returns the release that functions go back to where a person orders it: where none was stable, the one that the open
    /// rollout began from. A pin that was taken back may have held them on a later one.
    pub fn before_abort(&self) -> Option<u64> {
        let open = self.rollout.as_ref()?;
        let leads_back = |from: &u64| *from < open.to || open.cause == Cause::Unpin;
        let from = open.from.filter(leads_back);
        let known = from.filter(|release| self.versions.contains_key(release));
        self.before_rollout().or(known)
    }

    /// Returns how many rollouts there were.
    pub fn rollouts(&self) -> u64 {
        self.rollouts
    }

    /// Returns what the last whole look at the functions found.
    pub fn looked(&self) -> Option<&Looked> {
        self.looked.as_ref()
    }

    /// Returns who works on the layer.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Returns why data is not released: a person rolled it back, or a verdict under the same expectations and limits.
    pub fn refusal(
        &self,
        dataset: &DatasetName,
        fingerprint: &str,
        digest: &Digest,
    ) -> Option<Vec<Problem>> {
        if let Some(left) = self.left_behind.iter().find(|left| left.is(dataset, digest)) {
            return Some(vec![left.problem()]);
        }
        let verdict = self.rejected.iter().find(|known| {
            known.dataset == *dataset && known.digest == *digest && known.fingerprint == fingerprint
        });
        verdict.map(|verdict| verdict.problems.clone())
    }

    /// Returns the release that a rollback without a number leads to: the last stable one before the current, or
    /// where there was none the newest published before it.
    pub fn fallback(&self) -> Option<u64> {
        self.earlier(self.current?)
    }

    /// Returns the last stable release before another one, or where there was none the newest published before it that was not
    /// brought back.
    pub(crate) fn earlier(&self, than: u64) -> Option<u64> {
        let before = self.stable_before.iter().chain(&self.stable).copied();
        before.filter(|seq| *seq < than && self.versions.contains_key(seq)).max().or_else(|| {
            self.versions.range(..than).map(|(seq, _)| *seq).rfind(|seq| !self.is_left(*seq))
        })
    }

    /// Returns the releases between two, both left out, that functions were on, and that were not brought back.
    pub fn served_between(&self, earlier: u64, later: u64) -> Vec<u64> {
        let between = self.served.range(earlier + 1..later.max(earlier + 1)).copied();
        between.filter(|seq| self.versions.contains_key(seq) && !self.is_left(*seq)).collect()
    }

    /// Tells whether a person or a gate brought a release back.
    fn is_left(&self, release: u64) -> bool {
        self.left_behind.iter().any(|left| left.release == release)
    }
}

/// What the publisher changes, holding the lease.
impl Head {
    /// Notes layer versions of a release.
    pub(crate) fn published(&mut self, release: u64, versions: Versions) {
        self.newest = self.newest.max(release);
        self.versions.entry(release).or_default().extend(versions);
    }

    /// Notes that other hands deleted a layer version. Functions may still name it, so it stays known as ours.
    pub(crate) fn lost(&mut self, release: u64, region: &RegionName) {
        let versions = self.versions.get_mut(&release);
        let lost = versions.and_then(|versions| versions.remove(region));
        self.shared.remove(region);
        if self.parameters.get(region).map(|parameter| &parameter.version) == lost.as_ref() {
            self.parameters.remove(region);
        }
        self.lost.extend(lost);
    }

    /// Notes that a release is recorded and stored, and that no Region took it: its number is given out.
    pub(crate) fn not_published(&mut self, release: &Release) {
        self.newest = self.newest.max(release.seq);
        let digests = release.snapshots.iter().map(|s| (s.dataset.clone(), s.digest.clone()));
        self.unpublished = Some(Unpublished { release: release.seq, digests: digests.collect() });
    }

    /// Notes that a release is recorded, and that it is never published: its number is given out.
    pub(crate) fn withdraw(&mut self, release: u64) {
        self.newest = self.newest.max(release);
        self.unpublished = None;
    }

    /// Tells whether a person's order keeps new releases from consumers.
    pub fn is_told_to_stay(&self) -> bool {
        self.pin.is_some() || self.freeze.is_some() || self.handed_back.is_some()
    }

    /// Tells whether new data is not even looked for: a person's order stands, or the open rollout is paused.
    pub fn asks_no_upstream(&self) -> bool {
        let paused = self.rollout.as_ref().is_some_and(|open| open.paused.is_some());
        self.is_told_to_stay() || paused
    }

    /// Notes who may use a version in a Region.
    pub(crate) fn share(&mut self, region: RegionName, shared: Shared) {
        self.shared.insert(region, shared);
    }

    /// Notes what a Region's parameter names.
    pub(crate) fn announce(&mut self, region: RegionName, version: LayerVersionArn) {
        self.parameters.insert(region, Parameter { version, confirmed: true });
    }

    /// Notes the last whole state of an upstream.
    pub(crate) fn saw(&mut self, dataset: DatasetName, seen: SeenUpstream) {
        self.upstream.insert(dataset, seen);
    }

    /// Notes that the account's downloads are used up for a while.
    pub(crate) fn quota_reached(&mut self, until: Timestamp) {
        self.quota_until = Some(until);
    }

    /// Notes that a build is older than the definition wants; those of datasets that serve no more are forgotten.
    pub(crate) fn becomes_stale(&mut self, dataset: DatasetName, built: Timestamp) {
        self.stale.insert(dataset, built);
        let outline = self.outline.as_ref();
        self.stale
            .retain(|known, _| outline.is_some_and(|serves| serves.snapshot(known).is_some()));
    }

    /// Counts a download.
    pub(crate) fn count_download(&mut self, day: Date) {
        self.downloads = Some(DailyDownloads { day, count: self.downloads_on(day) + 1 });
    }

    /// Forgets the verdict on a build: it passes now.
    pub(crate) fn took(&mut self, dataset: &DatasetName, digest: &Digest) {
        self.rejected.retain(|known| known.dataset != *dataset || known.digest != *digest);
    }

    /// Remembers a verdict; the oldest ones are forgotten.
    pub(crate) fn reject(&mut self, rejection: Rejection) {
        self.took(&rejection.dataset, &rejection.digest);
        self.rejected.push(rejection);
        let surplus = self.rejected.len().saturating_sub(VERDICTS_MAX);
        self.rejected.drain(..surplus);
    }

    /// Notes what a whole look at the functions found.
    pub(crate) fn look(&mut self, looked: Looked) {
        // Of a frozen layer no order is carried out.
        if self.freeze.is_none() {
            self.due.clear();
        }
        self.looked = Some(looked);
    }

    /// Gives the layer to a publisher for a while.
    pub(crate) fn lease_to(&mut self, owner: &str, expires: Timestamp, work: Work) {
        self.lease = Some(Lease { owner: owner.to_owned(), expires, work });
    }

    /// Takes the lease away, and returns it.
    pub(crate) fn end_lease(&mut self) -> Option<Lease> {
        self.lease.take()
    }
}
