//! SQLite databases.
//!
//! Threats: a damaged or cut file; a database that needs a journal or a write to be read (WAL on a read-only
//! file system); content that is not what consumers ask for. Defence: the header's own size, WAL taken out,
//! `quick_check`, the expected tables, columns and rows, and probes; all of it on the defensive connection of
//! `formats::sqlite`.

mod drift;
mod new_types;
mod objects;
mod tables;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use freshlayer_reader::rusqlite;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode};

use super::{Findings, Live, contract};
use crate::definition::SqliteProbe;
use crate::error::Error;
use crate::formats::deflate::deflate_file;
use crate::formats::first_bytes;
use crate::formats::hashing::sha256_of;
use crate::formats::sqlite::{self, HEADER_BYTES, Header, Journal, Table};
use crate::intake::extract::{StagedFile, deflated_beside};
use crate::limits::Limits;
use crate::names::hex;
use crate::problem::{Code, GateReport, Problem};
use crate::schema::{Contract, Element, Schema};

/// How many findings of `quick_check` are listed.
const FINDINGS_MAX: u32 = 5;
/// How many names a problem lists.
const NAMES_SHOWN_MAX: usize = 10;

/// What a definition expects of a SQLite database.
pub(super) struct Expected<'a> {
    pub(super) tables: &'a [(String, Vec<String>)],
    pub(super) rows_min: &'a [(String, u64)],
    /// Globs of the triggers, views and virtual tables that may be there.
    pub(super) objects: &'a [String],
    pub(super) probes: &'a [SqliteProbe],
    pub(super) contract: &'a Contract,
    pub(super) live: Option<&'a Live>,
}

pub(super) fn inspect(
    expect: &Expected<'_>,
    file: &StagedFile,
    limits: &Limits,
    gates: &mut GateReport,
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let mut start = Vec::with_capacity(HEADER_BYTES);
    File::open(&file.file)
        .and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut start))
        .map_err(Error::io("read", &file.file))?;
    let Some(header) = Header::parse(&start) else {
        let expected = "a SQLite database: its 16 header bytes";
        let found = format!("a start of {}", first_bytes(&start));
        gates.judge(Code::WrongType, [Problem::fail(Code::WrongType, expected, found)]);
        return Ok(findings);
    };
    gates.judge(Code::WrongType, None);
    let wal = (header.journal == Journal::Wal).then(|| {
        let expected = "a rollback journal: WAL cannot be read on a read-only file system";
        Problem::warn(Code::SqliteWal, expected, "WAL mode; converted")
    });
    if wal.is_some() {
        findings.rewritten = Some(without_wal(file)?);
    }
    gates.judge(Code::SqliteWal, wal);
    if let Some(problem) = size(header, file.size_bytes) {
        gates.judge(Code::SqliteCorrupt, [problem]);
        return Ok(findings);
    }
    if let Err(error) = queries(expect, file, limits, gates, &mut findings) {
        let problem = problem_of(&error, limits);
        gates.judge(problem.code, [problem]);
    }
    Ok(findings)
}

fn without_wal(file: &StagedFile) -> Result<StagedFile, Error> {
    let path = &file.file;
    let fault = |error| Error::io("convert", path)(error);
    sqlite::leave_wal(path).map_err(fault)?;
    let sha256 = sha256_of(path).map_err(fault)?;
    let deflated = deflate_file(path, deflated_beside(path)).map_err(fault)?;
    Ok(StagedFile { sha256, deflated, ..file.clone() })
}

/// Compares the file's size with what its header says.
fn size(header: Header, size_bytes: u64) -> Option<Problem> {
    let Header { page_bytes, pages, .. } = header;
    let expected = page_bytes * u64::from(pages);
    // Where the header says 0 pages, quick_check has the last word.
    (pages != 0 && expected != size_bytes).then(|| {
        let expected = format!("{pages} pages of {page_bytes} bytes, {expected} in all");
        Problem::fail(Code::SqliteCorrupt, expected, format!("{size_bytes} bytes"))
    })
}

fn queries(
    expect: &Expected<'_>,
    file: &StagedFile,
    limits: &Limits,
    gates: &mut GateReport,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let connection = sqlite::open(&file.file, file.size_bytes)?;
    let longest = Duration::from_secs(limits.sqlite_secs_max);
    sqlite::within(&connection, longest, |connection| {
        judge(connection, expect, limits, gates, findings)
    })?;
    gates.judge(Code::SqliteTime, None);
    gates.judge(Code::SqliteMemory, None);
    Ok(())
}

