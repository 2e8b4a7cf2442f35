use std::fmt::Write;

use freshlayer::report::Exit;
use freshlayer::verify;

use crate::output::colour::outcome;
use crate::output::{Answer, Done, Stopped, gates};
use crate::references::ReleaseReference;
use crate::wiring::Host;

/// Check a release again, from its record to its layer version.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// The release, such as 3, or its data version, such as 1.0.3; default: the current one.
    #[arg(long)]
    release: Option<ReleaseReference>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definition = host.definition(&args.layer)?;
    let release = match args.release {
        Some(release) => Some(release.number(host, &definition.layer).await?),
        None => None,
    };
    let verified = verify(&host.engine().await?, &definition, release).await?;
    let mut lines = format!("{}: release {}\n", verified.layer, verified.seq);
    for check in &verified.checks {
        let _ = match &check.problem {
            None => writeln!(lines, "  {}     {}", outcome("ok", Exit::Done), check.what),
            Some(problem) => {
                writeln!(lines, "  {}  {}: {problem}", outcome("WRONG", Exit::Failed), check.what)
            }
        };
    }
    for dataset in &verified.gates {
        gates::of_dataset(dataset, &mut lines);
    }
    Ok(Done::new(verified.exit(), lines, Answer::Verified(verified)))
}
