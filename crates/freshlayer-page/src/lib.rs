//! The page of the layers: a dossier goes in, one HTML text comes out. It is pure: no request,
//! clock or script, and no link to another file.
//!
//! ```text
//! Dossier ── overview (a table of all layers)
//!         └─ layer, one section each ── data ── moving ── releases ── room
//!                                        └─ chart (SVG), figures (numbers and times in words)
//! ```
//!
//! Threats: every name and text comes from elsewhere, from function names to what a scanner answered. Each is escaped where it
//! is written, by `maud`; the page's policy forbids scripts and requests in case an escape is missing.

mod chart;
mod countries;
mod data;
mod figures;
mod layer;
mod moving;
mod overview;
mod releases;
mod room;

use freshlayer::{Dossier, LayerDossier};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use figures::count;

/// The page stays below 5 MB, so that a phone opens it: what comes after so many bytes is left to `--json`.
const SECTIONS_BYTES_MAX: usize = 4_000_000;
/// What a browser may do for this page: nothing but apply the styles that are written in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Renders the page. The same dossier gives the same text.
pub fn page(dossier: &Dossier) -> String {
    let (sections, left_out) = sections(&dossier.layers);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "freshlayer: " (overview::in_short(&dossier.layers)) }
                link rel="icon" href="data:,";
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                (overview::header(dossier))
                main {
                    (overview::table(&dossier.layers))
                    (overview::failures(&dossier.failures))
                    (PreEscaped(sections))
                    (missing(left_out))
                }
                footer {
                    p { "Written by freshlayer. " code { "freshlayer report --json" } " prints the same data with every release and every function." }
                }
            }
        }
    };
    page.into_string()
}

/// The sections of the layers that fit, and how many do not.
fn sections(layers: &[LayerDossier]) -> (String, usize) {
    let mut text = String::new();
    for (at, layer) in layers.iter().enumerate() {
        let section = layer::section(layer).into_string();
        if text.len() + section.len() > SECTIONS_BYTES_MAX {
            return (text, layers.len() - at);
        }
        text.push_str(&section);
    }
    (text, 0)
}

fn missing(left_out: usize) -> Markup {
    html! {
        @if left_out > 0 {
            p.note {
                (count(left_out, "layer")) " more would make this page too large; see "
                code { "freshlayer report LAYER" } "."
            }
        }
    }
}
