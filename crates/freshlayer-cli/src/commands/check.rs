use freshlayer::report::Exit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definitions::{Definitions, without_account};
use crate::output::lines::count;
use crate::output::{Answer, Done, Stopped};
use crate::wiring::{Host, maxmind_account};

/// Read every definition and report every problem.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What was read without a problem.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Checked {
    /// How many layers.
    layers: usize,
    /// How many datasets these layers have.
    datasets: usize,
}

pub(crate) fn run(host: &Host) -> Result<Done, Stopped> {
    let definitions = Definitions::all(&host.layers);
    let mut problems = definitions.problems;
    if let Err(missing) = maxmind_account() {
        let good = definitions.good.iter();
        problems.extend(good.flat_map(|one| without_account(&host.layers, one, &missing)));
    }
    if !problems.is_empty() {
        return Err(Stopped::problems(problems));
    }
    let layers = definitions.good.len();
    let datasets = definitions.good.iter().map(|definition| definition.datasets.len()).sum();
    let (words, more) = (count(layers, "layer"), count(datasets, "dataset"));
    let lines = format!("{words} with {more}: no problem\n");
    Ok(Done::new(Exit::Done, lines, Answer::Checked(Checked { layers, datasets })))
}
