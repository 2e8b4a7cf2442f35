//! What a comparison of two builds found, in numbers of addresses.

use std::collections::BTreeMap;

/// What differs between two builds. Every number counts addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The earlier build has a record.
    pub(crate) before: u64,
    /// The later build has a record.
    pub(crate) after: u64,
    /// Only the later build has a record.
    pub(crate) added: u64,
    /// Only the earlier build has a record.
    pub(crate) removed: u64,
    /// Both have one, and they differ in some field.
    pub(crate) changed: u64,
    /// What differs per field, by its dotted path.
    pub(crate) fields: BTreeMap<String, FieldChange>,
}

/// What differs in one field, of addresses that both builds have a record for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldChange {
    /// There was a value, and there is none.
    pub(crate) lost: u64,
    /// There was none, and there is a value.
    pub(crate) gained: u64,
    /// There is another value.
    pub(crate) changed: u64,
    /// From which text to which; `None` where there is none. The first few thousand are kept.
    pub(crate) movements: BTreeMap<Movement, Moved>,
    /// The shapes of the new texts: each letter as `A`, each digit as `9`. The first few thousand are kept.
    pub(crate) shapes: BTreeMap<String, u64>,
}

/// How many addresses moved from one text to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) weight: u64,
    /// The first network of them, in the order of the walk.
    pub(crate) first: Option<String>,
}

/// From one text to another.
pub(crate) type Movement = (Option<String>, Option<String>);

impl FieldChange {
    pub(super) fn join(&mut self, other: Self) {
        self.lost += other.lost;
        self.gained += other.gained;
        self.changed += other.changed;
        for (movement, moved) in other.movements {
            let here = self.movements.entry(movement).or_default();
            here.weight += moved.weight;
            here.first = here.first.take().or(moved.first);
        }
        for (shape, weight) in other.shapes {
            *self.shapes.entry(shape).or_default() += weight;
        }
    }
}

impl Comparison {
    pub(super) fn join(&mut self, other: Self) {
        self.before += other.before;
        self.after += other.after;
        self.added += other.added;
        self.removed += other.removed;
        self.changed += other.changed;
        for (path, change) in other.fields {
            self.fields.entry(path).or_default().join(change);
        }
    }
}
