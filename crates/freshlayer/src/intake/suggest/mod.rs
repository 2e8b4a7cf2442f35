//! Proposes a contract for data as it is: types, how often a value may lack, the texts or patterns of codes. A person
//! takes out what their consumers do not rely on.

mod mmdb;
mod sqlite;

use std::path::Path;

use freshlayer_reader::Format;

use crate::formats::mmdb::FieldFacts;
use crate::limits::Limits;
use crate::schema::{Contract, FieldContract};

/// So few different texts are a closed list, where each stands in many places.
const VALUES_MAX: usize = 20;
const PLACES_PER_VALUE_MIN: u64 = 20;
/// Codes are short.
const CODE_CHARS_MAX: usize = 8;
/// What a share may grow by before the contract is broken, in points, and by its own size.
const SHARE_MARGIN: f64 = 0.01;
const SHARE_FACTOR: f64 = 1.25;
/// A field that most places lack has no share worth a promise.
const SHARE_WORTH_A_PROMISE_MAX: f64 = 0.95;

/// Proposes a contract for a file.
///
/// # Errors
/// Why the file cannot be read as its format.
pub(crate) fn suggest(format: Format, file: &Path, limits: &Limits) -> Result<Contract, String> {
    match format {
        Format::Mmdb => mmdb::suggest(file, limits),
        Format::Sqlite => sqlite::suggest(file, limits),
        Format::File | Format::Archive => Ok(Contract::new()),
    }
}

/// What is known of one field.
struct Sample<'a> {
    /// Absent where values have several types, or there are none.
    kind: Option<String>,
    /// How many places there are: networks or rows.
    whole: u64,
    /// How many have a value.
    values: u64,
    facts: &'a FieldFacts,
}

impl Sample<'_> {
    fn contract(&self) -> FieldContract {
        let share = 1.0 - self.values as f64 / self.whole.max(1) as f64;
        let most = (share * SHARE_FACTOR + SHARE_MARGIN).min(1.0);
        let values = self.closed_list();
        let pattern = if values.is_empty() { pattern(self.facts) } else { None };
        let degrees = self.facts.range.filter(|_| self.kind.as_deref() == Some("double"));
        let bound = degrees.and_then(|(min, max)| {
            [90.0, 180.0].into_iter().find(|bound| -bound <= min && max <= *bound && min < 0.0)
        });
        FieldContract {
            kind: self.kind.clone(),
            null_share_max: (most <= SHARE_WORTH_A_PROMISE_MAX)
                .then(|| (most * 1000.0).ceil() / 1000.0),
            absent: None,
            values,
            pattern,
            min: bound.map(|bound| -bound),
            max: bound,
        }
    }

    fn closed_list(&self) -> Vec<String> {
        let texts = &self.facts.texts;
        let many = texts.len() as u64 * PLACES_PER_VALUE_MIN <= self.values;
        if !(2..=VALUES_MAX).contains(&texts.len())
            || !many
            || self.facts.more_texts
            || texts.contains("")
        {
            return Vec::new();
        }
        texts.iter().cloned().collect()
    }
}

/// Finds the pattern of codes: all of capital letters or digits, of one or two lengths.
fn pattern(facts: &FieldFacts) -> Option<String> {
    let texts = || facts.texts.iter().filter(|text| !text.is_empty());
    let [shortest, longest] = [texts().map(String::len).min()?, texts().map(String::len).max()?];
    if facts.more_texts || longest > CODE_CHARS_MAX || longest - shortest > 2 {
        return None;
    }
    let all = |is: fn(u8) -> bool| texts().all(|text| text.bytes().all(is));
    let letters = match () {
        () if all(|byte| byte.is_ascii_uppercase()) => "[A-Z]",
        () if all(|byte| byte.is_ascii_lowercase()) => "[a-z]",
        () if all(|byte| byte.is_ascii_digit()) => "[0-9]",
        () if all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) => "[A-Z0-9]",
        () => return None,
    };
    Some(if shortest == longest {
        format!("^{letters}{{{longest}}}$")
    } else {
        format!("^{letters}{{{shortest},{longest}}}$")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(texts: &[&str]) -> FieldFacts {
        let mut facts = FieldFacts::default();
        for text in texts {
            facts.text(text);
        }
        facts
    }

    #[test]
    fn codes_have_a_pattern_and_names_have_none() {
        for (texts, expected) in [
            (&["DE", "FR"][..], Some("^[A-Z]{2}$")),
            (&["BY", "9", "NRW"][..], Some("^[A-Z0-9]{1,3}$")),
            (&["80331", "10115"][..], Some("^[0-9]{5}$")),
            (&["Berlin", "Rom"][..], None),
            (&["Düss"][..], None),
            (&["A", "ABCD"][..], None),
            (&[][..], None),
        ] {
            assert_eq!(pattern(&facts(texts)).as_deref(), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_proposal_holds_for_the_data_that_it_is_made_from() {
        let facts = facts(&["EU", "AS"]);
        let sample =
            Sample { kind: Some("string".to_owned()), whole: 1000, values: 900, facts: &facts };
        let contract = sample.contract();
        assert_eq!(contract.values, ["AS", "EU"]);
        let most = contract.null_share_max.expect("a tenth is worth a promise");
        assert!((0.1..0.2).contains(&most), "{most}");
        let rare = Sample { values: 10, ..sample }.contract();
        assert_eq!((rare.null_share_max, rare.values.len()), (None, 0));
        assert_eq!(rare.pattern.as_deref(), Some("^[A-Z]{2}$"));
    }
}
