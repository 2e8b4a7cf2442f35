//! What can be wrong with data. Bad data is not an error but a list of these, all found in one pass.

mod catalogue;
mod gates;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::DatasetName;

pub use catalogue::check_table;
pub use gates::{GateCheck, GateReport, Verdict};

/// How much a problem weighs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth a person's look; the release goes on.
    Warn,
    /// The data is not released.
    Fail,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// The stable code of a problem. Codes are never renamed: alarms and scripts match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl Code {
            /// All codes, in the order of the stages.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the code as it stands in reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Returns what a problem of this code means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The body is larger than `limits.download_bytes_max`.
    DownloadTooLarge = "download-too-large",
    /// A checksum that the upstream or the definition states differs.
    ChecksumMismatch = "checksum-mismatch",
    /// The download is not signed by `source.minisign_key`.
    Signature = "signature",
    /// A gz, zst, xz, tar or zip cannot be read to its end.
    ContainerCorrupt = "container-corrupt",
    /// Unpacking exceeds a bound on bytes or on expansion.
    ExpansionLimit = "expansion-limit",
    /// An archive holds more entries than `limits.entries_max`, or a layer more files than a zip can.
    EntryLimit = "entry-limit",
    /// An entry's name leaves its folder or cannot stand under /opt.
    EntryPath = "entry-path",
    /// An entry is a link.
    EntryLink = "entry-link",
    /// An entry is a device, a pipe or another special file.
    EntrySpecial = "entry-special",
    /// Two entries have one name, or names that differ in case only.
    EntryDuplicate = "entry-duplicate",
    /// An entry's name is another entry's folder.
    EntryFolder = "entry-folder",
    /// `source.select` matches nothing.
    SelectNone = "select-none",
    /// `source.select` matches several files where one is needed.
    SelectMany = "select-many",
    /// The dataset is empty.
    Empty = "empty",
    /// The file is not what its format says.
    WrongType = "wrong-type",
    /// The size is outside `expect.size_bytes_min` and `expect.size_bytes_max`, or above `limits.unpacked_bytes_max`.
    SizeBand = "size-band",
    /// The layer's scanner refuses the zip (`scan`).
    Scan = "scan",
    /// The size or a count differs from the live release by more than `expect.drift_percent_max`, or by more than half of it.
    Drift = "drift",
    /// A change is far beyond those of the last eight releases.
    Unusual = "unusual",
    /// Addresses that the live release has a record for have none.
    CoverageLost = "coverage-lost",
    /// Addresses are in another country than in the live release.
    CountryChanged = "country-changed",
    /// A country gained or lost too large a share of all addresses.
    CountryShares = "country-shares",
    /// Rows of the live release are gone.
    RowsRemoved = "rows-removed",
    /// Addresses have lost a value of a field, or rows one of a column.
    ValuesLost = "values-lost",
    /// Addresses have another value of a field, or rows one of a column.
    ValuesChanged = "values-changed",
    /// A field or a column has texts whose pattern of letters and digits none of its texts has in the live release.
    ShapeNew = "shape-new",
    /// A column has values of a type (integer, real, text, blob) that it does not have in the live release.
    TypeNew = "type-new",
    /// The data of the live release cannot be read, so new data is not compared with it.
    LiveUnread = "live-unread",
    /// The upstream built this before the data of the newest release.
    OlderBuild = "older-build",
    /// The upstream built this longer ago than `expect.build_age_days_max`.
    BuildTooOld = "build-too-old",
    /// The data states a build time more than 24 hours from now, which would make every later build an older one.
    FutureBuild = "future-build",
    /// The mmdb's metadata is missing or unusable.
    MmdbMetadata = "mmdb-metadata",
    /// The mmdb's metadata lacks what only people read.
    MmdbMetadataCosmetic = "mmdb-metadata-cosmetic",
    /// The mmdb's search tree is broken: a pointer, a circle, or a node that is reached twice or never.
    MmdbTree = "mmdb-tree",
    /// A record of the mmdb cannot be decoded.
    MmdbRecord = "mmdb-record",
    /// Values of the mmdb do not lie one behind the other, or nothing leads to one: a page was overwritten.
    MmdbLayout = "mmdb-layout",
    /// Decoding the mmdb exceeds `limits.decoded_values_max`.
    MmdbWork = "mmdb-work",
    /// The mmdb's `database_type` is not the expected one.
    MmdbDatabaseType = "mmdb-database-type",
    /// The mmdb has fewer nodes than `expect.nodes_min`.
    MmdbNodes = "mmdb-nodes",
    /// A field of the mmdb is of another type than the database's readers decode.
    MmdbFieldType = "mmdb-field-type",
    /// A field or column that the contract names is not there.
    ContractField = "contract-field",
    /// A field or column has values of another type than the contract says.
    ContractType = "contract-type",
    /// A field or column lacks a value more often than the contract allows.
    ContractNull = "contract-null",
    /// A field or column has a value that the contract forbids. Well-known databases have a contract of their own.
    ContractValue = "contract-value",
    /// A probe gave another answer than expected, or none.
    Probe = "probe",
    /// `PRAGMA quick_check` or a query found the database corrupt.
    SqliteCorrupt = "sqlite-corrupt",
    /// The database was in WAL mode and was converted.
    SqliteWal = "sqlite-wal",
    /// The schema has a trigger, a view or a virtual table that `expect.objects` does not name.
    SqliteObject = "sqlite-object",
    /// Rows refer to rows that are not there, against a foreign key that the schema declares.
    SqliteForeignKey = "sqlite-foreign-key",
    /// An expected table is missing.
    SqliteTable = "sqlite-table",
    /// An expected column is missing.
    SqliteColumn = "sqlite-column",
    /// A table has fewer rows than expected.
    SqliteRows = "sqlite-rows",
    /// Checks and probes took longer than `limits.sqlite_secs_max`.
    SqliteTime = "sqlite-time",
    /// A check or a probe needs a longer value or more memory than a database of that size may.
    SqliteMemory = "sqlite-memory",
    /// The file does not start with `expect.magic`.
    Magic = "magic",
    /// A required entry of an archive is missing.
    EntryMissing = "entry-missing",
    /// A required executable cannot be run.
    EntryMode = "entry-mode",
    /// The layer is larger than Lambda takes.
    LayerTooLarge = "layer-too-large",
    /// A person rolled this back, or a gate brought it back.
    RolledBack = "rolled-back",
}

