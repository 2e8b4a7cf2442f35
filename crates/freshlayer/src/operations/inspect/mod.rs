//! Any file or address, judged without a definition or as a dataset of a layer; nothing is released.

mod begin;
mod proposal;

use std::path::Path;

use freshlayer_reader::Format;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::{Dataset, Definition, FormatSpec, read_text};
use crate::engine::{Engine, Run};
use crate::error::Error;
use crate::formats::pipe::blocking;
use crate::intake::download::{Asked, Candidate, Fetched, candidate, fetch_alone, unpack_alone};
use crate::intake::extract::{StagedFile, begun};
use crate::intake::gather::Served;
use crate::intake::inspect::{Differences, Live, inspect as judge};
use crate::intake::recognise::{Plain, Recognised, recognise_file, recognise_files};
use crate::intake::suggest::suggest;
use crate::names::{DatasetName, Digest, LayerName};
use crate::problem::{Code, GateReport, Level, Problem};
use crate::progress::Stages;
use crate::release::live::live_files;
use crate::report::Exit;
use crate::schema::Contract;
use crate::state::Snapshot;
use proposal::{beginning, expectations, proposal};

/// What is held against what.
#[derive(Debug, Clone)]
pub enum Against {
    /// Nothing: the data speaks for itself.
    Itself,
    /// A dataset of a layer: its definition, and what serves of it.
    Dataset(Box<Definition>, DatasetName),
}

/// What an inspection found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Inspection {
    /// The file or address.
    pub source: String,
    /// What it is; absent where it cannot be unpacked.
    pub format: Option<String>,
    /// What it is where its format is `file`, by how it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub plain: Option<Plain>,
    /// Its size after unpacking, in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the data; of an archive, of the list of its files.
    pub digest: Option<Digest>,
    /// The layer that serves such data, where one was named.
    pub layer: Option<LayerName>,
    /// Every check that exists for such data, with its verdict.
    pub checks: GateReport,
    /// A definition that it passes; absent where a layer was named or a check failed.
    pub definition: Option<String>,
    /// A contract that it keeps; absent where a layer was named, or where it is no database or cannot be read.
    pub contract: Option<Contract>,
}

impl Inspection {
    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        let fails = self.checks.problems().any(|problem| problem.level == Level::Fail);
        if fails { Exit::Rejected } else { Exit::Done }
    }
}

/// Downloads a file or address, unpacks it, and judges it as a refresh does. `source` is an address or an absolute path.
///
/// # Errors
/// [`Error::Source`] where it cannot be had, and this machine's errors.
pub async fn inspect(engine: &Engine, source: &str, against: Against) -> Result<Inspection, Error> {
    judged(engine, source, against).await.map(|judged| judged.inspection)
}

/// What an inspection found, with the snapshot that the data would become; that is absent where it is refused.
pub(super) struct Judged {
    pub(super) inspection: Inspection,
    pub(super) snapshot: Option<Snapshot>,
}

impl Judged {
    fn refused(inspection: Inspection) -> Self {
        Self { inspection, snapshot: None }
    }
}

/// Judges as [`inspect`] does.
pub(super) async fn judged(
    engine: &Engine,
    source: &str,
    against: Against,
) -> Result<Judged, Error> {
    let folder = engine.run_folder()?;
    let asked =
        asked_for(engine, source, &Recognised { format: whole(source), select: Vec::new() })?;
    let (definition, layer) = match against {
        Against::Itself => (asked, None),
        Against::Dataset(definition, name) => {
            let layer = definition.layer.clone();
            (of_layer(*definition, &name, &asked)?, Some(layer))
        }
    };
    let stages = Stages::new(&engine.ports, &definition.layer);
    let run = Run { engine, definition: &definition, stages: &stages };
    let look = Look { run, source, layer, folder: folder.path() };
    let fetched = match fetch_alone(&run, &definition.datasets[0], folder.path()).await? {
        Asked::Got(fetched) => fetched,
        Asked::Refused(problems) => return Ok(Judged::refused(look.refused(problems))),
        Asked::Failed(error) => {
            let dataset = definition.datasets[0].name.clone();
            return Err(Error::Source { dataset, source: error });
        }
    };
    if look.layer.is_some() {
        return look.judged(fetched).await;
    }
    let definition = asked_for(engine, source, &look.recognise(&fetched).await?)?;
    let run = Run { definition: &definition, ..run };
    Look { run, ..look }.judged(fetched).await
}

/// The files of a source.
pub(super) struct Unpacked {
    pub(super) format: Format,
    pub(super) files: Vec<StagedFile>,
}

