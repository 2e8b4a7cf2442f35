//! From a definition to files on disk: ask each upstream, take what is new, unpack it.

mod alone;
mod body;
mod news;
mod passed;
mod signature;

use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::Digest as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(crate) use alone::{Asked, Fetched, candidate, fetch_alone, unpack_alone};
pub(crate) use news::{UpstreamNews, news};
use passed::passed;
use signature::unsigned;

use crate::definition::{Dataset, HttpsSource, Origin, SourceUrl};
use crate::engine::{Engine, Retry, Run};
use crate::error::Error;
use crate::formats::pipe::blocking;
use crate::intake::extract::{ExtraDigest, Staged, StagedFile, extract};
use crate::limits::Limits;
use crate::names::Digest;
use crate::ports::{
    Body, ExpectedChecksum, Fetch, Request, SourceError, Stage, UpstreamFacts, Validators,
};
use crate::problem::{Code, GateReport, Problem};
use crate::progress::Meter;
use crate::state::{Head, Lease, Leased, SeenUpstream, Session, Work};

/// How many upstreams of a layer are asked at once, and how many bodies are on their way: more of them share one line.
const AT_ONCE: usize = 4;

/// What one upstream gave.
pub(crate) enum UpstreamAnswer {
    /// What the live release has already.
    Unchanged,
    /// A build that was seen before, and waits until a time.
    Young(Timestamp),
    /// Something that is already known to be bad, now or in an earlier run.
    Refused(Refused),
    /// New files.
    Fresh(Box<Candidate>),
    /// Nothing: it could not be asked, or broke off.
    Failed(SourceError),
}

/// Data that is not released.
pub(crate) struct Refused {
    /// What is wrong with it.
    pub(crate) problems: Vec<Problem>,
    /// What to remember, so that it is not downloaded again; nothing where another download of the same
    /// bytes may well be good (a checksum that lags behind, a body over the limit).
    pub(crate) seen: Option<SeenUpstream>,
}

/// A snapshot on disk that nobody has judged yet.
pub(crate) struct Candidate {
    pub(crate) dataset: Dataset,
    pub(crate) files: Vec<StagedFile>,
    pub(crate) digest: Digest,
    pub(crate) upstream: UpstreamFacts,
    pub(crate) fetched: Timestamp,
    pub(crate) seen: SeenUpstream,
    /// The checks of the download and of its unpacking that it passed.
    pub(crate) gates: GateReport,
}

/// What all upstreams of a layer gave, in the order of the definition.
pub(crate) enum Downloaded {
    /// One answer per dataset.
    Answers(Vec<UpstreamAnswer>),
    /// Something is new, and another publisher is at it.
    Busy(Lease),
}

/// Asks the upstreams of a layer side by side. The lease is taken when the first one has something new, and not before:
/// a run that finds nothing new writes nothing.
pub(crate) async fn download(
    run: &Run<'_>,
    session: &mut Session<'_>,
    folder: &Path,
    retry: Retry,
) -> Result<Downloaded, Error> {
    let intake = Intake {
        run,
        retry,
        folder,
        session: Mutex::new(session),
        counted: Mutex::default(),
        unpacking: Mutex::default(),
    };
    let asked: Vec<_> = run.definition.datasets.iter().map(|one| intake.bring(one)).collect();
    match stream::iter(asked).buffered(AT_ONCE).try_collect().await {
        Ok(answers) => Ok(Downloaded::Answers(answers)),
        Err(Stopped::Busy(lease)) => Ok(Downloaded::Busy(lease)),
        Err(Stopped::Error(error)) => Err(error),
    }
}

/// What the datasets of one layer share while they are brought in.
struct Intake<'a, 's> {
    run: &'a Run<'a>,
    retry: Retry,
    folder: &'a Path,
    session: Mutex<&'a mut Session<'s>>,
    /// Held from the look at a day's count until the download is counted, so that no two take the last one.
    counted: Mutex<()>,
    /// One body is unpacked at a time: that takes memory and a core, and no upstream waits for it.
    unpacking: Mutex<()>,
}

