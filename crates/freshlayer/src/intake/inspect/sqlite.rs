//! SQLite databases.
//!
//! Threats: a damaged or cut file; a database that needs a journal or a write to be read (WAL on a read-only
//! file system); a schema that runs code of its own (views, triggers); a query that never ends. Defence:
//! `quick_check`, the header's own size, WAL taken out, an untrusted schema on a defensive connection that
//! cannot write, and a clock that interrupts.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use freshlayer_reader::{immutable_uri, rusqlite};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Findings;
use crate::definition::{Dataset, Expectations, Probe};
use crate::error::Error;
use crate::formats::deflate::deflate_file;
use crate::formats::hashing::sha256_of;
use crate::intake::extract::{StagedFile, deflated_beside};
use crate::limits::Limits;
use crate::names::hex;
use crate::problem::{Code, Problem};

/// How every SQLite 3 file begins. Source: the file format document, section 1.3.
const HEADER: &[u8; 16] = b"SQLite format 3\0";
/// The two bytes that say how the file is written and read: 1 with a rollback journal, 2 with WAL.
const VERSIONS_AT: u64 = 18;
const WAL: [u8; 2] = [2, 2];
const ROLLBACK: [u8; 2] = [1, 1];
/// How soon a statement that began after the time was up is stopped.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(20);
/// How many findings of `quick_check` are listed.
const FINDINGS_MAX: u32 = 5;

/// Shows how a file begins, for a message.
pub(super) fn first_bytes(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(8)];
    let text: String = start.iter().map(|byte| char::from(*byte)).collect();
    match text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        true => format!("{text:?}"),
        false => hex(start),
    }
}

pub(super) fn inspect(
    dataset: &Dataset,
    file: &StagedFile,
    limits: &Limits,
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let mut start = Vec::with_capacity(100);
    File::open(&file.file)
        .and_then(|file| file.take(100).read_to_end(&mut start))
        .map_err(Error::io("read", &file.file))?;
    if !start.starts_with(HEADER) || start.len() < 100 {
        let expected = "a SQLite database: its 16 header bytes";
        let found = format!("a start of {}", first_bytes(&start));
        findings.problems.push(Problem::fail(Code::WrongType, expected, found));
        return Ok(findings);
    }
    if start[18..20] == WAL {
        findings.rewritten = Some(without_wal(file)?);
        let expected = "a rollback journal: WAL cannot be read on a read-only file system";
        findings.problems.push(Problem::warn(Code::SqliteWal, expected, "WAL mode; converted"));
    }
    if let Some(problem) = size(&start, file.size_bytes) {
        findings.problems.push(problem);
        return Ok(findings);
    }
    if let Err(error) = queries(dataset, file, limits, &mut findings) {
        findings.problems.push(problem_of(&error, limits, "the database"));
    }
    Ok(findings)
}

/// Marks the file as one with a rollback journal: what `PRAGMA journal_mode=DELETE` does to a database
/// that stands alone, without its change counter, so that the same input gives the same bytes.
fn without_wal(file: &StagedFile) -> Result<StagedFile, Error> {
    let path = &file.file;
    let fault = |error| Error::io("convert", path)(error);
    let output = OpenOptions::new().read(true).write(true).open(path).map_err(fault)?;
    output.write_all_at(&ROLLBACK, VERSIONS_AT).map_err(fault)?;
    drop(output);
    let sha256 = sha256_of(path).map_err(fault)?;
    let deflated = deflate_file(path, deflated_beside(path)).map_err(fault)?;
    Ok(StagedFile { sha256, deflated, ..file.clone() })
}

/// Compares the file's size with what its header says.
fn size(header: &[u8], size_bytes: u64) -> Option<Problem> {
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    let expected = page_bytes * u64::from(pages);
    // A header written by SQLite before 3.7 says 0 pages; quick_check has the last word then.
    (pages != 0 && expected != size_bytes).then(|| {
        let expected = format!("{pages} pages of {page_bytes} bytes, {expected} in all");
        Problem::fail(Code::SqliteCorrupt, expected, format!("{size_bytes} bytes"))
    })
}

fn queries(
    dataset: &Dataset,
    file: &StagedFile,
    limits: &Limits,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let connection = open(file)?;
    let interrupt = connection.get_interrupt_handle();
    let longest = Duration::from_secs(limits.sqlite_secs_max);
    let (done, waiting) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut patience = longest;
            // Again and again: an interrupt between two statements stops neither.
            while waiting.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
                patience = INTERRUPT_AGAIN;
            }
        });
        let result = judge(&connection, &dataset.expect, limits, findings);
        drop(done);
        result
    })
}

