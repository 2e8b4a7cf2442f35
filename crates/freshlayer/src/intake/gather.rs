//! Judges what the upstreams gave. What is bad does not hold back what is good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use crate::definition::Dataset;
use crate::engine::{Retry, Run};
use crate::error::{Error, chain};
use crate::formats::deflate::Inflated;
use crate::formats::pipe::blocking;
use crate::intake::download::{Candidate, Refused, UpstreamAnswer, old_enough_at};
use crate::intake::extract::StagedFile;
use crate::intake::inspect::{Differences, Live, Proven, inspect};
use crate::names::{DatasetName, Digest};
use crate::ports::{SourceError, Stage, UpstreamFacts};
use crate::problem::{Code, Problem};
use crate::report::{DatasetReport, DatasetState, Why};
use crate::state::{Acceptance, Head, Rejection, Release, SeenUpstream, Snapshot};

/// Smaller files are inflated with their zip.
const INFLATED_BYTES_MIN: u64 = 1024 * 1024;

/// What the upstreams of a layer gave.
#[derive(Default)]
pub(crate) struct Brought {
    /// New snapshots that passed.
    pub(crate) proven: Vec<Proven>,
    /// What is to be told and remembered.
    pub(crate) ledger: Ledger,
}

/// What a run tells and remembers of the upstreams.
#[derive(Default)]
pub(crate) struct Ledger {
    /// What the report says of each dataset.
    pub(crate) datasets: Vec<DatasetReport>,
    /// All problems of all datasets.
    pub(crate) problems: Vec<Problem>,
    /// Upstreams that could not be asked.
    pub(crate) failures: Vec<String>,
    /// What the new release waits for before it is published.
    pub(crate) waits: Option<Why>,
    /// What was refused for the first time, until it is told.
    pub(crate) refused: Vec<Refusal>,
    /// What the head learns.
    pub(crate) lessons: Lessons,
}

/// Data that is refused.
pub(crate) struct Refusal {
    /// The dataset; absent for the layer as a whole.
    pub(crate) dataset: Option<DatasetName>,
    /// The digest, where it is known.
    pub(crate) digest: Option<Digest>,
    pub(crate) problems: Vec<Problem>,
}

/// What the head learns of the upstreams.
#[derive(Default)]
pub(crate) struct Lessons {
    accepted: Vec<(DatasetName, SeenUpstream)>,
    seen: Vec<(DatasetName, SeenUpstream)>,
    rejected: Vec<(Option<SeenUpstream>, Rejection)>,
    /// Until when the account's downloads are used up.
    pub(crate) quota_until: Option<Timestamp>,
}

/// Whether the new snapshots are stored as a release, so that their validators may be asked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// They are, or their content is that of the live release.
    Yes,
    /// They are not.
    #[default]
    No,
}

impl Lessons {
    /// Writes what was learned into the head.
    pub(crate) fn write(&self, head: &mut Head, accepted: Accepted) {
        if accepted == Accepted::Yes {
            for (dataset, seen) in &self.accepted {
                head.took(dataset, &seen.digest);
                head.saw(dataset.clone(), seen.clone());
            }
        }
        for (dataset, seen) in &self.seen {
            head.saw(dataset.clone(), seen.clone());
        }
        for (seen, rejection) in &self.rejected {
            if let Some(seen) = seen {
                head.saw(rejection.dataset.clone(), seen.clone());
            }
            head.reject(rejection.clone());
        }
        if let Some(until) = self.quota_until {
            head.quota_reached(until);
        }
    }
}

impl Ledger {
    /// Tells that the new snapshots have the content of the live release.
    pub(crate) fn same_content(&mut self) {
        for dataset in self.datasets.iter_mut().filter(|d| d.state == DatasetState::New) {
            dataset.state = DatasetState::SameContent;
        }
    }

