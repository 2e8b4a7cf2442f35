//! What the values of one field must be, whatever format holds them.

use std::collections::BTreeSet;

use regex_lite::Regex;

/// How much of a value a problem shows.
const SHOWN_CHARS: usize = 40;

/// What the values of one field must be.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    /// The texts that are allowed; empty where all are.
    pub(crate) values: BTreeSet<String>,
    /// What a text must match.
    pub(crate) pattern: Option<Regex>,
    /// The smallest and the largest number.
    pub(crate) range: (Option<f64>, Option<f64>),
}

/// One value, as far as a rule looks at it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Datum<'a> {
    Text(&'a str),
    Number(f64),
}

/// Values that a rule does not allow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Breaches {
    /// How many different places hold one.
    pub(crate) count: u64,
    /// The first one: the value, and where it stands.
    pub(crate) first: Option<(String, String)>,
}

impl Rule {
    /// Tells whether a value is allowed. A rule for texts says nothing of numbers, and the other way round.
    pub(crate) fn allows(&self, datum: Datum<'_>) -> bool {
        match datum {
            Datum::Text(text) => {
                (self.values.is_empty() || self.values.contains(text))
                    && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
            }
            Datum::Number(number) => {
                let (min, max) = self.range;
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }
        }
    }
}

impl Breaches {
    /// Notes a value that is not allowed.
    pub(crate) fn note(&mut self, datum: Datum<'_>, place: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((shown(datum), place()));
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }
}

fn shown(datum: Datum<'_>) -> String {
    match datum {
        Datum::Number(number) => number.to_string(),
        Datum::Text(text) if text.chars().count() <= SHOWN_CHARS => format!("{text:?}"),
        Datum::Text(text) => {
            let start: String = text.chars().take(SHOWN_CHARS).collect();
            format!("{start:?} and more")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_allows_what_it_says() {
        let rule = Rule {
            values: ["DE", "FR", "de"].map(str::to_owned).into(),
            pattern: Some(Regex::new("^[A-Z]{2}$").expect("it compiles")),
            range: (Some(-90.0), Some(90.0)),
        };
        for (datum, allowed) in [
            (Datum::Text("DE"), true),
            (Datum::Text("GB"), false),
            (Datum::Text("de"), false),
            (Datum::Number(-90.0), true),
            (Datum::Number(90.5), false),
            (Datum::Number(f64::NAN), false),
        ] {
            assert_eq!(rule.allows(datum), allowed, "{datum:?}");
        }
        assert!(Rule::default().allows(Datum::Text("")));
    }

    #[test]
    fn breaches_are_counted_and_the_first_is_told() {
        let mut breaches = Breaches::default();
        breaches.note(Datum::Text(&"x".repeat(50)), || "here".to_owned());
        breaches.note(Datum::Number(7.0), || unreachable!("the first one is known"));
        let (value, place) = breaches.first.clone().expect("noted");
        assert_eq!((breaches.count, place.as_str()), (2, "here"));
        assert!(value.ends_with(" and more") && value.len() < 60, "{value}");
    }
}
