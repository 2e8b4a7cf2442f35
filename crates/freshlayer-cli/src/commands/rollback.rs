use freshlayer::rollback;

use crate::output::{Done, Stopped};
use crate::wiring::Host;

/// Move the functions back to an earlier release, and keep the later data from coming back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    layer: String,
    /// The release; default: the last stable one, or the one before it.
    #[arg(long, value_name = "RELEASE")]
    to: Option<u64>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let engine = host.engine().await?;
    let mut reports = Vec::new();
    for definition in host.definitions(&[args.layer])? {
        reports.push(rollback(&engine, &definition, args.to).await?);
    }
    Ok(Done::reports(reports))
}
