//! Typed code for the consumers of a layer, from its definition alone: no release, no download.
//!
//! ```text
//! Definition ── model (records and tables, from the contracts) ── one writer per language ──> text
//!                                    names (identifiers, clashes)
//! ```

mod csharp;
mod java;
mod model;
mod names;
mod python;
mod rust;
mod template;
mod typescript;

use std::fmt;

use crate::definition::Definition;
use crate::names::DatasetName;
use model::LayerModel;

/// The languages that code is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust, on `freshlayer-reader`.
    Rust,
    /// Python, on `maxminddb` and `sqlite3`.
    Python,
    /// TypeScript for Node.js, on `maxmind` and `node:sqlite`.
    Typescript,
    /// Java, on `com.maxmind.db` and JDBC.
    Java,
    /// C#, on `MaxMind.Db` and `Microsoft.Data.Sqlite`.
    Csharp,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Typescript => "TypeScript",
            Self::Java => "Java",
            Self::Csharp => "C#",
        })
    }
}

/// Why no code can be written for a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodegenError {
    /// A contract says two things of one field.
    #[error("write types of dataset `{dataset}`: `{path}` {problem}")]
    Contradiction {
        /// The dataset.
        dataset: DatasetName,
        /// The field.
        path: String,
        /// What contradicts what.
        problem: &'static str,
    },
    /// Two names become one.
    #[error(
        "write {language} for {place}: `{first}` and `{second}` both become `{identifier}`; keep one of them"
    )]
    Clash {
        /// The language.
        language: Language,
        /// Where both stand.
        place: String,
        /// The name that came first.
        first: String,
        /// The other one.
        second: String,
        /// What both become.
        identifier: String,
    },
    /// A name gives no identifier.
    #[error("write {language} for {place}: {name:?} has no letter or digit to make a name of")]
    Nameless {
        /// The language.
        language: Language,
        /// Where it stands.
        place: String,
        /// The name.
        name: String,
    },
}

/// Writes the types and the reader of a layer.
///
/// # Errors
/// A contract contradicts itself, or its names give no identifiers in that language.
pub fn write_code(definition: &Definition, language: Language) -> Result<String, CodegenError> {
    let layer = LayerModel::of(definition)?;
    match language {
        Language::Rust => rust::write(&layer),
        Language::Python => python::write(&layer),
        Language::Typescript => typescript::write(&layer),
        Language::Java => java::write(&layer),
        Language::Csharp => csharp::write(&layer),
    }
}
