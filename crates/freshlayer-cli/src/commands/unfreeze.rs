use freshlayer::report::Exit;

use super::freeze::Frozen;
use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// End a freeze; the next refresh goes on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let engine = host.engine().await?;
    let definitions = host.definitions(&args.layers)?;
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    for definition in &definitions.good {
        let layer = &definition.layer;
        lines.push(if freshlayer::unfreeze(&engine, layer).await? {
            format!("{layer}: unfrozen; the next refresh goes on\n")
        } else {
            format!("{layer}: is not frozen\n")
        });
        all.push(Frozen { layer: layer.to_string(), frozen: false });
    }
    Ok(Done::new(Exit::Done, lines.concat(), Answer::Frozen(all)).without(definitions.problems))
}
