use freshlayer::report::{Exit, minute};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::references::{Moment, ReleaseReference, layer_name};
use crate::wiring::Host;

/// Keep a layer's functions on one release until `unpin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// The release, such as 3, or its data version, such as 1.0.3; default: the
    /// current one. While a rollout is open it has to be named.
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseReference>,
    /// The reason; `status` and every refresh show it.
    #[arg(long)]
    reason: Option<String>,
    /// When the pin ends by itself, such as 2026-12-24 or 2026-12-24T08:00:00Z; a day begins at 00:00 UTC.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

/// What a layer is pinned to.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Pinned {
    /// The layer.
    pub(crate) layer: String,
    /// The release.
    pub(crate) release: Option<u64>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let Args { layer, to, reason, until } = args;
    let until = until.map(|Moment(until)| until);
    let name = layer_name(&layer)?;
    let to = match to {
        Some(to) => Some(to.number(host, &name).await?),
        None => None,
    };
    let (engine, person) = (host.engine().await?, host.person());
    let pinned = freshlayer::pin(&engine, &name, to, &person, reason, until).await?;
    let next = if pinned.seq == pinned.current {
        let end = until.map(|until| format!(" or {}", minute(until))).unwrap_or_default();
        format!("refresh changes nothing until `freshlayer unpin {layer}`{end}")
    } else {
        format!("run `freshlayer refresh {layer}` to move its functions there")
    };
    let lines = format!("{layer}: pinned to release {}; {next}\n", pinned.seq);
    let answer = Answer::Pinned(Pinned { layer, release: Some(pinned.seq) });
    Ok(Done::new(Exit::Done, lines, answer))
}
