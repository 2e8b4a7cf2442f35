use clap_complete::Shell;

use crate::completion::script;
use crate::output::{Done, Stopped};

/// Print a completion script for a shell, which completes names of layers and local functions, too.
///
/// Load it where the shell starts, such as `source <(freshlayer completions bash)` in ~/.bashrc: a script that is
/// kept in a file has to be written again after each upgrade.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Done, Stopped> {
    let script = script(&args.shell.to_string());
    script.map(Done::text).map_err(|error| Stopped::failed(format!("write the script: {error}")))
}
