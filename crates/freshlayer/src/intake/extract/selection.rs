//! What a selection did not take, and how a person learns of it.

use crate::definition::Select;
use crate::problem::{Code, Problem};

/// How many names a problem lists before the rest is counted.
const NAMES_SHOWN_MAX: usize = 20;

/// Names, of which the first ones are kept.
#[derive(Debug, Default)]
pub(super) struct Listed {
    shown: Vec<String>,
    count: usize,
}

impl Listed {
    pub(super) fn add(&mut self, name: &str) {
        self.count += 1;
        if self.shown.len() < NAMES_SHOWN_MAX {
            self.shown.push(name.to_owned());
        }
    }
}

impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        match self.count - self.shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The files of a container that were not taken.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// No glob matches them.
    pub(super) unmatched: Listed,
    /// `strip_components` drops their whole path.
    pub(super) stripped: Listed,
}

impl LeftOut {
    /// Says why nothing was taken.
    pub(super) fn problem(&self, select: &Select) -> Problem {
        if self.stripped.count > 0 {
            let strip = select.strip_components;
            let expected = format!("paths with more than {strip} parts: source.strip_components");
            let found = format!("none longer: {}", self.stripped);
            return Problem::fail(Code::SelectNone, expected, found);
        }
        let patterns = select.globs.patterns();
        let expected = match patterns {
            [] => "a file".to_owned(),
            _ => format!("a file that matches {}", patterns.join(" or ")),
        };
        let found = match self.unmatched.count {
            0 => "no file".to_owned(),
            _ => format!("only {}", self.unmatched),
        };
        Problem::fail(Code::SelectNone, expected, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Globs;

    #[test]
    fn all_candidates_are_listed_or_counted() {
        let globs = Globs::parse(vec!["*.mmdb".to_owned()]).expect("a glob");
        let select = Select { globs, strip_components: 0 };
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.problem(&select).found, "no file");
        for number in 1..=13 {
            left_out.unmatched.add(&format!("f{number}"));
        }
        assert!(left_out.problem(&select).found.ends_with("f12, f13"), "{left_out:?}");
        for number in 14..=50 {
            left_out.unmatched.add(&format!("f{number}"));
        }
        assert!(left_out.problem(&select).found.ends_with("f20 and 30 more"), "{left_out:?}");
    }

    #[test]
    fn too_large_a_strip_components_is_named() {
        let select = Select { strip_components: 2, ..Select::default() };
        let mut left_out = LeftOut::default();
        left_out.stripped.add("tool/run");
        let problem = left_out.problem(&select);
        assert!(problem.expected.contains("source.strip_components"), "{problem}");
        assert!(problem.found.contains("tool/run"), "{problem}");
    }
}
