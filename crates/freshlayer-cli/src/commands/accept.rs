use freshlayer::Problem;
use freshlayer::report::Exit;
use freshlayer::state::Acceptance;

use crate::output::{Answer, Done, Stopped};
use crate::references::known_layer;
use crate::wiring::Host;

/// Let one refused build pass, though it differs from the one that serves.
///
/// Takes a build whose only failures are differences from the live release: `drift`, `rows-removed`, `coverage-lost`, `country-changed`,
/// `country-shares`, `values-lost`, `values-changed`, `shape-new`. The acceptance covers this build only, and `history` lists it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// The build's digest, or how it begins; `status` shows it.
    digest: String,
    /// The reason; `history` shows it.
    #[arg(long)]
    reason: Option<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let Args { layer, digest, reason } = args;
    let name = known_layer(host, &layer).await?;
    let engine = host.engine().await?;
    let accepted =
        freshlayer::accept(&engine, &name, &digest, &host.person().await, reason).await?;
    let Acceptance { dataset, problems, .. } = &accepted;
    let mut lines = format!(
        "{layer}: this build of {dataset} is accepted; `freshlayer refresh {layer}` releases it where all other checks pass\n"
    );
    let differences = problems.iter().filter(|problem| problem.code.is_difference());
    lines.extend(differences.map(|problem: &Problem| format!("  accepted: {problem}\n")));
    Ok(Done::new(Exit::Done, lines, Answer::Accepted(accepted)))
}
