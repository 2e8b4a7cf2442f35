//! The shapes of texts: `SW1A 1AA` is `AA9A 9AA`. Codes of one kind have few of them.

/// Longer texts are no codes: neither their shapes nor their movements are kept.
pub(crate) const TEXT_BYTES_MAX: usize = 48;

/// Returns a text with each letter as `A` and each digit as `9`.
pub(crate) fn shape_of(text: &str) -> String {
    letters(text).collect()
}

/// Tells whether two texts have one shape.
pub(crate) fn have_one_shape(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|letter| match letter {
        _ if letter.is_alphabetic() => 'A',
        _ if letter.is_numeric() => '9',
        other => other,
    })
}