impl Code {
    /// Tells whether a problem says no more than that data differs from what serves: a person may accept that.
    pub fn is_difference(self) -> bool {
        use Code::{
            CountryChanged, CountryShares, CoverageLost, Drift, RowsRemoved, ShapeNew,
            ValuesChanged, ValuesLost,
        };
        matches!(
            self,
            Drift
                | RowsRemoved
                | CoverageLost
                | CountryChanged
                | CountryShares
                | ValuesLost
                | ValuesChanged
                | ShapeNew
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing wrong with data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// How much it weighs.
    pub level: Level,
    /// The dataset; absent where the whole layer is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetName>,
    /// Where in the data: an entry, an offset, a table; absent where the whole dataset is meant.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What was seen.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl Problem {
    /// Makes a problem of level `fail`.
    pub fn fail(code: Code, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self { code, level: Level::Fail, dataset: None, location: None, found, expected }
    }

    /// Makes a problem of level `warn`.
    pub fn warn(code: Code, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { level: Level::Warn, ..Self::fail(code, expected, found) }
    }

    /// Tells whether it keeps data out for more than a difference from what serves: no person can accept that.
    pub fn is_beyond_acceptance(&self) -> bool {
        self.level == Level::Fail && !self.code.is_difference()
    }

    /// Says where in the data.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Says which dataset.
    #[must_use]
    pub fn of(mut self, dataset: &DatasetName) -> Self {
        self.dataset = Some(dataset.clone());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dataset) = &self.dataset {
            write!(f, "{dataset}: ")?;
        }
        write!(f, "{}", self.code)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}