/// Why the whole intake ends.
enum Stopped {
    Busy(Lease),
    Error(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Intake<'_, '_> {
    async fn bring(&self, dataset: &Dataset) -> Result<UpstreamAnswer, Stopped> {
        let Run { engine, definition, .. } = *self.run;
        let limits = &definition.limits;
        let mut counting = if is_counted(dataset) { Some(self.counted.lock().await) } else { None };
        let head = self.session.lock().await.head().clone();
        let now = engine.ports.clock.now();
        if let Some(error) = spent(&head, dataset, limits, now) {
            return Ok(UpstreamAnswer::Failed(error));
        }
        let waits = waits_until(&head, dataset, now).filter(|_| self.retry != Retry::Young);
        let known = known(&head, dataset, limits, waits);
        let known = known.as_ref();
        let end = Instant::now() + time_left(engine, limits);
        let (mut passed_over, mut broken) = (0, None);
        loop {
            let request = Request { source: &dataset.source, known, passed_over, limits };
            let body = match within(request, end, engine.ports.source.fetch(request)).await {
                Ok(Fetch::Body(body)) => body,
                Ok(Fetch::Unchanged) => return Ok(unchanged(&head, dataset, limits, waits)),
                Err(error) => return Ok(UpstreamAnswer::Failed(both(broken, error))),
            };
            let head = self.take(dataset).await?;
            drop(counting.take());
            let address = body.validators.address.as_deref();
            let next = behind(&dataset.source.origin, address, passed_over);
            let (folder, unpacking) = (self.folder.join(dataset.name.as_str()), &self.unpacking);
            let pull = Pull { run: self.run, dataset, limits, folder: &folder, end, unpacking };
            match (pull.pull(body, &head).await?, next) {
                // It broke off: another address may hold out.
                (UpstreamAnswer::Failed(error), Some(next)) if Instant::now() < end => {
                    (passed_over, broken) = (next, Some(both(broken, error)));
                }
                (UpstreamAnswer::Failed(error), _) => {
                    return Ok(UpstreamAnswer::Failed(both(broken, error)));
                }
                (answer, _) => return Ok(answer),
            }
        }
    }

    /// Takes the lease and counts the download; returns the head as it is then.
    async fn take(&self, dataset: &Dataset) -> Result<Head, Stopped> {
        let mut session = self.session.lock().await;
        if let Leased::Theirs(lease) = session.lease(Work::Preparing).await? {
            return Err(Stopped::Busy(lease));
        }
        if is_counted(dataset) {
            let day = day_of(self.run.engine.ports.clock.now());
            session.change(|head| head.count_download(day)).await?;
        }
        Ok(session.head().clone())
    }
}

/// Says what became of the address that broke off, and of the mirrors behind it.
fn both(broken: Option<SourceError>, then: SourceError) -> SourceError {
    match broken {
        None => then,
        Some(SourceError::Unreachable { url, tries, reason, source }) => {
            let reason = format!("{reason}; mirror {then}");
            SourceError::Unreachable { url, tries, reason, source }
        }
        Some(broken) => broken,
    }
}

/// Returns how many addresses of a source are passed over where those behind one are asked; `None` where there are none.
fn behind(origin: &Origin, address: Option<&str>, passed_over: usize) -> Option<usize> {
    let Origin::Https(HttpsSource { mirrors, .. }) = origin else { return None };
    let is_it = |mirror: &SourceUrl| Some(mirror.to_string().as_str()) == address;
    let at = address.and_then(|_| mirrors.iter().position(is_it)).map_or(0, |at| at + 1);
    // Two addresses may be the same.
    let at = at.max(passed_over);
    (at < mirrors.len()).then_some(at + 1)
}

/// A daily limit that was reached holds until the day is over, in later runs, too: another try would count. So does the
/// layer's own share of it.
fn spent(head: &Head, dataset: &Dataset, limits: &Limits, now: Timestamp) -> Option<SourceError> {
    if !is_counted(dataset) {
        return None;
    }
    let url = dataset.source.origin.to_string();
    if head.quota_until().is_some_and(|until| now < until) {
        return Some(SourceError::QuotaReached { url });
    }
    let count = head.downloads_on(day_of(now));
    let is_spent = count >= limits.maxmind_downloads_per_day;
    is_spent.then_some(SourceError::BudgetSpent { url, count })
}

/// MaxMind counts downloads per account and day.
fn is_counted(dataset: &Dataset) -> bool {
    matches!(dataset.source.origin, Origin::Maxmind { .. })
}

fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// How long one download may take with its retries: the limit, and no longer than the run has. A run without time has
/// enough for a small one.
fn time_left(engine: &Engine, limits: &Limits) -> Duration {
    const ALWAYS: Duration = Duration::from_secs(30);
    let limit = Duration::from_secs(limits.download_secs_max);
    let Some(deadline) = engine.deadline else { return limit };
    let left = deadline.duration_since(engine.ports.clock.now());
    limit.min(Duration::try_from(left).unwrap_or_default().max(ALWAYS))
}

/// Waits for the answer of one upstream, within the time that a download may take.
async fn within<T>(
    request: Request<'_>,
    end: Instant,
    answer: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    let started = Instant::now();
    let answer = tokio::time::timeout_at(end, answer).await;
    answer.unwrap_or_else(|_elapsed| {
        let url = request.source.origin.to_string();
        let reason = format!("no whole answer within {} s", started.elapsed().as_secs());
        Err(SourceError::Unreachable { url, tries: 1, reason, source: None })
    })
}

/// Returns the validators to ask with: only where "unchanged" would mean that nothing is to be downloaded.
fn known(
    head: &Head,
    dataset: &Dataset,
    limits: &Limits,
    waits: Option<Timestamp>,
) -> Option<Validators> {
    let seen = head.upstream(&dataset.name)?;
    let same_source = seen.fingerprint == dataset.source_fingerprint();
    let serving = head.outline().and_then(|outline| outline.snapshot(&dataset.name));
    let serving = serving.is_some_and(|snapshot| snapshot.digest == seen.digest);
    let stored = head.unpublished().and_then(|stored| stored.digests.get(&dataset.name));
    let stored = stored == Some(&seen.digest);
    let refused = refusal(head, dataset, limits, &seen.digest).is_some();
    let usable = same_source
        && (serving || stored || refused || waits.is_some())
        && !seen.validators.is_empty();
    usable.then(|| seen.validators.clone())
}

/// Returns until when the build that was seen last is too young to be released.
pub(crate) fn waits_until(head: &Head, dataset: &Dataset, now: Timestamp) -> Option<Timestamp> {
    let made = head.upstream(&dataset.name)?.young_since?;
    old_enough_at(dataset, made).filter(|until| now < *until)
}

/// Returns when a build is old enough for a release, where the definition waits for that.
pub(crate) fn old_enough_at(dataset: &Dataset, made: Timestamp) -> Option<Timestamp> {
    let hours = dataset.expect.min_age_hours;
    (hours > 0).then(|| {
        let wait = SignedDuration::from_hours(i64::from(hours));
        made.saturating_add(wait).unwrap_or(Timestamp::MAX)
    })
}

fn refusal(
    head: &Head,
    dataset: &Dataset,
    limits: &Limits,
    digest: &Digest,
) -> Option<Vec<Problem>> {
    head.refusal(&dataset.name, &dataset.verdict_fingerprint(limits), digest)
}

fn unchanged(
    head: &Head,
    dataset: &Dataset,
    limits: &Limits,
    waits: Option<Timestamp>,
) -> UpstreamAnswer {
    let seen = head.upstream(&dataset.name);
    match (seen.and_then(|seen| refusal(head, dataset, limits, &seen.digest)), waits) {
        (Some(problems), _) => UpstreamAnswer::Refused(Refused { problems, seen: None }),
        (None, Some(until)) => UpstreamAnswer::Young(until),
        (None, None) => UpstreamAnswer::Unchanged,
    }
}

/// The download of one dataset.
struct Pull<'a> {
    run: &'a Run<'a>,
    dataset: &'a Dataset,
    limits: &'a Limits,
    folder: &'a Path,
    end: Instant,
    unpacking: &'a Mutex<()>,
}

impl Pull<'_> {
    async fn pull(&self, body: Body, head: &Head) -> Result<UpstreamAnswer, Error> {
        std::fs::create_dir_all(self.folder).map_err(Error::io("make the folder", self.folder))?;
        let (validators, facts) = (body.validators.clone(), body.facts.clone());
        let checksums = body.checksums.clone();
        let body = match self.transfer(body).await? {
            body::Streamed::Whole(body) => body,
            body::Streamed::TooLarge(problem) => return Ok(self.refused(vec![problem], None)),
            body::Streamed::Broken(error) => return Ok(UpstreamAnswer::Failed(error)),
        };
        let seen = |digest: &Digest| SeenUpstream {
            fingerprint: self.dataset.source_fingerprint(),
            validators: validators.clone(),
            digest: digest.clone(),
            young_since: None,
        };
        if let Some(problem) = transfer_mismatch(&checksums, &body) {
            return Ok(self.refused(vec![problem], None));
        }
        if let Some(problem) = unsigned(&checksums, &body).await? {
            return Ok(self.refused(vec![problem], None));
        }
        if let Some(known) = refusal(head, self.dataset, self.limits, &body.sha256) {
            return Ok(self.refused(known, Some(seen(&body.sha256))));
        }
        let files = match self.unpack(&body, &checksums).await? {
            Ok(files) => files,
            Err(problems) => return Ok(self.refused(problems, Some(seen(&body.sha256)))),
        };
        if let Some(problem) = extracted_mismatch(&checksums, &files) {
            return Ok(self.refused(vec![problem], None));
        }
        let digest = snapshot_digest(&files);
        if let Some(known) = refusal(head, self.dataset, self.limits, &digest) {
            return Ok(self.refused(known, Some(seen(&digest))));
        }
        let gates = passed(self.dataset, &checksums, &body, &files);
        Ok(UpstreamAnswer::Fresh(Box::new(Candidate {
            dataset: self.dataset.clone(),
            files,
            seen: seen(&digest),
            digest,
            upstream: facts,
            fetched: self.run.engine.ports.clock.now(),
            gates,
        })))
    }

