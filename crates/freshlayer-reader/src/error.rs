use std::path::PathBuf;

use crate::Format;

/// A reason why a layer or one of its datasets cannot be opened.
///
/// Each message says what, where, what was expected and what was found. The source is not repeated in
/// the message; print the chain once, at the edge.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No layer of that name lies under the root.
    #[error("find layer `{layer}`: {manifest} does not exist; {}", layers_found(found))]
    LayerNotFound {
        /// The layer asked for.
        layer: String,
        /// Where its manifest was expected.
        manifest: PathBuf,
        /// The layers that do lie there.
        found: Vec<String>,
    },
    /// The manifest is not one that this reader understands.
    #[error("read manifest {path}: {problem}")]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// What was expected and found.
        problem: String,
    },
    /// The layer has no dataset of that name.
    #[error("find dataset `{dataset}` in layer `{layer}`: it has {}", known.join(", "))]
    DatasetNotFound {
        /// The layer that was opened.
        layer: String,
        /// The dataset asked for.
        dataset: String,
        /// The datasets that the layer has.
        known: Vec<String>,
    },
    /// The dataset is of another format than the one asked for.
    #[error("open dataset `{dataset}` as {expected}: its format is {found}")]
    WrongFormat {
        /// The dataset asked for.
        dataset: String,
        /// The format that the call opens.
        expected: Format,
        /// The format that the manifest states.
        found: Format,
    },
    /// The dataset's format is newer than this reader; the layer's other datasets can be opened.
    #[error(
        "open dataset `{dataset}`: its format {format:?} is unknown here: update freshlayer-reader"
    )]
    UnknownFormat {
        /// The dataset asked for.
        dataset: String,
        /// The format that the manifest states.
        format: String,
    },
    /// A file differs from what the manifest says of it.
    #[error("open {path}: expected {expected}, found {found}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What the file is.
        found: String,
    },
    /// A file cannot be read or is not of its format.
    #[error("open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system or the database library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn open(
        path: impl Into<PathBuf>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Open { path: path.into(), source: source.into() }
    }
}

fn layers_found(found: &[String]) -> String {
    match found {
        [] => "no layer of freshlayer lies there: is it in the function's layer list?".to_owned(),
        _ => format!("layers there: {}", found.join(", ")),
    }
}
