//! MaxMind DB files.
//!
//! Threats: a tree that points outside itself or into a circle; records that cannot be decoded, or that
//! expand through pointers without end; fields of another type than every typed reader decodes; an older
//! or emptier build. Defence: the whole tree and every record are walked once, under a bound, with our own
//! decoder: `maxminddb::Reader::verify` refuses working databases whose description is empty, and passes
//! a `geoname_id` that no typed reader can take.

mod contract;
mod decode;
mod probe;
mod shape;
mod tree;

use freshlayer_reader::{map_file, maxminddb};
use jiff::Timestamp;
use maxminddb::{Metadata, Reader};

use super::Findings;
use crate::definition::Dataset;
use crate::error::Error;
use crate::intake::extract::StagedFile;
use crate::limits::Limits;
use crate::problem::{Code, Problem};
use crate::state::Profile;
use decode::Fault;

/// Where the metadata begins: the last occurrence of this, in the last 128 KiB of the file.
/// Source: the MaxMind DB file format specification, version 2.0.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA_BYTES_MAX: usize = 128 * 1024;

pub(super) fn inspect(
    dataset: &Dataset,
    file: &StagedFile,
    limits: &Limits,
) -> Result<Findings, Error> {
    let map = map_file(&file.file)
        .map_err(|error| Error::io("map", &file.file)(std::io::Error::other(error)))?;
    Ok(judge(dataset, &map, limits))
}

fn judge(dataset: &Dataset, bytes: &[u8], limits: &Limits) -> Findings {
    let mut findings = Findings::default();
    let Some(metadata_at) = metadata_start(bytes) else {
        let expected = "a MaxMind DB: its metadata marker in the last 128 KiB";
        let found =
            format!("no marker; the file starts with {}", super::sqlite::first_bytes(bytes));
        findings.problems.push(Problem::fail(Code::WrongType, expected, found));
        return findings;
    };
    let reader = match Reader::from_source(bytes) {
        Ok(reader) => reader,
        Err(error) => {
            let expected = "metadata that the reader opens";
            let problem = Problem::fail(Code::MmdbMetadata, expected, error.to_string());
            findings.problems.push(problem);
            return findings;
        }
    };
    let metadata = reader.metadata();
    findings.problems.extend(judge_metadata(dataset, metadata));
    findings.built = i64::try_from(metadata.build_epoch)
        .ok()
        .and_then(|epoch| Timestamp::from_second(epoch).ok());
    let tree = match tree::read(bytes, metadata, metadata_at - MARKER.len()) {
        Ok(tree) => tree,
        Err(problem) => {
            findings.problems.push(problem);
            return findings;
        }
    };
    let (paths, shape) = std::thread::scope(|scope| {
        let paths = scope.spawn(|| tree.judge_paths());
        let shape = shape::shape(&tree, limits.decoded_values_max);
        (paths.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), shape)
    });
    findings.problems.extend(paths.err());
    let shape = match shape {
        Ok(shape) => shape,
        Err(fault) => {
            findings.problems.push(problem_of(&fault, limits));
            return findings;
        }
    };
    if shape.records == 0 {
        let problem = Problem::fail(Code::Empty, "at least one record", "a tree without data");
        findings.problems.push(problem);
    }
    findings.problems.extend(contract::judge(&metadata.database_type, &shape));
    findings.problems.extend(probe::judge(&reader, &dataset.expect.probes));
    findings.profile = profile(metadata, &shape);
    findings
}

fn metadata_start(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(METADATA_BYTES_MAX);
    let tail = &bytes[from..];
    let at = tail.windows(MARKER.len()).rposition(|window| window == MARKER)?;
    Some(from + at + MARKER.len())
}

fn judge_metadata(dataset: &Dataset, metadata: &Metadata) -> Vec<Problem> {
    let expect = &dataset.expect;
    let mut problems = Vec::new();
    if let Some(expected) = expect.database_type.as_ref()
        && *expected != metadata.database_type
    {
        let found = metadata.database_type.clone();
        problems.push(Problem::fail(Code::MmdbDatabaseType, expected.clone(), found));
    }
    if u64::from(metadata.node_count) < expect.nodes_min {
        let expected = format!("at least {} nodes", expect.nodes_min);
        let found = metadata.node_count.to_string();
        problems.push(Problem::fail(Code::MmdbNodes, expected, found));
    }
    if metadata.description.is_empty() {
        let problem = Problem::warn(Code::MmdbMetadataCosmetic, "a description", "none");
        problems.push(problem.at("metadata"));
    }
    problems
}

fn problem_of(fault: &Fault, limits: &Limits) -> Problem {
    match fault {
        Fault::Broken { offset, expected, found } => {
            Problem::fail(Code::MmdbRecord, *expected, found.clone())
                .at(format!("data offset {offset}"))
        }
        Fault::Work => {
            let expected = format!("at most {} decoded values", limits.decoded_values_max);
            Problem::fail(Code::MmdbWork, expected, "more; decoding was stopped")
        }
    }
}

fn profile(metadata: &Metadata, shape: &shape::Shape) -> Profile {
    let mut profile = Profile::default();
    profile.counts.insert("nodes".to_owned(), u64::from(metadata.node_count));
    profile.counts.insert("records".to_owned(), shape.records);
    profile.shape.insert(format!("database_type {}", metadata.database_type));
    profile.shape.insert(format!("ip_version {}", metadata.ip_version));
    profile.shape.extend(shape.lines());
    profile
}
