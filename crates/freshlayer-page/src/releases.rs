//! The releases of a layer over time, and how long data took to reach every function.

use freshlayer::{
    LayerDossier, ReleaseDataset, ReleaseDossier, RolloutDossier, RolloutState, Verdict,
};
use maud::{Markup, html};

use crate::chart::{self, Bar, Look};
use crate::data::problems;
use crate::figures::{bytes, count, number, percent, span, time, time_or};

const BARS_MAX: usize = 60;
const ROWS_MAX: usize = 50;
/// Of how many releases every check is listed.
const CHECKED_MAX: usize = 3;
const ROLLOUTS_MAX: usize = 20;

pub(crate) fn timeline(layer: &LayerDossier) -> Markup {
    let left_out = layer.releases_total.saturating_sub(layer.releases.len().min(ROWS_MAX) as u64);
    html! {
        @if !layer.releases.is_empty() {
            h3 { "Releases" }
            (sizes(layer))
            div.scroll tabindex="0" role="region" aria-label={ "Releases of " (layer.layer) } {
                table {
                    thead {
                        tr {
                            th.number scope="col" { "Release" }
                            th scope="col" { "Version" }
                            th scope="col" { "Made" }
                            th.number scope="col" { "Zip" }
                            th scope="col" { "Data" }
                            th scope="col" { "Checks" }
                            th scope="col" { "Marks" }
                        }
                    }
                    tbody { @for release in layer.releases.iter().take(ROWS_MAX) { (row(release)) } }
                }
            }
            @if left_out > 0 { p.note { (number(left_out)) " older, see " code { "--json" } "." } }
            @for release in layer.releases.iter().take(CHECKED_MAX) { (checked(release)) }
        }
    }
}

fn sizes(layer: &LayerDossier) -> Markup {
    let shown: Vec<&ReleaseDossier> = layer.releases.iter().take(BARS_MAX).rev().collect();
    let serves = layer.served.as_ref().map(|served| served.release);
    let bars: Vec<Bar> = shown.iter().map(|release| size(release, serves)).collect();
    let [first, .., last] = &shown[..] else { return html! {} };
    let title = format!(
        "Zip sizes of the newest {}: {} at first, {} at last",
        count(shown.len(), "release"),
        bytes(first.line.zip_bytes),
        bytes(last.line.zip_bytes),
    );
    html! {
        figure {
            (chart::bars(&bars, None, &title))
            figcaption {
                "Size of the zip, release " (number(first.line.seq)) " to " (number(last.line.seq))
                ". The filled bar serves; the hollow ones have no layer version any more."
            }
        }
    }
}

fn size(release: &ReleaseDossier, serves: Option<u64>) -> Bar {
    let line = &release.line;
    let look = match () {
        () if serves == Some(line.seq) => Look::Chosen,
        () if line.layer_versions.is_empty() => Look::Gone,
        () => Look::Plain,
    };
    let title = format!("release {}: {}", line.seq, bytes(line.zip_bytes));
    Bar { value: line.zip_bytes as f64, look, title }
}

fn row(release: &ReleaseDossier) -> Markup {
    let line = &release.line;
    let marks = match (&line.marks[..], line.layer_versions.is_empty()) {
        ([], true) => "no layer version".to_owned(),
        (marks, _) => marks.join(", "),
    };
    html! {
        tr {
            th.number scope="row" { (number(line.seq)) }
            td { (line.version) }
            td { (time(line.created)) }
            td.number { (bytes(line.zip_bytes)) }
            td.wide { ul.plain { @for dataset in &release.datasets { li { (in_short(dataset)) } } } }
            td { (verdicts(release)) }
            td { (marks) }
        }
    }
}

/// A dataset's size, its largest count, and how much it differed.
fn in_short(dataset: &ReleaseDataset) -> Markup {
    let counted = dataset.counts.iter().filter(|(name, _)| *name != "bytes");
    let most = counted.max_by_key(|(_, value)| **value);
    let drift = dataset.changes_ppm.values().max();
    html! {
        (dataset.name) ": " (bytes(dataset.size_bytes))
        @if let Some((name, value)) = most { ", " (number(*value)) " " (name) }
        @if let Some(ppm) = drift { ", changed by " (percent(*ppm)) }
    }
}

/// How its checks went, in numbers.
fn verdicts(release: &ReleaseDossier) -> String {
    let counted = |verdict| {
        let all = release.datasets.iter().flat_map(|dataset| dataset.gates.checks());
        all.filter(|check| check.verdict == verdict).count() as u64
    };
    let (passed, warned) = (counted(Verdict::Passed), counted(Verdict::Warned));
    match (passed, warned) {
        (0, 0) => "not recorded".to_owned(),
        (_, 0) => format!("{} passed", number(passed)),
        _ => format!("{} passed, {} warned", number(passed), number(warned)),
    }
}

