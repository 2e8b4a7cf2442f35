//! The section of one layer.

use freshlayer::{LayerDossier, ServedDossier};
use maud::{Markup, html};

use crate::figures::{bytes, number, prose, time};
use crate::{data, moving, overview, releases, room};

pub(crate) fn section(layer: &LayerDossier) -> Markup {
    let id = format!("layer-{}", layer.layer);
    html! {
        section.layer aria-labelledby=(id) {
            h2 id=(id) { (layer.layer) " " (overview::word(layer.word)) }
            @if let Some(reason) = layer.reasons.first() { p.lead { (prose(reason)) } }
            @if layer.reasons.len() > 1 {
                ul { @for reason in &layer.reasons[1..] { li { (prose(reason)) } } }
            }
            @if let Some(description) = &layer.description { p.note { (description) } }
            @if let Some(served) = &layer.served { (facts(layer, served)) }
            (moving::open(layer))
            (data::ages(layer))
            (moving::functions(layer))
            (moving::waits(layer))
            (data::refused(layer))
            (releases::timeline(layer))
            (releases::to_stable(layer))
            (data::change(layer))
            (releases::rollouts(layer))
            @if layer.releases_total > 0 { (room::room(layer)) }
            p.note { "Looked at " (time(layer.at)) "." }
        }
    }
}

fn facts(layer: &LayerDossier, served: &ServedDossier) -> Markup {
    let stable = match served.stable {
        Some(stable) if stable == served.release => "this one".to_owned(),
        Some(stable) => format!("release {}", number(stable)),
        None => "none yet".to_owned(),
    };
    html! {
        dl.facts {
            div { dt { "Serves" } dd { "release " (number(served.release)) } }
            div { dt { "Version" } dd { (served.version) } }
            div { dt { "Since" } dd { (time(served.since)) } }
            div { dt { "Stable" } dd { (stable) } }
            div { dt { "Functions on it" } dd { (overview::on_it(layer)) } }
            div { dt { "Zip" } dd { (bytes(served.zip_bytes)) } }
            div { dt { "Unpacked" } dd { (bytes(served.unzipped_bytes)) } }
        }
        @if !served.layer_versions.is_empty() {
            details {
                summary { "Layer versions" }
                ul {
                    @for (region, arn) in &served.layer_versions {
                        li { (region) ": " code { (arn) } }
                    }
                }
            }
        }
    }
}
