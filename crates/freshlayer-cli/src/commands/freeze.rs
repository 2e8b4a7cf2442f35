use std::fmt::Write as _;

use freshlayer::LayerName;
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
pub(crate) struct LayerFreeze {
    /// The layer.
    pub(crate) layer: String,
    /// Whether nothing of it moves; absent where the order could not be written.
    pub(crate) frozen: Option<bool>,
    /// Why the order could not be written.
    pub(crate) failure: Option<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let (engine, person) = (host.engine().await?, host.person());
    let definitions = host.definitions(&args.layers)?;
    let (mut lines, mut all) = (String::new(), Vec::new());
    for definition in &definitions.good {
        let layer = &definition.layer;
        let frozen = freshlayer::freeze(&engine, layer, &person, args.reason.clone()).await;
        let frozen = frozen.map(|()| (true, format!("frozen until `freshlayer unfreeze {layer}`")));
        all.push(LayerFreeze::of(layer, frozen, &mut lines));
    }
    Ok(LayerFreeze::done(all, lines).without(definitions.problems))
}

impl LayerFreeze {
    /// Takes what became of one layer, and writes its line.
    pub(super) fn of(
        layer: &LayerName,
        ordered: Result<(bool, String), freshlayer::Error>,
        lines: &mut String,
    ) -> Self {
        let (frozen, failure, words) = match ordered {
            Ok((frozen, words)) => (Some(frozen), None, words),
            Err(error) => {
                let error = freshlayer::chain(&error);
                (None, Some(error.clone()), format!("failed: {error}"))
            }
        };
        let _ = writeln!(lines, "{layer}: {words}");
        Self { layer: layer.to_string(), frozen, failure }
    }

    /// One layer that fails holds no other back.
    pub(super) fn done(all: Vec<Self>, lines: String) -> Done {
        let failed = all.iter().any(|frozen| frozen.failure.is_some());
        let exit = if failed { Exit::Failed } else { Exit::Done };
        Done::new(exit, lines, Answer::Frozen(all))
    }
}