fn checked(release: &ReleaseDossier) -> Markup {
    html! {
        details {
            summary { "Release " (number(release.line.seq)) ": why it is version " (release.line.version) ", and its checks" }
            ul { @for reason in release.line.version_reasons.iter().take(20) { li { (reason) } } }
            @if !release.warnings.is_empty() { p { "Warnings:" } (problems(&release.warnings)) }
            @for dataset in &release.datasets { (gates(release.line.seq, dataset)) }
        }
    }
}

fn gates(release: u64, dataset: &ReleaseDataset) -> Markup {
    let ran =
        || dataset.gates.checks().iter().filter(|check| check.verdict != Verdict::NotApplicable);
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Checks of " (dataset.name) " in release " (release) } {
            table {
                caption {
                    (dataset.name) ", build " code { (dataset.digest.short()) } ", "
                    (time_or(dataset.built, "built at a time that is not known")) ", " (bytes(dataset.size_bytes))
                }
                thead {
                    tr {
                        th scope="col" { "Check" }
                        th scope="col" { "Verdict" }
                        th scope="col" { "Measured" }
                    }
                }
                tbody {
                    @for check in ran() {
                        tr {
                            th scope="row" { code { (check.id.as_str()) } }
                            td { (verdict(check.verdict)) }
                            td { (check.measured.as_deref().unwrap_or("")) }
                        }
                    }
                    @for (name, value) in &dataset.counts {
                        tr {
                            th scope="row" { (name) }
                            td { "count" }
                            td { (number(*value)) }
                        }
                    }
                }
            }
        }
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Warned => "warned",
        Verdict::Failed => "failed",
        Verdict::NotApplicable => "did not apply",
    }
}

pub(crate) fn to_stable(layer: &LayerDossier) -> Markup {
    let known = layer.releases.iter().filter(|release| release.stable_after_secs.is_some());
    let shown: Vec<&ReleaseDossier> = known.take(BARS_MAX).collect();
    let bars: Vec<Bar> = shown.iter().rev().map(|release| took(release)).collect();
    html! {
        @if let (Some(median), Some(newest)) = (layer.stable_after_secs_median, shown.first()) {
            h3 { "From the upstream's build to stable" }
            p {
                "The median is " strong { (span(median)) } " over the "
                (count(layer.releases.iter().filter(|one| one.stable_after_secs.is_some()).count(), "release"))
                " of which it is known. Release " (number(newest.line.seq)) " took "
                (span(newest.stable_after_secs.unwrap_or_default())) "."
            }
            @if bars.len() > 1 && median > 0 {
                figure {
                    (chart::bars(&bars, Some(median as f64), &format!("Time from build to stable; the median is {}", span(median))))
                    figcaption { "One bar for each release, the newest on the right. The line is the median." }
                }
            }
            details {
                summary { "Every time" }
                ul {
                    @for release in shown.iter().take(ROWS_MAX) {
                        li {
                            "release " (number(release.line.seq)) ": "
                            (span(release.stable_after_secs.unwrap_or_default())) ", stable "
                            (time_or(release.stable_at, ""))
                        }
                    }
                }
            }
        }
    }
}

fn took(release: &ReleaseDossier) -> Bar {
    let secs = release.stable_after_secs.unwrap_or_default();
    let title = format!("release {}: {}", release.line.seq, span(secs));
    Bar { value: secs as f64, look: Look::Plain, title }
}

pub(crate) fn rollouts(layer: &LayerDossier) -> Markup {
    let shown = layer.rollouts.len().min(ROLLOUTS_MAX);
    let left_out = layer.rollouts_total.saturating_sub(shown as u64);
    html! {
        @if shown > 0 {
            h3 { "Rollouts" }
            div.scroll tabindex="0" role="region" aria-label={ "Rollouts of " (layer.layer) } {
                table {
                    thead {
                        tr {
                            th.number scope="col" { "Rollout" }
                            th.number scope="col" { "From" }
                            th.number scope="col" { "To" }
                            th scope="col" { "Began" }
                            th scope="col" { "Ended" }
                            th.number scope="col" { "Functions" }
                            th.number scope="col" { "Waves" }
                            th scope="col" { "Why" }
                        }
                    }
                    tbody { @for rollout in &layer.rollouts[..shown] { (one_rollout(rollout)) } }
                }
            }
            @if left_out > 0 { p.note { (number(left_out)) " older, see " code { "freshlayer history " (layer.layer) } "." } }
        }
    }
}

fn one_rollout(rollout: &RolloutDossier) -> Markup {
    let line = &rollout.line;
    let without_end = match line.state {
        RolloutState::Open => "goes on",
        RolloutState::Ended | RolloutState::Replaced => "replaced",
    };
    html! {
        tr {
            th.number scope="row" { (number(line.number)) }
            td.number { (line.from.map_or("none".to_owned(), number)) }
            td.number { (number(line.to)) }
            td { (time(line.started)) }
            td { (time_or(line.ended, without_end)) }
            td.number { (number(line.reached as u64)) " of " (number(line.consumers as u64)) }
            td.number { (number(rollout.waves as u64)) }
            td { (line.why()) }
        }
    }
}
