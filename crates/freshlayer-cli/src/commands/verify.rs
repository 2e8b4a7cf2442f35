use std::fmt::Write;

use freshlayer::report::Exit;
use freshlayer::{Error, Verified, chain, verify};

use crate::output::colour::outcome;
use crate::output::{Answer, Done, Stopped, gates};
use crate::references::ReleaseReference;
use crate::wiring::Host;

/// Check releases again, from their records to their layer versions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all that have a release.
    layers: Vec<String>,
    /// The release of the one layer, such as 3, or its data version, such as 1.0.3; default: the current one.
    #[arg(long, requires = "layers")]
    release: Option<ReleaseReference>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let (engine, definitions) = (host.engine().await?, host.definitions(&args.layers)?);
    let release = match (args.release, &definitions.good[..]) {
        (None, _) => None,
        (Some(release), [one]) => Some(release.number(host, &one.layer).await?),
        (Some(_), _) => return Err(Stopped::usage("--release goes with one layer")),
    };
    let (mut all, mut lines, mut failures) = (Vec::new(), String::new(), Vec::new());
    for definition in &definitions.good {
        match verify(&engine, definition, release).await {
            Ok(verified) => {
                lines.push_str(&lines_of(&verified));
                all.push(verified);
            }
            Err(error) if args.layers.len() == 1 => return Err(error.into()),
            Err(Error::NotPossible(reason)) if args.layers.is_empty() => {
                let _ = writeln!(lines, "{reason}");
            }
            Err(error) => failures.push(format!("{}: {}", definition.layer, chain(&error))),
        }
    }
    let exit = all.iter().map(Verified::exit).fold(Exit::Done, Exit::worst);
    let done = Done::new(exit, lines, Answer::Verified(all));
    Ok(done.failing(failures).without(definitions.problems))
}

fn lines_of(verified: &Verified) -> String {
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
    lines
}