    async fn transfer(&self, body: Body) -> Result<body::Streamed, Error> {
        let name = self.dataset.name.as_str();
        let running = self.run.stages.start(Stage::Download, name, body.length_bytes);
        let meter = running.meter();
        let file = self.folder.join("body");
        let streamed = body::to_file(body, self.limits, self.end, &file, &meter).await?;
        if let body::Streamed::Whole(body) = &streamed {
            running.done(body.size_bytes);
        }
        Ok(streamed)
    }

    async fn unpack(
        &self,
        body: &Staged,
        checksums: &[ExpectedChecksum],
    ) -> Result<Result<Vec<StagedFile>, Vec<Problem>>, Error> {
        let _alone = self.unpacking.lock().await;
        let running = self.run.stages.start(Stage::Extract, self.dataset.name.as_str(), None);
        let meter: Meter = running.meter();
        let md5 = checksums.iter().any(|c| matches!(c, ExpectedChecksum::ExtractedMd5(_)));
        let also = if md5 { ExtraDigest::Md5 } else { ExtraDigest::Nothing };
        let (dataset, limits) = (self.dataset.clone(), self.limits.clone());
        let (body, folder) = (body.clone(), self.folder.join("files"));
        let extracted =
            blocking(move || extract(&dataset, &limits, &body, &folder, also, &meter)).await?;
        if let Ok(files) = &extracted {
            running.done(files.iter().map(|file| file.size_bytes).sum());
        }
        Ok(extracted)
    }

