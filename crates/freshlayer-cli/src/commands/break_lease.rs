use freshlayer::report::{Exit, minute};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::references::known_layer;
use crate::wiring::Host;

/// Take a layer's lease away from the publisher that has it; that publisher stops.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
}

/// The lease that was broken.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BrokenLease {
    /// The layer.
    pub(crate) layer: String,
    /// The publisher that had the lease; absent where no publisher had it.
    pub(crate) owner: Option<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let layer = args.layer;
    let name = known_layer(host, &layer).await?;
    let broken = freshlayer::break_lease(&host.engine().await?, &name).await?;
    let lines = match &broken {
        Some(lease) => format!(
            "{layer}: took the lease, which would have ended at {}, from publisher {}; that publisher stops at its next \
             look at the state\n",
            minute(lease.expires),
            lease.owner,
        ),
        None => format!("{layer}: no publisher has the lease\n"),
    };
    let owner = broken.map(|lease| lease.owner);
    Ok(Done::new(Exit::Done, lines, Answer::BrokenLease(BrokenLease { layer, owner })))
}