    /// Tells that no layer can be made of the data. That is not remembered, and every run tries again.
    pub(crate) fn refuse_layer(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems.iter().cloned());
        self.refused.push(Refusal { dataset: None, digest: None, problems });
    }

    /// Tells that a release with new data is refused as a whole, and remembers it of that data.
    pub(crate) fn refuse_release(&mut self, problem: &Problem, rejections: Vec<Rejection>) {
        self.problems.push(problem.clone());
        for rejection in rejections {
            let accepted = &mut self.lessons.accepted;
            let at = accepted.iter().position(|(dataset, _)| *dataset == rejection.dataset);
            let seen = at.map(|at| accepted.swap_remove(at).1);
            for report in self.datasets.iter_mut().filter(|one| one.name == rejection.dataset) {
                report.state = DatasetState::Rejected;
            }
            self.refused.push(Refusal {
                dataset: Some(rejection.dataset.clone()),
                digest: Some(rejection.digest.clone()),
                problems: rejection.problems.clone(),
            });
            self.lessons.rejected.push((seen, rejection));
        }
    }

    fn note(&mut self, name: &DatasetName, state: DatasetState, upstream: Option<UpstreamFacts>) {
        self.datasets.push(DatasetReport {
            name: name.clone(),
            state,
            upstream,
            waits_until: None,
        });
    }

    fn wait(&mut self, name: &DatasetName, until: Timestamp, upstream: Option<UpstreamFacts>) {
        let (name, state) = (name.clone(), DatasetState::Waiting);
        self.datasets.push(DatasetReport { name, state, upstream, waits_until: Some(until) });
    }
}

/// The releases that new data is held against.
#[derive(Clone, Copy)]
pub(crate) struct Served<'a> {
    /// The newest one.
    pub(crate) current: Option<&'a Release>,
    /// The last stable one, where the newest is another.
    pub(crate) stable: Option<&'a Release>,
    /// The builds that a person let pass.
    pub(crate) accepted: &'a [Acceptance],
}

impl<'a> Served<'a> {
    /// Returns what new data of a dataset is compared with: the last stable release, because the newest one may be no good.
    /// Data that the newest one has already is compared with itself. Where a person let the newest one's data pass, that is
    /// what more data is compared with.
    pub(crate) fn compared(self, candidate: &Candidate) -> Option<(&'a Release, &'a Snapshot)> {
        let dataset = &candidate.dataset;
        let of = |release: &'a Release| Some((release, release.snapshot(&dataset.name)?));
        let current = self.current.and_then(of);
        let known = |snapshot: &Snapshot| {
            let accepted = self.accepted.iter().any(|one| one.digest == snapshot.digest);
            accepted || snapshot.digest == candidate.digest
        };
        if current.is_some_and(|(_, snapshot)| known(snapshot)) {
            return current;
        }
        let stable = self.stable.and_then(of);
        stable.filter(|(_, snapshot)| snapshot.format == dataset.format()).or(current)
    }

    /// Returns the newest snapshot of a dataset.
    pub(crate) fn newest(self, dataset: &DatasetName) -> Option<&'a Snapshot> {
        self.current?.snapshot(dataset)
    }

    /// Returns what inspection holds a candidate against.
    pub(crate) fn live(
        self,
        candidate: &Candidate,
        file: Option<Result<PathBuf, String>>,
    ) -> Option<Live> {
        let (_, snapshot) = self.compared(candidate)?;
        let newest = self.newest(&candidate.dataset.name);
        let newest_built = newest.and_then(|newest| newest.built);
        Some(Live { snapshot: snapshot.clone(), newest_built, file })
    }
}

/// What everything that came is held against.
pub(crate) struct Baseline<'a> {
    pub(crate) run: &'a Run<'a>,
    pub(crate) head: &'a Head,
    pub(crate) served: Served<'a>,
    /// The file of each live dataset that new data is compared with, or why it cannot be read.
    pub(crate) files: BTreeMap<DatasetName, Result<PathBuf, String>>,
    pub(crate) retry: Retry,
}

