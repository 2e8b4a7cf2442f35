//! Values that a contract lists and that are gone from their field: code that handles one no longer meets it.

use std::collections::BTreeMap;
use std::fmt;

use super::percent;

/// How many networks (mmdb) or rows (sqlite) have each value that the contract lists for a field, by field and value. A
/// value with no occurrence is left out.
pub type NamedValues = BTreeMap<String, BTreeMap<String, u64>>;

/// A value counts as relied on if more than one value of so many was that one: 0.1 %. Rare ones come and go.
const VALUES_PER_RARE: u64 = 1_000;

/// A value that is gone from a field.
pub(crate) struct GoneValue<'a> {
    path: &'a str,
    value: &'a str,
    /// Its share before.
    was: f64,
}

/// Lists the values that are gone from their fields. A field that was not counted on both sides has none.
pub(crate) fn gone_values<'a>(
    before: &'a NamedValues,
    after: &'a NamedValues,
) -> Vec<GoneValue<'a>> {
    let both = before.iter().filter_map(|(path, was)| Some((path.as_str(), was, after.get(path)?)));
    let gone = both.flat_map(|(path, was, is)| {
        let whole: u64 = was.values().sum();
        let relied_on =
            was.iter().filter(move |(_, count)| count.saturating_mul(VALUES_PER_RARE) > whole);
        let lost = relied_on.filter(|(value, _)| !is.contains_key(*value));
        lost.map(move |(value, count)| GoneValue {
            path,
            value,
            was: *count as f64 / whole.max(1) as f64,
        })
    });
    gone.collect()
}

impl fmt::Display for GoneValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let was = percent(self.was);
        let Self { path, value, .. } = self;
        write!(
            f,
            "{path}: the listed value {value:?} is gone; before, {was} of the values were that one"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect()
    }

    #[test]
    fn only_a_value_that_was_relied_on_is_gone() {
        let before = counts(&[("Cable", 9_979), ("Dialup", 11), ("Satellite", 10)]);
        for (after, gone) in [
            (counts(&[("Cable", 1), ("Dialup", 1), ("Satellite", 1)]), vec![]),
            (counts(&[("Cable", 1), ("Dialup", 1)]), vec![]),
            (
                counts(&[("Cable", 1)]),
                vec![
                    "a.b: the listed value \"Dialup\" is gone; before, 0.11 % of the values were that one",
                ],
            ),
        ] {
            let [was, is] =
                [&before, &after].map(|c| NamedValues::from([("a.b".to_owned(), c.clone())]));
            let found: Vec<_> = gone_values(&was, &is).iter().map(ToString::to_string).collect();
            assert_eq!(found, gone);
            assert!(gone_values(&was, &NamedValues::new()).is_empty());
        }
    }
}
