//! Compares what the state says with what the hosts have, and mends what can be mended without a person's decision.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::overdue::overdue;
use super::prune::unseen_reader;
use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::{LayerName, LayerVersionArn, RegionName};
use crate::ports::{Key, PortError, Region, User};
use crate::release::publish::made_by_freshlayer;
use crate::report::{Exit, Reason, Why, minute};
use crate::rollout::{Next, Waves, frozen};
use crate::state::{Head, Leased, Session, Work, read_release};

/// How long after its time a rollout may be brought on: a schedule fires every few hours, a wake-up within a minute.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// Whether anything is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mend {
    /// What can be mended is mended.
    Fix,
    /// Nothing is changed.
    Look,
}

/// What an examination of a layer found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Examined {
    /// The layer.
    pub layer: LayerName,
    /// Whether anything was mended.
    pub mode: Mend,
    /// Everything that is wrong, or was.
    pub findings: Vec<Finding>,
    /// Why nothing was done.
    pub held: Option<Reason>,
}

/// One thing that is wrong, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// What is wrong, and what to do.
    pub text: String,
    /// Whether it was mended.
    pub mended: bool,
}

/// Kinds of findings. They are never renamed: scripts match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The state names a layer version that does not exist.
    DeletedVersion,
    /// A layer version of our making that the state does not name.
    OrphanedVersion,
    /// A release record with a zip that no layer version was made of.
    OrphanedRecord,
    /// A release whose record is missing.
    MissingRecord,
    /// A function that names a layer version which does not exist.
    FunctionWithoutVersion,
    /// A rollout that waits for a person, or that no run has brought on in time.
    OpenRollout,
    /// A code storage that is nearly full.
    FullStorage,
    /// A release that is kept longer than the licence of its data allows.
    KeptTooLong,
    /// A place that could not be asked.
    Unreachable,
}

impl Examined {
    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        let open = self.findings.iter().any(|finding| !finding.mended);
        match (&self.held, open) {
            (Some(_), _) => Exit::Held,
            (None, true) => Exit::Failed,
            (None, false) => Exit::Done,
        }
    }

    /// Says that a layer could not be examined, and why.
    pub fn failed(layer: &LayerName, mode: Mend, error: &Error) -> Self {
        let finding = Finding { kind: FindingKind::Unreachable, text: chain(error), mended: false };
        Self { layer: layer.clone(), mode, findings: vec![finding], held: None }
    }

    fn find(&mut self, kind: FindingKind, text: String) {
        self.findings.push(Finding { kind, text, mended: false });
    }

    fn mended(&mut self, kind: FindingKind, text: String) {
        self.findings.push(Finding { kind, text, mended: true });
    }
}

/// Examines a layer. With [`Mend::Fix`] it deletes orphans that no function uses, and forgets layer versions that do
/// not exist: the next refresh publishes them again from their zips, and moves the functions.
///
/// # Errors
/// The store's errors. A place that cannot be asked is a finding.
pub async fn doctor(
    engine: &Engine,
    definition: &Definition,
    mode: Mend,
) -> Result<Examined, Error> {
    let mut session = engine.session(&definition.layer).await?;
    let done = examine(engine, &mut session, definition, mode).await;
    session.end(done).await
}

async fn examine(
    engine: &Engine,
    session: &mut Session<'_>,
    definition: &Definition,
    mode: Mend,
) -> Result<Examined, Error> {
    let layer = definition.layer.clone();
    let mut examined = Examined { layer, mode, findings: Vec::new(), held: None };
    if mode == Mend::Fix
        && let Some(why) = frozen(session.head())
    {
        examined.held = Some(why.into());
        return Ok(examined);
    }
    if mode == Mend::Fix
        && let Leased::Theirs(lease) = session.lease(Work::Moving).await?
    {
        let why = Why::Busy { owner: lease.owner, until: lease.expires };
        examined.held = Some(why.into());
        return Ok(examined);
    }
    let mut users = BTreeMap::new();
    for region in engine.ports.regions.of(&definition.destinations).await {
        match RegionView::look(session.head(), region).await {
            Ok(here) => {
                here.examine(session, definition, &mut examined).await?;
                users.extend(here.used.into_iter().map(|(arn, used)| (arn, used.text)));
            }
            Err((name, source)) => {
                let text = format!("{name} could not be asked: {}", chain(source.as_ref()));
                examined.find(FindingKind::Unreachable, text);
            }
        }
    }
    records(engine, session, &mut examined).await?;
    kept_too_long(engine, session.head(), definition, &users, &mut examined).await?;
    open_rollout(session, definition, engine.ports.clock.now(), &mut examined).await?;
    if session.holds_lease() {
        session.release_lease(|_| ()).await?;
    }
    Ok(examined)
}

/// A function version that names a layer version.
struct Used {
    text: String,
    user: User,
}

/// One Region with what it has.
struct RegionView {
    region: Region,
    name: RegionName,
    /// The layer versions of our making, as the registry lists them.
    listed: Vec<LayerVersionArn>,
    /// The layer versions that functions name, and one that does.
    used: BTreeMap<LayerVersionArn, Used>,
}

