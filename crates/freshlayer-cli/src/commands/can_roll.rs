use std::fmt::Write;

use freshlayer::report::{ConsumerReport, ConsumerState, Why};
use freshlayer::{Ahead, CanRoll, can_roll};

use super::inspect::{dataset_of, place};
use crate::output::lines::{PlaceNames, consumer_line, count, first_reasons, problem_lines};
use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Ask which functions would follow a release, and what would stop each, before anything moves.
///
/// Exit 0: every function would. Exit 3: the checks refuse the data. Exit 4: some function would not, or could not be asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// A file or address: ask for the release that it would become; default: the current release.
    source: Option<String>,
    /// The dataset that the file is of; needed where the layer has several.
    #[arg(long, requires = "source")]
    dataset: Option<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definition = host.definition(&args.layer)?;
    let ahead = match &args.source {
        Some(source) => Ahead::Data {
            source: place(source)?,
            dataset: dataset_of(&definition, args.dataset.as_deref())?,
        },
        None => Ahead::Current,
    };
    let engine = host.engine().await?;
    let found = can_roll(&engine, &definition, &ahead).await?;
    Ok(Done::new(found.exit(), lines(&found, &ahead), Answer::CanRoll(Box::new(found))))
}

fn lines(found: &CanRoll, ahead: &Ahead) -> String {
    let layer = &found.layer;
    let mut text = match (&found.version, ahead) {
        (None, _) => {
            format!("{layer}: the checks refuse this data, so it would never be released\n")
        }
        (Some(version), Ahead::Current) => format!("{layer}: version {version}\n"),
        (Some(version), Ahead::Data { .. }) if !found.is_new => {
            format!("{layer}: this data is what the current release has, version {version}\n")
        }
        (Some(version), Ahead::Data { .. }) => {
            let reasons = first_reasons(&found.version_reasons);
            format!("{layer}: this data would become version {version} because {reasons}\n")
        }
    };
    text.push_str(&problem_lines(found.checks.problems(), layer));
    if found.version.is_none() {
        return text;
    }
    for order in &found.orders {
        let _ = writeln!(text, "  the whole layer stays: {order}");
    }
    let spread = PlaceNames::of(&found.consumers);
    for consumer in &found.consumers {
        let _ = writeln!(text, "  {}", line(consumer, spread));
    }
    for unknown in &found.unknown {
        let _ = writeln!(text, "  functions could not be listed in {unknown}");
    }
    let (all, stopped) = (found.consumers.len(), found.stopped().count());
    let is_known = found.unknown.is_empty();
    let _ = match (all, stopped) {
        (0, _) if is_known => writeln!(text, "  no function uses the layer"),
        (_, 0) if is_known && found.orders.is_empty() => {
            writeln!(text, "  nothing would stop {}", count(all, "function"))
        }
        (_, 0) => Ok(()),
        _ => writeln!(text, "  {stopped} of {} would not follow", count(all, "function")),
    };
    text
}

/// A function that nothing stops has no reason to tell.
fn line(consumer: &ConsumerReport, spread: PlaceNames) -> String {
    let free = consumer.reason.as_ref().is_some_and(|reason| reason.why == Why::NextRun);
    if consumer.state != ConsumerState::Behind || !free {
        return consumer_line(consumer, spread);
    }
    let place = spread.place_of(consumer);
    format!("function {}{place}: would follow", consumer.function)
}
