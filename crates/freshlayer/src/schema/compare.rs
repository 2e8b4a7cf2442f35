use std::fmt;

use super::{Element, Schema};

/// One difference between two schemas. A type that changed is two of them: the old one is gone, the new one is new.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Consumers may rely on it, and it is not there any more.
    Gone(Element),
    /// It was not there before.
    New(Element),
}

impl Change {
    /// Tells whether a consumer of the earlier schema may break.
    pub fn breaks(&self) -> bool {
        matches!(self, Self::Gone(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(element) => write!(f, "{element} is gone"),
            Self::New(element) => write!(f, "{element} is new"),
        }
    }
}

/// Lists what changed from one schema to the next: first what is gone, then what is new, each sorted by its text.
pub fn compare(before: &Schema, after: &Schema) -> Vec<Change> {
    let missing = |from: &Schema, other: &Schema| {
        let mut elements: Vec<Element> =
            from.elements.difference(&other.elements).cloned().collect();
        elements.sort_by_cached_key(ToString::to_string);
        elements
    };
    let gone = missing(before, after).into_iter().map(Change::Gone);
    gone.chain(missing(after, before).into_iter().map(Change::New)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn lines() -> impl Strategy<Value = BTreeSet<String>> {
        let line =
            "(field [ab.]{1,3} (uint16|uint32|map)|column [ab]\\.[cd] (INT|)|executable [ab]/[cd])";
        prop::collection::btree_set(line, 0..8)
    }

    proptest! {
        /// The data version is decided by these sentences; they must stay what a comparison of the texts gives.
        #[test]
        fn the_changes_are_those_of_the_texts(before in lines(), after in lines()) {
            let changes = compare(&Schema::parse(&before), &Schema::parse(&after));
            let said = |breaks: bool| -> Vec<String> {
                let some = changes.iter().filter(|change| change.breaks() == breaks);
                some.map(ToString::to_string).collect()
            };
            let gone: Vec<_> = before.difference(&after).map(|l| format!("{l} is gone")).collect();
            let new: Vec<_> = after.difference(&before).map(|l| format!("{l} is new")).collect();
            prop_assert_eq!((said(true), said(false)), (gone, new));
        }
    }
}
