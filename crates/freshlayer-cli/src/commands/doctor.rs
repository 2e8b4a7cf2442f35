use std::fmt::Write;

use freshlayer::report::Exit;
use freshlayer::{Examined, Mend, doctor};

use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Compare what the state says with what the hosts have.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
    /// Mend what needs no decision: delete orphans that no function uses, and forget layer versions
    /// that do not exist, so that a refresh publishes them again when a function needs them.
    #[arg(long)]
    fix: bool,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let mode = if args.fix { Mend::Fix } else { Mend::Look };
    let (engine, definitions) = (host.engine().await?, host.definitions(&args.layers)?);
    let mut all = Vec::new();
    for definition in &definitions.good {
        let examined = doctor(&engine, definition, mode).await;
        all.push(
            examined.unwrap_or_else(|error| Examined::failed(&definition.layer, mode, &error)),
        );
    }
    let exit = all.iter().map(Examined::exit).fold(Exit::Done, Exit::worst);
    let lines = all.iter().map(lines).collect();
    Ok(Done::new(exit, lines, Answer::Examined(all)).without(definitions.problems))
}

fn lines(examined: &Examined) -> String {
    let layer = &examined.layer;
    if let Some(held) = &examined.held {
        return format!("{layer}: held: {held}\n");
    }
    if examined.findings.is_empty() {
        return format!("{layer}: nothing is wrong\n");
    }
    let mut text = format!("{layer}:\n");
    for finding in &examined.findings {
        let word = if finding.mended { "mended" } else { "wrong" };
        let _ = writeln!(text, "  {word:6}  {}", finding.text);
    }
    text
}
