use super::freeze::{LayerFreeze, Single, named};
use crate::output::{Done, Stopped};
use crate::wiring::Host;

/// End a freeze; the next refresh goes on.
///
/// Without `--function` it ends the freeze of the whole layer; functions that are frozen alone stay so.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
    #[command(flatten)]
    single: Single,
    /// The reason; `history` keeps it.
    #[arg(long)]
    reason: Option<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let (engine, by) = (host.engine().await?, host.person().await);
    let definitions = host.definitions(&args.layers)?;
    let (mut lines, mut all) = (String::new(), Vec::new());
    for definition in &definitions.good {
        let layer = &definition.layer;
        let functions = &args.single.functions;
        let was_frozen = if functions.is_empty() {
            freshlayer::unfreeze(&engine, layer, &by, args.reason.clone()).await
        } else {
            let reason = args.reason.clone();
            let unfrozen =
                freshlayer::unfreeze_functions(&engine, layer, functions, &by, reason).await;
            unfrozen.map(|unfrozen| !unfrozen.is_empty())
        };
        let what = named(functions);
        let unfrozen = was_frozen.map(|was_frozen| {
            let became = match (was_frozen, functions.is_empty()) {
                (true, _) => "unfrozen; the next refresh goes on",
                (false, true) => {
                    "is not frozen; `--function NAME` ends the freeze of a single function"
                }
                (false, false) => "is not frozen",
            };
            (false, format!("{what}{became}"))
        });
        all.push(LayerFreeze::of(layer, unfrozen, &mut lines));
    }
    Ok(LayerFreeze::done(all, lines).without(definitions.problems))
}
