use std::fmt::Write;

use freshlayer::definition::Definition;
use freshlayer::report::{Exit, Why, minute, next_minute};
use freshlayer::state::{Acceptance, FailedRun, Freeze, Ordered, Pin};
use freshlayer::{DatasetName, Engine, LayerStatus, chain, gates, status};
use jiff::SignedDuration;

use crate::output::lines::{PlaceNames, advice, age, bytes, consumer_lines};
use crate::output::{Answer, Details, Done, Stopped, gates};
use crate::references::Age;
use crate::wiring::Host;

/// Show each layer's release, the age of its data, its functions, and what waits.
///
/// With -v: what the data of each release went through before it was released, too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
    /// The highest age of data, such as 8d, 36h or 1w: older data, or a layer without a release, ends with exit code 4.
    #[arg(long, value_name = "DURATION")]
    max_age: Option<Age>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let engine = host.engine().await?;
    let definitions = host.definitions(&args.layers)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for definition in &definitions.good {
        match of_layer(host, &engine, definition).await {
            Ok(status) => found.push(status),
            Err(error) => failures.push(format!("{}: {}", definition.layer, chain(&error))),
        }
    }
    let (mut text, mut troubles) = (String::new(), String::new());
    for status in &found {
        let old = args.max_age.as_ref().map(|max| too_old(status, max)).unwrap_or_default();
        text.push_str(&lines(status, host.style.details));
        text.push_str(&old);
        troubles.push_str(&old);
    }
    let exit = if troubles.is_empty() { Exit::Done } else { Exit::Held };
    let done = Done::new(exit, text, Answer::Status(found)).with_troubles(troubles);
    Ok(done.failing(failures).without(definitions.problems))
}

/// Says which data is older than a person wants, and by how much.
fn too_old(status: &LayerStatus, max: &Age) -> String {
    let layer = &status.layer;
    if status.release.is_none() {
        return format!(
            "{layer}: no release yet, so --max-age {max} is not met; run `freshlayer refresh {layer}`\n"
        );
    }
    let line = |(dataset, beyond): (&DatasetName, SignedDuration)| {
        format!(
            "{layer}: dataset {dataset} is older than --max-age {max}, by {}\n",
            age(beyond.as_secs())
        )
    };
    status.older_than(max.duration).into_iter().map(line).collect()
}

async fn of_layer(
    host: &Host,
    engine: &Engine,
    definition: &Definition,
) -> Result<LayerStatus, freshlayer::Error> {
    let found = status(engine, definition).await?;
    let gates = match host.style.details {
        Details::Problems | Details::Short => Vec::new(),
        Details::Full => gates(engine, definition).await?,
    };
    let refreshed = host.refreshed(&definition.layer);
    Ok(LayerStatus { gates, refreshed, ..found })
}

fn lines(status: &LayerStatus, details: Details) -> String {
    let mut text = String::new();
    let layer = &status.layer;
    let Some(release) = &status.release else {
        let _ = writeln!(text, "{layer}: no release yet");
        waiting(status, &mut text);
        last_refresh(status, &mut text);
        rejected(status, &mut text);
        return text;
    };
    let stable = match status.stable {
        Some(seq) if seq == release.seq => "stable".to_owned(),
        Some(seq) => format!("last stable release {seq}"),
        None => "no stable release yet".to_owned(),
    };
    let _ =
        writeln!(text, "{layer}: release {}, version {}, {stable}", release.seq, release.version);
    for dataset in &status.datasets {
        let _ = writeln!(text, "  dataset {}: {} old", dataset.name, age(dataset.age_secs));
    }
    let spread = PlaceNames::of(&status.consumers);
    text.push_str(&consumer_lines(layer, status.consumers.iter(), spread, details));
    for unknown in &status.unknown {
        let (place, reason) = unknown.split_once(": ").unwrap_or((unknown, "no reason given"));
        let _ = writeln!(text, "  functions in {place} could not be listed: {reason}");
    }
    for line in &status.storage {
        let (used, limit) = (bytes(line.storage.used_bytes), bytes(line.storage.limit_bytes));
        let percent = line.storage.percent();
        let _ = writeln!(text, "  code storage in {}: {used} of {limit}, {percent} %", line.place);
    }
    for order in orders(status) {
        let _ = writeln!(text, "  {}", order.said_of(layer.as_str(), None));
    }
    if let Some(seq) = status.rolling_to {
        let how = if status.held.is_some() { "waits for a person" } else { "is open" };
        let shows = format!("`freshlayer rollout status {layer}` shows it");
        let _ = writeln!(text, "  the rollout to release {seq} {how}; {shows}");
    }
    for dataset in &status.gates {
        gates::of_dataset(dataset, &mut text);
    }
    waiting(status, &mut text);
    last_refresh(status, &mut text);
    rejected(status, &mut text);
    if let Some(lease) = &status.lease {
        let _ = writeln!(text, "  lease: {lease}");
    }
    text
}

/// What persons ordered for the whole layer.
fn orders(status: &LayerStatus) -> impl Iterator<Item = Why> {
    let pinned = status.pinned.clone().map(|pin| {
        let Pin { release, at, by, reason, until } = pin;
        Why::Pinned { release, at, by, reason, until }
    });
    let frozen = status.frozen.clone().map(|freeze| {
        let Freeze { at, by, reason } = freeze;
        Why::Frozen { at, by, reason }
    });
    let paused = status.paused.clone().map(|order| {
        let Ordered { at, by, reason } = order;
        Why::Paused { at, by, reason }
    });
    let handed_back = status.handed_back.clone().map(|order| {
        let Ordered { at, by, .. } = order;
        Why::HandedBack { by, at }
    });
    [pinned, frozen, paused, handed_back].into_iter().flatten()
}

fn waiting(status: &LayerStatus, text: &mut String) {
    if let Some(release) = status.stored {
        let _ = writeln!(
            text,
            "  release {release} is stored and not published; the next refresh goes on with it"
        );
    }
    for (dataset, until) in &status.young {
        let (until, layer) = (next_minute(*until), &status.layer);
        let _ = writeln!(
            text,
            "  the newest build of {dataset} is younger than `expect.min_age_hours` and waits until {until}; `freshlayer refresh {layer} --now` takes it"
        );
    }
    for Acceptance { dataset, order, .. } in &status.accepted {
        let (by, why) = (&order.by, order.reason.as_deref().unwrap_or("no reason given"));
        let _ = writeln!(
            text,
            "  a build of {dataset} is accepted by {by} ({why}); the next refresh releases it"
        );
    }
}

fn last_refresh(status: &LayerStatus, text: &mut String) {
    if let Some(at) = status.refreshed {
        let _ = writeln!(text, "  last refresh on this machine at {}", minute(at));
    } else if let Some(at) = status.looked {
        let _ = writeln!(text, "  last look at all functions at {}", minute(at));
    }
    if let Some(FailedRun { since, reason }) = &status.failed {
        let since = minute(*since);
        let _ =
            writeln!(text, "  the last refresh failed (for this reason since {since}): {reason}");
    }
}

fn rejected(status: &LayerStatus, text: &mut String) {
    for problem in &status.rejected {
        let _ = writeln!(text, "  the upstream's newest data is rejected: {problem}");
    }
    text.push_str(&advice(&status.rejected, Some(&status.layer)));
    for (dataset, digest) in &status.acceptable {
        let (layer, digest) = (&status.layer, digest.as_str().get(..12).unwrap_or_default());
        let _ = writeln!(
            text,
            "  where this build of {dataset} is right after all: freshlayer accept {layer} {digest} --reason WORDS"
        );
    }
}
