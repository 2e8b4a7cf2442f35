//! Texts with gaps: `«name»` becomes a value, in one pass, so that no value is taken for a gap.

/// Fills the gaps of a text; a gap without a value stays empty.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut parts = template.split('«');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (gap, rest) = part.split_once('»').unwrap_or((part, ""));
        let value = values.iter().find(|(name, _)| *name == gap).map(|(_, value)| *value);
        text.push_str(value.unwrap_or_default());
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_no_gap() {
        let filled = fill("«a» and «b», «a»", &[("a", "«b»"), ("b", "2")]);
        assert_eq!(filled, "«b» and 2, «b»");
    }
}
