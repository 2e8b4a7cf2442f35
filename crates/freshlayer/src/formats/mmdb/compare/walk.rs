//! The walk over a part of the addresses, in both builds.

use std::rc::Rc;

use super::fields::{Build, Fields, Told};
use super::{Family, Part, Share};
use crate::formats::mmdb::comparison::Comparison;
use crate::formats::mmdb::decode::{Kind, Resolved, Value, behind, broken, resolved, value};
use crate::formats::mmdb::network::Network;
use crate::formats::mmdb::paths::{Branch, Paths};
use crate::formats::mmdb::{DEPTH_MAX, Fault};
use crate::formats::text_shape::TEXT_BYTES_MAX;

/// Parts of records whose differences are kept for the next record that shares them. A power of two.
const KNOWN_PARTS: usize = 1 << 15;
/// Longer lists of differences are found again: a real record has a few dozen values.
const KNOWN_DELTAS_MAX: usize = 256;

/// The same place of both trees.
pub(super) type Pair = (Branch, Branch);

/// A value of a field, as far as differences tell of it: texts by their place. An empty text is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Absent,
    Text(usize, usize),
    Other,
}

/// One difference of two records.
#[derive(Debug, Clone, Copy)]
struct Delta {
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

pub(super) struct Walk<'a> {
    before: Paths<'a>,
    after: Paths<'a>,
    /// Where the IPv4 addresses are in trees of IPv6: they are walked by themselves.
    left_out: [Option<usize>; 2],
    fields: Fields<'a>,
    known: Vec<Option<Known>>,
    nothing: Rc<[Delta]>,
    values_left: u64,
    whole: Comparison,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        before: Paths<'a>,
        after: Paths<'a>,
        family: Family,
        values_max: u64,
    ) -> Self {
        let left_out = match family {
            Family::Ipv4 => [None, None],
            Family::Ipv6 => [before.ipv4_root(), after.ipv4_root()],
        };
        let (values_left, whole) = (values_max, Comparison::default());
        let known = vec![None; KNOWN_PARTS];
        let nothing = Rc::from([]);
        let fields = Fields::new();
        Self { before, after, left_out, fields, known, nothing, values_left, whole }
    }

    /// Counts the parts of so many bits below a place of both trees that have more than one network.
    pub(super) fn count_parts(&self, pair: Pair, network: Network, bits: u32) -> usize {
        if !has_node(pair) {
            return 0;
        }
        if network.bits - network.left == bits {
            return 1;
        }
        let ([left, right], [low, high]) = (self.halves(pair), network.halves());
        self.count_parts(left, low, bits) + self.count_parts(right, high, bits)
    }

    /// Walks every part that belongs to a share of the addresses below a place of both trees.
    pub(super) fn share(
        &mut self,
        pair: Pair,
        network: Network,
        share: Share,
    ) -> Result<(), Fault> {
        let mut number = 0;
        self.share_below(pair, network, share, &mut number)
    }

    fn share_below(
        &mut self,
        pair: Pair,
        network: Network,
        share: Share,
        number: &mut usize,
    ) -> Result<(), Fault> {
        let decided = network.bits - network.left;
        let is_wide = !has_node(pair) && decided < share.family.cut_bits();
        if !is_wide && decided < share.family.cut_bits() {
            let [left, right] = self.halves(pair);
            let [low, high] = network.halves();
            self.share_below(left, low, share, number)?;
            return self.share_below(right, high, share, number);
        }
        let is_ours = share.takes(&Part { network, is_wide }, *number);
        *number += 1;
        match (is_ours, is_wide) {
            (false, _) => Ok(()),
            (true, true) => self.network(pair, network.size() / share.sample, Some(network)),
            (true, false) => self.part(pair, network),
        }
    }

    /// Returns what the two values of the next bit lead to.
    pub(super) fn halves(&self, pair: Pair) -> [Pair; 2] {
        let ([a, b], [c, d]) = (self.before.below(pair.0), self.after.below(pair.1));
        [(a, c), (b, d)].map(|(old, new)| {
            let kept = |branch: Branch, left_out: Option<usize>| match branch {
                Branch::Node(node) if Some(node) == left_out => Branch::Nothing,
                branch => branch,
            };
            (kept(old, self.left_out[0]), kept(new, self.left_out[1]))
        })
    }

    fn data(&self, build: Build) -> &'a [u8] {
        match build {
            Build::Before => self.before.data,
            Build::After => self.after.data,
        }
    }

    /// Walks the addresses below a place of both trees. Of networks smaller than the unit the first one stands for all.
    pub(super) fn part(&mut self, pair: Pair, network: Network) -> Result<(), Fault> {
        if !has_node(pair) {
            return self.network(pair, network.size(), Some(network));
        }
        if network.left == 0 {
            let first = self.first_below(pair)?;
            return self.network(first, 1, Some(network));
        }
        let [left, right] = self.halves(pair);
        let [low, high] = network.halves();
        self.part(left, low)?;
        self.part(right, high)
    }

    /// Finds the first network below a place of both trees.
    fn first_below(&self, mut pair: Pair) -> Result<Pair, Fault> {
        let depth_max = self.before.depth_max.max(self.after.depth_max);
        for _ in 0..=depth_max {
            if !has_node(pair) {
                return Ok(pair);
            }
            pair = self.halves(pair)[0];
        }
        let expected = format!("at most {depth_max} bits to a record");
        Err(Fault::Tree { node: None, expected, found: "more".to_owned() })
    }

    /// Compares what both builds say of a network.
    pub(super) fn network(
        &mut self,
        pair: Pair,
        weight: u64,
        network: Option<Network>,
    ) -> Result<(), Fault> {
        let add = |sum: &mut u64| *sum = sum.saturating_add(weight);
        let is_record = |branch| matches!(branch, Branch::Record(_));
        if is_record(pair.0) {
            add(&mut self.whole.before);
        }
        if is_record(pair.1) {
            add(&mut self.whole.after);
        }
        let (from, to) = match pair {
            (Branch::Record(from), Branch::Record(to)) => (from, to),
            (Branch::Record(_), _) => {
                add(&mut self.whole.removed);
                return Ok(());
            }
            (_, Branch::Record(_)) => {
                add(&mut self.whole.added);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let deltas = self.parts(from, to, 0, 0)?;
        self.spend(deltas.len())?;
        if !deltas.is_empty() {
            add(&mut self.whole.changed);
        }
        for delta in deltas.iter() {
            let told = (self.told(Build::Before, delta.from), self.told(Build::After, delta.to));
            self.fields.count(delta.field, told, weight, network);
        }
        Ok(())
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

    /// Compares two records, or two parts that pointers lead to, once for all that share them.
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
            no_pointer(self.before.data, from)?;
            no_pointer(self.after.data, to)?;
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

    /// Compares two values; both may be pointers to parts that records share.
    fn values(
        &mut self,
        from: usize,
        to: usize,
        field: u32,
        depth: usize,
        found: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(broken(to, "a nesting of at most 64", "more".to_owned()));
        }
        self.spend(1)?;
        let (old, new) = (value(self.before.data, from)?, value(self.after.data, to)?);
        if let (Value::Pointer { to: old, .. }, Value::Pointer { to: new, .. }) = (old, new) {
            let deltas = self.parts(old, new, field, depth + 1)?;
            self.spend(deltas.len())?;
            found.extend_from_slice(&deltas);
            return Ok(());
        }
        let old = resolved(self.before.data, from)?;
        let new = resolved(self.after.data, to)?;
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
        let (before, after) = (self.before.data, self.after.data);
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
        if depth > DEPTH_MAX {
            return Err(broken(place, "a nesting of at most 64", "more".to_owned()));
        }
        self.spend(1)?;
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

    pub(super) fn into_comparison(self) -> Comparison {
        Comparison { fields: self.fields.into_changes(), ..self.whole }
    }
}

fn has_node(pair: Pair) -> bool {
    let is_node = |branch| matches!(branch, Branch::Node(_));
    is_node(pair.0) || is_node(pair.1)
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
