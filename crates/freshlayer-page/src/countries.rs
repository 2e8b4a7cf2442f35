//! Which addresses went from one country to another: as a table, and as bands between the countries.

use std::collections::BTreeMap;

use freshlayer::state::CountryMovement;
use freshlayer::{CountriesDossier, DatasetCounts};
use maud::{Markup, html};

use crate::chart::short;
use crate::figures::{number, percent};

const ROWS_MAX: usize = 12;
/// The height of all bands together, in units of the picture.
const BANDS: f64 = 150.0;
/// A thinner band is not seen.
const BAND_MIN: f64 = 1.0;
/// A name needs so much height.
const NAME: f64 = 13.0;
const NAME_CHARS_MAX: usize = 7;
const GAP: f64 = 4.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 260.0;

pub(crate) fn moved(dataset: &DatasetCounts, countries: &CountriesDossier) -> Markup {
    let since = match countries.since {
        Some(release) => format!("release {}", number(release)),
        None => "the data that served before".to_owned(),
    };
    let shown = &countries.largest[..countries.largest.len().min(ROWS_MAX)];
    let label = format!("Movements between countries in {}", dataset.name);
    html! {
        p {
            @if countries.all_ppm == 0 { "No address" } @else { (percent(countries.all_ppm)) " of the addresses" }
            " changed country since " (since) ", by " code { (countries.field) } "."
        }
        @if !shown.is_empty() {
            div.moved {
                (picture(shown, &label))
                div.scroll tabindex="0" role="region" aria-label=(label) {
                    table {
                        caption { "The largest movements" }
                        thead {
                            tr {
                                th scope="col" { "From" }
                                th scope="col" { "To" }
                                th.number scope="col" { "Addresses" }
                            }
                        }
                        tbody {
                            @for one in shown {
                                tr {
                                    td { (one.from) }
                                    td { (one.to) }
                                    td.number { (share(one.ppm)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Movements are small: four digits behind the point.
fn share(ppm: u32) -> String {
    format!("{:.4}\u{a0}%", f64::from(ppm) / 10_000.0)
}

/// A country at one side of the picture.
struct Side {
    top: f64,
    height: f64,
    /// Where its next band begins.
    next: f64,
}

fn picture(movements: &[CountryMovement], title: &str) -> Markup {
    let whole: f64 = movements.iter().map(|one| f64::from(one.ppm)).sum();
    let thick = |one: &CountryMovement| (BANDS * f64::from(one.ppm) / whole.max(1.0)).max(BAND_MIN);
    let sums = |name: fn(&CountryMovement) -> &str| {
        let mut sums: Vec<(&str, f64)> = Vec::new();
        for one in movements {
            match sums.iter_mut().find(|(known, _)| *known == name(one)) {
                Some((_, sum)) => *sum += thick(one),
                None => sums.push((name(one), thick(one))),
            }
        }
        sums
    };
    let (mut from, from_height) = stacked(&sums(|one| &one.from));
    let (mut to, to_height) = stacked(&sums(|one| &one.to));
    let height = from_height.max(to_height);
    let bands = movements.iter().filter_map(|one| {
        let (from, to) = (from.get_mut(one.from.as_str())?, to.get_mut(one.to.as_str())?);
        let thick = thick(one);
        let (a, b) = (from.next, to.next);
        from.next += thick;
        to.next += thick;
        Some((band(a, b, thick), format!("{} to {}: {}", one.from, one.to, share(one.ppm))))
    });
    let bands: Vec<(String, String)> = bands.collect();
    html! {
        svg.flows role="img" viewBox={ "0 0 320 " (short(height)) } {
            title { (title) }
            @for (path, words) in &bands { path.band d=(path) { title { (words) } } }
            @for (name, side) in &from { (end(name, side, LEFT - 4.0, LEFT - 9.0, "end")) }
            @for (name, side) in &to { (end(name, side, RIGHT, RIGHT + 9.0, "start")) }
        }
    }
}

/// Puts countries below each other; the name of a small one needs more room than its bands.
fn stacked<'a>(sums: &[(&'a str, f64)]) -> (BTreeMap<&'a str, Side>, f64) {
    let mut at = 0.0;
    let sides = sums.iter().map(|(name, height)| {
        let room = f64::max(*height, NAME);
        let top = at + (room - height) / 2.0;
        at += room + GAP;
        (*name, Side { top, height: *height, next: top })
    });
    (sides.collect(), at)
}

fn band(left: f64, right: f64, thick: f64) -> String {
    let middle = f64::midpoint(LEFT, RIGHT);
    let [a, b, c, d] = [left, right, right + thick, left + thick].map(short);
    format!(
        "M{LEFT} {a}C{middle} {a} {middle} {b} {RIGHT} {b}V{c}C{middle} {c} {middle} {d} {LEFT} {d}Z"
    )
}

fn end(name: &str, side: &Side, bar: f64, text: f64, anchor: &str) -> Markup {
    html! {
        rect.chosen x=(short(bar)) y=(short(side.top)) width="4" height=(short(side.height)) {}
        text x=(short(text)) y=(short(side.top + side.height / 2.0)) text-anchor=(anchor) dominant-baseline="central" {
            (cut(name))
        }
    }
}

/// A country is a code of two letters; the table has longer names whole.
fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
