use std::fmt::Write;

use freshlayer::definition::Definition;
use freshlayer::report::{Exit, minute};
use freshlayer::state::Acceptance;
use freshlayer::{Engine, LayerStatus, chain, gates, status};

use crate::output::lines::{PlaceNames, advice, age, bytes, consumer_line};
use crate::output::{Answer, Details, Done, Stopped, gates};
use crate::wiring::Host;

/// Show each layer's release, the age of its data, its functions, and what waits.
///
/// With -v: what the data of each release went through before it was released, too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
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
    let lines = found.iter().map(lines).collect();
    let done = Done::new(Exit::Done, lines, Answer::Status(found));
    Ok(done.failing(failures).without(definitions.problems))
}

async fn of_layer(
    host: &Host,
    engine: &Engine,
    definition: &Definition,
) -> Result<LayerStatus, freshlayer::Error> {
    let found = status(engine, definition).await?;
    let gates = match host.style.details {
        Details::Short => Vec::new(),
        Details::Full => gates(engine, definition).await?,
    };
    Ok(LayerStatus { gates, ..found })
}

fn lines(status: &LayerStatus) -> String {
    let mut text = String::new();
    let layer = &status.layer;
    let Some(release) = &status.release else {
        let _ = writeln!(text, "{layer}: no release yet");
        waiting(status, &mut text);
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
    for consumer in &status.consumers {
        let _ = writeln!(text, "  {}", consumer_line(consumer, spread));
    }
    for unknown in &status.unknown {
        let (place, reason) = unknown.split_once(": ").unwrap_or((unknown, "no reason given"));
        let _ = writeln!(text, "  functions in {place} could not be listed: {reason}");
    }
    for line in &status.storage {
        let (used, limit) = (bytes(line.storage.used_bytes), bytes(line.storage.limit_bytes));
        let percent = line.storage.percent();
        let _ = writeln!(text, "  code storage in {}: {used} of {limit}, {percent} %", line.place);
    }
    if let Some(pin) = &status.pinned {
        let why = pin.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let until = pin.until.map(|until| format!(", until {}", minute(until))).unwrap_or_default();
        let (release, at) = (pin.release, minute(pin.at));
        let _ = writeln!(text, "  pinned to release {release} since {at}{until}{why}");
    }
    if let Some(freeze) = &status.frozen {
        let why = freeze.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let (at, by) = (minute(freeze.at), &freeze.by);
        let _ = writeln!(text, "  frozen since {at} by {by}{why}");
    }
    if let Some(pause) = &status.paused {
        let why = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let (at, by) = (minute(pause.at), &pause.by);
        let _ = writeln!(text, "  the rollout is paused since {at} by {by}{why}");
    }
    if let Some(order) = &status.handed_back {
        let (at, by) = (minute(order.at), &order.by);
        let _ =
            writeln!(text, "  back on what functions used before freshlayer, since {at} by {by}");
    }
    if let Some(seq) = status.rolling_to {
        let _ = writeln!(
            text,
            "  the rollout to release {seq} is open; `freshlayer rollout status {layer}` shows it"
        );
    }
    for dataset in &status.gates {
        gates::of_dataset(dataset, &mut text);
    }
    waiting(status, &mut text);
    rejected(status, &mut text);
    if let Some(lease) = &status.lease {
        let _ = writeln!(text, "  lease: {lease}");
    }
    text
}

fn waiting(status: &LayerStatus, text: &mut String) {
    if let Some(release) = status.stored {
        let _ = writeln!(
            text,
            "  release {release} is stored and not published; the next refresh goes on with it"
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

fn rejected(status: &LayerStatus, text: &mut String) {
    for problem in &status.rejected {
        let _ = writeln!(text, "  the upstream's newest data is rejected: {problem}");
    }
    text.push_str(&advice(&status.rejected));
    for (dataset, digest) in &status.acceptable {
        let (layer, digest) = (&status.layer, digest.as_str().get(..12).unwrap_or_default());
        let _ = writeln!(
            text,
            "  where this build of {dataset} is right after all: freshlayer accept {layer} {digest} --reason WORDS"
        );
    }
}
