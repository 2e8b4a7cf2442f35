use super::freeze::LayerFreeze;
use crate::output::{Done, Stopped};
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
    let (mut lines, mut all) = (String::new(), Vec::new());
    for definition in &definitions.good {
        let layer = &definition.layer;
        let unfrozen = freshlayer::unfreeze(&engine, layer).await.map(|was_frozen| {
            let words =
                if was_frozen { "unfrozen; the next refresh goes on" } else { "is not frozen" };
            (false, words.to_owned())
        });
        all.push(LayerFreeze::of(layer, unfrozen, &mut lines));
    }
    Ok(LayerFreeze::done(all, lines).without(definitions.problems))
}
