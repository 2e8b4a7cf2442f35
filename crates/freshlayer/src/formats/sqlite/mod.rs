//! SQLite files: the header, a defensive connection to a file that nobody vouches for, and its tables.
//!
//! Threats: a schema that runs code of its own (views, triggers, generated columns, which `quick_check` computes); a
//! value or a query that takes all memory; a query that never ends. `CHECK` constraints are none: SQLite drops them
//! where a database is opened read-only. Defence: an untrusted schema on a defensive connection that cannot write,
//! bounds on every value and on SQLite's heap, and a clock that interrupts.

mod codes;
mod compare;
mod shapes;
mod type_counts;
mod values;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use freshlayer_reader::{immutable_uri, rusqlite};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub(crate) use codes::holds_codes;
pub(crate) use compare::{ColumnChange, TableComparison, compare};
pub use type_counts::TypeCounts;
pub(crate) use type_counts::count_types;

/// How every SQLite 3 file begins. Source: the file format document, section 1.3.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The header's length.
pub(crate) const HEADER_BYTES: usize = 100;
/// The two bytes that say how the file is written and read: 1 with a rollback journal, 2 with WAL.
const VERSIONS_AT: u64 = 18;
const WAL: [u8; 2] = [2, 2];
const ROLLBACK: [u8; 2] = [1, 1];
/// SQLite's whole heap, for all connections of the process: a database is read page by page, and a publisher has
/// 1,769 MB for everything.
const HEAP_BYTES_MAX: i64 = 256 * 1024 * 1024;
/// Values that a query makes may be this long, however small the file is.
const VALUE_BYTES_MIN: u64 = 1024 * 1024;
/// How soon a statement that began after the time was up is stopped.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(20);

/// How a database is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    Rollback,
    Wal,
}

/// What the first 100 bytes of a database say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) journal: Journal,
    pub(crate) page_bytes: u64,
    /// 0 in files that SQLite wrote before 3.7.
    pub(crate) pages: u32,
}

impl Header {
    /// Reads the header; `None` where the bytes are not one.
    pub(crate) fn parse(start: &[u8]) -> Option<Self> {
        let header = start.get(..HEADER_BYTES).filter(|header| header.starts_with(MAGIC))?;
        let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            bytes => u64::from(bytes),
        };
        Some(Self {
            journal: if header[18..20] == WAL { Journal::Wal } else { Journal::Rollback },
            page_bytes,
            pages: u32::from_be_bytes([header[28], header[29], header[30], header[31]]),
        })
    }
}

/// Marks a file as one with a rollback journal: what `PRAGMA journal_mode=DELETE` does to a database that
/// stands alone, without its change counter, so that the same input gives the same bytes.
pub(crate) fn leave_wal(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path)?.write_all_at(&ROLLBACK, VERSIONS_AT)
}

/// Opens a file that nobody vouches for. No value may be longer than the file, which holds all that are stored.
pub(crate) fn open(path: &Path, size_bytes: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(immutable_uri(path), flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "hard_heap_limit", HEAP_BYTES_MAX)?;
    let value_bytes_max = i32::try_from(size_bytes.max(VALUE_BYTES_MIN)).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, value_bytes_max)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    Ok(connection)
}

/// Does some work on a connection; whatever runs after `longest` is interrupted.
pub(crate) fn within<T>(
    connection: &Connection,
    longest: Duration,
    work: impl FnOnce(&Connection) -> T,
) -> T {
    let interrupt = connection.get_interrupt_handle();
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
        let result = work(connection);
        drop(done);
        result
    })
}

/// Tells whether a statement was stopped because it needs too much memory, or too long a value.
pub(crate) fn is_too_large(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::OutOfMemory | ErrorCode::TooBig))
}

/// Lists what `PRAGMA quick_check` finds, at most so many findings.
pub(crate) fn quick_check(
    connection: &Connection,
    findings_max: u32,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({findings_max})"))?;
    let found: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

/// A table with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Each column's name and declared type, in their order.
    pub(crate) columns: Vec<(String, String)>,
}

/// Lists the tables of a database, without SQLite's own, sorted by name. Generated columns are columns, too.
pub(crate) fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let mut statement = connection.prepare(
        "SELECT t.name, c.name, c.type FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c \
         WHERE c.hidden IN (0, 2, 3) AND t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY t.name, c.cid",
    )?;
    let mut rows = statement.query([])?;
    let mut tables: Vec<Table> = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, column) = (row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?));
        match tables.last_mut() {
            Some(last) if last.name == name => last.columns.push(column),
            _ => tables.push(Table { name, columns: vec![column] }),
        }
    }
    Ok(tables)
}

/// Something in a schema that is no table and no index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// `trigger`, `view` or `virtual table`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// Lists triggers, views and virtual tables, sorted by kind and name.
pub(crate) fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let mut statement = connection.prepare(
        "SELECT 'virtual table', name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual' \
         UNION ALL SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'view') ORDER BY 1, 2",
    )?;
    let objects =
        statement.query_map([], |row| Ok(Object { kind: row.get(0)?, name: row.get(1)? }))?;
    objects.collect()
}

/// Rows of a table that refer to rows which are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKeyBreak {
    pub(crate) table: String,
    pub(crate) parent: String,
    pub(crate) rows: u64,
}

/// Checks every foreign key that is declared; one entry per pair of tables, sorted by name.
pub(crate) fn foreign_key_breaks(
    connection: &Connection,
) -> rusqlite::Result<Vec<ForeignKeyBreak>> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    let mut breaks: BTreeMap<(String, String), u64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        *breaks.entry((row.get(0)?, row.get(2)?)).or_default() += 1;
    }
    let breaks = breaks.into_iter();
    Ok(breaks.map(|((table, parent), rows)| ForeignKeyBreak { table, parent, rows }).collect())
}

/// Counts the rows of a table.
pub(crate) fn count_rows(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    let query = format!("SELECT count(*) FROM {}", quoted(table));
    let count: i64 = connection.query_row(&query, [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Writes a name as SQL has it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory that one process has for SQLite is bounded even where a large file allows long values.
    #[test]
    fn neither_a_value_nor_the_heap_grows_without_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("made.sqlite");
        Connection::open(&path)
            .and_then(|made| made.execute_batch("CREATE TABLE t (a)"))
            .expect("a new database");
        let ask = |size_bytes: u64, query: &str| {
            let connection = open(&path, size_bytes).expect("it opens");
            connection.query_row(query, [], |row| row.get::<_, i64>(0))
        };
        let small = "SELECT length(hex(zeroblob(1000)))";
        assert_eq!(ask(8_192, small).expect("it fits"), 2_000);
        for (size_bytes, query) in [
            (8_192, "SELECT length(hex(zeroblob(2000000)))"),
            (1 << 30, "SELECT length(hex(zeroblob(200000000)))"),
        ] {
            let error = ask(size_bytes, query).expect_err("it is stopped");
            assert!(is_too_large(&error), "{query}: {error}");
        }
    }
}
