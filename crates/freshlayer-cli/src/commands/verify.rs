use std::fmt::Write;

use freshlayer::verify;

use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Prove a release again, from its record to its layer version.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    layer: String,
    /// The release; default: the current one.
    #[arg(long)]
    release: Option<u64>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definitions = host.definitions(&[args.layer])?;
    let verified = verify(&host.engine().await?, &definitions[0], args.release).await?;
    let mut lines = format!("{}: release {}\n", verified.layer, verified.seq);
    for check in &verified.checks {
        let _ = match &check.problem {
            None => writeln!(lines, "  right  {}", check.what),
            Some(problem) => writeln!(lines, "  WRONG  {}: {problem}", check.what),
        };
    }
    Ok(Done { exit: verified.exit(), lines, answer: Answer::Verified(verified) })
}
