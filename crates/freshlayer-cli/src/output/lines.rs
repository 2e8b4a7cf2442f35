//! How things are written for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use freshlayer::report::{ConsumerReport, ConsumerState, DatasetState, Outcome, Report, minute};
use freshlayer::{Code, Level, Problem};

use super::colour;

/// Writes what a run did with one layer.
pub(crate) fn report(report: &Report) -> String {
    let mut text = String::new();
    let (word, reason) = (report.outcome.word(), report.outcome.reason());
    let word = colour::outcome(word, report.exit());
    let _ = writeln!(text, "{}: {word}: {reason}", report.layer);
    if let (Outcome::Refreshed { .. }, Some(release)) = (&report.outcome, &report.release) {
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
    text.push_str(&problem_lines(&report.problems));
    let spread = PlaceNames::of(&report.consumers);
    for consumer in report.consumers.iter().filter(|c| c.state != ConsumerState::Current) {
        let _ = writeln!(text, "  {}", consumer_line(consumer, spread));
    }
    text
}

/// Writes problems, and below them what to do about those that keep data out.
pub(crate) fn problem_lines<'a>(problems: impl IntoIterator<Item = &'a Problem> + Clone) -> String {
    let mut text = String::new();
    for problem in problems.clone() {
        let level = colour::level(problem.level);
        let _ = writeln!(text, "  {level} {problem}");
    }
    text + &advice(problems)
}

/// Writes what to do about the problems that keep data out, once per check.
pub(crate) fn advice<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> String {
    let failed = problems.into_iter().filter(|problem| problem.level == Level::Fail);
    let (last, first): (Vec<&Problem>, _) =
        failed.partition(|problem| !problem.is_beyond_acceptance());
    let codes: BTreeSet<Code> = first.iter().map(|problem| problem.code).collect();
    let line = |code: &Code| format!("  what to do about {code}: {}\n", code.advice());
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

/// Writes where a consumer is and why.
pub(crate) fn consumer_line(consumer: &ConsumerReport, spread: PlaceNames) -> String {
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
    let reason = consumer.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let place = spread.place_of(consumer);
    let function = &consumer.function;
    format!("function {function}{place}: {state}, {version}{reason}")
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
