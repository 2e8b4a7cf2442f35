use freshlayer::report::Exit;

use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Read every definition and report every problem.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(host: &Host) -> Result<Done, Stopped> {
    let definitions = host.definitions(&[])?;
    let datasets: usize = definitions.iter().map(|definition| definition.datasets.len()).sum();
    let lines = format!("{} layers with {datasets} datasets: no problem\n", definitions.len());
    Ok(Done { exit: Exit::Done, lines, answer: Answer::Problems(Vec::new()) })
}
