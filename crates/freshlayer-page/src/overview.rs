//! The first screen: every layer in one row.

use freshlayer::{Dossier, LayerDossier, LayerWord};
use maud::{Markup, html};

use crate::figures::{count, number, prose, span, time};

/// How many layers the table lists.
const ROWS_MAX: usize = 1_000;
const WORDS: [LayerWord; 6] = [
    LayerWord::Stale,
    LayerWord::Held,
    LayerWord::Rolling,
    LayerWord::Ageing,
    LayerWord::Fresh,
    LayerWord::Empty,
];

/// Says how all layers stand, in one line.
pub(crate) fn in_short(layers: &[LayerDossier]) -> String {
    let counts = WORDS.iter().filter_map(|word| {
        let those = layers.iter().filter(|layer| layer.word == *word).count();
        (those > 0).then(|| format!("{} {word}", number(those as u64)))
    });
    let counts: Vec<String> = counts.collect();
    match layers.len() {
        0 => "no layers".to_owned(),
        all => format!("{}: {}", count(all, "layer"), counts.join(", ")),
    }
}

pub(crate) fn header(dossier: &Dossier) -> Markup {
    html! {
        header {
            h1 { "Layers" }
            p.lead { (in_short(&dossier.layers)) }
            p.note { "As of " (time(dossier.at)) ". The age is that of the oldest dataset when the layer was looked at." }
        }
    }
}

pub(crate) fn table(layers: &[LayerDossier]) -> Markup {
    html! {
        @if layers.is_empty() {
            p { "No layer was looked at. " code { "freshlayer init" } " writes a first definition." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="All layers" {
                table.overview {
                    thead {
                        tr {
                            th scope="col" { "Layer" }
                            th scope="col" { "Stands" }
                            th.number scope="col" { "Release" }
                            th.number scope="col" { "Age" }
                            th.number scope="col" { "Functions" }
                        }
                    }
                    tbody { @for layer in layers.iter().take(ROWS_MAX) { (row(layer)) } }
                }
            }
            @let left_out = layers.len().saturating_sub(ROWS_MAX);
            @if left_out > 0 { p.note { (count(left_out, "more layer")) ", see " code { "--json" } "." } }
        }
    }
}

fn row(layer: &LayerDossier) -> Markup {
    let oldest = layer.datasets.iter().map(|dataset| dataset.age_secs).max();
    html! {
        tr {
            th scope="row" { a href={ "#layer-" (layer.layer) } { (layer.layer) } }
            td { (word(layer.word)) }
            td.number { @match &layer.served { Some(served) => (number(served.release)), None => "none" } }
            td.number { (oldest.map_or("none".to_owned(), span)) }
            td.number { (on_it(layer)) }
        }
    }
}

/// How many functions are on the release, of how many.
pub(crate) fn on_it(layer: &LayerDossier) -> String {
    let (there, all) = (layer.functions_there as u64, layer.functions as u64);
    if there == all { number(all) } else { format!("{} of {}", number(there), number(all)) }
}

/// A word with a sign of its own, because not everyone tells colours apart.
pub(crate) fn word(word: LayerWord) -> Markup {
    let sign = match word {
        LayerWord::Fresh => "●",
        LayerWord::Ageing => "◐",
        LayerWord::Rolling => "↻",
        LayerWord::Held => "■",
        LayerWord::Stale => "▲",
        LayerWord::Empty => "○",
    };
    html! {
        span class={ "word " (word) } { span aria-hidden="true" { (sign) } " " (word) }
    }
}

pub(crate) fn failures(failures: &[String]) -> Markup {
    html! {
        @if !failures.is_empty() {
            section aria-labelledby="failures" {
                h2 id="failures" { "Could not be read" }
                ul { @for failure in failures { li { (prose(failure)) } } }
            }
        }
    }
}
