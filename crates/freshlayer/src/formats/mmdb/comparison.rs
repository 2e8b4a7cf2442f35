//! What a comparison of two builds found, in numbers of addresses; of IPv6 in networks of 64 bits.

use std::collections::BTreeMap;

use super::network::Network;

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
    /// The first network of them.
    pub(crate) first: Option<Network>,
}

/// From one text to another.
pub(crate) type Movement = (Option<String>, Option<String>);

impl FieldChange {
    pub(super) fn join(&mut self, other: Self) {
        add(&mut self.lost, other.lost);
        add(&mut self.gained, other.gained);
        add(&mut self.changed, other.changed);
        for (movement, moved) in other.movements {
            let here = self.movements.entry(movement).or_default();
            add(&mut here.weight, moved.weight);
            let both = [here.first, moved.first].into_iter().flatten();
            here.first = both.min_by_key(|network| network.start());
        }
        for (shape, weight) in other.shapes {
            add(self.shapes.entry(shape).or_default(), weight);
        }
    }
}

impl Comparison {
    pub(super) fn join(&mut self, other: Self) {
        add(&mut self.before, other.before);
        add(&mut self.after, other.after);
        add(&mut self.added, other.added);
        add(&mut self.removed, other.removed);
        add(&mut self.changed, other.changed);
        for (path, change) in other.fields {
            self.fields.entry(path).or_default().join(change);
        }
    }
}

/// All networks of 64 bits are one more than a number holds.
fn add(sum: &mut u64, weight: u64) {
    *sum = sum.saturating_add(weight);
}
