//! What we want: one TOML file per layer becomes one [`Definition`], once.
//!
//! ```text
//! layers/geo.toml ── check (schema, all problems with lines) ── raw (serde) ── parse ──> Definition
//! ```

mod check;
mod destinations;
mod expand;
mod parse;
mod raw;
mod schema;

use std::path::{Path, PathBuf};

use serde::Serialize;
use url::{Host, Url};

pub use destinations::{Architecture, Destinations, MemberAccount, Reader, Terms, ZipStorage};
pub use expand::Variables;
pub use raw::{OlderBuild, PlainHttp, Probe};
pub use schema::{definition_schema, field_table};

use crate::limits::Limits;
use crate::names::{DatasetName, Digest, LayerName, hex};
use crate::opt_path::OptPath;
use freshlayer_reader::Format;

/// One layer as a person wants it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The layer's name: the file's name without `.toml`.
    pub layer: LayerName,
    /// What the layer is for.
    pub description: Option<String>,
    /// The datasets, in the order of the file; at least one.
    pub datasets: Vec<Dataset>,
    /// Where it goes.
    pub destinations: Destinations,
    /// What its versions are published with.
    pub terms: Terms,
    /// The bounds of its refresh.
    pub limits: Limits,
    /// Whether a layer is taken over that has versions which freshlayer did not make.
    pub adopt: bool,
}

/// One dataset as a person wants it.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The dataset's name, unique in the layer.
    pub name: DatasetName,
    /// What kind of data it is.
    pub format: Format,
    /// Where it lies below `/opt`: its file, or an archive's folder.
    pub path: OptPath,
    /// Where it comes from.
    pub source: SourceSpec,
    /// What must hold for it.
    pub expect: Expectations,
}

/// Where a dataset comes from, and how to take it out of what comes.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// The upstream.
    pub origin: Origin,
    /// The checksum of the download that must match, if the definition names one.
    pub checksum: Option<ChecksumSpec>,
    /// Which entries of a container are taken.
    pub select: Select,
}

/// An upstream.
#[derive(Debug, Clone)]
pub enum Origin {
    /// An HTTP address.
    Https {
        /// The address.
        url: SourceUrl,
        /// Whether plain `http` may leave this machine.
        plain_http: PlainHttp,
    },
    /// A database of MaxMind, by its download protocol.
    Maxmind {
        /// The edition, such as `GeoLite2-City`.
        edition: String,
        /// Scheme and host of the service.
        host: SourceUrl,
    },
    /// A file of this machine.
    File {
        /// The absolute path.
        path: PathBuf,
    },
}

/// Names the upstream for people.
impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Https { url, .. } => write!(f, "{url}"),
            Self::Maxmind { edition, host } => write!(f, "{host} {edition}"),
            Self::File { path } => write!(f, "{}", path.display()),
        }
    }
}

/// Where the expected SHA-256 of a download stands.
#[derive(Debug, Clone)]
pub enum ChecksumSpec {
    /// In the definition.
    Sha256(Digest),
    /// At an address beside the data: `<hex>` or lines of `<hex>  <file name>`.
    Sha256Url(SourceUrl),
}

/// An address, with its variables filled in for the request and left as they stand for people.
///
/// A variable may hold a secret, so `Debug` and `Display` show the text of the definition.
#[derive(Clone)]
pub struct SourceUrl {
    template: String,
    url: Url,
}

impl SourceUrl {
    /// Makes an address that people see as the template.
    pub fn new(template: &str, url: Url) -> Self {
        Self { template: template.to_owned(), url }
    }

    /// Returns the address to request. It may hold a secret: it goes to the client and nowhere else.
    pub fn expose(&self) -> &Url {
        &self.url
    }
}

impl std::fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.template)
    }
}

impl std::fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.template)
    }
}

/// Tells whether an address stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Which entries of a container are taken, and where they land.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// Globs over the entries' paths; empty means all.
    pub globs: Vec<String>,
    /// How many leading parts of an entry's path are dropped (archives).
    pub strip_components: usize,
}

/// What must hold for a dataset before it is released.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// Smallest size in bytes.
    pub size_bytes_min: u64,
    /// Largest size in bytes.
    pub size_bytes_max: u64,
    /// Largest change of the size or of a count against the live release, in percent.
    pub drift_percent_max: u32,
    /// What to do with an older build than the live one.
    pub older_build: OlderBuild,
    /// Oldest build that is taken, in days.
    pub build_age_days_max: Option<u32>,
    /// mmdb: the `database_type`.
    pub database_type: Option<String>,
    /// mmdb: smallest node count.
    pub nodes_min: u64,
    /// mmdb and SQLite: known answers.
    pub probes: Vec<Probe>,
    /// SQLite: tables with the columns that they must have.
    pub tables: Vec<(String, Vec<String>)>,
    /// SQLite: smallest row count per table.
    pub rows_min: Vec<(String, u64)>,
    /// File: the first bytes.
    pub magic: Option<Vec<u8>>,
    /// Archive: entries that must be there.
    pub entries: Vec<OptPath>,
    /// Archive: entries that must be there with their executable bit.
    pub executables: Vec<OptPath>,
}

impl Dataset {
    /// Names all that decides what a download turns into; validators hold only while it is the same.
    pub fn source_fingerprint(&self) -> String {
        let origin = self.source.origin.to_string();
        let checksum = match &self.source.checksum {
            Some(ChecksumSpec::Sha256(digest)) => digest.to_string(),
            Some(ChecksumSpec::Sha256Url(url)) => url.to_string(),
            None => String::new(),
        };
        let select = &self.source.select;
        fingerprint(&(origin, checksum, &select.globs, select.strip_components, self.format))
    }

    /// Names all that decides whether data is good; a rejection holds only while it is the
    /// same.
    pub fn verdict_fingerprint(&self, limits: &Limits) -> String {
        fingerprint(&(self.source_fingerprint(), format!("{:?}", self.expect), limits))
    }
}

fn fingerprint(parts: &impl Serialize) -> String {
    use sha2::Digest as _;
    let json = serde_json::to_vec(parts).expect("strings and numbers always serialise");
    hex(&sha2::Sha256::digest(json)[..8])
}

/// One thing wrong with a definition file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DefinitionProblem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 1 where the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for DefinitionProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// Reads every `*.toml` of a folder, in the order of the names.
///
/// # Errors
/// Every problem of every file.
pub fn read_folder(
    folder: &Path,
    variables: &Variables<'_>,
) -> Result<Vec<Definition>, Vec<DefinitionProblem>> {
    let whole =
        |message: String| vec![DefinitionProblem { file: folder.to_owned(), line: 1, message }];
    let entries = std::fs::read_dir(folder).map_err(|error| {
        whole(format!("expected a folder of layer definitions: {error}; name it with --layers"))
    })?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(whole("expected at least one `<layer>.toml`, found none".to_owned()));
    }
    let (mut definitions, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        match read_file(&file, variables) {
            Ok(definition) => definitions.push(definition),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(definitions) } else { Err(problems) }
}

/// Reads one definition file.
///
/// # Errors
/// Every problem of the file.
pub fn read_file(
    file: &Path,
    variables: &Variables<'_>,
) -> Result<Definition, Vec<DefinitionProblem>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("expected a readable UTF-8 file: {error}");
        vec![DefinitionProblem { file: file.to_owned(), line: 1, message }]
    })?;
    parse::definition(file, &text, variables)
}