impl RegionView {
    async fn look(head: &Head, region: Region) -> Result<Self, (RegionName, PortError)> {
        let name = region.registry.region().clone();
        let failed = |source| (name.clone(), source);
        let listed = region.registry.versions(head.layer()).await.map_err(failed)?;
        let ours = listed.iter().filter(|v| made_by_freshlayer(&v.description, head.layer()));
        let ours: Vec<LayerVersionArn> = ours.map(|version| version.arn.clone()).collect();
        let mut named = head.versions().values().rev().filter_map(|versions| versions.get(&name));
        let any = named.next().or(ours.first()).cloned();
        let mut used = BTreeMap::new();
        for (place, fleet) in region.places() {
            let Some(any) = &any else { break };
            for (arn, user) in fleet.in_use(any).await.map_err(failed)? {
                let text = format!("{user} in {place}");
                used.insert(arn, Used { text, user });
            }
        }
        Ok(Self { name: name.clone(), region, listed: ours, used })
    }

    async fn examine(
        &self,
        session: &mut Session<'_>,
        definition: &Definition,
        examined: &mut Examined,
    ) -> Result<(), Error> {
        self.deleted_versions(session, examined).await?;
        self.orphaned_versions(session, definition, examined).await;
        self.functions(session.head(), examined);
        self.storage(examined).await;
        Ok(())
    }

    /// Code storage that is nearly full. What cannot be asked was told of by the look.
    async fn storage(&self, examined: &mut Examined) {
        for (place, fleet) in self.region.places() {
            let Ok(Some(storage)) = fleet.storage().await else { continue };
            if storage.is_nearly_full() {
                let percent = storage.percent();
                let text = format!(
                    "the code storage in {place} is {percent} % full: at 100 % nothing can be published or deployed \
                     there. Delete old versions of functions and layers; `freshlayer prune` frees those of this layer"
                );
                examined.find(FindingKind::FullStorage, text);
            }
        }
    }

    /// Layer versions that the state names, and that do not exist.
    async fn deleted_versions(
        &self,
        session: &mut Session<'_>,
        examined: &mut Examined,
    ) -> Result<(), Error> {
        let named = session.head().versions().iter();
        let named: Vec<(u64, LayerVersionArn)> = named
            .filter_map(|(seq, versions)| Some((*seq, versions.get(&self.name)?.clone())))
            .collect();
        for (release, arn) in named {
            // The list may lag; reading one version does not.
            let missing = !self.listed.contains(&arn)
                && matches!(self.region.registry.read_back(&arn).await, Ok(None));
            if !missing {
                continue;
            }
            let kind = FindingKind::DeletedVersion;
            let text = format!("layer version {arn} of release {release} does not exist");
            let again =
                format!("a refresh publishes release {release} again when a function needs it");
            if examined.mode == Mend::Fix {
                session.change(|head| head.lost(release, &self.name)).await?;
                examined.mended(kind, format!("{text}: {again}"));
            } else {
                examined.find(
                    kind,
                    format!(
                        "{text}; run `freshlayer doctor {} --fix`: then {again}",
                        session.head().layer()
                    ),
                );
            }
        }
        Ok(())
    }

    /// Layer versions of our making that the state does not name: of a run whose release was never promoted.
    async fn orphaned_versions(
        &self,
        session: &Session<'_>,
        definition: &Definition,
        examined: &mut Examined,
    ) {
        for arn in self.listed.iter().filter(|arn| !session.head().made(arn)) {
            let kind = FindingKind::OrphanedVersion;
            let text = format!("layer version {arn} is named by no release");
            let user = self.used.get(arn).map(|used| format!("{} uses it", used.text));
            let stays = match user {
                Some(user) => Some(user),
                None => unseen_reader(self.region.registry.as_ref(), definition, arn).await,
            };
            if let Some(reason) = stays {
                examined.find(kind, format!("{text}, and stays: {reason}"));
            } else if examined.mode == Mend::Look {
                examined.find(kind, format!("{text}; `doctor --fix` deletes it"));
            } else if !session.holds_lease_now() {
                let words =
                    "the lease ended before it had its turn, and functions may have changed since";
                examined.find(kind, format!("{text}, and stays: {words}"));
            } else {
                match self.region.registry.delete(arn).await {
                    Ok(()) => examined.mended(kind, format!("{text}; deleted")),
                    Err(error) => {
                        let words = chain(error.as_ref());
                        examined.find(kind, format!("{text}, and cannot be deleted: {words}"));
                    }
                }
            }
        }
    }

    /// Functions whose `$LATEST` names a version that does not exist: Lambda refuses every other change of them. A
    /// published version keeps what it has.
    fn functions(&self, head: &Head, examined: &mut Examined) {
        for (arn, used) in self.used.iter().filter(|(arn, _)| !self.listed.contains(arn)) {
            if head.made(arn) && used.user.version.is_none() {
                let user = &used.text;
                let text = format!(
                    "{user} names layer version {arn}, which does not exist; a refresh moves the function, unless an order or a tag holds it"
                );
                examined.find(FindingKind::FunctionWithoutVersion, text);
            }
        }
    }
}

