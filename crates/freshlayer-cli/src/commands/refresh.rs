use freshlayer::{Retry, refresh};

use crate::output::{Done, Stopped};
use crate::wiring::Host;

/// Download what is new, prove it, publish it, and roll the functions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// With --target aws: let the deployed publisher do it, with its role and its definitions.
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "PUBLISHER")]
    pub(crate) remote: Option<String>,
    /// The layers; default: all.
    pub(crate) layers: Vec<String>,
    /// Try data again that was rejected or rolled back before.
    #[arg(long)]
    pub(crate) retry_rejected: bool,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    #[cfg(feature = "aws")]
    if let Some(publisher) = &args.remote {
        return Ok(Done::reports(crate::remote::refresh(host, publisher, &args).await?));
    }
    let definitions = host.definitions(&args.layers)?;
    let engine = host.engine().await?;
    let retry = if args.retry_rejected { Retry::Now } else { Retry::OnChange };
    let mut reports = Vec::new();
    for definition in &definitions {
        reports.push(refresh(&engine, definition, retry).await);
    }
    Ok(Done::reports(reports))
}
