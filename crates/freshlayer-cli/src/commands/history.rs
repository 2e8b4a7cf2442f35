use std::fmt::Write as _;

use freshlayer::ports::FunctionName;
use freshlayer::report::{Exit, minute};
use freshlayer::state::{Acceptance, ConsumerNote, FunctionPin, Ordered, PastOrder, Rollout, Wave};
use freshlayer::{
    History, HistoryLine, RolloutJournal, RolloutLine, RolloutState, history, journal,
};
use jiff::Timestamp;

use crate::output::lines::{bytes, count, first_reasons};
use crate::output::{Answer, Done, Stopped};
use crate::references::known_layer;
use crate::wiring::Host;

/// List a layer's releases and rollouts, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// Show what became of each function in one rollout.
    #[arg(long, value_name = "NUMBER")]
    rollout: Option<u64>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let (engine, layer) = (host.engine().await?, known_layer(host, &args.layer).await?);
    if let Some(number) = args.rollout {
        let past = journal(&engine, &layer, number).await?;
        return Ok(Done::new(Exit::Done, journal_lines(&past), Answer::Rollout(Box::new(past))));
    }
    let history = history(&engine, &layer).await?;
    Ok(Done::new(Exit::Done, tables(&history), Answer::History(history)))
}

fn tables(history: &History) -> String {
    let mut lines =
        release_row(["release", "version", "made (UTC)", "zip", "layer version", "marks", "why"]);
    lines.extend(history.releases.iter().map(release_line));
    lines.push('\n');
    let head = ["rollout", "from", "to", "began (UTC)", "ended (UTC)", "functions", "why"];
    lines.push_str(&rollout_row(head));
    lines.extend(history.rollouts.iter().map(rollout_line));
    if !history.orders.is_empty() {
        lines.push_str("\norders\n");
        lines.extend(history.orders.iter().map(order_line));
        lines.push('\n');
    }
    lines.extend(history.accepted.iter().map(accepted_line));
    lines.extend(history.pinned_functions.iter().map(pinned_line));
    lines
}

fn order_line(PastOrder { what, order, .. }: &PastOrder) -> String {
    let Ordered { at, by, reason } = order;
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}  {what}, by {by}{why}\n", time(*at))
}

fn accepted_line(accepted: &Acceptance) -> String {
    let Ordered { at, by, reason } = &accepted.order;
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let digest = accepted.digest.as_str().get(..12).unwrap_or_default();
    let (dataset, at) = (&accepted.dataset, time(*at));
    format!("build {digest} of {dataset} was accepted {at} by {by}{why}\n")
}

fn pinned_line((function, pin): (&FunctionName, &FunctionPin)) -> String {
    let Ordered { at, by, reason } = &pin.order;
    let to = match pin.release() {
        Some(release) => format!("release {release}"),
        None => "what it used before freshlayer".to_owned(),
    };
    let until = pin.until.map(|until| format!(", until {}", time(until))).unwrap_or_default();
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("function {function} is pinned to {to} since {} by {by}{until}{why}\n", time(*at))
}

fn release_line(line: &HistoryLine) -> String {
    let versions: Vec<String> =
        line.layer_versions.iter().map(|(r, arn)| format!("{r}:{}", arn.version())).collect();
    let versions =
        if versions.is_empty() { "no layer version".to_owned() } else { versions.join(" ") };
    release_row([
        &line.seq.to_string(),
        &line.version,
        &time(line.created),
        &bytes(line.zip_bytes),
        &versions,
        &line.marks.join(", "),
        &first_reasons(&line.version_reasons),
    ])
}

fn rollout_line(line: &RolloutLine) -> String {
    let ended = match (line.state, line.ended) {
        (RolloutState::Ended, Some(at)) => time(at),
        (RolloutState::Open, _) => "goes on".to_owned(),
        _ => "replaced".to_owned(),
    };
    rollout_row([
        &line.number.to_string(),
        &line.from.map_or("-".to_owned(), |from| from.to_string()),
        &line.to.to_string(),
        &time(line.started),
        &ended,
        &format!("{} of {}", line.reached, line.consumers),
        &line.why(),
    ])
}

/// Tells why a rollout began, when its waves opened and what their gates said, and what became of each function.
fn journal_lines(RolloutJournal { rollout, replaced_by }: &RolloutJournal) -> String {
    let line = RolloutLine::of(rollout, RolloutState::Ended);
    let mut lines = format!("rollout {} to release {}: {}\n", line.number, line.to, line.why());
    if let Some(next) = replaced_by {
        let (at, number, why) = (minute(next.started), next.number, next.why());
        let _ = writeln!(lines, "replaced {at} by rollout {number} to release {}: {why}", next.to);
    }
    let promoted = rollout.promoted.as_ref().map(|order| (order.at, ", when it was promoted"));
    let replaced =
        replaced_by.as_ref().map(|next| (next.started, ", when the rollout was replaced"));
    let cut = promoted.into_iter().chain(replaced).min_by_key(|(at, _)| *at);
    for (number, wave) in (1..).zip(&rollout.waves) {
        lines.push_str(&wave_line(number, wave, cut));
        for sentence in wave.evidence.iter().flat_map(|evidence| &evidence.sentences) {
            let _ = writeln!(lines, "wave {number}: {sentence}");
        }
    }
    lines + &consumers(rollout)
}

/// What cut the watch of a wave, and when.
type Cut = Option<(Timestamp, &'static str)>;

fn wave_line(number: usize, wave: &Wave, cut: Cut) -> String {
    let functions = count(wave.count(), "function");
    let watched = match (wave.reached, wave.until) {
        (Some(from), Some(until)) => {
            let (until, why) = cut.filter(|(at, _)| *at < until).unwrap_or((until, ""));
            format!(", watched from {} to {}{why}", minute(from), minute(until))
        }
        _ => String::new(),
    };
    let done = wave.done.map(|at| format!(", done {}", minute(at))).unwrap_or_default();
    format!("wave {number}: {functions}, opened {}{watched}{done}\n", minute(wave.opened))
}

fn consumers(rollout: &Rollout) -> String {
    let mut lines =
        consumer_row(["place", "function", "came from", "at (UTC)", "what became of it"]);
    for (place, notes) in &rollout.journal {
        for (function, note) in notes {
            let from = note
                .from
                .as_ref()
                .map_or("-".to_owned(), |arn| format!("{}:{}", arn.layer_name(), arn.version()));
            let at = note.at.map(time).unwrap_or_default();
            let outcome = outcome(note);
            lines.push_str(&consumer_row([place, function.as_str(), &from, &at, &outcome]));
        }
    }
    lines
}

fn outcome(note: &ConsumerNote) -> String {
    let Some(PastOrder { what, order, .. }) = &note.order else { return note.outcome.clone() };
    let reason = order.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} ({what} by {}{reason})", note.outcome, order.by)
}

/// Writes a time whose zone stands in the header.
fn time(at: Timestamp) -> String {
    minute(at).replace(" UTC", "")
}

fn release_row([release, version, made, zip, layer_version, marks, why]: [&str; 7]) -> String {
    format!("{release:>7}  {version:8} {made:16}  {zip:>9}  {layer_version:16} {marks:23} {why}\n")
}

fn rollout_row([number, from, to, began, ended, functions, why]: [&str; 7]) -> String {
    format!("{number:>7}  {from:>4}  {to:>4}  {began:16}  {ended:16}  {functions:12} {why}\n")
}

fn consumer_row([place, function, from, at, outcome]: [&str; 5]) -> String {
    format!("{place:25} {function:32} {from:20} {at:16}  {outcome}\n")
}
