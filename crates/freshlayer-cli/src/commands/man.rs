use std::path::PathBuf;

use clap::CommandFactory;
use freshlayer::report::Exit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::Arguments;
use crate::output::{Answer, Done, Stopped};

/// Write the manual pages, one for each command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the pages, such as ~/.local/share/man/man1; pages of these names in it are replaced.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// The manual pages that were written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ManualPages {
    /// Their folder.
    folder: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<Done, Stopped> {
    let Args { out: folder } = args;
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), &folder));
    let failed = |error| Stopped::failed(format!("write to {}: {error}", folder.display()));
    written.map_err(failed)?;
    let lines = format!("wrote the manual pages to {}\n", folder.display());
    Ok(Done::new(Exit::Done, lines, Answer::ManualPages(ManualPages { folder })))
}
