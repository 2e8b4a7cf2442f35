//! From the raw TOML to newtypes. Every problem of a file is found in one pass.

mod alarms;
mod aws;
mod contract;
mod destinations;
mod expect;
mod hook;
mod https;
mod rollout;
mod scan;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use freshlayer_reader::Format;
use toml::Spanned;
use toml::de::DeTable;

use super::check::{locate, misfits};
use super::expand::Variables;
use super::raw::{RawDataset, RawLayer};
use super::schema::definition_schema;
use super::{Dataset, Definition, DefinitionProblem, Destinations};
use crate::limits::{LAYER_BYTES_MAX, Limits};
use crate::names::{DatasetName, LayerName};
use crate::opt_path::{Mode, OptPath};

pub(super) fn definition(
    file: &Path,
    text: &str,
    variables: &Variables<'_>,
) -> Result<Definition, Vec<DefinitionProblem>> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut parser = Parser { file, text, document, variables, problems: Vec::new() };
    for error in syntax {
        let offset = error.span().map_or(0, |span| span.start);
        parser.problem_at(offset, error.message().to_owned());
    }
    if !parser.problems.is_empty() {
        return Err(parser.sorted());
    }
    for misfit in misfits(&parser.document, &definition_schema()) {
        parser.problem_at(misfit.offset, misfit.message);
    }
    match toml::from_str::<RawLayer>(text) {
        Ok(raw) => return parser.layer(raw),
        Err(error) if parser.problems.is_empty() => {
            let offset = error.span().map_or(0, |span| span.start);
            parser.problem_at(offset, error.message().to_owned());
        }
        Err(_told_already) => {}
    }
    Err(parser.sorted())
}

struct Parser<'a> {
    file: &'a Path,
    text: &'a str,
    document: Spanned<DeTable<'a>>,
    variables: &'a Variables<'a>,
    problems: Vec<DefinitionProblem>,
}

