//! Deletes the layer versions and zips of old releases that nothing leads to (I6).
//!
//! ```text
//! look ── condemn (the head) ── look again ── delete what is condemned and still unused
//!            └ what something leads to again is pardoned
//! ```
//!
//! Lambda keeps a deleted version for the functions that have it, but refuses every later change of them. So a
//! release goes only where no `$LATEST`, published version, pin, rollout or way back leads to it, and where everyone
//! who may use it could be asked, twice. Its zip goes last: a layer version may be nothing but a reference to it.

mod delete;
mod evidence;
mod pruned;
mod stays;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::ports::Region;
use crate::report::Why;
use crate::rollout::frozen;
use crate::state::{Head, Lease, Leased, Release, Session, Work};
pub(super) use evidence::unseen_reader;
use evidence::{Evidence, Looking};
pub use pruned::{Condemned, Kept, KeptTooLong, Pruned, PrunedRelease};
pub use stays::Stays;

/// How long a prune that comes every day lets a release be condemned before it looks again. It is less than a day,
/// because a schedule may come some minutes early.
const RESPITE: SignedDuration = SignedDuration::from_hours(23);

/// Whether anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prune {
    /// What can go is condemned, looked at again, and goes in the same run.
    Delete,
    /// What can go is condemned. What an earlier run condemned a day ago goes, where it still can.
    AfterRespite,
    /// Nothing: it is only said what would go.
    Preview,
}

/// What stays although nothing leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How many of the newest releases.
    pub newest: usize,
    /// Releases that a Region's parameter named in the last 30 days.
    pub named: Named,
}

/// What becomes of a release that a Region's parameter named in the last 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It stays: deployments may go back to it.
    Stays,
    /// It goes as any other.
    Goes,
}

impl From<usize> for Keep {
    fn from(newest: usize) -> Self {
        Self { newest, named: Named::Stays }
    }
}

/// Prunes a layer, but for what shall be kept; a number means so many of its newest releases.
///
/// # Errors
/// Where the state or some place cannot be asked: then nothing was deleted.
pub async fn prune(
    engine: &Engine,
    definition: &Definition,
    keep: impl Into<Keep>,
    mode: Prune,
) -> Result<Pruned, Error> {
    let mut session = engine.session(&definition.layer).await?;
    let asked = Asked { engine, definition, keep: keep.into(), mode };
    let done = asked.run(&mut session).await;
    session.end(done).await
}

/// What is asked for.
struct Asked<'a> {
    engine: &'a Engine,
    definition: &'a Definition,
    keep: Keep,
    mode: Prune,
}

