use clap::CommandFactory;
use clap_complete::{Shell, generate};
use freshlayer::report::Exit;

use crate::arguments::Arguments;
use crate::output::{CommandResult, Done};

pub(crate) fn run(shell: Shell) -> Done {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "freshlayer", &mut script);
    let lines = String::from_utf8_lossy(&script).into_owned();
    Done { exit: Exit::Done, lines: lines.clone(), result: CommandResult::Text(lines) }
}