/// Inspects every candidate, and sorts everything that came.
pub(crate) async fn gather(
    baseline: &Baseline<'_>,
    pulled: Vec<UpstreamAnswer>,
) -> Result<Brought, Error> {
    let mut brought = Brought::default();
    for (dataset, pulled) in baseline.run.definition.datasets.iter().zip(pulled) {
        let ledger = &mut brought.ledger;
        match pulled {
            UpstreamAnswer::Unchanged => ledger.note(&dataset.name, DatasetState::Unchanged, None),
            UpstreamAnswer::Young(until) => ledger.wait(&dataset.name, until, None),
            UpstreamAnswer::Failed(source) => baseline.fail(dataset, source, ledger),
            UpstreamAnswer::Refused(refused) => baseline.refuse(dataset, refused, None, ledger),
            UpstreamAnswer::Fresh(candidate) => {
                let proven = baseline.judge(*candidate, ledger).await?;
                brought.proven.extend(proven);
            }
        }
    }
    hold_groups(&baseline.run.definition.datasets, &mut brought);
    Ok(brought)
}

/// Datasets of one group are released together: new data waits while that of another one is not good, or young. It is not
/// remembered, so the next run asks for it again.
fn hold_groups(datasets: &[Dataset], brought: &mut Brought) {
    let Brought { proven, ledger } = brought;
    let states: BTreeMap<&DatasetName, DatasetState> =
        ledger.datasets.iter().map(|report| (&report.name, report.state)).collect();
    let is_bad = |name: &DatasetName| {
        use DatasetState::{Failed, Rejected, Waiting};
        matches!(states.get(name), Some(Rejected | Failed | Waiting))
    };
    let bad: BTreeSet<&String> = datasets
        .iter()
        .filter(|dataset| is_bad(&dataset.name))
        .filter_map(|dataset| dataset.group.as_ref())
        .collect();
    let waits: BTreeSet<&DatasetName> = datasets
        .iter()
        .filter(|dataset| dataset.group.as_ref().is_some_and(|group| bad.contains(group)))
        .map(|dataset| &dataset.name)
        .collect();
    proven.retain(|proven| !waits.contains(&proven.snapshot().dataset));
    ledger.lessons.accepted.retain(|(dataset, _)| !waits.contains(dataset));
    for report in ledger.datasets.iter_mut().filter(|report| report.state == DatasetState::New) {
        if waits.contains(&report.name) {
            report.state = DatasetState::Waiting;
        }
    }
}

