use std::path::{Path, PathBuf};

use crate::names::{DatasetName, LayerName, LayerVersionArn};
use crate::ports::{PortError, SourceError};

/// Why a run could not be finished. Bad data that an upstream brings is not among these: that is an outcome.
///
/// In every case the last good release keeps serving, and the next run goes on from here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An upstream gave nothing.
    #[error("download dataset `{dataset}`")]
    Source {
        /// The dataset.
        dataset: DatasetName,
        /// What the source said.
        source: SourceError,
    },
    /// The store failed.
    #[error("reach the object {key} of the state")]
    Store {
        /// The object.
        key: String,
        /// What the store said.
        source: PortError,
    },
    /// An object of our own making cannot be understood.
    #[error(
        "read the object {key} of the state: {problem}; restore it from a backup, or move it away to start \
         the layer's history anew (functions keep what they have)"
    )]
    State {
        /// The object.
        key: String,
        /// What was expected and found.
        problem: String,
    },
    /// The store lacks the zip that a release names.
    #[error("find the zip of release {release}: the state has no object {key}")]
    ZipMissing {
        /// The release.
        release: u64,
        /// The object.
        key: String,
    },
    /// An object was written by a newer freshlayer.
    #[error(
        "read the object {key} of the state: it has format {found}, and this freshlayer knows formats up to {known}; upgrade \
         freshlayer"
    )]
    StateNewer {
        /// The object.
        key: String,
        /// Its format.
        found: u64,
        /// The newest format that is known.
        known: u32,
    },
    /// The head was written by others at every try.
    #[error("write the head of layer `{layer}`: lost {writes} races in a row; run again")]
    Contended {
        /// The layer.
        layer: LayerName,
        /// How many tries.
        writes: u32,
    },
    /// The lease ran out and another publisher took it over.
    #[error(
        "go on with layer `{layer}`: another publisher took it over; its run finishes the work"
    )]
    LeaseLost {
        /// The layer.
        layer: LayerName,
    },
    /// A scanner gave no clear answer about a zip.
    #[error(
        "{scanner} gave no verdict on release {release}, which stays unpublished; the next refresh asks again"
    )]
    Scan {
        /// The scanner.
        scanner: String,
        /// The release.
        release: u64,
        /// What happened.
        source: PortError,
    },
    /// A provenance document could not be signed.
    #[error(
        "sign {document} of release {release}, which goes no further until the key of `FRESHLAYER_SIGNING_KEY` signs it"
    )]
    Sign {
        /// The document.
        document: &'static str,
        /// The release.
        release: u64,
        /// What the notary said.
        source: PortError,
    },
    /// The layer registry failed.
    #[error("{action} layer `{layer}`")]
    Registry {
        /// What was tried.
        action: &'static str,
        /// The layer.
        layer: LayerName,
        /// What the registry said.
        source: PortError,
    },
    /// A layer version could not be fetched.
    #[error("fetch layer version {arn}")]
    LayerVersion {
        /// The version.
        arn: LayerVersionArn,
        /// What the registry or the source said.
        source: PortError,
    },
    /// Consumers could not be listed.
    #[error("list the functions that use layer `{layer}`")]
    Fleet {
        /// The layer.
        layer: LayerName,
        /// What the host said.
        source: PortError,
    },
    /// The zip or the published version is not what was made.
    #[error("prove {what}: {problem}")]
    Proof {
        /// What was proved.
        what: String,
        /// Expected and found.
        problem: String,
    },
    /// Data that a person asked about is damaged.
    #[error("read {what}: {problem}")]
    Unreadable {
        /// The data.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of this machine could not be read or written.
    #[error("{action} {path}{}", hint(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The command names something that does not exist, or asks for what is not possible now.
    #[error("{0}")]
    NotPossible(String),
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn hint(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => {
            " (the disk is full: free some space, or choose another folder with --work)"
        }
        PermissionDenied | ReadOnlyFilesystem => {
            " (the folder cannot be written: choose another one with --work or --host)"
        }
        _ => "",
    }
}

/// Writes an error with its causes in one line, for the edge.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