fn judge(
    connection: &Connection,
    expect: &Expected<'_>,
    limits: &Limits,
    gates: &mut GateReport,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let corrupt = sqlite::quick_check(connection, FINDINGS_MAX)?;
    let sound = corrupt.is_empty();
    let corrupt = corrupt.into_iter();
    gates.judge(
        Code::SqliteCorrupt,
        corrupt.map(|line| Problem::fail(Code::SqliteCorrupt, "quick_check: ok", line)),
    );
    if !sound {
        return Ok(());
    }
    objects::judge(connection, expect.objects, gates)?;
    objects::judge_references(connection, gates)?;
    let tables = sqlite::tables(connection)?;
    let nothing = || Problem::fail(Code::Empty, "at least one table", "none");
    gates.judge(Code::Empty, tables.is_empty().then(nothing));
    findings.profile.shape = schema(&tables).lines();
    judge_tables(expect, &tables, gates);
    let mut rows = BTreeMap::new();
    for table in &tables {
        let counted = sqlite::count_types(connection, table)?;
        rows.insert(table.name.as_str(), counted.rows);
        findings.profile.value_types.insert(table.name.clone(), counted.columns);
    }
    gates.measured(
        Code::SqliteTable,
        format!("{} tables, {} rows", rows.len(), rows.values().sum::<u64>()),
    );
    // Single tables of sound databases double or halve; the sum of their rows is what drifts slowly.
    findings.profile.counts.insert("rows".to_owned(), rows.values().sum());
    if !expect.rows_min.is_empty() {
        gates.judge(Code::SqliteRows, too_few(expect.rows_min, &rows));
    }
    if let Some(live) = expect.live {
        new_types::judge(&live.snapshot, &findings.profile, gates);
        let past = &live.snapshot.profile.changes;
        let judged = match &live.file {
            Some(Ok(file)) => Some(drift::judge(file, past, connection, limits, gates)?),
            Some(Err(words)) => Some(Err(words.clone())),
            None => None,
        };
        if let Some(judged) = judged {
            let reason = judged.map(|places| findings.places = places).err();
            gates.judge(Code::LiveUnread, reason.map(unread));
        }
    }
    findings.profile.named_values =
        contract::judge_sqlite(connection, expect.contract, &tables, gates)?;
    if !expect.probes.is_empty() {
        let probes = expect.probes.iter();
        gates.judge(Code::Probe, probes.filter_map(|probe| ask(connection, probe, limits).err()));
    }
    Ok(())
}

fn unread(reason: String) -> Problem {
    Problem::warn(Code::LiveUnread, "data of the live release to compare with", reason)
}

fn schema(tables: &[Table]) -> Schema {
    let columns = tables.iter().flat_map(|table| {
        table.columns.iter().map(|(name, kind)| Element::Column {
            table: table.name.clone(),
            name: name.clone(),
            kind: kind.clone(),
        })
    });
    columns.collect()
}

fn judge_tables(expect: &Expected<'_>, tables: &[Table], gates: &mut GateReport) {
    for (name, columns) in expect.tables {
        let Some(table) = tables.iter().find(|table| table.name == *name) else {
            let found = format!("tables {}", listed(tables.iter().map(|t| t.name.as_str())));
            let problem = Problem::fail(Code::SqliteTable, "a table", found).at(name);
            gates.judge(Code::SqliteTable, [problem]);
            continue;
        };
        gates.judge(Code::SqliteTable, None);
        gates.judge(Code::SqliteColumn, missing(table, columns));
    }
}

fn missing(table: &Table, columns: &[String]) -> Vec<Problem> {
    let there = || table.columns.iter().map(|(name, _)| name.as_str());
    let lacking = columns.iter().filter(|column| !there().any(|name| name == **column));
    lacking
        .map(|column| {
            let found = format!("columns {}", listed(there()));
            let problem = Problem::fail(Code::SqliteColumn, "a column", found);
            problem.at(format!("{}.{column}", table.name))
        })
        .collect()
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.take(NAMES_SHOWN_MAX).collect::<Vec<_>>().join(", ")
}

fn too_few(rows_min: &[(String, u64)], rows: &BTreeMap<&str, u64>) -> Vec<Problem> {
    let too_few = rows_min.iter().filter_map(|(table, rows_min)| {
        let found = rows.get(table.as_str());
        found.is_none_or(|rows| rows < rows_min).then(|| {
            let found = found.map_or("no such table".to_owned(), ToString::to_string);
            let expected = format!("at least {rows_min} rows");
            Problem::fail(Code::SqliteRows, expected, found).at(table)
        })
    });
    too_few.collect()
}

fn ask(connection: &Connection, probe: &SqliteProbe, limits: &Limits) -> Result<(), Problem> {
    let wanted = match &probe.equals {
        Some(value) => value.to_string(),
        None => "an answer".to_owned(),
    };
    let fault = |found: String| Problem::fail(Code::Probe, wanted.clone(), found).at(&probe.query);
    let found: Value = match connection.query_row(&probe.query, [], |row| row.get(0)) {
        Ok(value) => value,
        Err(rusqlite::Error::QueryReturnedNoRows) => return Err(fault("no row".to_owned())),
        Err(error) => {
            return Err(match stopped(&error, limits) {
                Some(problem) => problem.at(&probe.query),
                None => fault(error.to_string()),
            });
        }
    };
    match (json(found), &probe.equals) {
        (serde_json::Value::Null, None) => Err(fault("NULL".to_owned())),
        (found, Some(expected)) if found != *expected => Err(fault(found.to_string())),
        _ => Ok(()),
    }
}

fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(number) => number.into(),
        Value::Real(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => hex(&bytes).into(),
    }
}

fn problem_of(error: &rusqlite::Error, limits: &Limits) -> Problem {
    if let Some(problem) = stopped(error, limits) {
        return problem.at("the database");
    }
    Problem::fail(Code::SqliteCorrupt, "a database that can be read", error.to_string())
}

/// Says which bound ended a statement, if one did.
fn stopped(error: &rusqlite::Error, limits: &Limits) -> Option<Problem> {
    let found = "more; it was stopped";
    if sqlite::is_too_large(error) {
        let expected = "no value longer than the file, and at most 256 MiB of memory";
        return Some(Problem::fail(Code::SqliteMemory, expected, found));
    }
    (error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)).then(|| {
        let expected = format!("all checks within {} s", limits.sqlite_secs_max);
        Problem::fail(Code::SqliteTime, expected, found)
    })
}
