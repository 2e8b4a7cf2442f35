//! How things are written for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use freshlayer::report::{
    ConsumerReport, ConsumerState, DatasetState, Happening, ReleaseReport, Report, minute,
};
use freshlayer::{Code, LayerName, Level, Problem};

use super::{Details, colour};

/// Writes what a run did with one layer.
pub(crate) fn report(report: &Report, details: Details) -> String {
    let mut text = String::new();
    let (word, reason) = (report.outcome.word(), report.outcome.reason());
    let word = colour::outcome(word, report.exit());
    let _ = writeln!(text, "{}: {word}: {reason}", report.layer);
    if let Some(release) = report.release.as_ref().filter(|release| is_new(release, report)) {
        let reasons = first_reasons(&release.version_reasons);
        let size = bytes(release.zip_bytes);
        let _ = writeln!(text, "  version {} because {reasons}; zip of {size}", release.version);
    }
    for dataset in report.datasets.iter().filter(|d| d.state != DatasetState::Unchanged) {
        let word = match dataset.waits_until {
            Some(until) => format!("new, and waits until {}", minute(until)),
            None => dataset_word(dataset.state).to_owned(),
        };
        let _ = writeln!(text, "  dataset {}: {word}", dataset.name);
    }
    text.push_str(&problem_lines(&report.problems, &report.layer));
    let elsewhere = report.consumers.iter().filter(|one| one.state != ConsumerState::Current);
    let spread = PlaceNames::of(&report.consumers);
    text + &consumer_lines(&report.layer, elsewhere, spread, details)
}

/// Tells whether this run published the release.
fn is_new(release: &ReleaseReport, report: &Report) -> bool {
    report.happened.iter().any(|one| {
        matches!(one, Happening::ReleasePublished { about, .. } if about.release == Some(release.seq))
    })
}

/// Writes problems, and below them what to do about those that keep data out.
pub(crate) fn problem_lines<'a>(
    problems: impl IntoIterator<Item = &'a Problem> + Clone,
    layer: &LayerName,
) -> String {
    let mut text = String::new();
    for problem in problems.clone() {
        let level = colour::level(problem.level);
        let _ = writeln!(text, "  {level} {problem}");
    }
    text + &advice(problems, Some(layer))
}

/// Writes what to do about the problems that keep data out, once per check.
pub(crate) fn advice<'a>(
    problems: impl IntoIterator<Item = &'a Problem>,
    layer: Option<&LayerName>,
) -> String {
    let failed = problems.into_iter().filter(|problem| problem.level == Level::Fail);
    let (last, first): (Vec<&Problem>, _) =
        failed.partition(|problem| !problem.is_beyond_acceptance());
    let codes: BTreeSet<Code> = first.iter().map(|problem| problem.code).collect();
    let line = |code: &Code| {
        let advice = match layer {
            Some(layer) => code.advice().replace("LAYER", layer.as_str()),
            None => code.advice().to_owned(),
        };
        format!("  what to do about {code}: {advice}\n")
    };
    let mut text: String = codes.iter().map(line).collect();
    let codes: BTreeSet<Code> = last.iter().map(|problem| problem.code).collect();
    for code in &codes {
        text += &if first.is_empty() { line(code) } else { mend_first(*code) };
    }
    text
}

/// An acceptance lets no build pass that has another problem as well.
fn mend_first(code: Code) -> String {
    format!(
        "  what to do about {code}: first the other problems of this build, which `freshlayer accept` does not let pass\n"
    )
}

fn dataset_word(state: DatasetState) -> &'static str {
    match state {
        DatasetState::Unchanged => "unchanged",
        DatasetState::New => "new",
        DatasetState::Waiting => "new, and waits for its group",
        DatasetState::SameContent => "downloaded; same content as before",
        DatasetState::Rejected => "rejected",
        DatasetState::Failed => "failed",
    }
}