fn open(file: &StagedFile) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(immutable_uri(&file.file), flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

fn judge(
    connection: &Connection,
    expect: &Expectations,
    limits: &Limits,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let corrupt = quick_check(connection)?;
    if !corrupt.is_empty() {
        findings.problems.extend(corrupt);
        return Ok(());
    }
    let tables = tables(connection)?;
    if tables.is_empty() {
        findings.problems.push(Problem::fail(Code::Empty, "at least one table", "none"));
    }
    for (table, columns) in &expect.tables {
        findings.problems.extend(missing(&tables, table, columns));
    }
    let mut rows = BTreeMap::new();
    for (table, columns) in &tables {
        let shape = columns.iter().map(|(column, kind)| format!("column {table}.{column} {kind}"));
        findings.profile.shape.extend(shape);
        let count = format!("SELECT count(*) FROM {}", quoted(table));
        let count: i64 = connection.query_row(&count, [], |row| row.get(0))?;
        rows.insert(table, u64::try_from(count).unwrap_or(0));
    }
    // Single tables of sound databases double or halve; the sum of their rows is what drifts slowly.
    findings.profile.counts.insert("rows".to_owned(), rows.values().sum());
    for (table, rows_min) in &expect.rows_min {
        let found = rows.get(table);
        if found.is_none_or(|rows| rows < rows_min) {
            let found = found.map_or("no such table".to_owned(), ToString::to_string);
            let expected = format!("at least {rows_min} rows");
            findings.problems.push(Problem::fail(Code::SqliteRows, expected, found).at(table));
        }
    }
    let probes = expect.probes.iter();
    findings.problems.extend(probes.filter_map(|probe| ask(connection, probe, limits).err()));
    Ok(())
}

fn quick_check(connection: &Connection) -> rusqlite::Result<Vec<Problem>> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({FINDINGS_MAX})"))?;
    let found: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let bad = found.into_iter().filter(|line| line != "ok");
    Ok(bad.map(|line| Problem::fail(Code::SqliteCorrupt, "quick_check: ok", line)).collect())
}

/// A table's name, with its columns and their types.
type Table = (String, Vec<(String, String)>);

fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let mut statement = connection.prepare(
        "SELECT t.name, c.name, c.type FROM pragma_table_list AS t, pragma_table_info(t.name) AS c \
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY t.name, c.cid",
    )?;
    let mut rows = statement.query([])?;
    let mut tables: Vec<Table> = Vec::new();
    while let Some(row) = rows.next()? {
        let (table, column) = (row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?));
        match tables.last_mut() {
            Some((last, columns)) if *last == table => columns.push(column),
            _ => tables.push((table, vec![column])),
        }
    }
    Ok(tables)
}

fn missing(tables: &[Table], table: &str, columns: &[String]) -> Vec<Problem> {
    let Some((_, found)) = tables.iter().find(|(name, _)| name == table) else {
        let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).take(10).collect();
        let found = format!("tables {}", names.join(", "));
        return vec![Problem::fail(Code::SqliteTable, "a table", found).at(table)];
    };
    let lacking = columns.iter().filter(|column| !found.iter().any(|(name, _)| name == *column));
    lacking
        .map(|column| {
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            let found = format!("columns {}", names.join(", "));
            Problem::fail(Code::SqliteColumn, "a column", found).at(format!("{table}.{column}"))
        })
        .collect()
}

fn ask(connection: &Connection, probe: &Probe, limits: &Limits) -> Result<(), Problem> {
    let query = probe.query.as_deref().unwrap_or_default();
    let wanted = match &probe.equals {
        Some(value) => value.to_string(),
        None => "an answer".to_owned(),
    };
    let fault = |found: String| Problem::fail(Code::Probe, wanted.clone(), found).at(query);
    let found: Value = match connection.query_row(query, [], |row| row.get(0)) {
        Ok(value) => value,
        Err(rusqlite::Error::QueryReturnedNoRows) => return Err(fault("no row".to_owned())),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            return Err(problem_of(&error, limits, query));
        }
        Err(error) => return Err(fault(error.to_string())),
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

fn problem_of(error: &rusqlite::Error, limits: &Limits, location: &str) -> Problem {
    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        let expected = format!("all checks within {} s", limits.sqlite_secs_max);
        return Problem::fail(Code::SqliteTime, expected, "more; it was stopped").at(location);
    }
    Problem::fail(Code::SqliteCorrupt, "a database that can be read", error.to_string())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
