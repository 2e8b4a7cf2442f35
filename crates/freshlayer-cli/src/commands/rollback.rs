use std::str::FromStr;

use freshlayer::{Back, FunctionsOrder, roll_back_functions, rollback, way_back};

use super::pin::Functions;
use crate::output::{Done, Stopped, remark};
use crate::references::ReleaseReference;
use crate::wiring::Host;

/// Move the functions back to an earlier release; with all functions, the data they leave is not released again.
///
/// With `--function` these functions alone go back and stay there until `unpin`; all others keep the data and go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    #[command(flatten)]
    single: Functions,
    /// The release, such as 3, or its data version, such as 1.0.3, or `before`: what each function
    /// used before the layer was adopted; default: the last stable release before the current one;
    /// with --function, in an open rollout, the release that functions come from.
    #[arg(long, value_name = "RELEASE")]
    to: Option<To>,
    /// The reason; `history` keeps it, and with --function `status` and every refresh show it.
    #[arg(long)]
    reason: Option<String>,
}

/// Where a person goes back to.
#[derive(Debug, Clone)]
enum To {
    Before,
    Release(ReleaseReference),
}

impl FromStr for To {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "before" => Ok(Self::Before),
            release => ReleaseReference::from_str(release).map(Self::Release).map_err(
                |_| "expected a release such as 3, a data version such as 1.0.3, or `before`",
            ),
        }
    }
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definition = host.definition(&args.layer)?;
    let to = match args.to {
        None => Back::Stable,
        Some(To::Before) => Back::Before,
        Some(To::Release(to)) => Back::Release(to.number(host, &definition.layer).await?),
    };
    let (engine, functions) = (host.engine().await?, args.single.functions);
    if !functions.is_empty() {
        let order = FunctionsOrder { functions, to, until: None, reason: args.reason };
        let report =
            roll_back_functions(&engine, &definition, &order, &host.person().await).await?;
        return Ok(Done::reports(vec![report], host.style));
    }
    let way = way_back(&engine, &definition, to).await?;
    remark(host.style, &format!("{}: {way}\n", definition.layer));
    let to = way.to.map_or(Back::Before, Back::Release);
    let report = rollback(&engine, &definition, to, &host.person().await, args.reason).await?;
    Ok(Done::reports(vec![report], host.style))
}
