//! `rollout judge --past`: what the gates would have done in past rollouts.

use std::fmt::Write;

use freshlayer::report::{Exit, minute};
use freshlayer::{Engine, Fate, PastGates, PastRollout, StoppedOf, Would, judge_past};

use crate::output::lines::count;
use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The layer.
    layer: String,
    /// Judge the rollouts that are over.
    #[arg(long)]
    past: bool,
    /// How many, at most; the newest count.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100), requires = "past")]
    last: u8,
}

pub(super) async fn run(host: &Host, engine: &Engine, args: &Args) -> Result<Done, Stopped> {
    if !args.past {
        let words = format!(
            "`freshlayer rollout judge {} --past` tells what the gate `metrics` would have done in past rollouts; a refresh judges the open one",
            args.layer
        );
        return Err(Stopped::usage(words));
    }
    let judged = judge_past(engine, &host.definition(&args.layer)?, args.last.into()).await?;
    Ok(Done::new(Exit::Done, lines(&judged), Answer::PastGates(judged)))
}

fn lines(judged: &PastGates) -> String {
    let (layer, calls_min) = (&judged.layer, judged.calls_min);
    if judged.rollouts.is_empty() {
        let notes = notes(judged);
        return format!("{layer}: no past rollout brought new data in waves\n{notes}");
    }
    let mut text =
        format!("{layer}: past rollouts by `rollout.metrics` with calls_min = {calls_min}\n");
    for rollout in &judged.rollouts {
        let _ = writeln!(text, "  {}", line(rollout));
    }
    text.push_str(&notes(judged));
    let StoppedOf { stopped, of } = judged.good;
    let good = format!("{stopped} of {}", count(of, "good rollout"));
    let StoppedOf { stopped, of } = judged.bad;
    let unjudged = unjudged(judged);
    let _ =
        writeln!(text, "  the gates would have stopped {good} and {stopped} of {of} bad{unjudged}");
    text
}

fn line(rollout: &PastRollout) -> String {
    let PastRollout { number, to, started, fate, by, would } = rollout;
    let (began, fate, would) = (minute(*started), ended(*fate, by), made(would));
    format!("rollout {number} to release {to}, begun {began}, {fate}: {would}")
}

fn ended(fate: Fate, by: &str) -> String {
    match fate {
        Fate::Stable => "became stable".to_owned(),
        Fate::GateFailed => "a gate brought it back".to_owned(),
        Fate::BroughtBack => format!("{by} brought it back"),
        Fate::Replaced => "replaced".to_owned(),
    }
}

fn made(would: &Would) -> String {
    match would {
        Would::Pass { too_few } if too_few.is_empty() => "the gates would have passed".to_owned(),
        Would::Pass { too_few } => {
            let waves: Vec<String> = too_few.iter().map(ToString::to_string).collect();
            let waves = waves.join(", ");
            format!("it would have gone on, with too few calls in wave {waves}")
        }
        Would::Fail { wave, minutes, says } => {
            format!("the gates would have failed in wave {wave} after {minutes} minutes: {says}")
        }
        Would::Wait { wave, minutes, says } => {
            format!(
                "it would have waited for a person in wave {wave} after {minutes} minutes: {says}"
            )
        }
        Would::Unclear { wave, says } => {
            format!(
                "the gates could not have told in wave {wave} while functions had the data: {says}"
            )
        }
        Would::Unseen => "functions left the data before the first look at their calls".to_owned(),
        Would::Gone => "the host keeps the minutes of that time no longer".to_owned(),
        Would::Uncounted { why } => format!("its calls cannot be counted: {why}"),
    }
}

/// Says what is not judged by.
fn notes(judged: &PastGates) -> String {
    let mut text = String::new();
    if judged.left_out > 0 {
        let others = count(judged.left_out, "rollout");
        let _ = writeln!(text, "  left out: {others} without waves or new data, or still open");
    }
    if judged.alarms_left_out > 0 {
        let _ = writeln!(text, "  `rollout.alarms` is left out: no history of alarms is kept");
    }
    if judged.hook_left_out {
        let _ = writeln!(text, "  `rollout.hook` is left out: a hook is asked about the present");
    }
    text
}

fn unjudged(judged: &PastGates) -> String {
    match judged.rollouts.iter().filter(|rollout| !rollout.would.is_judged()).count() {
        0 => String::new(),
        unjudged => format!("; {} cannot be judged", count(unjudged, "rollout")),
    }
}

#[cfg(test)]
mod tests {
    use freshlayer::LayerName;

    use super::*;

    fn rollout(number: u64, fate: Fate, by: &str, would: Would) -> PastRollout {
        let started = "2026-11-01T02:00:01Z".parse().expect("a time");
        PastRollout { number, to: number, started, fate, by: by.to_owned(), would }
    }

    fn judged(rollouts: Vec<PastRollout>) -> PastGates {
        PastGates {
            layer: LayerName::parse("geo").expect("a name"),
            calls_min: 100,
            rollouts,
            left_out: 3,
            alarms_left_out: 2,
            hook_left_out: true,
            good: StoppedOf { stopped: 0, of: 2 },
            bad: StoppedOf { stopped: 1, of: 1 },
        }
    }

    #[test]
    fn a_line_for_each_rollout_and_a_sentence_about_all() {
        let says =
            "110 of 110 calls failed, and 0 of 110 in as many minutes before the wave opened";
        let fails = Would::Fail { wave: 1, minutes: 14, says: says.to_owned() };
        let said = lines(&judged(vec![
            rollout(4, Fate::Stable, "", Would::Pass { too_few: Vec::new() }),
            rollout(3, Fate::BroughtBack, "anna", fails),
            rollout(2, Fate::Stable, "", Would::Pass { too_few: vec![1, 2] }),
            rollout(1, Fate::GateFailed, "", Would::Gone),
        ]));
        let wanted = "\
geo: past rollouts by `rollout.metrics` with calls_min = 100
  rollout 4 to release 4, begun 2026-11-01 02:00 UTC, became stable: the gates would have passed
  rollout 3 to release 3, begun 2026-11-01 02:00 UTC, anna brought it back: the gates would have failed in wave 1 after 14 minutes: 110 of 110 calls failed, and 0 of 110 in as many minutes before the wave opened
  rollout 2 to release 2, begun 2026-11-01 02:00 UTC, became stable: it would have gone on, with too few calls in wave 1, 2
  rollout 1 to release 1, begun 2026-11-01 02:00 UTC, a gate brought it back: the host keeps the minutes of that time no longer
  left out: 3 rollouts without waves or new data, or still open
  `rollout.alarms` is left out: no history of alarms is kept
  `rollout.hook` is left out: a hook is asked about the present
  the gates would have stopped 0 of 2 good rollouts and 1 of 1 bad; 1 rollout cannot be judged
";
        assert_eq!(said, wanted);
    }

    #[test]
    fn no_past_rollout_is_told() {
        let said = lines(&PastGates {
            left_out: 0,
            alarms_left_out: 0,
            hook_left_out: false,
            ..judged(Vec::new())
        });
        assert_eq!(said, "geo: no past rollout brought new data in waves\n");
    }
}
