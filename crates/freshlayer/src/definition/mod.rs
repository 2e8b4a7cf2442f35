//! What we want: one TOML file per layer becomes one [`Definition`], once.
//!
//! ```text
//! layers/geo.toml ── check (schema, all problems with lines) ── raw (serde) ── parse ──> Definition
//! ```

mod alarms;
mod check;
mod destinations;
mod expand;
mod fingerprint;
mod format;
mod hook;
mod parse;
mod raw;
mod rollout;
mod rules;
mod scan;
mod schema;
mod secret;
mod source;
mod window;

use std::path::{Path, PathBuf};

use freshlayer_reader::Format;
use serde::Serialize;

pub use alarms::{AlarmsGate, WithoutData};
pub use destinations::{Architecture, Destinations, MemberAccount, Reader, Terms, ZipStorage};
pub use expand::Variables;
pub use format::{FieldPath, FormatSpec, MmdbProbe, SqliteProbe};
pub use hook::{HookGate, RolloutHook};
pub use raw::{OlderBuild, PlainHttp};
pub use rollout::{
    AskedCourse, Binding, Course, EvidenceBy, FunctionProbe, Gates, MetricsGate, OnInconclusive,
    Preset, Roll, RollMajor, RolloutSpec,
};
pub use scan::{Scan, ScanHook};
pub use schema::{definition_schema, field_table};
pub use secret::SecretRef;
pub use source::{
    Authorization, ChecksumSpec, Globs, HeaderText, HttpsSource, Origin, RequestHeaders, Select,
    SignatureSpec, SourceSpec, SourceUrl, is_loopback,
};
pub use window::{ChangeWindow, ChangeWindows};

use crate::limits::Limits;
use crate::names::{DatasetName, LayerName};
use crate::opt_path::OptPath;
use crate::schema::Contract;

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
    /// Who looks at each zip before it is published.
    pub scan: Option<Scan>,
    /// How a new release reaches functions.
    pub rollout: RolloutSpec,
    /// The bounds of its refresh.
    pub limits: Limits,
    /// Whether a layer is taken over that has versions which freshlayer did not make.
    pub adopt: bool,
}

impl Definition {
    /// Takes the defaults of AWS for what the definition leaves open.
    #[must_use]
    pub fn on_aws(self) -> Self {
        Self { rollout: self.rollout.on_aws(), ..self }
    }
}

/// One dataset as a person wants it.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The dataset's name, unique in the layer.
    pub name: DatasetName,
    /// Where it lies below `/opt`: its file, or an archive's folder.
    pub path: OptPath,
    /// Where it comes from.
    pub source: SourceSpec,
    /// What kind of data it is, with what must hold for that kind.
    pub spec: FormatSpec,
    /// What must hold for it, whatever its kind.
    pub expect: Expectations,
    /// What consumers rely on of the values in its fields.
    pub contract: Contract,
    /// The group that it is released with.
    pub group: Option<String>,
    /// How many days its licence lets a build be kept after a newer one replaced it.
    pub replaced_days_max: Option<u32>,
}

impl Dataset {
    /// Returns the kind of data.
    pub fn format(&self) -> Format {
        self.spec.format()
    }
}

/// What must hold for data of every kind before it is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expectations {
    /// Smallest size in bytes.
    pub size_bytes_min: u64,
    /// Largest size in bytes; absent where `limits.unpacked_bytes_max` is the bound.
    pub size_bytes_max: Option<u64>,
    /// Largest change of the size or of a count against the live release, in percent.
    pub drift_percent_max: u32,
    /// What to do with an older build than the live one.
    pub older_build: OlderBuild,
    /// The age, in days, from which on a build gives a warning. It refuses nothing, and is no part of a verdict.
    #[serde(skip)]
    pub build_age_days_warn: Option<u32>,
    /// Oldest build that is taken, in days.
    pub build_age_days_max: Option<u32>,
    /// How old a build has to be before it is released, in hours. It decides when, and is no part of a verdict.
    #[serde(skip)]
    pub min_age_hours: u32,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            size_bytes_min: 1,
            size_bytes_max: None,
            drift_percent_max: 30,
            older_build: OlderBuild::Reject,
            build_age_days_warn: None,
            build_age_days_max: None,
            min_age_hours: 0,
        }
    }
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
        return Err(whole(
            "expected at least one `<layer>.toml`, found none; `freshlayer init` writes one"
                .to_owned(),
        ));
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

/// Reads the text of a definition as if it stood in a file.
///
/// # Errors
/// Every problem of the text.
pub fn read_text(
    file: &Path,
    text: &str,
    variables: &Variables<'_>,
) -> Result<Definition, Vec<DefinitionProblem>> {
    parse::definition(file, text, variables)
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
