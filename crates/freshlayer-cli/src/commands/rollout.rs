mod judge;
mod view;
mod watch;

use std::fmt::Write;

use clap::Subcommand;
use freshlayer::ports::FunctionName;
use freshlayer::report::{Exit, minute};
use freshlayer::{
    OrderedRollout, Progress, RolloutOrder, RolloutStatus, abort_rollout, order_rollout,
    rollout_status,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::freeze::thaw;
use super::plan::part;
use crate::output::{Answer, Done, Stopped};
use crate::references::known_layer;
use crate::wiring::Host;

/// Look at a layer's open rollout, and pause, resume, abort or promote it; judge past ones.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell its waves, and what comes next.
    Status {
        /// The layer.
        layer: String,
        /// Follow it until it is over (exit code 0, or 3 where a gate failed) or waits for a person (4).
        #[arg(long)]
        watch: bool,
    },
    /// Let it go no further until `resume`; functions stay where they are.
    Pause {
        /// The layer.
        layer: String,
        /// The reason; `status` and every refresh show it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let it go on.
    Resume {
        /// The layer.
        layer: String,
        /// The reason; `history` keeps it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Move every function back to the last stable release, at once.
    Abort {
        /// The layer.
        layer: String,
        /// The reason; `history` keeps it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let the next refresh move every function, without further waves and gates.
    Promote {
        /// The layer.
        layer: String,
        /// The reason; `history` keeps it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Tell what the gates of the definition would have done in past rollouts, by their calls; it changes nothing.
    Judge(judge::Args),
}

/// An order about an open rollout.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RolloutOrdered {
    /// The layer.
    layer: String,
    /// The release that functions go to.
    release: u64,
    /// `paused`, `resumed` or `promoted`.
    order: &'static str,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let engine = host.engine().await?;
    let (layer, order, reason) = match args.action {
        Action::Status { layer, watch: true } => return watch::watch(host, &engine, &layer).await,
        Action::Status { layer, watch: false } => {
            let status = rollout_status(&engine, &host.definition(&layer)?).await?;
            return Ok(Done::new(Exit::Done, lines(&status), Answer::RolloutStatus(status)));
        }
        Action::Abort { layer, reason } => {
            let definition = host.definition(&layer)?;
            let report = abort_rollout(&engine, &definition, &host.person().await, reason).await?;
            return Ok(Done::reports(vec![report], host.style));
        }
        Action::Judge(args) => return judge::run(host, &engine, &args).await,
        Action::Pause { layer, reason } => (layer, RolloutOrder::Pause, reason),
        Action::Resume { layer, reason } => (layer, RolloutOrder::Resume, reason),
        Action::Promote { layer, reason } => (layer, RolloutOrder::Promote, reason),
    };
    let name = known_layer(host, &layer).await?;
    let ordered = order_rollout(&engine, &name, order, &host.person().await, reason).await?;
    let OrderedRollout { to: release, paused, frozen } = ordered;
    let thaw = thaw(&name, frozen.as_ref());
    let (order, next) = match order {
        RolloutOrder::Pause => {
            ("paused", format!("no function moves until `freshlayer rollout resume {layer}`"))
        }
        RolloutOrder::Resume if paused.is_none() => (
            "not paused",
            format!(
                "nothing changed; {thaw}`freshlayer rollout status {layer}` shows what comes next"
            ),
        ),
        RolloutOrder::Resume => ("resumed", format!("{thaw}the next refresh goes on")),
        RolloutOrder::Promote => (
            "promoted",
            format!("{thaw}run `freshlayer refresh {layer}` to move every function at once"),
        ),
    };
    let lines = format!("{layer}: the rollout to release {release} is {order}; {next}\n");
    Ok(Done::new(
        Exit::Done,
        lines,
        Answer::RolloutOrdered(RolloutOrdered { layer, release, order }),
    ))
}

fn lines(status: &RolloutStatus) -> String {
    let layer = &status.layer;
    let Some(open) = &status.open else {
        return format!("{layer}: no open rollout\n");
    };
    let Progress { number, to, started, waves, watched_until, later, later_names, next, .. } = open;
    let began = minute(*started);
    let mut text = format!("{layer}: rollout {number} to release {to}, begun {began}\n");
    for (at, wave) in waves.iter().enumerate() {
        let functions: Vec<&str> =
            wave.members.values().flatten().map(FunctionName::as_str).collect();
        let state = match (wave.reached, watched_until) {
            (None, _) if at + 1 < waves.len() => "the next wave took its place".to_owned(),
            (None, _) => "on its way".to_owned(),
            (Some(_), Some(until)) if at + 1 == waves.len() => {
                format!("watched until {}", minute(*until))
            }
            (Some(_), _) if wave.done.zip(wave.until).is_some_and(|(done, until)| done < until) => {
                "left before its end".to_owned()
            }
            (Some(_), _) if wave.done.is_some() => "done".to_owned(),
            (Some(_), _) => "reached, and not passed".to_owned(),
        };
        let (number, opened) = (at + 1, minute(wave.opened));
        let functions = functions.join(", ");
        let part = part(wave.percent);
        let _ = writeln!(text, "  wave {number}, opened {opened}{part}: {state}: {functions}");
        for sentence in wave.evidence.iter().flat_map(|evidence| &evidence.sentences) {
            let _ = writeln!(text, "    {sentence}");
        }
    }
    if *later > 0 {
        let names: Vec<&str> = later_names.iter().map(FunctionName::as_str).collect();
        let more = match later.saturating_sub(names.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = writeln!(text, "  later: {}{more}", names.join(", "));
    }
    let _ = writeln!(text, "  next: {next}");
    text
}
