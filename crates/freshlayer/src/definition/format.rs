//! What a dataset is, and what must hold for data of that kind only.

use std::fmt;
use std::net::IpAddr;

use freshlayer_reader::Format;
use serde::Serialize;
use serde_json::Value;

use crate::opt_path::{Mode, OptPath};

/// A format with the expectations that only it has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatSpec {
    /// A MaxMind DB file.
    Mmdb {
        /// The `database_type` of its metadata.
        database_type: Option<String>,
        /// Smallest node count.
        nodes_min: u64,
        /// Known answers.
        probes: Vec<MmdbProbe>,
    },
    /// A SQLite database.
    Sqlite {
        /// Tables with the columns that they must have, sorted by name.
        tables: Vec<(String, Vec<String>)>,
        /// Smallest row count per table, sorted by name.
        rows_min: Vec<(String, u64)>,
        /// Globs of the triggers, views and virtual tables that may be there.
        objects: Vec<String>,
        /// Known answers.
        probes: Vec<SqliteProbe>,
    },
    /// Opaque bytes.
    File {
        /// The first bytes.
        magic: Option<Vec<u8>>,
        /// Whether it can be run.
        mode: Mode,
    },
    /// A tree of files.
    Archive {
        /// Entries that must be there.
        entries: Vec<OptPath>,
        /// Entries that must be there with their executable bit.
        executables: Vec<OptPath>,
    },
}

impl FormatSpec {
    /// Returns a format of which nothing special is expected.
    pub fn plain(format: Format) -> Self {
        match format {
            Format::Mmdb => Self::Mmdb { database_type: None, nodes_min: 1, probes: Vec::new() },
            Format::Sqlite => Self::Sqlite {
                tables: Vec::new(),
                rows_min: Vec::new(),
                objects: Vec::new(),
                probes: Vec::new(),
            },
            Format::File => Self::File { magic: None, mode: Mode::Plain },
            Format::Archive => Self::Archive { entries: Vec::new(), executables: Vec::new() },
        }
    }

    /// Returns the kind of data.
    pub fn format(&self) -> Format {
        match self {
            Self::Mmdb { .. } => Format::Mmdb,
            Self::Sqlite { .. } => Format::Sqlite,
            Self::File { .. } => Format::File,
            Self::Archive { .. } => Format::Archive,
        }
    }
}

/// A question to an mmdb, with its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MmdbProbe {
    /// The address to look up.
    pub ip: IpAddr,
    /// The field of the record; empty for the whole record.
    #[serde(skip_serializing_if = "FieldPath::is_empty")]
    pub path: FieldPath,
    /// The answer; absent where any answer will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
}

/// A question to a SQLite database, with its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SqliteProbe {
    /// The query; the first column of its first row is the answer.
    pub query: String,
    /// The answer; absent where any answer will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
}

/// Which field of a record is meant: keys, and positions in lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// Reads parts that are joined by dots.
    pub fn parse(text: &str) -> Self {
        Self(text.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    /// Tells whether the whole record is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Finds the field in a record.
    pub fn follow<'a>(&self, record: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(record, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => value.get(part),
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
