use std::path::{Path, PathBuf};

use clap::ValueEnum;
use freshlayer::codegen::{CodegenError, write_code};
use freshlayer::report::Exit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definitions::Definitions;
use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Write the types and the reader of a layer for your functions, from its definition.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// The language of the code.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    language: Language,
    /// File to write; an older one is replaced. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The languages that code is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// On freshlayer-reader.
    Rust,
    /// On maxminddb and sqlite3.
    Python,
    /// For Node.js, on maxmind and node:sqlite.
    Typescript,
    /// On com.maxmind.db and JDBC.
    Java,
    /// On MaxMind.Db and Microsoft.Data.Sqlite.
    Csharp,
}

impl From<Language> for freshlayer::codegen::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::Rust => Self::Rust,
            Language::Python => Self::Python,
            Language::Typescript => Self::Typescript,
            Language::Java => Self::Java,
            Language::Csharp => Self::Csharp,
        }
    }
}

/// The code that was written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct WrittenCode {
    /// Its file.
    file: PathBuf,
}

pub(crate) fn run(host: &Host, args: &Args) -> Result<Done, Stopped> {
    let definitions =
        Definitions::named(&host.layers, std::slice::from_ref(&args.layer))?.some()?;
    let code = write_code(&definitions.good[0], args.language.into())?;
    match &args.out {
        None => Ok(Done::text(code)),
        Some(file) => written(file, &code),
    }
}

fn written(file: &Path, code: &str) -> Result<Done, Stopped> {
    std::fs::write(file, code)
        .map_err(|error| Stopped::failed(format!("write {}: {error}", file.display())))?;
    let lines = format!("wrote {}\n", file.display());
    Ok(Done::new(Exit::Done, lines, Answer::WrittenCode(WrittenCode { file: file.to_owned() })))
}

impl From<CodegenError> for Stopped {
    fn from(error: CodegenError) -> Self {
        Self::usage(format!("failed to {error}"))
    }
}
