use freshlayer::Problem;
use freshlayer::report::Exit;
use freshlayer::state::Acceptance;

use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// Let one refused build pass, though it differs from the one that serves.
///
/// Only what differs is accepted: a damaged file stays refused. It holds for this build alone, and `history` tells of it.
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
    let name = layer_name(&layer)?;
    let engine = host.engine().await?;
    let accepted = freshlayer::accept(&engine, &name, &digest, &host.person(), reason).await?;
    let Acceptance { dataset, problems, .. } = &accepted;
    let mut lines =
        format!("{layer}: this build of {dataset} is accepted; run `freshlayer refresh {layer}`\n");
    lines.extend(problems.iter().map(|problem: &Problem| format!("  although {problem}\n")));
    Ok(Done::new(Exit::Done, lines, Answer::Accepted(accepted)))
}