    fn refused(&self, problems: Vec<Problem>, seen: Option<SeenUpstream>) -> UpstreamAnswer {
        let problems = problems.into_iter().map(|problem| problem.of(&self.dataset.name)).collect();
        UpstreamAnswer::Refused(Refused { problems, seen })
    }
}

fn transfer_mismatch(checksums: &[ExpectedChecksum], body: &Staged) -> Option<Problem> {
    checksums.iter().find_map(|checksum| match checksum {
        ExpectedChecksum::TransferSha256(expected) if *expected != body.sha256 => {
            let expected = format!("SHA-256 {expected} of the download");
            Some(Problem::fail(Code::ChecksumMismatch, expected, body.sha256.to_string()))
        }
        _ => None,
    })
}

fn extracted_mismatch(checksums: &[ExpectedChecksum], files: &[StagedFile]) -> Option<Problem> {
    checksums.iter().find_map(|checksum| match checksum {
        ExpectedChecksum::ExtractedMd5(expected) => {
            let found = files.first().and_then(|file| file.md5.clone()).unwrap_or_default();
            let expected_text = format!("MD5 {expected} of the extracted file");
            (*expected != found)
                .then(|| Problem::fail(Code::ChecksumMismatch, expected_text, found))
        }
        ExpectedChecksum::TransferSha256(_) | ExpectedChecksum::Minisign { .. } => None,
    })
}

/// Names a snapshot: the SHA-256 of its one file, or of the list of an archive's files.
fn snapshot_digest(files: &[StagedFile]) -> Digest {
    if let [file] = files {
        return file.sha256.clone();
    }
    let mut hasher = sha2::Sha256::new();
    for file in files {
        hasher.update(format!("{} {} {}\n", file.mode, file.sha256, file.path));
    }
    Digest::of(hasher)
}
