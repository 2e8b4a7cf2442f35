//! MaxMind DB files.
//!
//! Threats: a broken file; fields of another type than every typed reader decodes; an older or emptier build.
//! Defence: the tree and every record are walked (`formats::mmdb`) before any reader decodes one.
//! `maxminddb::Reader::verify` is not enough: it refuses working databases whose description is empty, and passes
//! a `geoname_id` that no typed reader can take.

mod drift;
mod maxmind_types;
mod probe;

use freshlayer_reader::{map_file, maxminddb};
use jiff::Timestamp;
use maxminddb::{Metadata, Reader};

use super::contract::{self, Named};
use super::{Findings, Live};
use crate::definition::MmdbProbe;
use crate::error::Error;
use crate::formats::first_bytes;
use crate::formats::mmdb::{Fault, Paths, Shape, Tree, Watch, data_end, read_tree, shape};
use crate::intake::extract::StagedFile;
use crate::limits::Limits;
use crate::problem::{Code, GateReport, Level, Problem};
use crate::schema::{Contract, Element, Schema};
use crate::state::{CountriesMoved, Profile};

/// What a definition expects of an mmdb.
pub(super) struct Expected<'a> {
    pub(super) database_type: Option<&'a str>,
    pub(super) nodes_min: u64,
    pub(super) probes: &'a [MmdbProbe],
    pub(super) contract: &'a Contract,
    /// What serves.
    pub(super) live: Option<&'a Live>,
}

pub(super) fn inspect(
    expect: &Expected<'_>,
    file: &StagedFile,
    limits: &Limits,
    gates: &mut GateReport,
) -> Result<Findings, Error> {
    let map = map_file(&file.file)
        .map_err(|error| Error::io("map", &file.file)(std::io::Error::other(error)))?;
    Ok(judge(expect, &map, limits, gates))
}

fn judge(expect: &Expected<'_>, bytes: &[u8], limits: &Limits, gates: &mut GateReport) -> Findings {
    let mut findings = Findings::default();
    let data_end = data_end(bytes);
    gates.judge(Code::WrongType, data_end.is_none().then(|| no_marker(bytes)));
    let Some(data_end) = data_end else { return findings };
    let reader = match Reader::from_source(bytes) {
        Ok(reader) => reader,
        Err(error) => {
            let expected = "metadata that the reader opens";
            let problem = Problem::fail(Code::MmdbMetadata, expected, error.to_string());
            gates.judge(Code::MmdbMetadata, [problem]);
            return findings;
        }
    };
    gates.judge(Code::MmdbMetadata, None);
    let metadata = reader.metadata();
    judge_metadata(expect, metadata, gates);
    findings.built = i64::try_from(metadata.build_epoch)
        .ok()
        .and_then(|epoch| Timestamp::from_second(epoch).ok());
    let named = contract::named(expect.contract, &metadata.database_type);
    let watch = Named::watch(&named);
    let data = judge_data(bytes, metadata, data_end, &watch, limits, gates);
    let Some((tree, shape)) = data else { return findings };
    contract::judge_mmdb(&named, &tree, &shape, gates);
    if let Some(live) = expect.live {
        findings.countries_moved = compared(live, metadata, &tree, limits, gates);
    }
    if let Some(wrong) = maxmind_types::judge(&metadata.database_type, &shape) {
        gates.judge(Code::MmdbFieldType, wrong);
    }
    if !expect.probes.is_empty() {
        gates.judge(Code::Probe, probe::judge(&reader, expect.probes));
    }
    findings.profile = profile(metadata, shape);
    if gates.problems().any(|problem| problem.level == Level::Fail) {
        return findings;
    }
    match contract::named_values(expect.contract, &tree, limits.decoded_values_max) {
        Ok(values) => findings.profile.named_values = values,
        Err(fault) => {
            let problem = problem_of(&fault, limits);
            gates.judge(problem.code, [problem]);
        }
    }
    findings
}

fn no_marker(bytes: &[u8]) -> Problem {
    let expected = "a MaxMind DB: its metadata marker in the last 128 KiB";
    let found = format!("no marker; the file starts with {}", first_bytes(bytes));
    Problem::fail(Code::WrongType, expected, found)
}

fn judge_metadata(expect: &Expected<'_>, metadata: &Metadata, gates: &mut GateReport) {
    if let Some(expected) = expect.database_type {
        let found = &metadata.database_type;
        let problem = || Problem::fail(Code::MmdbDatabaseType, expected, found);
        gates.judge(Code::MmdbDatabaseType, (found != expected).then(problem));
    }
    let nodes = metadata.node_count;
    let too_few = (u64::from(nodes) < expect.nodes_min).then(|| {
        let expected = format!("at least {} nodes", expect.nodes_min);
        Problem::fail(Code::MmdbNodes, expected, nodes.to_string())
    });
    gates.measured(Code::MmdbNodes, format!("{nodes} nodes"));
    gates.judge(Code::MmdbNodes, too_few);
    let nameless = metadata
        .description
        .is_empty()
        .then(|| Problem::warn(Code::MmdbMetadataCosmetic, "a description", "none").at("metadata"));
    gates.judge(Code::MmdbMetadataCosmetic, nameless);
}