/// Downloads a file or address and unpacks it; nothing is judged.
pub(super) async fn unpacked(
    engine: &Engine,
    source: &str,
    folder: &Path,
) -> Result<Unpacked, Error> {
    let definition =
        asked_for(engine, source, &Recognised { format: whole(source), select: Vec::new() })?;
    let stages = Stages::new(&engine.ports, &definition.layer);
    let run = Run { engine, definition: &definition, stages: &stages };
    let look = Look { run, source, layer: None, folder };
    let dataset = &definition.datasets[0];
    let refused = |problems: Vec<Problem>| Error::Unreadable {
        what: source.to_owned(),
        problem: problems.first().map_or(String::new(), ToString::to_string),
    };
    let fetched = match fetch_alone(&run, dataset, folder).await? {
        Asked::Got(fetched) => fetched,
        Asked::Refused(problems) => return Err(refused(problems)),
        Asked::Failed(error) => {
            return Err(Error::Source { dataset: dataset.name.clone(), source: error });
        }
    };
    let definition = asked_for(engine, source, &look.recognise(&fetched).await?)?;
    let (run, dataset) = (Run { definition: &definition, ..run }, &definition.datasets[0]);
    let files = unpack_alone(&run, dataset, &fetched, &folder.join("data")).await?;
    Ok(Unpacked { format: dataset.format(), files: files.map_err(refused)? })
}

/// A folder can only be a tree; what a file is is found out.
fn whole(source: &str) -> Format {
    if Path::new(source).is_dir() { Format::Archive } else { Format::File }
}

/// What the name of bytes says that no format is recognised in: a database may be cut off.
fn named(source: &str) -> Format {
    let extension = Path::new(source).extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("mmdb") => Format::Mmdb,
        Some("sqlite" | "sqlite3") => Format::Sqlite,
        _ => Format::File,
    }
}

fn plain(format: Format, files: &[StagedFile]) -> Option<Plain> {
    match (format, files) {
        (Format::File, [file]) => Some(Plain::of(&beginning(&file.file))),
        _ => None,
    }
}

/// Makes a definition of what was asked for.
fn asked_for(engine: &Engine, source: &str, recognised: &Recognised) -> Result<Definition, Error> {
    defined(engine, source, &proposal(source, recognised, &[]))
}

fn defined(engine: &Engine, source: &str, text: &str) -> Result<Definition, Error> {
    read_text(Path::new("inspected.toml"), text, &engine.variable).map_err(|problems| {
        let problems: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        Error::NotPossible(format!("{source} cannot be read: {}", problems.join("; ")))
    })
}

/// Takes one dataset of a layer, and another source for it.
fn of_layer(
    mut definition: Definition,
    name: &DatasetName,
    asked: &Definition,
) -> Result<Definition, Error> {
    let layer = definition.layer.clone();
    definition.datasets.retain(|dataset| dataset.name == *name);
    let Some(dataset) = definition.datasets.first_mut() else {
        return Err(Error::NotPossible(format!("layer `{layer}` has no dataset `{name}`")));
    };
    dataset.source.origin = asked.datasets[0].source.origin.clone();
    dataset.source.checksum = None;
    Ok(definition)
}

/// One inspection.
struct Look<'a> {
    run: Run<'a>,
    source: &'a str,
    /// The layer that serves such data, where one was named.
    layer: Option<LayerName>,
    folder: &'a Path,
}

