//! Proves that data is good. All problems of one pass; a problem of level `fail` keeps data out.

mod archive;
mod drift;
mod file;
mod mmdb;
mod sqlite;

use freshlayer_reader::Format;
use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::formats::deflate::Deflated;
use crate::intake::download::Candidate;
use crate::intake::extract::StagedFile;
use crate::limits::Limits;
use crate::opt_path::OptPath;
use crate::problem::{Code, Level, Problem};
use crate::state::{Profile, Snapshot};

/// A snapshot that passed, with its files. Only [`inspect`] makes one of new data.
pub(crate) struct Proven {
    pub(crate) snapshot: Snapshot,
    pub(crate) files: Vec<LayerFile>,
}

/// One file of a layer, compressed already.
#[derive(Debug, Clone)]
pub(crate) struct LayerFile {
    pub(crate) path: OptPath,
    pub(crate) mode: &'static str,
    pub(crate) deflated: Deflated,
}

/// What inspection says of one candidate.
pub(crate) struct Inspected {
    /// The snapshot; absent where a problem of level `fail` was found.
    pub(crate) proven: Option<Proven>,
    /// All problems.
    pub(crate) problems: Vec<Problem>,
}

/// What a format's own inspection finds out.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    profile: Profile,
    /// The build time that the data itself states.
    built: Option<Timestamp>,
    /// Whether the inspection changed the file (a SQLite database taken out of WAL mode).
    rewritten: Option<StagedFile>,
}

/// Judges a candidate by its definition, and by the live snapshot of the same dataset.
pub(crate) fn inspect(
    candidate: Candidate,
    live: Option<&Snapshot>,
    limits: &Limits,
    now: Timestamp,
) -> Result<Inspected, Error> {
    let size_bytes: u64 = candidate.files.iter().map(|file| file.size_bytes).sum();
    let mut problems = sizes(&candidate, size_bytes);
    let mut findings = match (candidate.dataset.format, &candidate.files[..]) {
        _ if size_bytes == 0 => Findings::default(),
        (Format::Mmdb, [file]) => mmdb::inspect(&candidate.dataset, file, limits)?,
        (Format::Sqlite, [file]) => sqlite::inspect(&candidate.dataset, file, limits)?,
        (Format::File, [file]) => file::inspect(&candidate.dataset, file)?,
        (Format::Archive, files) => archive::inspect(&candidate.dataset, files),
        _ => Findings::default(),
    };
    problems.append(&mut findings.problems);
    let tomorrow = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    if let Some(built) = findings.built.filter(|built| *built > tomorrow) {
        let expected = format!("a build not after {tomorrow}");
        problems.push(Problem::fail(Code::FutureBuild, expected, format!("one of {built}")));
    }
    // A server's clock may be wrong; the data's own word counts more.
    let changed = candidate.upstream.last_modified.filter(|changed| *changed <= tomorrow);
    let built = findings.built.or(changed);
    findings.profile.counts.insert("bytes".to_owned(), size_bytes);
    problems.extend(age(&candidate, built, live, now));
    if let Some(live) = live {
        let most = candidate.dataset.expect.drift_percent_max;
        problems.extend(drift::drift(&live.profile, &findings.profile, most));
    }
    let name = candidate.dataset.name.clone();
    let problems: Vec<Problem> = problems.into_iter().map(|problem| problem.of(&name)).collect();
    let passed = problems.iter().all(|problem| problem.level == Level::Warn);
    let proven = passed.then(|| proven(candidate, findings, built));
    Ok(Inspected { proven, problems })
}

fn proven(candidate: Candidate, findings: Findings, built: Option<Timestamp>) -> Proven {
    let mut files = candidate.files;
    let mut digest = candidate.digest;
    if let Some(file) = findings.rewritten {
        digest = file.sha256.clone();
        files = vec![file];
    }
    let snapshot = Snapshot {
        dataset: candidate.dataset.name,
        format: candidate.dataset.format,
        path: candidate.dataset.path,
        digest,
        files: files.iter().map(manifest_file).collect(),
        upstream: candidate.upstream,
        built,
        fetched: candidate.fetched,
        profile: findings.profile,
    };
    let files = files.into_iter().map(|file| LayerFile {
        path: file.path,
        mode: file.mode,
        deflated: file.deflated,
    });
    Proven { snapshot, files: files.collect() }
}

fn manifest_file(file: &StagedFile) -> freshlayer_reader::File {
    freshlayer_reader::File {
        path: file.path.to_string(),
        size_bytes: file.size_bytes,
        sha256: file.sha256.to_string(),
        mode: file.mode.to_owned(),
    }
}

fn sizes(candidate: &Candidate, size_bytes: u64) -> Vec<Problem> {
    let expect = &candidate.dataset.expect;
    if size_bytes == 0 {
        return vec![Problem::fail(Code::Empty, "data", "0 bytes")];
    }
    let band = expect.size_bytes_min..=expect.size_bytes_max;
    if band.contains(&size_bytes) {
        return Vec::new();
    }
    let expected = format!("{} to {} bytes", band.start(), band.end());
    vec![Problem::fail(Code::SizeBand, expected, format!("{size_bytes} bytes"))]
}

fn age(
    candidate: &Candidate,
    built: Option<Timestamp>,
    live: Option<&Snapshot>,
    now: Timestamp,
) -> Vec<Problem> {
    let expect = &candidate.dataset.expect;
    let mut problems = Vec::new();
    let Some(built) = built else { return problems };
    let live_built = live.and_then(|live| live.built);
    let reject = expect.older_build == crate::definition::OlderBuild::Reject;
    if let Some(live_built) = live_built.filter(|live_built| reject && built < *live_built) {
        let expected = format!("a build not before the live one of {live_built}");
        let found = format!("one of {built}");
        problems.push(Problem::fail(Code::OlderBuild, expected, found));
    }
    if let Some(days) = expect.build_age_days_max {
        let oldest = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days)));
        if oldest.is_ok_and(|oldest| built < oldest) {
            let expected = format!("a build of the last {days} days");
            problems.push(Problem::fail(Code::BuildTooOld, expected, format!("one of {built}")));
        }
    }
    problems
}
