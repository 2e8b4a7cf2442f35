//! Where functions are, who waits and why, and the rollout that is not over.

use freshlayer::report::ConsumerState;
use freshlayer::state::Says;
use freshlayer::{Group, LayerDossier, OpenDossier, WaitDossier, WaveDossier};
use maud::{Markup, html};

use crate::chart;
use crate::figures::{count, number, prose, some_of, time};

const GROUPS_MAX: usize = 100;
const WAITS_MAX: usize = 50;
const NAMES_MAX: usize = 20;

pub(crate) fn open(layer: &LayerDossier) -> Markup {
    html! { @if let Some(open) = &layer.open { (rollout(open)) } }
}

fn rollout(open: &OpenDossier) -> Markup {
    let (reached, all) = (number(open.reached as u64), number(open.functions as u64));
    let title = format!("{reached} of {all} functions have reached release {}", open.to);
    html! {
        h3 { "Rollout " (number(open.number)) " to release " (number(open.to)) }
        p {
            "Begun " (time(open.started)) ": " (open.cause.words())
            @if !open.by.is_empty() { " by " (open.by) }
            @if let Some(from) = open.from { ", from release " (number(from)) }
            ". " (reached) " of " (all) " functions have reached release " (number(open.to))
            @if open.later > 0 { "; " (number(open.later as u64)) " move with a later wave" }
            "."
        }
        (chart::share(open.reached as f64, open.functions as f64, &title))
        @if let Some(held) = &open.held { p { strong { "Waits for a person: " } (prose(held)) } }
        @if let Some(next) = &open.next { p { strong { "Next: " } (prose(next)) } }
        @if !open.waves.is_empty() {
            ol.waves { @for wave in &open.waves { li { (one_wave(wave)) } } }
        }
    }
}

fn one_wave(wave: &WaveDossier) -> Markup {
    html! {
        p {
            strong { (count(wave.functions, "function")) }
            @if let Some(percent) = wave.percent { ", " (percent) " % of the calls" }
            @if let Some(says) = wave.says { "; gates: " strong { (verdict(says)) } }
        }
        p.note {
            "Opened " (time(wave.opened))
            @if let Some(from) = wave.watched_from { ", watched from " (time(from)) }
            @if let Some(until) = wave.watched_until { " until " (time(until)) }
            @match wave.done { Some(done) => { ", over " (time(done)) }, None => ", open" }
            "."
        }
        @if !wave.sentences.is_empty() {
            ul { @for sentence in &wave.sentences { li { (prose(sentence)) } } }
        }
        (named(&wave.names, wave.functions))
    }
}

fn verdict(says: Says) -> &'static str {
    match says {
        Says::Pass => "pass",
        Says::TooFew => "too few calls",
        Says::Inconclusive => "inconclusive",
        Says::Unmeasured => "cannot measure",
        Says::Hold => "hold",
        Says::Fail => "fail",
    }
}

pub(crate) fn functions(layer: &LayerDossier) -> Markup {
    let left_out = layer.groups.len().saturating_sub(GROUPS_MAX);
    html! {
        h3 { "Functions" }
        @if layer.groups.is_empty() {
            p { "No function uses the layer." }
        } @else {
            p { (count(layer.functions, "function")) ", by Region and release." }
            div.scroll tabindex="0" role="region" aria-label={ "Functions of " (layer.layer) } {
                table {
                    thead {
                        tr {
                            th scope="col" { "Region" }
                            th.number scope="col" { "Release" }
                            th.number scope="col" { "Layer version" }
                            th.number scope="col" { "Functions" }
                            th scope="col" { "Names" }
                        }
                    }
                    tbody { @for group in layer.groups.iter().take(GROUPS_MAX) { (one_group(group)) } }
                }
            }
            @if left_out > 0 { p.note { (count(left_out, "more row")) ", see " code { "--json" } "." } }
        }
        @for unknown in &layer.unknown { p { strong { "Could not be listed: " } (prose(unknown)) } }
    }
}

fn one_group(group: &Group) -> Markup {
    let names: Vec<&str> =
        group.names.iter().map(freshlayer::ports::FunctionName::as_str).collect();
    let release = match (group.release, group.layer_version) {
        (Some(release), _) => number(release),
        (None, Some(_)) => "unknown".to_owned(),
        (None, None) => "none".to_owned(),
    };
    html! {
        tr {
            th scope="row" { (group.place) }
            td.number { (release) }
            td.number { (group.layer_version.map_or("none".to_owned(), number)) }
            td.number { (number(group.functions as u64)) }
            td.wide { (named(&names, group.functions)) }
        }
    }
}

/// A few names stand there; more are behind a summary.
fn named<T: AsRef<str>>(names: &[T], all: usize) -> Markup {
    const OPEN_MAX: usize = 3;
    html! {
        @if all <= OPEN_MAX {
            (some_of(names, all, OPEN_MAX))
        } @else {
            details {
                summary { (names.first().map(AsRef::as_ref).unwrap_or_default()) " and " (number(all.saturating_sub(1) as u64)) " more" }
                p { (some_of(names, all, NAMES_MAX)) }
            }
        }
    }
}

pub(crate) fn waits(layer: &LayerDossier) -> Markup {
    let left_out = layer.waits.len().saturating_sub(WAITS_MAX);
    html! {
        @if !layer.waits.is_empty() {
            h3 { "Who waits, and why" }
            div.scroll tabindex="0" role="region" aria-label={ "Functions of " (layer.layer) " that wait" } {
                table {
                    thead {
                        tr {
                            th scope="col" { "State" }
                            th.number scope="col" { "Functions" }
                            th scope="col" { "Why" }
                            th scope="col" { "Names" }
                        }
                    }
                    tbody { @for wait in layer.waits.iter().take(WAITS_MAX) { (one_wait(wait)) } }
                }
            }
            @if left_out > 0 { p.note { (count(left_out, "more reason")) ", see " code { "--json" } "." } }
        }
    }
}

fn one_wait(wait: &WaitDossier) -> Markup {
    let state = match wait.state {
        ConsumerState::Behind => "waits",
        ConsumerState::Ordered => "stays",
        ConsumerState::Held => "held",
        ConsumerState::Failed => "failed",
        ConsumerState::Current | ConsumerState::Moved => "there",
    };
    html! {
        tr {
            th scope="row" { (state) }
            td.number { (number(wait.functions as u64)) }
            td.wide { (prose(&wait.reason)) }
            td.wide { (named(&wait.names, wait.functions)) }
        }
    }
}
