use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::arguments::Arguments;
use crate::output::Done;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Done {
    let mut script = Vec::new();
    generate(args.shell, &mut Arguments::command(), "freshlayer", &mut script);
    Done::text(String::from_utf8_lossy(&script).into_owned())
}
