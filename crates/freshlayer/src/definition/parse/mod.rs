//! From the raw TOML to newtypes. Every problem of a file is found in one pass.

mod destinations;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use freshlayer_reader::Format;
use globset::Glob;
use toml::Spanned;
use toml::de::DeTable;
use url::Url;

use super::check::{locate, misfits};
use super::expand::{Variables, expand};
use super::raw::{PlainHttp, RawDataset, RawExpect, RawLayer, RawSource};
use super::schema::definition_schema;
use super::{
    ChecksumSpec, Dataset, Definition, DefinitionProblem, Expectations, Origin, Select, SourceSpec,
    SourceUrl, is_loopback,
};
use crate::limits::{LAYER_BYTES_MAX, Limits};
use crate::names::{DatasetName, Digest, LayerName};
use crate::opt_path::OptPath;

const MAXMIND_HOST: &str = "https://updates.maxmind.com";

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

/// Stands for a value whose problem is noted.
struct Noted;

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
        let text = format!("`{}`: {message}", keys.join("."));
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
        self.limits(&raw.limits);
        let destinations = self.destinations(&raw.regions, &raw.account);
        let terms = self.terms(raw.publish, &destinations);
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
        let path = self.noted(&["dataset", at, "path"], OptPath::parse(&path));
        if path.as_ref().is_some_and(OptPath::is_reserved) {
            let message = "`freshlayer/` holds the manifests; choose another folder";
            self.problem(&["dataset", at, "path"], message);
        }
        let source = self.source(at, format, &raw.source);
        let expect = self.expect(at, format, raw.expect, limits);
        Some(Dataset { name: name?, format, path: path?, source: source?, expect: expect? })
    }

    fn source(&mut self, at: &str, format: Format, raw: &RawSource) -> Option<SourceSpec> {
        let given = [raw.https.is_some(), raw.maxmind.is_some(), raw.file.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let message = "expected exactly one of `https`, `maxmind` and `file`";
            self.problem(&["dataset", at, "source"], message);
            return None;
        }
        let checksum = self.checksum(at, raw);
        let select = self.select(at, format, raw);
        let origin = if let Some(text) = &raw.https {
            let url = self.url(&["dataset", at, "source", "https"], text, raw.plain_http)?;
            Origin::Https { url, plain_http: raw.plain_http }
        } else if let Some(edition) = &raw.maxmind {
            let host = raw.host.as_deref().unwrap_or(MAXMIND_HOST);
            let host = self.url(&["dataset", at, "source", "host"], host, raw.plain_http)?;
            if matches!(checksum, Ok(Some(_))) {
                let message = "a maxmind source brings its own checksum; remove this one";
                self.problem(&["dataset", at, "source"], message);
            }
            Origin::Maxmind { edition: edition.clone(), host }
        } else {
            let path = expand(raw.file.as_deref().unwrap_or_default(), self.variables);
            let path = self.noted(&["dataset", at, "source", "file"], path)?;
            let folder = self.file.parent().unwrap_or(Path::new(""));
            Origin::File { path: absolute(folder.join(path)) }
        };
        Some(SourceSpec { origin, checksum: checksum.ok()?, select: select? })
    }

    fn checksum(&mut self, at: &str, raw: &RawSource) -> Result<Option<ChecksumSpec>, Noted> {
        match (&raw.sha256, &raw.sha256_url) {
            (Some(_), Some(_)) => {
                let message = "expected one of `sha256` and `sha256_url`, found both";
                self.problem(&["dataset", at, "source"], message);
                Err(Noted)
            }
            (Some(hex), None) => {
                let digest = self.noted(&["dataset", at, "source", "sha256"], Digest::parse(hex));
                Ok(Some(ChecksumSpec::Sha256(digest.ok_or(Noted)?)))
            }
            (None, Some(text)) => {
                let path = ["dataset", at, "source", "sha256_url"];
                let url = self.url(&path, text, raw.plain_http).ok_or(Noted)?;
                Ok(Some(ChecksumSpec::Sha256Url(url)))
            }
            (None, None) => Ok(None),
        }
    }

    fn select(&mut self, at: &str, format: Format, raw: &RawSource) -> Option<Select> {
        let mut globs = raw.select.clone();
        if let (true, Some(edition)) = (globs.is_empty(), &raw.maxmind) {
            globs.push(format!("*/{edition}.mmdb"));
        }
        let path = ["dataset", at, "source", "select"];
        let valid: Vec<Option<Glob>> =
            globs.iter().map(|glob| self.noted(&path, Glob::new(glob))).collect();
        if raw.strip_components > 0 && format != Format::Archive {
            let message = "goes with format `archive` only; name the file with `select`";
            self.problem(&["dataset", at, "source", "strip_components"], message);
        }
        valid
            .iter()
            .all(Option::is_some)
            .then_some(Select { globs, strip_components: raw.strip_components })
    }

    fn url(&mut self, path: &[&str], template: &str, plain: PlainHttp) -> Option<SourceUrl> {
        let expanded = expand(template, self.variables);
        let expanded = self.noted(path, expanded)?;
        let url = Url::parse(&expanded).map_err(|error| format!("expected an address: {error}"));
        let url = self.noted(path, url)?;
        let fault = match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => {
                "a user or password in the address ends up in logs; put them into a `${VARIABLE}`"
            }
            "https" => return Some(SourceUrl::new(template, url)),
            "http" if plain == PlainHttp::Anywhere || is_loopback(&url) => {
                return Some(SourceUrl::new(template, url));
            }
            "http" => {
                "plain http can be changed on its way; use https, or allow it with \
                 `source.plain_http = \"anywhere\"`"
            }
            _ => "expected an https address",
        };
        self.problem(path, fault);
        None
    }

    fn expect(
        &mut self,
        at: &str,
        format: Format,
        raw: RawExpect,
        limits: &Limits,
    ) -> Option<Expectations> {
        for (key, given, formats) in given_keys(&raw) {
            if given && !formats.contains(&format) {
                let formats: Vec<String> = formats.iter().map(ToString::to_string).collect();
                let message =
                    format!("goes with format {}; this dataset is {format}", formats.join(" and "));
                self.problem(&["dataset", at, "expect", key], message);
            }
        }
        self.probes(at, format, &raw);
        let size_bytes_max = raw.size_bytes_max.unwrap_or(limits.unpacked_bytes_max);
        if raw.size_bytes_min > size_bytes_max {
            let message = format!("expected at most size_bytes_max, {size_bytes_max}");
            self.problem(&["dataset", at, "expect", "size_bytes_min"], message);
        }
        let magic = match raw.magic.as_deref().map(bytes_of_hex) {
            Some(bytes) => Some(self.noted(&["dataset", at, "expect", "magic"], bytes)?),
            None => None,
        };
        let entries = self.paths(at, "entries", &raw.entries);
        let executables = self.paths(at, "executables", &raw.executables);
        Some(Expectations {
            size_bytes_min: raw.size_bytes_min.max(1),
            size_bytes_max,
            drift_percent_max: raw.drift_percent_max,
            older_build: raw.older_build,
            build_age_days_max: raw.build_age_days_max,
            database_type: raw.database_type,
            nodes_min: raw.nodes_min,
            probes: raw.probes,
            tables: raw.tables.into_iter().collect(),
            rows_min: raw.rows_min.into_iter().collect(),
            magic,
            entries: entries?,
            executables: executables?,
        })
    }

    fn probes(&mut self, at: &str, format: Format, raw: &RawExpect) {
        for (number, probe) in raw.probes.iter().enumerate() {
            let fault = match format {
                Format::Mmdb if probe.ip.is_none() || probe.query.is_some() => {
                    "a probe of an mmdb has `ip`, and may have `path` and `equals`".to_owned()
                }
                Format::Sqlite
                    if probe.query.is_none() || probe.ip.is_some() || probe.path.is_some() =>
                {
                    "a probe of a sqlite has `query`, and may have `equals`".to_owned()
                }
                _ => match probe.ip.as_deref().map(str::parse::<std::net::IpAddr>) {
                    Some(Err(error)) => format!("`ip`: {error}"),
                    _ => continue,
                },
            };
            self.problem(&["dataset", at, "expect", "probes", &number.to_string()], fault);
        }
    }

    fn paths(&mut self, at: &str, key: &str, texts: &[String]) -> Option<Vec<OptPath>> {
        let paths: Vec<Option<OptPath>> = texts
            .iter()
            .map(|text| self.noted(&["dataset", at, "expect", key], OptPath::parse(text)))
            .collect();
        paths.into_iter().collect()
    }
}