/// Whether a layer's functions are in one place, which needs no name, or in several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceNames {
    OnePlace,
    Places,
}

impl PlaceNames {
    pub(crate) fn of(consumers: &[ConsumerReport]) -> Self {
        let mut places = consumers.iter().map(|consumer| &consumer.place);
        let first = places.next();
        if places.all(|place| Some(place) == first) { Self::OnePlace } else { Self::Places }
    }

    /// Names the place of a consumer, where it needs a name.
    pub(crate) fn place_of(self, consumer: &ConsumerReport) -> String {
        match self {
            Self::OnePlace => String::new(),
            Self::Places => format!(" in {}", consumer.place),
        }
    }
}

/// Writes the first of the reasons for a data version; `--json` has them all.
pub(crate) fn first_reasons(reasons: &[String]) -> String {
    const SHOWN_MAX: usize = 2;
    let shown = reasons[..reasons.len().min(SHOWN_MAX)].join("; ");
    match reasons.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Writes where consumers are and why: one line for all of whom the same is to be said, where these are at least three.
pub(crate) fn consumer_lines<'a>(
    layer: &LayerName,
    consumers: impl Iterator<Item = &'a ConsumerReport>,
    spread: PlaceNames,
    details: Details,
) -> String {
    const ALIKE_MIN: usize = 3;
    const NAMED_MAX: usize = 10;
    let mut groups: Vec<Vec<&ConsumerReport>> = Vec::new();
    for consumer in consumers {
        match groups.iter_mut().find(|group| is_said_of(group[0], consumer)) {
            Some(group) => group.push(consumer),
            None => groups.push(vec![consumer]),
        }
    }
    let line = |consumer: &&ConsumerReport| format!("  {}\n", consumer_line(consumer, spread));
    let lines = groups.iter().map(|group| match (details, group.len()) {
        (Details::Full, _) | (_, ..ALIKE_MIN) => group.iter().map(line).collect(),
        _ => {
            let names: Vec<&str> = group.iter().map(|one| one.function.as_str()).collect();
            let why = group[0].why().map(|why| why.said_of(layer.as_str(), None));
            let (place, stands) = (spread.place_of(group[0]), stands(group[0], why));
            format!("  functions {}{place}: each {stands}\n", first_of(&names, NAMED_MAX))
        }
    });
    lines.collect()
}

/// Tells whether the same is to be said of two functions.
fn is_said_of(one: &ConsumerReport, other: &ConsumerReport) -> bool {
    let said = |one: &ConsumerReport| {
        (one.place.clone(), one.state, one.layer_version.clone(), one.why().cloned())
    };
    said(one) == said(other)
}

/// Names the first few of many.
pub(crate) fn first_of(names: &[&str], max: usize) -> String {
    let first = names[..names.len().min(max)].join(", ");
    match names.len().saturating_sub(max) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Writes where a consumer is and why.
pub(crate) fn consumer_line(consumer: &ConsumerReport, spread: PlaceNames) -> String {
    let why = consumer.reason.as_ref().map(ToString::to_string);
    let (function, place) = (&consumer.function, spread.place_of(consumer));
    format!("function {function}{place}: {}", stands(consumer, why))
}

fn stands(consumer: &ConsumerReport, why: Option<String>) -> String {
    let state = match consumer.state {
        ConsumerState::Current => "up to date",
        ConsumerState::Behind => "waits",
        ConsumerState::Moved => "moved",
        ConsumerState::Ordered => "stays",
        ConsumerState::Held => "held",
        ConsumerState::Failed => "failed",
    };
    let version = match &consumer.layer_version {
        Some(arn) => format!("on layer version {}", arn.version()),
        None => "without the layer".to_owned(),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{state}, {version}{why}")
}

/// Writes a count of bytes, in decimal units.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

/// Writes a number with its noun: `1 layer`, `2 layers`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Writes an age in its largest unit.
pub(crate) fn age(secs: i64) -> String {
    match secs {
        ..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    }
}
