use freshlayer::report::Exit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Let nothing of a layer move until `unfreeze`; a running publisher stops within seconds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
    /// The reason; `status` and every refresh show it.
    #[arg(long)]
    reason: Option<String>,
}

/// Whether a layer is frozen.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Frozen {
    /// The layer.
    pub(crate) layer: String,
    /// Whether nothing of it moves.
    pub(crate) frozen: bool,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let (engine, person) = (host.engine().await?, host.person());
    let definitions = host.definitions(&args.layers)?;
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    for definition in &definitions.good {
        let layer = &definition.layer;
        freshlayer::freeze(&engine, layer, &person, args.reason.clone()).await?;
        lines.push(format!("{layer}: frozen until `freshlayer unfreeze {layer}`\n"));
        all.push(Frozen { layer: layer.to_string(), frozen: true });
    }
    Ok(Done::new(Exit::Done, lines.concat(), Answer::Frozen(all)).without(definitions.problems))
}