/// Walks tree and records; gives the tree and the records' shape where both are sound enough to be read.
fn judge_data<'a>(
    bytes: &'a [u8],
    metadata: &Metadata,
    data_end: usize,
    watch: &Watch,
    limits: &Limits,
    gates: &mut GateReport,
) -> Option<(Tree<'a>, Shape)> {
    let tree = match read_tree(bytes, metadata, data_end) {
        Ok(tree) => tree,
        Err(fault) => {
            gates.judge(Code::MmdbTree, [problem_of(&fault, limits)]);
            return None;
        }
    };
    let (structure, shape) = std::thread::scope(|scope| {
        let structure = scope.spawn(|| (tree.check_paths(), tree.check_layout()));
        let shape = shape(&tree, watch, limits.decoded_values_max);
        (structure.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), shape)
    });
    let (paths, layout) = structure;
    let is_sound = paths.is_ok();
    gates.judge(Code::MmdbTree, paths.err().map(|fault| problem_of(&fault, limits)));
    gates.judge(Code::MmdbLayout, layout.err().map(|fault| problem_of(&fault, limits)));
    let shape = match shape {
        Ok(shape) => shape,
        Err(fault) => {
            let problem = problem_of(&fault, limits);
            gates.judge(problem.code, [problem]);
            return None;
        }
    };
    gates.judge(Code::MmdbWork, None);
    gates.judge(Code::MmdbRecord, None);
    gates.measured(Code::MmdbRecord, format!("{} records", shape.records));
    let problem = || Problem::fail(Code::Empty, "at least one record", "a tree without data");
    gates.judge(Code::Empty, (shape.records == 0).then(problem));
    is_sound.then_some((tree, shape))
}

/// Compares new data with what serves. Where that cannot be read, a warning says so.
fn compared(
    live: &Live,
    metadata: &Metadata,
    tree: &Tree<'_>,
    limits: &Limits,
    gates: &mut GateReport,
) -> Option<CountriesMoved> {
    let file = live.file.as_ref()?;
    let unread = |reason: String| {
        let expected = "data of the live release to compare with";
        Problem::warn(Code::LiveUnread, expected, reason)
    };
    let judged = file.clone().and_then(|file| {
        let map = map_file(&file).map_err(|error| error.to_string())?;
        let reader = Reader::from_source(&map[..]).map_err(|error| error.to_string())?;
        if !drift::is_comparable(reader.metadata(), metadata) {
            return Ok(None);
        }
        let end = data_end(&map).ok_or("it has no metadata")?;
        let words = |fault: Fault| problem_of(&fault, limits).to_string();
        // It was proved when it was released. Only the part that is compared is read again.
        let data = drift::LiveData {
            digest: &live.snapshot.digest,
            paths: Paths::of(&map, reader.metadata(), end).map_err(words)?,
            whole: &|| read_tree(&map, reader.metadata(), end),
        };
        match drift::judge(&data, tree.paths, limits.decoded_values_max, gates) {
            Err(fault @ Fault::Work) => {
                gates.judge(Code::MmdbWork, [problem_of(&fault, limits)]);
                Ok(None)
            }
            judged => judged.map_err(words),
        }
    });
    let (moved, problem) = match judged {
        Ok(moved) => (moved, None),
        Err(reason) => (None, Some(unread(reason))),
    };
    gates.judge(Code::LiveUnread, problem);
    moved
}

fn problem_of(fault: &Fault, limits: &Limits) -> Problem {
    match fault {
        Fault::Tree { node, expected, found } => {
            let problem = Problem::fail(Code::MmdbTree, expected, found);
            match node {
                Some((node, count)) => problem.at(format!("node {node} of {count}")),
                None => problem,
            }
        }
        Fault::Value { offset, expected, found } => {
            Problem::fail(Code::MmdbRecord, *expected, found).at(format!("data offset {offset}"))
        }
        Fault::Layout { offset, expected, found } => {
            Problem::fail(Code::MmdbLayout, *expected, *found).at(format!("data offset {offset}"))
        }
        Fault::Work => {
            let expected = format!("at most {} decoded values", limits.decoded_values_max);
            Problem::fail(Code::MmdbWork, expected, "more; decoding was stopped")
        }
    }
}

fn profile(metadata: &Metadata, shape: Shape) -> Profile {
    let counts = [
        ("nodes".to_owned(), u64::from(metadata.node_count)),
        ("records".to_owned(), shape.records),
    ];
    let whole = [
        Element::DatabaseType(metadata.database_type.clone()),
        Element::IpVersion(metadata.ip_version),
    ];
    let fields = shape.fields.into_keys().map(|(path, kind)| Element::Field { path, kind });
    let schema: Schema = whole.into_iter().chain(fields).collect();
    Profile { counts: counts.into(), shape: schema.lines(), ..Profile::default() }
}
