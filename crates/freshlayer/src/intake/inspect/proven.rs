use crate::formats::deflate::{Deflated, Inflated};
use crate::intake::download::Candidate;
use crate::intake::extract::StagedFile;
use crate::opt_path::{Mode, OptPath};
use crate::problem::GateReport;
use crate::state::Snapshot;

/// A snapshot that passed, with its files. There are two ways to one: inspection of new data, and a snapshot that
/// the live release carries already.
pub(crate) struct Proven {
    snapshot: Snapshot,
    files: Vec<LayerFile>,
}

/// One file of a layer, compressed already.
#[derive(Debug, Clone)]
pub(crate) struct LayerFile {
    pub(crate) path: OptPath,
    pub(crate) mode: Mode,
    pub(crate) deflated: Deflated,
    /// Where the stream was inflated again already.
    pub(crate) inflated: Option<Inflated>,
}

impl Proven {
    /// Makes one of new data. The caller is the inspection, and no check failed.
    pub(super) fn inspected(
        candidate: Candidate,
        findings: super::Findings,
        gates: GateReport,
    ) -> Self {
        let mut files = candidate.files;
        let mut digest = candidate.digest;
        if let Some(file) = findings.rewritten {
            digest = file.sha256.clone();
            files = vec![file];
        }
        let snapshot = Snapshot {
            format: candidate.dataset.format(),
            dataset: candidate.dataset.name,
            path: candidate.dataset.path,
            digest,
            files: files.iter().map(manifest_file).collect(),
            upstream: candidate.upstream,
            built: findings.built,
            fetched: candidate.fetched,
            profile: findings.profile,
            contract: candidate.dataset.contract,
            gates,
            countries_moved: findings.countries_moved,
        };
        let files = files.into_iter().map(|file| LayerFile {
            path: file.path,
            mode: file.mode,
            deflated: file.deflated,
            inflated: None,
        });
        Self { snapshot, files: files.collect() }
    }

    /// Makes one of a snapshot that an earlier release proved, whose files were compared with its record.
    pub(crate) fn carried(snapshot: Snapshot, files: Vec<LayerFile>) -> Self {
        Self { snapshot, files }
    }

    /// Notes which streams were inflated while the data was inspected. One of a file that the inspection rewrote is none of
    /// these any more.
    pub(crate) fn note_inflated(&mut self, inflated: &[Inflated]) {
        for (file, said) in self.files.iter_mut().zip(&self.snapshot.files) {
            let is_its = |one: &&Inflated| {
                one.stream == file.deflated.file && one.sha256.as_str() == said.sha256
            };
            file.inflated = inflated.iter().find(is_its).cloned();
        }
    }

    /// Returns the snapshot.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes it apart, for packaging.
    pub(crate) fn into_parts(self) -> (Snapshot, Vec<LayerFile>) {
        (self.snapshot, self.files)
    }
}

fn manifest_file(file: &StagedFile) -> freshlayer_reader::File {
    freshlayer_reader::File {
        path: file.path.to_string(),
        size_bytes: file.size_bytes,
        sha256: file.sha256.to_string(),
        mode: file.mode.to_string(),
    }
}
