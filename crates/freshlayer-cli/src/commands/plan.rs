use std::collections::BTreeSet;
use std::fmt::Write;

use freshlayer::report::{Exit, Why, minute};
use freshlayer::rollout::{Foreseen, ForeseenWave};
use freshlayer::state::Members;
use freshlayer::{
    Because, DatasetPlan, LayerName, LayerPlan, NextRelease, RegionName, Retry, UpstreamState,
    Waits, plan,
};

use crate::definitions::Definitions;
use crate::output::lines::{PlaceNames, bytes, consumer_lines, count, problem_lines};
use crate::output::{Answer, Details, Done, Stopped};
use crate::wiring::Host;

/// Tell what the next refresh would do. Downloads nothing and changes nothing.
///
/// `refresh --dry-run` tells the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definitions = host.definitions(&args.layers)?;
    planned(host, definitions, Retry::OnChange).await
}

/// Plans each layer; one that cannot be read does not keep the others away.
pub(super) async fn planned(
    host: &Host,
    definitions: Definitions,
    retry: Retry,
) -> Result<Done, Stopped> {
    let engine = host.engine().await?;
    let (mut plans, mut failures) = (Vec::new(), Vec::new());
    for definition in &definitions.good {
        match plan(&engine, definition, retry).await {
            Ok(plan) => plans.push(plan),
            Err(error) => {
                failures.push(format!("{}: {}", definition.layer, freshlayer::chain(&error)));
            }
        }
    }
    let exit = plans.iter().map(LayerPlan::exit).fold(Exit::Done, Exit::worst);
    let text = plans.iter().map(|plan| lines(plan, host.style.details)).collect();
    let done = Done::new(exit, text, Answer::Plans(plans));
    Ok(done.failing(failures).without(definitions.problems))
}

fn lines(plan: &LayerPlan, details: Details) -> String {
    let mut text = format!("{}: {}\n", plan.layer, headline(plan));
    for order in &plan.orders {
        let _ = writeln!(text, "  {order}");
    }
    if let Some(Waits { wave, reason }) = &plan.waits {
        let since = match (&reason.why, wave) {
            (Why::Undecided { .. } | Why::NoSuchAlarm { .. }, _) => String::new(),
            (_, 0) => "the rollout waits for a person, before its first wave: ".to_owned(),
            (_, wave) => format!("the rollout waits for a person since wave {wave}: "),
        };
        let _ = writeln!(text, "  {since}{reason}");
    } else if let Some(open) = &plan.open {
        let _ = writeln!(text, "  {open}");
    }
    for dataset in &plan.datasets {
        text.push_str(&dataset_lines(dataset, &plan.layer));
    }
    if let Some(foreseen) = &plan.rollout {
        text.push_str(&rollout_lines(foreseen));
    }
    let spread = PlaceNames::of(&plan.stay);
    text.push_str(&consumer_lines(&plan.layer, plan.stay.iter(), spread, details));
    for unknown in &plan.unknown {
        let (place, reason) = unknown.split_once(": ").unwrap_or((unknown, "no reason given"));
        let _ = writeln!(text, "  functions in {place} could not be listed: {reason}");
    }
    text
}

fn headline(plan: &LayerPlan) -> String {
    let moved = plan.rollout.as_ref().map_or(0, |foreseen| foreseen.waves.len());
    match &plan.release {
        Some(NextRelease { release, because, regions }) => {
            let regions: Vec<&str> = regions.iter().map(RegionName::as_str).collect();
            let regions = regions.join(", ");
            match because {
                Because::Data => {
                    format!(
                        "a refresh would make release {release} of the newer data, if it passes every check, and \
                             publish it in {regions}"
                    )
                }
                Because::Definition => {
                    format!(
                        "the definition changed: a refresh would make release {release} and publish it in {regions}"
                    )
                }
                Because::Stored => {
                    format!(
                        "a refresh would publish release {release}, which is stored already, in {regions}"
                    )
                }
            }
        }
        None if plan.datasets.iter().any(DatasetPlan::is_unknown) => {
            "it is not known whether a refresh would make a new release".to_owned()
        }
        None if !plan.orders.is_empty() || plan.open.is_some() => {
            "a refresh would ask no upstream".to_owned()
        }
        None if moved > 0 => "a refresh would make no new release, and move functions".to_owned(),
        None => "a refresh would change nothing".to_owned(),
    }
}

fn dataset_lines(dataset: &DatasetPlan, layer: &LayerName) -> String {
    let name = &dataset.name;
    match &dataset.upstream {
        UpstreamState::Unchanged => format!("  dataset {name}: unchanged\n"),
        UpstreamState::Newer { length_bytes, changed } => {
            let size = length_bytes.map(|length| format!(", {}", bytes(length)));
            let changed = changed.map(|at| format!(", changed {}", minute(at)));
            let [size, changed] = [size, changed].map(Option::unwrap_or_default);
            format!("  dataset {name}: would be downloaded{size}{changed}\n")
        }
        UpstreamState::Young { until } => {
            let until = minute(*until);
            format!(
                "  dataset {name}: a new build waits until {until}; `freshlayer refresh {layer} --now` takes it\n"
            )
        }
        UpstreamState::Refused { problems } => {
            format!(
                "  dataset {name}: the upstream still has the build that was refused; `freshlayer refresh {layer} --retry-rejected` tries it again\n{}",
                problem_lines(problems, layer)
            )
        }
        UpstreamState::Failed { error } => format!("  dataset {name}: not known: {error}\n"),
    }
}

/// Says how many of their calls functions of a wave begin with.
pub(super) fn part(percent: Option<u8>) -> String {
    percent.map_or_else(String::new, |percent| format!(", {percent} % of the calls"))
}

fn rollout_lines(foreseen: &Foreseen) -> String {
    let Foreseen { waves, stable_at, changes, probes } = foreseen;
    let mut text = String::new();
    for wave in waves {
        let ForeseenWave { number, opens, watched_until, percent, members } = wave;
        let opens = minute(*opens);
        let functions = count(members.values().map(BTreeSet::len).sum(), "function");
        let watched = watched_until.map(|until| format!(", watched until {}", minute(until)));
        let (watched, named) = (watched.unwrap_or_default(), names(members));
        let part = part(*percent);
        let _ = writeln!(text, "  wave {number}, {opens}: {functions}{part}{watched}: {named}");
    }
    if waves.is_empty() {
        return text;
    }
    let stable = stable_at.map(|at| format!("; stable at {} at the earliest", minute(at)));
    let (changes, probes) = (count(*changes, "change"), count(*probes, "probe call"));
    let stable = stable.unwrap_or_default();
    let _ = writeln!(text, "  {changes} to functions, {probes}{stable}");
    text
}

/// Names the functions of a wave, the first few of many.
fn names(members: &Members) -> String {
    const NAMED_MAX: usize = 5;
    let all = members.iter().flat_map(|(place, functions)| {
        functions.iter().map(move |function| match members.len() {
            1 => function.to_string(),
            _ => format!("{function} in {place}"),
        })
    });
    let all: Vec<String> = all.collect();
    match all.len().saturating_sub(NAMED_MAX) {
        0 => all.join(", "),
        more => format!("{} and {more} more", all[..NAMED_MAX].join(", ")),
    }
}
