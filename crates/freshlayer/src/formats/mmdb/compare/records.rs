//! What two records say differently.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::fields::{Build, Fields, Told};
use crate::formats::mmdb::comparison::FieldChange;
use crate::formats::mmdb::decode::{Kind, Resolved, Value, behind, broken, resolved, value};
use crate::formats::mmdb::network::Network;
use crate::formats::mmdb::{DEPTH_MAX, Fault};
use crate::formats::text_shape::TEXT_BYTES_MAX;

/// Parts of records whose differences are kept for the next record that shares them. A power of two.
const KNOWN_PARTS: usize = 1 << 15;
/// Longer lists of differences are found again: a real record has a few dozen values.
const KNOWN_DELTAS_MAX: usize = 256;

/// A value of a field, as far as differences tell of it: texts by their place. An empty text is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Absent,
    Text(usize, usize),
    Other,
}

/// One difference of two records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delta {
    field: u32,
    from: Slot,
    to: Slot,
}

/// Two parts that records share, by their places, with what differs.
#[derive(Clone)]
struct Known {
    places: (usize, usize, u32),
    deltas: Rc<[Delta]>,
}

/// A map or a list, as far as it was read.
#[derive(Clone, Copy)]
struct Items {
    kind: Kind,
    left: usize,
    at: usize,
}

/// The records of both builds.
pub(super) struct Records<'a> {
    before: &'a [u8],
    after: &'a [u8],
    fields: Fields<'a>,
    known: Vec<Option<Known>>,
    nothing: Rc<[Delta]>,
    values_left: u64,
}

impl<'a> Records<'a> {
    /// Compares `values_max` values at most.
    pub(super) fn new(before: &'a [u8], after: &'a [u8], values_max: u64) -> Self {
        Self {
            before,
            after,
            fields: Fields::new(),
            known: vec![None; KNOWN_PARTS],
            nothing: Rc::from([]),
            values_left: values_max,
        }
    }

    /// Lists the differences of two records.
    pub(super) fn compare(&mut self, from: usize, to: usize) -> Result<Rc<[Delta]>, Fault> {
        let deltas = self.parts(from, to, 0, 0)?;
        self.spend(deltas.len())?;
        Ok(deltas)
    }

    /// Counts the differences of a network's records.
    pub(super) fn count(&mut self, deltas: &[Delta], weight: u64, network: Option<Network>) {
        for delta in deltas {
            let told = (self.told(Build::Before, delta.from), self.told(Build::After, delta.to));
            self.fields.count(delta.field, told, weight, network);
        }
    }