impl Look<'_> {
    /// Finds out what a body is. A container is known by what unpacking it gives: a tree, or one compressed file.
    async fn recognise(&self, fetched: &Fetched) -> Result<Recognised, Error> {
        let body = &fetched.body.file;
        let fault = |error| Error::io("read", body)(error);
        let plain = |format| Recognised { format, select: Vec::new() };
        let as_it_is = recognise_file(body).map_err(fault)?;
        if as_it_is != Format::File {
            return Ok(plain(as_it_is));
        }
        let tree = self.as_format(Format::Archive);
        let files = unpack_alone(&self.run, &tree, fetched, &self.folder.join("tree")).await?;
        if let Ok(files) = files {
            return recognise_files(&files, tree.path.as_str()).map_err(fault);
        }
        if whole(self.source) == Format::Archive {
            return Ok(plain(Format::Archive));
        }
        let copy = fetched.copied(&self.folder.join("copy")).map_err(fault)?;
        let one = self.as_format(Format::Mmdb);
        let is_broken = match unpack_alone(&self.run, &one, &copy, &self.folder.join("one")).await?
        {
            Ok(files) => match &files[..] {
                [file] if file.sha256 != fetched.body.sha256 => {
                    return Ok(plain(recognise_file(&file.file).map_err(fault)?));
                }
                _ => false,
            },
            Err(problems) => {
                let broken = [Code::ContainerCorrupt, Code::ExpansionLimit];
                problems.first().is_some_and(|problem| broken.contains(&problem.code))
            }
        };
        // Unpacking it once more says how it is broken.
        let begun = begun(&beginning(body)).filter(|_| is_broken);
        Ok(plain(begun.unwrap_or_else(|| named(self.source))))
    }

    fn as_format(&self, format: Format) -> Dataset {
        let asked = self.run.definition.datasets[0].clone();
        Dataset { spec: FormatSpec::plain(format), ..asked }
    }

    async fn judged(&self, fetched: Fetched) -> Result<Judged, Error> {
        let (engine, definition) = (self.run.engine, self.run.definition);
        let dataset = &definition.datasets[0];
        let unpacked =
            unpack_alone(&self.run, dataset, &fetched, &self.folder.join("data")).await?;
        let files = match unpacked {
            Ok(files) => files,
            Err(problems) => return Ok(Judged::refused(self.refused(problems))),
        };
        let format = dataset.format();
        let select = dataset.source.select.globs.patterns().to_vec();
        let recognised = Recognised { format, select };
        let text =
            proposal(self.source, &recognised, &expectations(format, &files, &definition.limits));
        let dataset = match self.layer {
            Some(_) => dataset.clone(),
            None => defined(engine, self.source, &text)?.datasets.remove(0),
        };
        let found = candidate(&self.run, &dataset, fetched, files);
        let (files, digest) = (found.files.clone(), found.digest.clone());
        let (live, differences) = match &self.layer {
            Some(layer) => self.live(layer, &found).await?,
            None => (None, Differences::Judged),
        };
        let (limits, now) = (definition.limits.clone(), engine.ports.clock.now());
        let inspected =
            blocking(move || judge(found, live.as_ref(), differences, &limits, now)).await?;
        let inspection = Inspection {
            format: Some(format.to_string()),
            plain: plain(format, &files),
            size_bytes: files.iter().map(|file| file.size_bytes).sum(),
            digest: Some(digest),
            definition: (self.layer.is_none() && inspected.proven.is_some()).then_some(text),
            contract: self.contract(&files).await?,
            ..self.refused_by(inspected.gates)
        };
        let snapshot = inspected.proven.map(|proven| proven.snapshot().clone());
        Ok(Judged { inspection, snapshot })
    }

    async fn contract(&self, files: &[StagedFile]) -> Result<Option<Contract>, Error> {
        let (format, limits) =
            (self.run.definition.datasets[0].format(), self.run.definition.limits.clone());
        let ([file], None) = (files, &self.layer) else { return Ok(None) };
        let path = file.file.clone();
        let found = blocking(move || Ok::<_, Error>(suggest(format, &path, &limits))).await?;
        Ok(found.ok().filter(|contract| !contract.is_empty()))
    }

    /// Brings what serves of the dataset, and whether a person lets the build differ from it.
    async fn live(
        &self,
        layer: &LayerName,
        found: &Candidate,
    ) -> Result<(Option<Live>, Differences), Error> {
        let session = self.run.engine.session(layer).await?;
        let (current, stable) = (session.current_release().await?, session.stable_release().await?);
        let head = session.head();
        let served = Served {
            current: current.as_ref(),
            stable: stable.as_ref(),
            accepted: head.accepted(),
        };
        let mut files = live_files(&self.run, head, served, &[found], self.folder).await;
        let differences = Differences::of(head, &found.dataset.name, &found.digest);
        Ok((served.live(found, files.remove(&found.dataset.name)), differences))
    }

    fn refused(&self, problems: Vec<Problem>) -> Inspection {
        let mut checks = GateReport::default();
        for problem in problems {
            checks.judge(problem.code, [problem]);
        }
        self.refused_by(checks)
    }

    fn refused_by(&self, checks: GateReport) -> Inspection {
        Inspection {
            source: self.source.to_owned(),
            format: None,
            plain: None,
            size_bytes: 0,
            digest: None,
            layer: self.layer.clone(),
            checks,
            definition: None,
            contract: None,
        }
    }
}

/// Proposes a contract for a file of this machine, unpacked already or not.
///
/// # Errors
/// [`Error::NotPossible`] where it is no database that can be read; else as [`inspect`].
pub async fn suggest_contract(engine: &Engine, source: &str) -> Result<Contract, Error> {
    let inspection = inspect(engine, source, Against::Itself).await?;
    let worst = inspection.checks.problems().find(|problem| problem.level == Level::Fail);
    match (inspection.format, inspection.contract, worst) {
        (_, Some(contract), None) => Ok(contract),
        (_, _, Some(problem)) => Err(Error::Unreadable {
            what: source.to_owned(),
            problem: format!(
                "{problem}; a contract needs sound data, and `freshlayer inspect` lists all problems"
            ),
        }),
        (format, ..) => {
            let format = format.unwrap_or_else(|| "nothing".to_owned());
            Err(Error::NotPossible(format!(
                "a contract goes with an mmdb or a SQLite database that has records; {source} holds {format}"
            )))
        }
    }
}
