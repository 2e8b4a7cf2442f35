//! How values lie in the data section: one behind the other, without gaps, and each is led to.
//!
//! Threats: a page of the file overwritten, zeroed, repeated or moved. Most of such a page still decodes: zeroes are
//! empty maps, and another page's bytes are values of another record. Defence: the section is read from its first byte
//! to its last, and what leads into it (the tree's records and its own pointers) has to meet the values that lie there.

use super::decode::{Kind, Value, value};
use super::{DEPTH_MAX, Fault};

/// One bit per byte of the data section.
pub(super) struct Marks(Vec<u64>);

impl Marks {
    pub(super) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes / 64 + 1])
    }

    #[inline]
    pub(super) fn set(&mut self, offset: usize) {
        self.0[offset / 64] |= 1 << (offset % 64);
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }

    /// Counts, for each word, the marks before it.
    pub(super) fn ranks(&self) -> Vec<u32> {
        let before =
            |sum: &mut u32, word: &u64| Some(std::mem::replace(sum, *sum + word.count_ones()));
        self.0.iter().scan(0, before).collect()
    }

    /// Returns how many marks stand before an offset.
    pub(super) fn rank(&self, ranks: &[u32], offset: usize) -> usize {
        let below = self.0[offset / 64] & ((1 << (offset % 64)) - 1);
        (ranks[offset / 64] + below.count_ones()) as usize
    }

    /// Returns the first mark that `others` lack.
    fn first_without(&self, others: impl Fn(usize) -> u64) -> Option<usize> {
        self.0.iter().enumerate().find_map(|(at, &word)| {
            let alone = word & !others(at);
            (alone != 0).then(|| at * 64 + alone.trailing_zeros() as usize)
        })
    }
}

/// The values of a data section, and what leads to them.
struct Layout {
    /// Where values begin, those inside others too.
    values: Marks,
    /// Where values begin that are inside no other.
    whole: Marks,
    /// What pointers lead to.
    targets: Marks,
}

/// Reads the data section from its first byte to its last. `records` marks what the tree leads to.
pub(super) fn check(data: &[u8], records: &Marks) -> Result<(), Fault> {
    let Layout { values, whole, targets } = read(data)?;
    let inside = [
        (records.first_without(|at| values.0[at]), "a record of the tree where a value begins"),
        (targets.first_without(|at| values.0[at]), "a pointer to where a value begins"),
    ];
    for (offset, expected) in inside {
        if let Some(offset) = offset {
            return Err(Fault::Layout { offset, expected, found: "the middle of a value" });
        }
    }
    match whole.first_without(|at| records.0[at] | targets.0[at]) {
        Some(offset) => {
            let expected = "a value that the tree or a pointer leads to";
            Err(Fault::Layout { offset, expected, found: "one that nothing leads to" })
        }
        None => Ok(()),
    }
}

fn read(data: &[u8]) -> Result<Layout, Fault> {
    let marks = || Marks::new(data.len());
    let mut layout = Layout { values: marks(), whole: marks(), targets: marks() };
    // How many values are still to come in each map and list around this place.
    let mut around: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < data.len() {
        layout.values.set(at);
        match around.last_mut() {
            Some(left) => *left -= 1,
            None => layout.whole.set(at),
        }
        let head = value(data, at).map_err(|_fault| Fault::Layout {
            offset: at,
            expected: "values one behind the other",
            found: "bytes that are no value",
        })?;
        at = match head {
            Value::Pointer { to, next } => {
                layout.targets.set(to);
                next
            }
            Value::Scalar { next, .. } => next,
            Value::Items { kind, count, next } => {
                around.push(if kind == Kind::Map { count * 2 } else { count });
                next
            }
        };
        if around.len() > DEPTH_MAX {
            let (expected, found) = ("a nesting of at most 64", "more");
            return Err(Fault::Layout { offset: at, expected, found });
        }
        while around.last() == Some(&0) {
            around.pop();
        }
    }
    if around.is_empty() {
        return Ok(layout);
    }
    let (expected, found) = ("the rest of a map or a list", "the end of the data");
    Err(Fault::Layout { offset: data.len(), expected, found })
}