    fn data(&self, build: Build) -> &'a [u8] {
        match build {
            Build::Before => self.before,
            Build::After => self.after,
        }
    }

    fn told(&self, build: Build, slot: Slot) -> Told<'a> {
        match slot {
            Slot::Absent => Told::Absent,
            Slot::Text(start, end) if end - start <= TEXT_BYTES_MAX => {
                Told::Text(&self.data(build)[start..end])
            }
            Slot::Text(..) | Slot::Other => Told::Other,
        }
    }

    /// Compares two parts that pointers lead to, once for all that share them.
    fn parts(
        &mut self,
        from: usize,
        to: usize,
        field: u32,
        depth: usize,
    ) -> Result<Rc<[Delta]>, Fault> {
        let places = (from, to, field);
        let mixed = from.wrapping_mul(31) ^ to ^ (field as usize).wrapping_mul(0x9e37);
        let slot = (mixed ^ (mixed >> 15)) & (KNOWN_PARTS - 1);
        if let Some(known) = self.known[slot].as_ref().filter(|known| known.places == places) {
            return Ok(Rc::clone(&known.deltas));
        }
        if depth > 0 {
            no_pointer(self.before, from)?;
            no_pointer(self.after, to)?;
        }
        let mut found = Vec::new();
        self.values(from, to, field, depth, &mut found)?;
        let deltas = if found.is_empty() { Rc::clone(&self.nothing) } else { found.into() };
        if deltas.len() <= KNOWN_DELTAS_MAX {
            self.known[slot] = Some(Known { places, deltas: Rc::clone(&deltas) });
        }
        Ok(deltas)
    }

    /// Takes so many values from the bound on all of them.
    fn spend(&mut self, values: usize) -> Result<(), Fault> {
        self.values_left = self.values_left.checked_sub(values as u64).ok_or(Fault::Work)?;
        Ok(())
    }

    /// Takes a value from that bound, where it is not nested too deeply.
    fn enter(&mut self, place: usize, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(broken(place, "a nesting of at most 64", "more".to_owned()));
        }
        self.spend(1)
    }

    /// Compares two values; both may be pointers to parts that records share.
    fn values(
        &mut self,
        from: usize,
        to: usize,
        field: u32,
        depth: usize,
        found: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        self.enter(to, depth)?;
        let (old, new) = (value(self.before, from)?, value(self.after, to)?);
        if let (Value::Pointer { to: old, .. }, Value::Pointer { to: new, .. }) = (old, new) {
            let deltas = self.parts(old, new, field, depth + 1)?;
            self.spend(deltas.len())?;
            found.extend_from_slice(&deltas);
            return Ok(());
        }
        let old = resolved(self.before, from)?;
        let new = resolved(self.after, to)?;
        match (old.value, new.value) {
            (
                Value::Items { kind, count, next },
                Value::Items { kind: new_kind, count: new_count, next: new_next },
            ) if kind == new_kind => self.items(
                Items { kind, left: count, at: next },
                Items { kind, left: new_count, at: new_next },
                field,
                depth,
                found,
            ),
            (Value::Scalar { .. }, Value::Scalar { .. }) => {
                if !self.is_same(&old, &new) {
                    found.extend(delta(field, slot(old.value), slot(new.value)));
                }
                Ok(())
            }
            (from, to) => {
                found.extend(delta(field, slot(from), slot(to)));
                Ok(())
            }
        }
    }

    /// Compares two scalars. A boolean stands in its head, and a value of another type has another head.
    fn is_same(&self, old: &Resolved, new: &Resolved) -> bool {
        let (
            Value::Scalar { kind, start, next },
            Value::Scalar { kind: new_kind, start: new_start, next: new_next },
        ) = (old.value, new.value)
        else {
            return false;
        };
        let (before, after) = (self.before, self.after);
        kind == new_kind
            && match kind {
                Kind::Boolean => before[old.place..start] == after[new.place..new_start],
                _ => before[start..next] == after[new_start..new_next],
            }
    }

    /// Compares maps and lists item by item: in step as long as both have the same keys.
    fn items(
        &mut self,
        mut old: Items,
        mut new: Items,
        field: u32,
        depth: usize,
        found: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        while old.left > 0 && new.left > 0 {
            let (mut old_step, mut new_step) = (old, new);
            let (child, was) = self.entry(Build::Before, &mut old_step, field)?;
            let (other, now) = self.entry(Build::After, &mut new_step, field)?;
            if child != other {
                break;
            }
            self.values(was, now, child, depth + 1, found)?;
            (old, new) = (old_step, new_step);
        }
        self.items_in_any_order(old, new, field, depth, found)
    }

    fn items_in_any_order(
        &mut self,
        mut old: Items,
        mut new: Items,
        field: u32,
        depth: usize,
        found: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        let mut others = Vec::with_capacity(new.left.min(64));
        while new.left > 0 {
            others.push(self.entry(Build::After, &mut new, field)?);
        }
        while old.left > 0 {
            let (child, was) = self.entry(Build::Before, &mut old, field)?;
            match others.iter().position(|(other, _)| *other == child) {
                Some(at) => {
                    let (_, now) = others.remove(at);
                    self.values(was, now, child, depth + 1, found)?;
                }
                None => self.leaves(Build::Before, was, child, depth + 1, found)?,
            }
        }
        for (child, now) in others {
            self.leaves(Build::After, now, child, depth + 1, found)?;
        }
        Ok(())
    }

    /// Lists all values below a place that the other build lacks.
    fn leaves(
        &mut self,
        build: Build,
        place: usize,
        field: u32,
        depth: usize,
        found: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        self.enter(place, depth)?;
        let here = resolved(self.data(build), place)?.value;
        if let Value::Items { kind, count, next } = here {
            let mut items = Items { kind, left: count, at: next };
            while items.left > 0 {
                let (child, place) = self.entry(build, &mut items, field)?;
                self.leaves(build, place, child, depth + 1, found)?;
            }
            return Ok(());
        }
        found.extend(match build {
            Build::Before => delta(field, slot(here), Slot::Absent),
            Build::After => delta(field, Slot::Absent, slot(here)),
        });
        Ok(())
    }

    /// Reads the next item of a map or a list: its field, and the place of its value.
    fn entry(
        &mut self,
        build: Build,
        items: &mut Items,
        field: u32,
    ) -> Result<(u32, usize), Fault> {
        let child = match items.kind {
            Kind::Map => self.key(build, field, &mut items.at)?,
            _ => self.fields.item(field),
        };
        let place = items.at;
        items.at = behind(self.data(build), place, 0)?;
        items.left -= 1;
        Ok((child, place))
    }

    /// Reads a map's key; finds the field that its value stands in.
    fn key(&mut self, build: Build, field: u32, at: &mut usize) -> Result<u32, Fault> {
        let data = self.data(build);
        if let Value::Pointer { to, next } = value(data, *at)?
            && let Some(child) = self.fields.known(build, field, to)
        {
            *at = next;
            return Ok(child);
        }
        let Resolved { place, value: key, next } = resolved(data, *at)?;
        *at = next;
        let Value::Scalar { kind: Kind::Text, start, next } = key else {
            return Err(broken(place, "a key that is a string", format!("{key:?}")));
        };
        Ok(self.fields.keyed(build, field, place, &data[start..next]))
    }

    pub(super) fn into_changes(self) -> BTreeMap<String, FieldChange> {
        self.fields.into_changes()
    }
}

/// Refuses a pointer where another one leads to.
fn no_pointer(data: &[u8], place: usize) -> Result<(), Fault> {
    match value(data, place)? {
        Value::Pointer { .. } => {
            Err(broken(place, "a value behind a pointer", "a pointer".to_owned()))
        }
        Value::Items { .. } | Value::Scalar { .. } => Ok(()),
    }
}

/// A difference, where there is one: of two values that are none there is not.
fn delta(field: u32, from: Slot, to: Slot) -> Option<Delta> {
    (from != Slot::Absent || to != Slot::Absent).then_some(Delta { field, from, to })
}

fn slot(value: Value) -> Slot {
    match value {
        Value::Scalar { kind: Kind::Text, start, next } if start == next => Slot::Absent,
        Value::Scalar { kind: Kind::Text, start, next } => Slot::Text(start, next),
        _ => Slot::Other,
    }
}
