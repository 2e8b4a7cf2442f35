//! Numbers and times in words.

use freshlayer::report::minute;
use jiff::Timestamp;
use maud::{Markup, html};

/// Writes a whole number with commas.
pub(crate) fn number(value: impl TryInto<u64>) -> String {
    let digits = value.try_into().unwrap_or_default().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a number with its noun: `1 layer`, `2 layers`.
pub(crate) fn count(value: usize, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(value as u64))
}

/// Writes a count of bytes, in decimal units.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count}\u{a0}B"),
        1_000..1_000_000 => format!("{:.1}\u{a0}kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}\u{a0}MB", count as f64 / 1e6),
        _ => format!("{:.1}\u{a0}GB", count as f64 / 1e9),
    }
}

/// Writes a span of time in its largest unit.
pub(crate) fn span(secs: i64) -> String {
    match secs {
        ..120 => format!("{secs}\u{a0}s"),
        120..7_200 => format!("{}\u{a0}min", secs / 60),
        7_200..172_800 => format!("{}\u{a0}h", secs / 3_600),
        _ => format!("{}\u{a0}days", number(secs / 86_400)),
    }
}

/// Writes parts per million as a percentage.
pub(crate) fn percent(ppm: u32) -> String {
    format!("{:.2}\u{a0}%", f64::from(ppm) / 10_000.0)
}

/// Writes a sentence whose commands and names stand between backticks.
pub(crate) fn prose(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (at, part) in parts.iter().enumerate() {
            @if at.is_multiple_of(2) { (part) } @else { code { (part) } }
        }
    }
}

/// Writes a point in time, to the minute.
pub(crate) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (minute(at)) } }
}

/// Writes a point in time, or that there is none.
pub(crate) fn time_or(at: Option<Timestamp>, without: &str) -> Markup {
    html! { @match at { Some(at) => (time(at)), None => (without) } }
}

/// Names the first of many, and says how many more there are.
pub(crate) fn some_of<T: AsRef<str>>(names: &[T], all: usize, most: usize) -> Markup {
    let shown = &names[..names.len().min(most)];
    html! {
        @for (at, name) in shown.iter().enumerate() {
            @if at > 0 { ", " }
            code { (name.as_ref()) }
        }
        (more(all.saturating_sub(shown.len())))
    }
}

/// Says how many are left out.
pub(crate) fn more(left_out: usize) -> Markup {
    html! {
        @if left_out > 0 { " and " (number(left_out as u64)) " more, see " code { "--json" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No line ends between a number and its unit.
    fn unbroken(text: &str) -> String {
        text.replace(' ', "\u{a0}")
    }

    #[test]
    fn numbers_have_a_comma_before_each_three_digits() {
        let shown = [0_u64, 12, 999, 1_000, 12_345, 1_234_567].map(number);
        assert_eq!(shown, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn spans_and_sizes_have_their_largest_unit() {
        let spans = [7, 600, 10_000, 864_000].map(span);
        assert_eq!(spans, ["7 s", "10 min", "2 h", "10 days"].map(unbroken));
        let sizes = [7, 1_500, 30_800_000, 80_530_636_800].map(bytes);
        assert_eq!(sizes, ["7 B", "1.5 kB", "30.8 MB", "80.5 GB"].map(unbroken));
    }
}