impl Asked<'_> {
    async fn run(&self, session: &mut Session<'_>) -> Result<Pruned, Error> {
        let mut pruned = Pruned::nothing(&self.definition.layer, self.mode);
        if session.head().versions().is_empty() && session.head().deleting().is_empty() {
            return Ok(pruned);
        }
        if self.mode != Prune::Preview
            && let Some(why) = held(session).await?
        {
            pruned.held = Some(why.into());
            return Ok(pruned);
        }
        let regions = self.engine.ports.regions.of(&self.definition.destinations).await;
        let evidence = self.look(session, &regions).await?;
        match self.mode {
            Prune::Preview => self.preview(session, &evidence, &mut pruned).await,
            Prune::Delete | Prune::AfterRespite => {
                self.delete(session, &regions, &evidence, &mut pruned).await;
            }
        }
        pruned.kept = evidence.sort(session.head()).kept;
        self.late(session.head(), &evidence, &mut pruned).await;
        if session.holds_lease()
            && let Err(error) = session.release_lease(|head| evidence.pardon(head)).await
        {
            pruned.failures.push(chain(&error));
        }
        pruned.condemned = condemned(session.head());
        Ok(pruned)
    }

    /// Looks who uses what, and condemns what can go. Where that is deleted in this run, it looks again: a function may
    /// have come while the first look went over the others.
    async fn look(
        &self,
        session: &mut Session<'_>,
        regions: &[Region],
    ) -> Result<Evidence<'_>, Error> {
        let now = self.engine.ports.clock.now();
        let looking = Looking { definition: self.definition, regions, keep: self.keep };
        let first = Evidence::look(session.head(), &looking, now).await?;
        if self.mode == Prune::Preview {
            return Ok(first);
        }
        condemn(session, &first, now).await?;
        if self.mode == Prune::AfterRespite || first.sort(session.head()).gone.is_empty() {
            return Ok(first);
        }
        Evidence::look(session.head(), &looking, now).await
    }

    async fn preview(&self, session: &Session<'_>, evidence: &Evidence<'_>, pruned: &mut Pruned) {
        for seq in evidence.sort(session.head()).gone.into_keys() {
            match session.release(seq).await {
                Ok(release) => pruned.releases.push(described(&release, session.head())),
                Err(error) => {
                    pruned.fail(seq, &error);
                    if !is_of_one_release(&error) {
                        break;
                    }
                }
            }
        }
    }

    async fn delete(
        &self,
        session: &mut Session<'_>,
        regions: &[Region],
        evidence: &Evidence<'_>,
        pruned: &mut Pruned,
    ) {
        for seq in self.due(session.head(), evidence) {
            if !session.holds_lease_now() {
                pruned.failures.push(format!(
                    "the lease ended before release {seq} had its turn, and functions may have changed since"
                ));
                break;
            }
            match prune_release(self.engine, session, regions, evidence, seq).await {
                Ok(release) => pruned.releases.extend(release),
                Err(error) => {
                    pruned.fail(seq, &error);
                    // What stops this one stops the next one, too, and each that is begun is lost to rollbacks.
                    if !is_of_one_release(&error) {
                        break;
                    }
                }
            }
        }
    }

    /// The releases whose time has come, of those that can go.
    fn due(&self, head: &Head, evidence: &Evidence<'_>) -> Vec<u64> {
        let now = self.engine.ports.clock.now();
        let has_waited = |since: &Timestamp| match self.mode {
            Prune::AfterRespite => may_go_from(*since) <= now,
            Prune::Delete | Prune::Preview => true,
        };
        let is_due = |seq: &u64| {
            head.deleting().contains_key(seq) || head.condemned().get(seq).is_some_and(has_waited)
        };
        evidence.sort(head).gone.into_keys().filter(is_due).collect()
    }

    /// Names the releases that stay longer than the licence of their data allows, with the functions that use them.
    async fn late(&self, head: &Head, evidence: &Evidence<'_>, pruned: &mut Pruned) {
        let (store, now) = (self.engine.ports.store.as_ref(), self.engine.ports.clock.now());
        let kept = pruned.kept.iter().map(|kept| kept.seq);
        match super::overdue::overdue(store, head, self.definition, kept, now).await {
            Ok(found) => {
                let named = found.into_iter().map(|late| {
                    let functions = evidence.functions(head, late.release);
                    KeptTooLong::of(&late, functions, &pruned.kept)
                });
                pruned.kept_too_long = named.collect();
            }
            Err(error) => pruned.failures.push(chain(&error)),
        }
    }
}

/// Takes the lease, or says what keeps the layer from being pruned.
async fn held(session: &mut Session<'_>) -> Result<Option<Why>, Error> {
    if let Some(why) = frozen(session.head()) {
        return Ok(Some(why));
    }
    Ok(match session.lease(Work::Moving).await? {
        Leased::Ours => None,
        Leased::Theirs(Lease { owner, expires, .. }) => Some(Why::Busy { owner, until: expires }),
    })
}

/// Condemns what can go, and pardons what something leads to again.
async fn condemn(
    session: &mut Session<'_>,
    evidence: &Evidence<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut next = session.head().clone();
    evidence.condemn(&mut next, now);
    if next == *session.head() {
        return Ok(());
    }
    session.change(|head| evidence.condemn(head, now)).await
}

/// The releases that are condemned, with the time from which on a prune that comes every day may delete them.
fn condemned(head: &Head) -> Vec<Condemned> {
    let all = head.condemned().iter();
    all.map(|(&seq, &since)| Condemned { seq, since, may_go: may_go_from(since) }).collect()
}

fn may_go_from(since: Timestamp) -> Timestamp {
    since.saturating_add(RESPITE).unwrap_or(Timestamp::MAX)
}

/// Tells whether an error says nothing about other releases.
fn is_of_one_release(error: &Error) -> bool {
    matches!(error, Error::NotPossible(_) | Error::State { .. })
}

/// Takes a release from where anybody is led to it, then deletes it. `None` where it stays after all: a pin may have
/// come meanwhile.
async fn prune_release(
    engine: &Engine,
    session: &mut Session<'_>,
    regions: &[Region],
    evidence: &Evidence<'_>,
    seq: u64,
) -> Result<Option<PrunedRelease>, Error> {
    let release = session.release(seq).await?;
    let described = described(&release, session.head());
    session.change(|head| evidence.start_deleting(head, seq)).await?;
    let Some(versions) = session.head().deleting().get(&seq).cloned() else {
        return Ok(None);
    };
    evidence.delete(engine, session, regions, &release, &versions).await?;
    Ok(Some(described))
}

fn described(release: &Release, head: &Head) -> PrunedRelease {
    let seq = release.seq;
    let versions = head.versions().get(&seq).or(head.deleting().get(&seq));
    PrunedRelease {
        seq,
        zip_bytes: release.zip_bytes,
        zip_sha256: release.zip_sha256.clone(),
        layer_versions: versions
            .into_iter()
            .flat_map(|versions| versions.values().cloned())
            .collect(),
    }
}
