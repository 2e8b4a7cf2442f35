use freshlayer::ports::FunctionName;
use freshlayer::report::{Exit, minute};
use freshlayer::{Back, FunctionsOrder};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::freeze::{again, it, named, thaw};
use crate::output::{Answer, Done, Stopped};
use crate::references::{Moment, ReleaseReference, known_layer};
use crate::wiring::Host;

/// Keep a layer's functions on one release until `unpin`.
///
/// With `--function` these functions stay on the release of `--to`, and all others go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    #[command(flatten)]
    single: Functions,
    /// The release, such as 3, or its data version, such as 1.0.3; default: the
    /// current one. While a rollout is open, and with `--function`, it has to be named.
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseReference>,
    /// The reason; `status` and every refresh show it.
    #[arg(long)]
    reason: Option<String>,
    /// When the pin ends by itself, such as 2026-12-24 or 2026-12-24T08:00:00Z; a day begins at 00:00 UTC.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

/// Single functions of the layer.
#[derive(Debug, clap::Args)]
pub(super) struct Functions {
    /// This function alone, in every Region and account; may come several times.
    #[arg(long = "function", value_name = "FUNCTION", value_parser = FunctionName::parse)]
    pub(super) functions: Vec<FunctionName>,
}

/// What a layer is pinned to.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Pinned {
    /// The layer.
    pub(crate) layer: String,
    /// The release.
    pub(crate) release: Option<u64>,
    /// The functions that the order is about; none means the whole layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub(crate) functions: Vec<FunctionName>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let Args { layer, single, to, reason, until } = args;
    let until = until.map(|Moment(until)| until);
    let name = known_layer(host, &layer).await?;
    let to = match to {
        Some(to) => Some(to.number(host, &name).await?),
        None => None,
    };
    let functions = single.functions;
    if !functions.is_empty() {
        return pin_functions(host, functions, &layer, Order { to, until, reason }).await;
    }
    let (engine, person) = (host.engine().await?, host.person().await);
    let pinned = freshlayer::pin(&engine, &name, to, &person, reason, until).await?;
    let end = until.map(|until| format!(" or {}", minute(until))).unwrap_or_default();
    let until = format!("until `freshlayer unpin {layer}`{end}");
    let (to, thaw) = (pinned.seq, thaw(&name, pinned.frozen.as_ref()));
    let lines = if Some(to) == pinned.before {
        format!("{layer}: pinned to release {to}; refresh changes nothing {until}\n")
    } else {
        format!(
            "{layer}: pinned to release {to} {until}; {thaw}`freshlayer refresh {layer}` moves its functions there\n"
        )
    };
    let answer = Answer::Pinned(Pinned { layer, release: Some(pinned.seq), functions: Vec::new() });
    Ok(Done::new(Exit::Done, lines, answer))
}

/// Where single functions shall stay.
struct Order {
    to: Option<u64>,
    until: Option<Timestamp>,
    reason: Option<String>,
}

async fn pin_functions(
    host: &Host,
    functions: Vec<FunctionName>,
    layer: &str,
    order: Order,
) -> Result<Done, Stopped> {
    let Order { to, until, reason } = order;
    let Some(release) = to else {
        return Err(Stopped::usage(
            "a pin of single functions needs the release: add `--to RELEASE`",
        ));
    };
    let (engine, definition) = (host.engine().await?, host.definition(layer)?);
    let order = FunctionsOrder { functions, to: Back::Release(release), until, reason };
    freshlayer::pin_functions(&engine, &definition, &order, &host.person().await).await?;
    let functions = order.functions;
    let end = until.map(|until| format!(" or {}", minute(until))).unwrap_or_default();
    let lines = format!(
        "{layer}: {}pinned to release {release} until `freshlayer unpin {layer}{}`{end}; `freshlayer refresh {layer}` moves \
         {} there\n",
        named(&functions),
        again(&functions),
        it(&functions)
    );
    let answer = Pinned { layer: layer.to_owned(), release: Some(release), functions };
    Ok(Done::new(Exit::Done, lines, Answer::Pinned(answer)))
}