impl Parser<'_> {
    fn problem_at(&mut self, offset: usize, message: String) {
        let line = 1 + self.text[..offset.min(self.text.len())].matches('\n').count();
        self.problems.push(DefinitionProblem { file: self.file.to_owned(), line, message });
    }

    fn sorted(mut self) -> Vec<DefinitionProblem> {
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }

    fn problem(&mut self, path: &[&str], message: impl std::fmt::Display) {
        let keys: Vec<&str> = path.iter().copied().filter(|s| s.parse::<u32>().is_err()).collect();
        let text = match &keys[..] {
            [] => message.to_string(),
            keys => format!("`{}`: {message}", keys.join(".")),
        };
        self.problem_at(locate(&self.document, path), text);
    }

    /// Notes a problem, and turns the result into an option.
    fn noted<T, E: std::fmt::Display>(&mut self, path: &[&str], result: Result<T, E>) -> Option<T> {
        result.map_err(|message| self.problem(path, message)).ok()
    }

    fn layer(mut self, raw: RawLayer) -> Result<Definition, Vec<DefinitionProblem>> {
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let layer = LayerName::parse(&stem).map_err(|e| format!("the file's name: {e}"));
        let layer = self.noted(&[], layer);
        if layer.as_ref().is_some_and(|layer| layer.as_str() == "wave") {
            self.problem(&[], "the file's name: `wave` is taken by the tag `freshlayer:wave`");
        }
        self.limits(&raw.limits);
        let calls_per_sec_max = self.calls_per_sec_max(raw.rollout.as_ref());
        let destinations =
            Destinations { calls_per_sec_max, ..self.destinations(&raw.regions, &raw.account) };
        let terms = self.terms(raw.publish, &destinations);
        let scan = self.scan(raw.scan);
        let rollout = self.rollout(raw.rollout);
        self.regions_in_order(&rollout.asked.regions_order, &destinations.regions);
        if raw.dataset.is_empty() {
            self.problem(&["dataset"], "expected at least one");
        }
        let datasets: Vec<Option<Dataset>> = raw
            .dataset
            .into_iter()
            .enumerate()
            .map(|(at, dataset)| self.dataset(&at.to_string(), &stem, dataset, &raw.limits))
            .collect();
        self.distinct(&datasets);
        let datasets: Option<Vec<Dataset>> = datasets.into_iter().collect();
        match (layer, datasets) {
            (Some(layer), Some(datasets)) if self.problems.is_empty() => Ok(Definition {
                layer,
                description: raw.description,
                datasets,
                destinations,
                terms,
                scan,
                rollout,
                limits: raw.limits,
                adopt: raw.adopt,
            }),
            _ => Err(self.sorted()),
        }
    }

    fn limits(&mut self, limits: &Limits) {
        let above = limits.unpacked_bytes_max > LAYER_BYTES_MAX;
        if above {
            let message = format!("expected at most {LAYER_BYTES_MAX}, what Lambda takes");
            self.problem(&["limits", "unpacked_bytes_max"], message);
        }
        if limits.tries_max == 0 {
            self.problem(&["limits", "tries_max"], "expected at least 1");
        }
    }

    /// No two datasets share a name, and none lies in another's place.
    fn distinct(&mut self, datasets: &[Option<Dataset>]) {
        let mut names = BTreeSet::new();
        let mut files: Vec<&OptPath> = Vec::new();
        for (at, dataset) in datasets.iter().enumerate() {
            let Some(dataset) = dataset else { continue };
            let at = at.to_string();
            if !names.insert(&dataset.name) {
                let message = format!("`{}` is another dataset's name too", dataset.name);
                self.problem(&["dataset", &at, "name"], message);
            }
            let path = &dataset.path;
            if let Some(other) = files.iter().find(|other| overlap(other, path)) {
                let message = format!("`{path}` lies in the place of `{other}`");
                self.problem(&["dataset", &at, "path"], message);
            }
            files.push(path);
        }
    }

    fn dataset(
        &mut self,
        at: &str,
        layer: &str,
        raw: RawDataset,
        limits: &Limits,
    ) -> Option<Dataset> {
        let format = Format::from(raw.format);
        let name = self.noted(&["dataset", at, "name"], DatasetName::parse(&raw.name));
        let path = raw.path.unwrap_or_else(|| default_path(layer, &raw.name, format));
        let path = self.noted(&["dataset", at, "path"], OptPath::parse_dataset(&path));
        if format != Format::Archive && path.as_ref().is_some_and(OptPath::is_root) {
            let message = "`.` is /opt itself, which an archive may fill; expected a file's path";
            self.problem(&["dataset", at, "path"], message);
        }
        if raw.executable && format != Format::File {
            let message = format!(
                "goes with format file; this dataset is {format}, and an archive's entries keep their own bits"
            );
            self.problem(&["dataset", at, "executable"], message);
        }
        let mode = if raw.executable { Mode::Executable } else { Mode::Plain };
        if path.as_ref().is_some_and(OptPath::is_reserved) {
            let message = "`freshlayer/` holds the manifests; choose another folder";
            self.problem(&["dataset", at, "path"], message);
        }
        let source = self.source(at, format, &raw.source);
        let mut expect = self.expect(at, format, &raw.expect, limits);
        let mut replaced_days_max = raw.replaced_days_max;
        if let Some(source) = &source {
            let ages = source.origin.ages();
            expect.min_age_hours = raw.expect.min_age_hours.unwrap_or(ages.min_hours);
            expect.build_age_days_warn = expect.build_age_days_warn.or(ages.warn_days);
            expect.build_age_days_max = expect.build_age_days_max.or(ages.max_days);
            replaced_days_max = replaced_days_max.or(ages.replaced_days);
        }
        let contract = self.contract(at, format, raw.contract);
        let spec = self.format_spec(at, format, mode, raw.expect);
        let (name, group) = (name?, raw.group);
        Some(Dataset {
            name,
            path: path?,
            source: source?,
            spec: spec?,
            expect,
            contract,
            group,
            replaced_days_max,
        })
    }
}

fn default_path(layer: &str, name: &str, format: Format) -> String {
    let extension = match format {
        Format::Mmdb => ".mmdb",
        Format::Sqlite => ".sqlite",
        Format::File | Format::Archive => "",
    };
    format!("{layer}/{name}{extension}")
}

/// Two archives may fill `/opt` side by side: their files are compared when the layer is put together.
fn overlap(one: &OptPath, other: &OptPath) -> bool {
    if one.is_root() || other.is_root() {
        return false;
    }
    let (one, other) = (one.as_str().to_lowercase(), other.as_str().to_lowercase());
    one == other || one.starts_with(&format!("{other}/")) || other.starts_with(&format!("{one}/"))
}