fn given_keys(raw: &RawExpect) -> [(&'static str, bool, &'static [Format]); 8] {
    use Format::{Archive, File, Mmdb, Sqlite};
    [
        ("database_type", raw.database_type.is_some(), &[Mmdb]),
        ("nodes_min", raw.nodes_min != RawExpect::default().nodes_min, &[Mmdb]),
        ("probes", !raw.probes.is_empty(), &[Mmdb, Sqlite]),
        ("tables", !raw.tables.is_empty(), &[Sqlite]),
        ("rows_min", !raw.rows_min.is_empty(), &[Sqlite]),
        ("magic", raw.magic.is_some(), &[File]),
        ("entries", !raw.entries.is_empty(), &[Archive]),
        ("executables", !raw.executables.is_empty(), &[Archive]),
    ]
}

fn default_path(layer: &str, name: &str, format: Format) -> String {
    let extension = match format {
        Format::Mmdb => ".mmdb",
        Format::Sqlite => ".sqlite",
        Format::File | Format::Archive => "",
    };
    format!("{layer}/{name}{extension}")
}

fn overlap(one: &OptPath, other: &OptPath) -> bool {
    let (one, other) = (one.as_str().to_lowercase(), other.as_str().to_lowercase());
    one == other || one.starts_with(&format!("{other}/")) || other.starts_with(&format!("{one}/"))
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn bytes_of_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs
        .collect::<Option<Vec<u8>>>()
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| format!("expected pairs of hex digits, found {text:?}"))
}
