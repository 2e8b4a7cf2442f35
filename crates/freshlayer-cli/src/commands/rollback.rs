use freshlayer::rollback;

use crate::output::{Done, Stopped};
use crate::references::ReleaseReference;
use crate::wiring::Host;

/// Move the functions back to an earlier release; the data they leave is not released again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// The release, such as 3, or its data version, such as 1.0.3; default: the last stable one, or
    /// the one before it.
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseReference>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definition = host.definition(&args.layer)?;
    let to = match args.to {
        Some(to) => Some(to.number(host, &definition.layer).await?),
        None => None,
    };
    Ok(Done::reports(vec![rollback(&host.engine().await?, &definition, to).await?]))
}