impl Baseline<'_> {
    fn now(&self) -> Timestamp {
        self.run.engine.ports.clock.now()
    }

    async fn judge(
        &self,
        candidate: Candidate,
        ledger: &mut Ledger,
    ) -> Result<Option<Proven>, Error> {
        let dataset = candidate.dataset.clone();
        let upstream = Some(candidate.upstream.clone());
        let seen = candidate.seen.clone();
        let size_bytes = candidate.files.iter().map(|file| file.size_bytes).sum();
        let running = self.run.stages.start(Stage::Inspect, dataset.name.as_str(), None);
        let live = self.served.live(&candidate, self.files.get(&dataset.name).cloned());
        let (limits, now) = (self.run.definition.limits.clone(), self.now());
        let differences = Differences::of(self.head, &dataset.name, &candidate.digest);
        let files = candidate.files.clone();
        let (inspected, inflated) = tokio::join!(
            blocking(move || inspect(candidate, live.as_ref(), differences, &limits, now)),
            blocking(move || inflate(&files)),
        );
        let inspected = inspected?;
        running.done(size_bytes);
        let problems: Vec<Problem> = inspected.gates.problems().cloned().collect();
        let Some(mut proven) = inspected.proven else {
            // A check that ran out of time says more about this machine than about the data.
            let final_word = problems.iter().all(|p| p.code != Code::SqliteTime);
            let seen = final_word.then_some(seen);
            let refused = Refused { problems, seen };
            self.refuse(&dataset, refused, upstream, ledger);
            return Ok(None);
        };
        proven.note_inflated(&inflated);
        // Inspection may have converted the file, and then its digest is a new one.
        let digest: Digest = proven.snapshot().digest.clone();
        let seen = SeenUpstream { digest, ..seen };
        let fingerprint = dataset.verdict_fingerprint(&self.run.definition.limits);
        if let Some(problems) = self.head.refusal(&dataset.name, &fingerprint, &seen.digest) {
            self.refuse(&dataset, Refused { problems, seen: Some(seen) }, upstream, ledger);
            return Ok(None);
        }
        if let Some((made, until)) = self.young(&dataset, &proven, &seen.digest) {
            ledger.wait(&dataset.name, until, upstream);
            let seen = SeenUpstream { young_since: Some(made), ..seen };
            ledger.lessons.seen.push((dataset.name.clone(), seen));
            return Ok(None);
        }
        ledger.note(&dataset.name, DatasetState::New, upstream);
        ledger.lessons.accepted.push((dataset.name.clone(), seen));
        ledger.problems.extend(problems);
        Ok(Some(proven))
    }

    /// Returns when a build was made, and until when it waits, where it is too young. One that does not say when it was
    /// made counts from the day that it was first seen.
    fn young(
        &self,
        dataset: &Dataset,
        proven: &Proven,
        digest: &Digest,
    ) -> Option<(Timestamp, Timestamp)> {
        if self.retry == Retry::Young {
            return None;
        }
        let before = self.head.upstream(&dataset.name).filter(|seen| seen.digest == *digest);
        let live = self.served.newest(&dataset.name);
        let is_live = live.is_some_and(|live| live.digest == *digest);
        let now = self.now();
        let made = before.and_then(|seen| seen.young_since).or(proven.snapshot().built);
        let made = made.unwrap_or(now).min(now);
        let until = old_enough_at(dataset, made).filter(|until| !is_live && now < *until)?;
        Some((made, until))
    }

    fn fail(&self, dataset: &Dataset, source: SourceError, ledger: &mut Ledger) {
        if let SourceError::QuotaReached { .. } = source {
            ledger.lessons.quota_until = Some(next_day(self.now()));
        }
        let error = Error::Source { dataset: dataset.name.clone(), source };
        ledger.failures.push(chain(&error));
        ledger.note(&dataset.name, DatasetState::Failed, None);
    }

    /// Tells whether the head knows a refusal: of this data, or of what the upstream still has.
    fn is_known_as_refused(&self, dataset: &Dataset, seen: Option<&SeenUpstream>) -> bool {
        let fingerprint = dataset.verdict_fingerprint(&self.run.definition.limits);
        let seen = seen.or_else(|| self.head.upstream(&dataset.name));
        seen.is_some_and(|seen| {
            self.head.refusal(&dataset.name, &fingerprint, &seen.digest).is_some()
        })
    }

    /// Notes a refusal. What a person rolled back is no verdict, and is remembered elsewhere.
    fn refuse(
        &self,
        dataset: &Dataset,
        refused: Refused,
        upstream: Option<UpstreamFacts>,
        ledger: &mut Ledger,
    ) {
        let Refused { problems, seen } = refused;
        ledger.note(&dataset.name, DatasetState::Rejected, upstream);
        ledger.problems.extend(problems.iter().cloned());
        if !self.is_known_as_refused(dataset, seen.as_ref()) {
            ledger.refused.push(Refusal {
                dataset: Some(dataset.name.clone()),
                digest: seen.as_ref().map(|seen| seen.digest.clone()),
                problems: problems.clone(),
            });
        }
        let Some(seen) = seen else { return };
        if problems.iter().any(|problem| problem.code == Code::RolledBack) {
            ledger.lessons.seen.push((dataset.name.clone(), seen));
            return;
        }
        let rejection = Rejection {
            dataset: dataset.name.clone(),
            digest: seen.digest.clone(),
            fingerprint: dataset.verdict_fingerprint(&self.run.definition.limits),
            at: self.now(),
            problems,
        };
        ledger.lessons.rejected.push((Some(seen), rejection));
    }
}

/// Inflates the streams of large files; one that cannot be is left to the proof of the zip.
fn inflate(files: &[StagedFile]) -> Vec<Inflated> {
    let large = files.iter().filter(|file| file.size_bytes >= INFLATED_BYTES_MIN);
    let inflated =
        large.filter_map(|file| Inflated::of(&file.deflated, &file.file, &file.sha256).ok());
    inflated.flatten().collect()
}

/// MaxMind counts downloads per day; the day's end in UTC is the earliest that another try may succeed.
fn next_day(now: Timestamp) -> Timestamp {
    let day = SignedDuration::from_hours(24);
    let into_day = now.as_second().rem_euclid(day.as_secs());
    now.checked_add(SignedDuration::from_secs(day.as_secs() - into_day)).unwrap_or(now)
}
