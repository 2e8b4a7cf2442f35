//! The texts of one field, and their shapes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use rustc_hash::FxHashMap;

use super::decode::{Kind, Value, behind, resolved};
use super::tree::Tree;
use super::watch::{datum, keys};
use super::{Fault, ITEM_KEY};
use crate::formats::rule::Datum;
use crate::formats::text_shape::shape_of;

/// How many texts and how many shapes are kept per field.
pub(super) const TEXTS_MAX: usize = 4_096;

/// Lists the shapes of the texts in a field, up to a few thousand: `None` where there are more.
pub(crate) fn shapes(tree: &Tree<'_>, path: &str) -> Result<Option<BTreeSet<String>>, Fault> {
    let mut found = BTreeSet::new();
    each_value(tree, path, |value| {
        if let Value::Scalar { kind: Kind::Text, start, next } = value {
            found.insert(shape_of(&String::from_utf8_lossy(&tree.paths.data[start..next])));
        }
        if found.len() > TEXTS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((found.len() <= TEXTS_MAX).then_some(found))
}

/// What the values of one field look like.
#[derive(Debug, Default)]
pub(crate) struct FieldFacts {
    /// Different texts, the first few thousand of them.
    pub(crate) texts: BTreeSet<String>,
    /// Whether there are more texts.
    pub(crate) more_texts: bool,
    /// The smallest and the largest number.
    pub(crate) range: Option<(f64, f64)>,
}

impl FieldFacts {
    /// Takes one text into account.
    pub(crate) fn text(&mut self, text: &str) {
        if self.texts.len() < TEXTS_MAX {
            self.texts.insert(text.to_owned());
        } else if !self.texts.contains(text) {
            self.more_texts = true;
        }
    }

    /// Takes one number into account.
    pub(crate) fn number(&mut self, number: f64) {
        let (min, max) = self.range.unwrap_or((number, number));
        self.range = Some((min.min(number), max.max(number)));
    }
}

/// Looks at the values of a field, up to the first text too many.
pub(crate) fn facts(tree: &Tree<'_>, path: &str) -> Result<FieldFacts, Fault> {
    let mut facts = FieldFacts::default();
    each_value(tree, path, |value| {
        if let Value::Scalar { kind, start, next } = value {
            match datum(tree.paths.data, kind, start, next) {
                Some(Datum::Text(text)) => facts.text(text),
                Some(Datum::Number(number)) => facts.number(number),
                None => {}
            }
        }
        if facts.more_texts { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(facts)
}

/// Counts the networks that have each of some texts in a field. Looks at `values_max` values at most.
pub(crate) fn count_texts(
    tree: &Tree<'_>,
    path: &str,
    of: &[String],
    values_max: u64,
) -> Result<BTreeMap<String, u64>, Fault> {
    let keys: Vec<&[u8]> = keys(path).map(str::as_bytes).collect();
    let data = tree.paths.data;
    let numbers: FxHashMap<&[u8], usize> = of.iter().map(String::as_bytes).zip(0..).collect();
    let mut networks = vec![0_u64; tree.records(1).map(Iterator::count).sum()];
    tree.each_network(|record| networks[record] += 1);
    let (mut counts, mut left) = (vec![0_u64; of.len()], values_max);
    for (offset, networks) in tree.records(1).flatten().zip(networks) {
        let _to_the_end = follow(data, offset, &keys, &mut left, &mut |value| {
            if let Value::Scalar { kind: Kind::Text, start, next } = value
                && let Some(number) = numbers.get(&data[start..next])
            {
                counts[*number] += networks;
            }
            ControlFlow::Continue(())
        })?;
    }
    let counted = of.iter().cloned().zip(counts);
    Ok(counted.filter(|(_, count)| *count > 0).collect())
}

/// Visits the value of a field in each record, until the visitor has seen enough.
fn each_value(
    tree: &Tree<'_>,
    path: &str,
    mut visit: impl FnMut(Value) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let keys: Vec<&[u8]> = keys(path).map(str::as_bytes).collect();
    let mut left = u64::MAX;
    for offset in tree.records(1).flatten() {
        if follow(tree.paths.data, offset, &keys, &mut left, &mut visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn follow(
    data: &[u8],
    place: usize,
    keys: &[&[u8]],
    left: &mut u64,
    visit: &mut impl FnMut(Value) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    *left = left.checked_sub(1).ok_or(Fault::Work)?;
    let here = resolved(data, place)?.value;
    let Some((wanted, below)) = keys.split_first() else { return Ok(visit(here)) };
    let Value::Items { kind, count, next } = here else { return Ok(ControlFlow::Continue(())) };
    let mut at = next;
    for _ in 0..count {
        *left = left.checked_sub(1).ok_or(Fault::Work)?;
        if kind == Kind::Array {
            if *wanted == ITEM_KEY && follow(data, at, below, left, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at = behind(data, at, 0)?;
            continue;
        }
        let key = resolved(data, at)?;
        if let Value::Scalar { kind: Kind::Text, start, next } = key.value
            && data[start..next] == **wanted
        {
            return follow(data, key.next, below, left, visit);
        }
        at = behind(data, key.next, 0)?;
    }
    Ok(ControlFlow::Continue(()))
}
