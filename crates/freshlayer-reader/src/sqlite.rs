use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{Error, Format, Layer};

impl Layer {
    /// Opens a SQLite dataset read-only and immutable: no locks, no journal, no write, which is what a
    /// read-only file system needs.
    ///
    /// The file is not trusted: its schema (views, generated columns) may call no function that the consumer
    /// registers, and no statement may damage it. `Connection::set_db_config` and `PRAGMA trusted_schema`
    /// change that.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`], [`Error::WrongFormat`], [`Error::Damaged`] where the size differs from
    /// the manifest's, [`Error::Open`] where the file is missing or is no SQLite database.
    pub fn sqlite(&self, dataset: &str) -> Result<Connection, Error> {
        let (path, _) = self.single_file(dataset, Some(Format::Sqlite))?;
        open(&path).map_err(|error| Error::open(path, error))
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(immutable_uri(path), flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Writes a path as the URI by which SQLite opens it without locks, journals and writes; `?`, `#` and `%`
/// would end or change the path.
pub fn immutable_uri(path: &Path) -> String {
    let path = path.to_string_lossy();
    let escaped = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}
