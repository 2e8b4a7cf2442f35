use freshlayer::{Retry, adopt, refresh};

use super::plan::planned;

#[cfg(feature = "aws")]
use crate::arguments::Target;
use crate::output::{Done, Stopped};
use crate::wiring::Host;

/// Download new data, check it, publish it, and move the functions to it.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Args {
    /// With --target aws: invoke the deployed publisher, which uses its own role and definitions; of several
    /// layers it reports the first and hands the others on.
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "PUBLISHER")]
    pub(crate) remote: Option<String>,
    /// The layers; default: all.
    pub(crate) layers: Vec<String>,
    /// Try rejected and rolled-back data again.
    #[arg(long)]
    pub(crate) retry_rejected: bool,
    /// Release builds that are younger than `expect.min_age_hours`, too.
    #[arg(long, conflicts_with = "retry_rejected")]
    pub(crate) now: bool,
    /// Take over layers that have versions which freshlayer did not make; `rollback LAYER --to
    /// before` is the way back.
    #[arg(long)]
    adopt: bool,
    /// Tell what it would do, and change nothing; see `freshlayer plan`.
    #[arg(long, conflicts_with = "adopt")]
    dry_run: bool,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    #[cfg(feature = "aws")]
    if let Some(publisher) = &args.remote {
        if host.target == Target::Local {
            return Err(Stopped::usage("--remote needs --target aws"));
        }
        if args.dry_run {
            return Err(Stopped::usage(
                "--remote takes no --dry-run: without --remote it tells what this account's next refresh does",
            ));
        }
        if args.adopt {
            return Err(Stopped::usage(
                "--remote takes no --adopt: write `adopt = true` into the definition and deploy the publisher again",
            ));
        }
        let reports = crate::remote::refresh(host, publisher, &args).await?;
        return Ok(Done::reports(reports, host.style));
    }
    let definitions = host.definitions(&args.layers)?;
    let retry = match args {
        Args { retry_rejected: true, .. } => Retry::Now,
        Args { now: true, .. } => Retry::Young,
        _ => Retry::OnChange,
    };
    if args.dry_run {
        return planned(host, definitions, retry).await;
    }
    let engine = host.engine().await?;
    let mut reports = Vec::new();
    for definition in &definitions.good {
        if args.adopt {
            adopt(&engine, &definition.layer, &host.person().await).await?;
        }
        reports.push(refresh(&engine, definition, retry).await);
        host.note_refresh(&definition.layer, engine.ports.clock.now());
    }
    Ok(Done::reports(reports, host.style).by_hand().without(definitions.problems))
}
