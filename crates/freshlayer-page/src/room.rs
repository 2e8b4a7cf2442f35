//! What takes room, and what a prune would free.

use freshlayer::{LayerDossier, PruneDossier};
use maud::{Markup, html};

use crate::chart;
use crate::figures::{bytes, count, number, prose, time};

const KEPT_MAX: usize = 50;

pub(crate) fn room(layer: &LayerDossier) -> Markup {
    let room = &layer.room;
    html! {
        h3 { "Room" }
        p {
            (count(room.releases, "release")) " with a layer version; zips of " (bytes(room.zip_bytes)) " in the state."
        }
        @for line in &room.storage {
            @let (used, limit) = (line.storage.used_bytes, line.storage.limit_bytes);
            @let words = format!("Code storage in {}: {} of {}, {} %", line.place, bytes(used), bytes(limit), line.storage.percent());
            p { (words) }
            (chart::share(used as f64, limit as f64, &words))
        }
        @match (&room.prune, &room.unasked) {
            (Some(prune), _) => (pruned(layer, prune)),
            (None, Some(words)) => p { "It is not known what a prune would free: " (prose(words)) },
            (None, None) => p.note { code { "freshlayer report" } " also shows what a prune would free." },
        }
        @if !room.condemned.is_empty() {
            p { "Condemned, and to be deleted after a second look:" }
            ul {
                @for one in room.condemned.iter().take(KEPT_MAX) {
                    li { "release " (number(one.release)) ", since " (time(one.since)) }
                }
            }
        }
    }
}

fn pruned(layer: &LayerDossier, prune: &PruneDossier) -> Markup {
    let shown: Vec<String> = prune.releases.iter().take(KEPT_MAX).map(|one| number(*one)).collect();
    html! {
        @if prune.releases.is_empty() {
            p { "A prune that keeps the newest " (prune.keep) " would free nothing." }
        } @else {
            p {
                code { "freshlayer prune " (layer.layer) } " would free " strong { (bytes(prune.freed_bytes)) } ": "
                (count(prune.releases.len(), "release")) ", " (shown.join(", "))
                @if prune.releases.len() > shown.len() { " and others, see " code { "--json" } }
                "."
            }
        }
        @for words in &prune.kept_too_long { p { strong { "Kept too long: " } (prose(words)) } }
        @if !prune.kept.is_empty() {
            details {
                summary { "Why " (count(prune.kept.len(), "release")) " would stay" }
                ul {
                    @for kept in prune.kept.iter().take(KEPT_MAX) {
                        li { "release " (number(kept.release)) ": " (prose(&kept.reason)) }
                    }
                }
                @let left_out = prune.kept.len().saturating_sub(KEPT_MAX);
                @if left_out > 0 { p.note { (count(left_out, "release")) " more, see " code { "--json" } "." } }
            }
        }
    }
}
