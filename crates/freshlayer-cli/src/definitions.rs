//! Reads the definitions of layers: one bad file leaves out its own layer and no other.

use std::path::{Path, PathBuf};

use freshlayer::LayerName;
use freshlayer::definition::{Definition, DefinitionProblem, Origin, read_file, read_folder};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::environment;
use crate::output::Stopped;
use crate::references::layer_name;

/// The definitions that hold, and what is wrong with the others.
pub(crate) struct Definitions {
    pub(crate) good: Vec<Definition>,
    pub(crate) problems: Vec<DefinitionProblem>,
}

impl Definitions {
    /// Reads the definitions of all layers of a folder.
    pub(crate) fn all(folder: &Path) -> Self {
        let problems = match read_folder(folder, &environment::read) {
            Ok(good) => return Self { good, problems: Vec::new() },
            Err(problems) => problems,
        };
        let files = definition_files(folder);
        let good = files.iter().filter_map(|file| read_file(file, &environment::read).ok());
        Self { good: good.collect(), problems }
    }

    /// Reads the definitions of the layers that the command line names.
    pub(crate) fn named(folder: &Path, names: &[String]) -> Result<Self, Stopped> {
        let (mut good, mut problems) = (Vec::new(), Vec::new());
        for name in names {
            let layer = layer_name(name)?;
            let file = folder.join(format!("{layer}.toml"));
            if !file.exists() {
                return Err(no_layer(folder, &layer));
            }
            match read_file(&file, &environment::read) {
                Ok(definition) => good.push(definition),
                Err(found) => problems.extend(found),
            }
        }
        Ok(Self { good, problems })
    }

    /// Takes AWS's defaults.
    pub(crate) fn on_aws(self) -> Self {
        let good = self.good.into_iter().map(Definition::on_aws).collect();
        Self { good, ..self }
    }

    /// Stops the command where no definition holds.
    pub(crate) fn some(self) -> Result<Self, Stopped> {
        if self.good.is_empty() { Err(Stopped::definition(self.problems)) } else { Ok(self) }
    }
}

/// Says that a layer has neither a definition nor a state, and which layer may be meant.
pub(crate) fn no_layer(folder: &Path, layer: &LayerName) -> Stopped {
    let file = folder.join(format!("{layer}.toml"));
    let known = definition_files(folder);
    let names = known.iter().filter_map(|file| file.file_stem()?.to_str());
    // The first knows beginnings, the second two letters that changed places in a short name.
    let likeness = |name: &str| {
        let (by_start, by_change) = (strsim::jaro_winkler, strsim::normalized_damerau_levenshtein);
        by_start(layer.as_str(), name).max(by_change(layer.as_str(), name))
    };
    let nearest = names
        .map(|name| (likeness(name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.65);
    let meant = nearest.map(|(_, name)| format!("; did you mean `{name}`?")).unwrap_or_default();
    Stopped::usage(format!(
        "there is no layer `{layer}`: expected its definition at {}{meant}",
        file.display()
    ))
}

fn definition_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// Returns one problem for each `maxmind` source of a layer whose account is not set.
pub(crate) fn without_account<'a>(
    folder: &Path,
    definition: &'a Definition,
    missing: &'a str,
) -> impl Iterator<Item = DefinitionProblem> + use<'a> {
    let file = folder.join(format!("{}.toml", definition.layer));
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let datasets = definition.datasets.iter().enumerate();
    let asks = datasets.filter(|(_, d)| matches!(d.source.origin, Origin::Maxmind { .. }));
    asks.map(move |(at, _)| DefinitionProblem {
        file: file.clone(),
        line: maxmind_line(&text, at).unwrap_or(1),
        message: missing.to_owned(),
    })
}

/// Finds the line of a dataset's `source.maxmind`.
fn maxmind_line(text: &str, dataset: usize) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let DeValue::Array(datasets) = document.get_ref().get("dataset")?.get_ref() else {
        return None;
    };
    let source = table(datasets.get(dataset)?)?.get("source")?;
    let (key, _) = table(source)?.get_key_value("maxmind")?;
    Some(text[..key.span().start].matches('\n').count() + 1)
}

fn table<'a, 'text>(value: &'a Spanned<DeValue<'text>>) -> Option<&'a DeTable<'text>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}
