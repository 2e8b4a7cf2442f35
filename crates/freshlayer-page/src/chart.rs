//! Small pictures in SVG. Each says in its title what it shows; texts stand beside it, where a phone can read them.

use maud::{Markup, html};

/// The height of all pictures in their own units; they are stretched to the room that there is.
const HEIGHT: f64 = 100.0;
/// A few bars are not stretched to blocks.
const SLOTS_MIN: usize = 40;

/// One bar of a row of bars.
pub(crate) struct Bar {
    pub(crate) value: f64,
    pub(crate) look: Look,
    /// What a pointer is told.
    pub(crate) title: String,
}

/// How a bar looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is the one that is spoken of.
    Chosen,
    Plain,
    /// What it stands for is gone.
    Gone,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Plain => "plain",
            Self::Gone => "gone",
        }
    }
}

/// A row of bars from zero up, with a line across where a value is given.
pub(crate) fn bars(bars: &[Bar], line: Option<f64>, title: &str) -> Markup {
    let most = bars.iter().map(|bar| bar.value).chain(line).fold(f64::EPSILON, f64::max);
    let width = 10 * bars.len().max(SLOTS_MIN);
    let scaled = |value: f64| HEIGHT * value / most;
    html! {
        svg.bars role="img" viewBox={ "0 0 " (width) " 100" } preserveAspectRatio="none" {
            title { (title) }
            @for (at, bar) in bars.iter().enumerate() {
                @let height = scaled(bar.value).max(1.0);
                rect class=(bar.look.class()) x=(10 * at + 1) y=(short(HEIGHT - height)) width="8" height=(short(height)) {
                    title { (bar.title) }
                }
            }
            @if let Some(value) = line {
                @let y = short(HEIGHT - scaled(value));
                line.mark x1="0" x2=(width) y1=(y) y2=(y) {}
            }
        }
    }
}

/// A length on a scale with marks on it.
pub(crate) fn gauge(value: f64, marks: &[f64], title: &str) -> Markup {
    let most = marks.iter().copied().chain([value]).fold(f64::EPSILON, f64::max) * 1.05;
    let scaled = |value: f64| short(100.0 * value / most);
    html! {
        svg.gauge role="img" viewBox="0 0 100 10" preserveAspectRatio="none" {
            title { (title) }
            rect.track x="0" y="3" width="100" height="4" {}
            rect.chosen x="0" y="3" width=(scaled(value)) height="4" {}
            @for mark in marks {
                @let x = scaled(*mark);
                line.mark x1=(x) x2=(x) y1="0" y2="10" {}
            }
        }
    }
}

/// A part of a whole.
pub(crate) fn share(part: f64, whole: f64, title: &str) -> Markup {
    let width = 100.0 * part / whole.max(f64::EPSILON);
    html! {
        svg.gauge role="img" viewBox="0 0 100 10" preserveAspectRatio="none" {
            title { (title) }
            rect.track x="0" y="3" width="100" height="4" {}
            rect.chosen x="0" y="3" width=(short(width.min(100.0))) height="4" {}
        }
    }
}

/// A change to the left or the right of its middle; `share` is between -1 and 1.
pub(crate) fn change(share: f64, title: &str) -> Markup {
    let length = 50.0 * share.abs().min(1.0);
    let from = if share < 0.0 { 50.0 - length } else { 50.0 };
    html! {
        svg.change role="img" viewBox="0 0 100 10" preserveAspectRatio="none" {
            title { (title) }
            line.axis x1="50" x2="50" y1="0" y2="10" {}
            rect.chosen x=(short(from)) y="2" width=(short(length)) height="6" {}
        }
    }
}

/// Two digits behind the point are more than a screen shows.
pub(crate) fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
