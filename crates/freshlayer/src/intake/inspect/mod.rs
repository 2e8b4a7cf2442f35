//! Proves that data is good. Every check that exists is listed with its verdict; a problem of level `fail` keeps
//! data out.

mod archive;
mod checks;
mod contract;
mod drift;
mod envelope;
mod file;
mod mmdb;
mod proven;
mod sqlite;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use envelope::Shares;
pub(crate) use proven::{LayerFile, Proven};

use crate::definition::{FormatSpec, OlderBuild, Origin};
use crate::error::Error;
use crate::intake::download::Candidate;
use crate::intake::extract::StagedFile;
use crate::limits::Limits;
use crate::names::{DatasetName, Digest};
use crate::problem::{Code, GateReport, Level, Problem};
use crate::state::{CountriesMoved, Head, Profile, Snapshot};

/// What serves of a dataset.
pub(crate) struct Live {
    /// What new data is compared with.
    pub(crate) snapshot: Snapshot,
    /// When the newest release's data was built: no upstream goes back behind that.
    pub(crate) newest_built: Option<Timestamp>,
    /// Its file, where new data is compared with it address by address, or why that cannot be read.
    pub(crate) file: Option<Result<PathBuf, String>>,
}

/// What inspection says of one candidate.
pub(crate) struct Inspected {
    /// The snapshot; absent where a problem of level `fail` was found.
    pub(crate) proven: Option<Proven>,
    /// Every check that exists for such a dataset, with its verdict.
    pub(crate) gates: GateReport,
}

/// What a format's own inspection finds out.
#[derive(Default)]
struct Findings {
    profile: Profile,
    /// The build time that the data itself states.
    built: Option<Timestamp>,
    /// Whether the inspection changed the file (a SQLite database taken out of WAL mode).
    rewritten: Option<StagedFile>,
    countries_moved: Option<CountriesMoved>,
    /// What was measured of single tables and columns: kept for the next releases.
    places: Shares,
}

/// What comes of data that differs from what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Differences {
    /// It is refused beyond the bounds.
    Judged,
    /// A person accepted this build.
    Accepted,
}

impl Differences {
    pub(crate) fn of(head: &Head, dataset: &DatasetName, digest: &Digest) -> Self {
        let mut accepted = head.accepted().iter();
        if accepted.any(|one| one.dataset == *dataset && one.digest == *digest) {
            Self::Accepted
        } else {
            Self::Judged
        }
    }
}

/// Judges a candidate by its definition, and by what serves of the same dataset.
pub(crate) fn inspect(
    mut candidate: Candidate,
    live: Option<&Live>,
    differences: Differences,
    limits: &Limits,
    now: Timestamp,
) -> Result<Inspected, Error> {
    let mut gates = std::mem::take(&mut candidate.gates);
    let size_bytes: u64 = candidate.files.iter().map(|file| file.size_bytes).sum();
    sizes(&candidate, size_bytes, limits, &mut gates);
    let mut findings = match &candidate.files[..] {
        _ if size_bytes == 0 => Findings::default(),
        files => by_format(&candidate, files, live, limits, &mut gates)?,
    };
    let tomorrow = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    if let Some(built) = findings.built {
        gates.measured(Code::FutureBuild, format!("a build of {built}"));
        gates.judge(Code::FutureBuild, future_build(built, tomorrow));
    }
    // A server's clock may be wrong; the data's own word counts more.
    let changed = candidate.upstream.last_modified.filter(|changed| *changed <= tomorrow);
    let states_age = findings.built.is_some();
    findings.built = findings.built.or(changed);
    let newest_built = live.and_then(|live| live.newest_built);
    let live = live.map(|live| &live.snapshot);
    findings.profile.counts.insert("bytes".to_owned(), size_bytes);
    if let Some(built) = findings.built {
        // When a file of this machine was written says nothing of the build that it holds.
        let is_local = matches!(candidate.dataset.source.origin, Origin::File { .. });
        let earlier = newest_built.filter(|_| states_age || !is_local);
        age(&candidate, built, earlier, now, &mut gates);
    }
    if let Some(live) = live {
        let most = candidate.dataset.expect.drift_percent_max;
        gates.judge(Code::Drift, drift::drift(&live.profile, &findings.profile, most));
        let places = std::mem::take(&mut findings.places);
        envelope::judge(&live.profile, &mut findings.profile, places, &mut gates);
    }
    if differences == Differences::Accepted {
        gates.accept_differences();
    }
    gates.complete(checks::of(candidate.dataset.format()));
    let gates = gates.of(&candidate.dataset.name);
    let passed = gates.problems().all(|problem| problem.level == Level::Warn);
    let proven = passed.then(|| Proven::inspected(candidate, findings, gates.clone()));
    Ok(Inspected { proven, gates })
}