/// Records that are missing, and records with a zip that no layer version was made of.
async fn records(
    engine: &Engine,
    session: &mut Session<'_>,
    examined: &mut Examined,
) -> Result<(), Error> {
    let (store, layer) = (engine.ports.store.as_ref(), session.head().layer().clone());
    let head = session.head();
    let stored = head.unpublished().map(|unpublished| unpublished.release);
    let known: BTreeSet<u64> =
        head.versions().keys().chain(head.deleting().keys()).copied().chain(stored).collect();
    let mut zips_in_use = BTreeSet::new();
    let mut orphans = Vec::new();
    for release in 1..=head.newest() {
        match (read_release(store, &layer, release).await?, known.contains(&release)) {
            (Some(record), true) => drop(zips_in_use.insert(record.zip_sha256)),
            (Some(record), false) => orphans.push(record),
            (None, true) => {
                let text =
                    format!("the record of release {release} is missing: restore it from a backup");
                examined.find(FindingKind::MissingRecord, text);
            }
            (None, false) => {}
        }
    }
    for record in orphans.iter().filter(|record| !zips_in_use.contains(&record.zip_sha256)) {
        let key = Key::blob(&record.zip_sha256);
        // A pruned release keeps its record, and its zip is gone already.
        let error = |source| Error::Store { key: key.to_string(), source };
        if store.size_bytes(&key).await.map_err(error)?.is_none() {
            continue;
        }
        let kind = FindingKind::OrphanedRecord;
        let text = format!("release {} has a zip, and no layer version was made of it", record.seq);
        if examined.mode == Mend::Fix {
            store.delete(&key).await.map_err(error)?;
            examined.mended(kind, format!("{text}; the zip is deleted"));
        } else {
            examined.find(kind, format!("{text}; `doctor --fix` deletes the zip"));
        }
    }
    Ok(())
}

/// Releases that are kept longer than the licence of their data allows, each with a function that uses it.
async fn kept_too_long(
    engine: &Engine,
    head: &Head,
    definition: &Definition,
    users: &BTreeMap<LayerVersionArn, String>,
    examined: &mut Examined,
) -> Result<(), Error> {
    let (store, now) = (engine.ports.store.as_ref(), engine.ports.clock.now());
    let releases = head.versions().keys().copied();
    for late in overdue(store, head, definition, releases, now).await? {
        let versions = head.versions().get(&late.release).into_iter();
        let user = versions.flat_map(BTreeMap::values).find_map(|arn| users.get(arn));
        let why = match user {
            Some(user) => format!("{user} uses it"),
            None => "`freshlayer prune` deletes it, or says why it stays".to_owned(),
        };
        examined.find(FindingKind::KeptTooLong, format!("{}; {why}", late.text()));
    }
    Ok(())
}

/// A rollout is well that is watched, that a publisher works on, or that a person stopped. One whose time is over by far waits
/// for a run that did not come, and one whose gates cannot decide waits for a person.
async fn open_rollout(
    session: &Session<'_>,
    definition: &Definition,
    now: Timestamp,
    examined: &mut Examined,
) -> Result<(), Error> {
    let head = session.head();
    let works = !session.holds_lease() && head.lease().is_some_and(|lease| now < lease.expires);
    let is_stopped = works || head.frozen().is_some();
    let open = head.rollout().filter(|open| !is_stopped && open.paused.is_none());
    let (Some(open), Some(rollout)) = (open, session.rollout().await?) else { return Ok(()) };
    let layer = &definition.layer;
    let (number, to) = (open.number, open.to);
    let last = rollout.waves.last();
    let waits = Waves::on_record(&definition.rollout, &rollout, now);
    let asked = last.and_then(|wave| wave.evidence.as_ref()).map(|evidence| evidence.at);
    let looked = head.looked().map(|looked| looked.at);
    let until = last.and_then(|wave| wave.until);
    let due = [until, asked, looked].into_iter().flatten().fold(open.started, Timestamp::max);
    let window = definition.rollout.course.window.as_ref();
    let due = window.map_or(due, |window| window.opens(due));
    let is_late = now.duration_since(due) > LATE && head.stable() != Some(to);
    let text = match waits.filter(|_| open.is_judged()) {
        Some(Next::Hold(why)) => format!(
            "rollout {number} to release {to} waits for a person: {why}; `freshlayer rollout promote {layer}` or \
             `freshlayer rollout abort {layer}` decides"
        ),
        _ if is_late => format!(
            "rollout {number} to release {to} was to go on at {}, and no run has brought it on since: look whether the \
             schedule runs; `freshlayer refresh {layer}` goes on, and names the functions that wait",
            minute(due)
        ),
        _ => return Ok(()),
    };
    examined.find(FindingKind::OpenRollout, text);
    Ok(())
}
