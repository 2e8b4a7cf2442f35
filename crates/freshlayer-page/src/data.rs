//! The data of a layer: its age, what was refused, and what differs from the release before.

use freshlayer::{
    AgeWord, ChangeDossier, CountChange, DatasetCounts, DatasetDossier, LayerDossier,
    LayerVersionArn, Problem, RejectedDossier,
};
use maud::{Markup, html};

use crate::figures::{count, more, number, percent, prose, span, time, time_or};
use crate::{chart, countries};

const REFUSED_MAX: usize = 20;
const PROBLEMS_MAX: usize = 20;
const DAY_SECS: f64 = 86_400.0;

pub(crate) fn ages(layer: &LayerDossier) -> Markup {
    html! {
        @if !layer.datasets.is_empty() {
            h3 { "Age of the data" }
            div.ages { @for dataset in &layer.datasets { (age(dataset)) } }
        }
    }
}

fn age(dataset: &DatasetDossier) -> Markup {
    let limits = [dataset.build_age_days_warn, dataset.build_age_days_max];
    let marks: Vec<f64> = limits.into_iter().flatten().map(f64::from).collect();
    let age = span(dataset.age_secs);
    let title = format!("{} is {age} old{}", dataset.name, limits_in_words(dataset));
    let word = match dataset.age {
        AgeWord::Fresh => "fresh",
        AgeWord::Ageing => "ageing",
        AgeWord::Stale => "stale",
        AgeWord::Unjudged => "not judged",
    };
    html! {
        div.age {
            p {
                strong { (dataset.name) } ": " (age) " old, " (word) (limits_in_words(dataset)) "."
            }
            @if !marks.is_empty() { (chart::gauge(dataset.age_secs as f64 / DAY_SECS, &marks, &title)) }
            p.note {
                "Built " (time_or(dataset.built, "at a time that is not known")) ", downloaded " (time(dataset.fetched))
                "; " (dataset.format.to_string()) " at " code { "/opt/" (dataset.path) }
            }
        }
    }
}

fn limits_in_words(dataset: &DatasetDossier) -> String {
    match (dataset.build_age_days_warn, dataset.build_age_days_max) {
        (Some(warn), Some(max)) => format!("; it warns after {warn} days and is stale after {max}"),
        (Some(warn), None) => format!("; it warns after {warn} days"),
        (None, Some(max)) => format!("; it is stale after {max} days"),
        (None, None) => "; the definition names no limit".to_owned(),
    }
}

pub(crate) fn refused(layer: &LayerDossier) -> Markup {
    let left_out = layer.rejected.len().saturating_sub(REFUSED_MAX);
    html! {
        @if !layer.rejected.is_empty() {
            h3 { "Rejected data" }
            @for rejected in layer.rejected.iter().take(REFUSED_MAX) { (one_refused(rejected)) }
            @if left_out > 0 { p.note { "Older ones:" (more(left_out)) "." } }
        }
        @if !layer.accepted.is_empty() {
            h3 { "Accepted by a person" }
            ul {
                @for accepted in layer.accepted.iter().take(REFUSED_MAX) {
                    li {
                        "build " code { (accepted.digest.short()) } " of " (accepted.dataset) ", "
                        (time(accepted.order.at)) " by " (accepted.order.by)
                        @if let Some(reason) = &accepted.order.reason { ": " (reason) }
                    }
                }
            }
        }
    }
}

fn one_refused(rejected: &RejectedDossier) -> Markup {
    let newest = if rejected.newest { ", the newest that the upstream has" } else { "" };
    html! {
        details open[rejected.newest] {
            summary {
                "Build " code { (rejected.digest.short()) } " of " (rejected.dataset) ", "
                (time(rejected.at)) (newest) ": " (count(rejected.problems.len(), "problem"))
            }
            (problems(&rejected.problems))
        }
    }
}

/// Lists problems with what was seen and what was expected.
pub(crate) fn problems(problems: &[Problem]) -> Markup {
    html! {
        ul {
            @for problem in problems.iter().take(PROBLEMS_MAX) {
                li { (prose(&problem.to_string())) }
            }
        }
        @let left_out = problems.len().saturating_sub(PROBLEMS_MAX);
        @if left_out > 0 { p.note { (count(left_out, "problem")) " more, see " code { "--json" } "." } }
    }
}

pub(crate) fn change(layer: &LayerDossier) -> Markup {
    html! {
        @if let Some(ChangeDossier { from, to, datasets }) = &layer.change {
            h3 { "Release " (number(*to)) " beside release " (number(*from)) }
            @for dataset in datasets { (counts(dataset)) }
            @if datasets.is_empty() { p { "Both have the same data." } }
            p.note {
                @match (version(layer, *from), version(layer, *to)) {
                    (Some(before), Some(after)) => {
                        code { "freshlayer diff " (before) " " (after) } " downloads both releases and shows every difference."
                    },
                    _ => { code { "freshlayer diff" } " needs both releases, and one has no layer version any more." },
                }
            }
        }
    }
}

/// A layer version of a release, by which `diff` finds it.
fn version(layer: &LayerDossier, release: u64) -> Option<&LayerVersionArn> {
    let found = layer.releases.iter().find(|one| one.line.seq == release)?;
    found.line.layer_versions.values().next()
}

fn counts(dataset: &DatasetCounts) -> Markup {
    let label = format!("What differs in {}", dataset.name);
    let most = dataset.counts.iter().filter_map(share).map(f64::abs).fold(0.0, f64::max);
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                caption { (dataset.name) }
                thead {
                    tr {
                        th scope="col" { "Count" }
                        th.number scope="col" { "Before" }
                        th.number scope="col" { "After" }
                        th.number scope="col" { "Change" }
                        th scope="col" { "Picture" }
                    }
                }
                tbody { @for change in &dataset.counts { (one_count(change, most)) } }
            }
        }
        @if !dataset.shares_ppm.is_empty() {
            p {
                "Share of the earlier addresses or rows that each check found changed: "
                @for (at, (check, ppm)) in dataset.shares_ppm.iter().enumerate() {
                    @if at > 0 { ", " }
                    code { (check) } " " (percent(*ppm))
                }
                "."
            }
        }
        @if let Some(countries) = &dataset.countries { (countries::moved(dataset, countries)) }
    }
}

fn one_count(change: &CountChange, most: f64) -> Markup {
    let shown = |value: Option<u64>| value.map_or("not counted".to_owned(), number);
    let words = match share(change) {
        Some(share) => format!("{:+.2}\u{a0}%", 100.0 * share),
        None => "new or gone".to_owned(),
    };
    let title = format!("{}: {words}", change.what);
    html! {
        tr {
            th scope="row" { (change.what) }
            td.number { (shown(change.before)) }
            td.number { (shown(change.after)) }
            td.number { (words) }
            td { (chart::change(share(change).unwrap_or_default() / most.max(f64::EPSILON), &title)) }
        }
    }
}

/// The change as a share of what was before.
fn share(change: &CountChange) -> Option<f64> {
    let (before, after) = (change.before? as f64, change.after? as f64);
    (before > 0.0).then(|| after / before - 1.0)
}