fn by_format(
    candidate: &Candidate,
    files: &[StagedFile],
    live: Option<&Live>,
    limits: &Limits,
    gates: &mut GateReport,
) -> Result<Findings, Error> {
    match (&candidate.dataset.spec, files) {
        (FormatSpec::Mmdb { database_type, nodes_min, probes }, [file]) => {
            let expect = mmdb::Expected {
                database_type: database_type.as_deref(),
                nodes_min: *nodes_min,
                probes,
                contract: &candidate.dataset.contract,
                live,
            };
            mmdb::inspect(&expect, file, limits, gates)
        }
        (FormatSpec::Sqlite { tables, rows_min, objects, probes }, [file]) => {
            let expect = sqlite::Expected {
                tables,
                rows_min,
                objects,
                probes,
                contract: &candidate.dataset.contract,
                live,
            };
            sqlite::inspect(&expect, file, limits, gates)
        }
        (FormatSpec::File { magic: Some(magic), .. }, [file]) => file::inspect(magic, file, gates),
        (FormatSpec::Archive { entries, executables }, files) => {
            let expect =
                archive::Expected { folder: &candidate.dataset.path, entries, executables };
            Ok(archive::inspect(&expect, files, gates))
        }
        _ => Ok(Findings::default()),
    }
}

fn sizes(candidate: &Candidate, size_bytes: u64, limits: &Limits, gates: &mut GateReport) {
    let expect = &candidate.dataset.expect;
    gates.measured(Code::SizeBand, format!("{size_bytes} bytes"));
    let empty = (size_bytes == 0).then(|| Problem::fail(Code::Empty, "data", "0 bytes"));
    gates.judge(Code::Empty, empty);
    if size_bytes == 0 {
        return;
    }
    let most = expect.size_bytes_max.unwrap_or(limits.unpacked_bytes_max);
    let outside = !(expect.size_bytes_min..=most).contains(&size_bytes);
    let problem = outside.then(|| {
        let expected = format!("{} to {most} bytes", expect.size_bytes_min);
        Problem::fail(Code::SizeBand, expected, format!("{size_bytes} bytes"))
    });
    gates.judge(Code::SizeBand, problem);
}

fn future_build(built: Timestamp, tomorrow: Timestamp) -> Option<Problem> {
    (built > tomorrow).then(|| {
        let expected = format!("a build not after {tomorrow}");
        Problem::fail(Code::FutureBuild, expected, format!("one of {built}"))
    })
}

fn age(
    candidate: &Candidate,
    built: Timestamp,
    live_built: Option<Timestamp>,
    now: Timestamp,
    gates: &mut GateReport,
) {
    let expect = &candidate.dataset.expect;
    let found = format!("one of {built}");
    if let Some(live) = live_built.filter(|_| expect.older_build == OlderBuild::Reject) {
        let expected = format!("a build not before that of the newest release, {live}");
        let problem = || Problem::fail(Code::OlderBuild, expected, found.clone());
        gates.judge(Code::OlderBuild, (built < live).then(problem));
    }
    let older = |days: u32| {
        let oldest = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days)));
        oldest.is_ok_and(|oldest| built < oldest)
    };
    let bounds =
        [(Level::Fail, expect.build_age_days_max), (Level::Warn, expect.build_age_days_warn)];
    let bounds = bounds.into_iter().filter_map(|(level, days)| Some((level, days?)));
    let bounds: Vec<(Level, u32)> = bounds.collect();
    if bounds.is_empty() {
        return;
    }
    let crossed = bounds.into_iter().find(|(_, days)| older(*days));
    let problem = crossed.map(|(level, days)| {
        let expected = format!("a build of the last {days} days");
        Problem { level, ..Problem::fail(Code::BuildTooOld, expected, found) }
    });
    gates.judge(Code::BuildTooOld, problem);
}
