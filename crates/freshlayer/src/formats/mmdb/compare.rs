//! What differs between two builds, address by address: one walk of both trees in lock-step.
//!
//! A difference weighs as much as the addresses that it is for: of IPv4, or of IPv6 in networks of 64 bits where a build
//! has no IPv4. The memory does not grow with the files.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::comparison::{Comparison, FieldChange, Moved};
use super::decode::{Kind, Resolved, Value, behind, broken, resolved};
use super::paths::{Branch, Paths};
use super::texts::TEXTS_MAX;
use super::{ANY_KEY, DEPTH_MAX, FIELDS_MAX, Fault, ITEM_KEY, KEYS_BY_PLACE_MAX};
use crate::formats::text_shape::{TEXT_BYTES_MAX, shape_of};

/// Parts of records whose differences are kept for the next record that shares them. A power of two.
const KNOWN_PARTS: usize = 1 << 15;
/// The trees are cut into parts by so many bits of the address.
const CUT_BITS: u32 = 16;
/// Of which one in so many is compared, where a tree is so large.
const SAMPLE: u64 = 8;
const SAMPLED_NODES_MIN: usize = 500_000;
/// Names are for people, in many languages: their movements are not kept.
const NAMES_KEY: &[u8] = b"names";

/// Which addresses are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All; but of large builds with IPv4 one in eight blocks of 65,536, always the same ones.
    Sample,
    /// All.
    Whole,
}

/// Compares two builds, on all cores. The bound on decoded values holds per core.
pub(crate) fn compare(
    before: Paths<'_>,
    after: Paths<'_>,
    extent: Extent,
    values_max: u64,
) -> Result<Comparison, Fault> {
    let (bits, roots) = match (before.ipv4(), after.ipv4()) {
        (Branch::Nothing, _) | (_, Branch::Nothing) => (64, (Paths::ROOT, Paths::ROOT)),
        roots => (32, roots),
    };
    let mut parts = vec![roots];
    for _ in 0..CUT_BITS {
        parts = parts.into_iter().flat_map(|pair| halves(before, after, pair)).collect();
    }
    let is_large = bits == 32 && after.nodes.count > SAMPLED_NODES_MIN;
    // Neighbours of each row of 256 blocks differ, so that no stride of an allocation is left out.
    let is_taken = |at: u64| (at / 256 + at).is_multiple_of(SAMPLE);
    let all = (0_u64..).zip(parts);
    let parts: Vec<(u64, (Branch, Branch))> = match extent {
        Extent::Sample if is_large => all.filter(|(at, _)| is_taken(*at)).collect(),
        Extent::Sample | Extent::Whole => all.collect(),
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let shares = (0..cores).map(|core| {
            let share = parts.iter().skip(core).step_by(cores);
            scope.spawn(move || {
                let mut walk = Walk::new(before, after, values_max);
                for (at, pair) in share {
                    walk.part(*pair, Network { bits, prefix: *at, left: bits - CUT_BITS })?;
                }
                Ok(walk.into_comparison())
            })
        });
        let shares: Vec<_> = shares.collect();
        let mut whole = Comparison::default();
        for share in shares {
            whole.join(share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(whole)
    })
}

/// Compares two builds at some addresses only, each as heavy as its number says.
pub(crate) fn compare_at(
    before: Paths<'_>,
    after: Paths<'_>,
    addresses: &[(IpAddr, u64)],
    values_max: u64,
) -> Result<Comparison, Fault> {
    let mut walk = Walk::new(before, after, values_max);
    for (address, weight) in addresses {
        let (mut pair, bits, decided) = match address.to_canonical() {
            IpAddr::V4(address) => {
                ((before.ipv4(), after.ipv4()), 32, u128::from(address.to_bits()))
            }
            IpAddr::V6(address) => ((before.ipv6(), after.ipv6()), 128, address.to_bits()),
        };
        for at in (0..bits).rev() {
            pair = halves(before, after, pair)[usize::from(decided >> at & 1 == 1)];
        }
        walk.network(pair, *weight, None)?;
    }
    Ok(walk.into_comparison())
}

fn halves(before: Paths<'_>, after: Paths<'_>, pair: (Branch, Branch)) -> [(Branch, Branch); 2] {
    let ([a, b], [c, d]) = (before.below(pair.0), after.below(pair.1));
    [(a, c), (b, d)]
}

/// A network: the bits of its addresses that are decided.
#[derive(Debug, Clone, Copy)]
struct Network {
    /// How many bits count: 32 of IPv4, or the first 64 of IPv6.
    bits: u32,
    prefix: u64,
    /// How many are not decided.
    left: u32,
}

impl Network {
    fn halves(self) -> [Self; 2] {
        let left = self.left - 1;
        [self.prefix << 1, self.prefix << 1 | 1].map(|prefix| Self { prefix, left, ..self })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.prefix << self.left;
        let length = self.bits - self.left;
        match u32::try_from(start).ok().filter(|_| self.bits == 32) {
            Some(start) => write!(f, "{}/{length}", Ipv4Addr::from_bits(start)),
            None => write!(f, "{}/{length}", Ipv6Addr::from_bits(u128::from(start) << 64)),
        }
    }
}

/// One of the two builds.
#[derive(Clone, Copy)]
enum Build {
    Before,
    After,
}

/// A value of a field, as far as differences tell of it: texts by their place.
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

/// From one text to another.
type Texts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

#[derive(Default)]
struct Field<'a> {
    parent: u32,
    key: &'a [u8],
    children: FxHashMap<&'a [u8], u32>,
    /// The keys of each build by their places.
    by_place: [Vec<(usize, u32)>; 2],
    keeps_texts: bool,
    change: FieldChange,
    /// How many addresses, and the first network of them.
    texts: FxHashMap<Texts<'a>, (u64, Option<Network>)>,
}

/// The walk over a part of the addresses.
struct Walk<'a> {
    before: Paths<'a>,
    after: Paths<'a>,
    fields: Vec<Field<'a>>,
    known: Vec<Option<Known>>,
    values_left: u64,
    whole: Comparison,
}

impl<'a> Walk<'a> {
    fn new(before: Paths<'a>, after: Paths<'a>, values_max: u64) -> Self {
        let fields = vec![Field { keeps_texts: true, ..Field::default() }];
        let known = vec![None; KNOWN_PARTS];
        let (values_left, whole) = (values_max, Comparison::default());
        Self { before, after, fields, known, values_left, whole }
    }

    fn data(&self, build: Build) -> &'a [u8] {
        match build {
            Build::Before => self.before.data,
            Build::After => self.after.data,
        }
    }

    /// Walks the addresses below a place of both trees. Of networks smaller than the unit the first one stands for all.
    fn part(&mut self, pair: (Branch, Branch), network: Network) -> Result<(), Fault> {
        let is_node = |branch| matches!(branch, Branch::Node(_));
        if !is_node(pair.0) && !is_node(pair.1) {
            return self.network(pair, 1 << network.left, Some(network));
        }
        if network.left == 0 {
            let first = self.first_below(pair)?;
            return self.network(first, 1, Some(network));
        }
        let [left, right] = halves(self.before, self.after, pair);
        let [low, high] = network.halves();
        self.part(left, low)?;
        self.part(right, high)
    }

    /// Finds the first network below a place of both trees.
    fn first_below(&self, mut pair: (Branch, Branch)) -> Result<(Branch, Branch), Fault> {
        for _ in 0..=self.after.depth_max {
            match pair {
                (Branch::Node(_), _) | (_, Branch::Node(_)) => {
                    pair = halves(self.before, self.after, pair)[0];
                }
                _ => return Ok(pair),
            }
        }
        let expected = format!("at most {} bits to a record", self.after.depth_max);
        Err(Fault::Tree { node: None, expected, found: "more".to_owned() })
    }

    fn network(
        &mut self,
        pair: (Branch, Branch),
        weight: u64,
        network: Option<Network>,
    ) -> Result<(), Fault> {
        match pair {
            (Branch::Record(_), Branch::Record(_)) => {}
            (Branch::Record(_), _) => {
                self.whole.before += weight;
                self.whole.removed += weight;
            }
            (_, Branch::Record(_)) => {
                self.whole.after += weight;
                self.whole.added += weight;
            }
            _ => {}
        }
        let (Branch::Record(from), Branch::Record(to)) = pair else { return Ok(()) };
        self.whole.before += weight;
        self.whole.after += weight;
        let deltas = self.parts(from, to, 0, 0)?;
        if !deltas.is_empty() {
            self.whole.changed += weight;
        }
        for delta in deltas.iter() {
            self.count(*delta, weight, network);
        }
        Ok(())
    }

    fn count(&mut self, delta: Delta, weight: u64, network: Option<Network>) {
        let text = |build: Build, slot: Slot| match slot {
            Slot::Text(start, end) => self.data(build).get(start..end),
            Slot::Absent | Slot::Other => None,
        };
        let (from, to) = (text(Build::Before, delta.from), text(Build::After, delta.to));
        let field = &mut self.fields[delta.field as usize];
        match (delta.from, delta.to) {
            (_, Slot::Absent) => field.change.lost += weight,
            (Slot::Absent, _) => field.change.gained += weight,
            _ => field.change.changed += weight,
        }
        let is_short = |text: Option<&[u8]>| text.is_none_or(|text| text.len() <= TEXT_BYTES_MAX);
        if !field.keeps_texts || !is_short(from) || !is_short(to) {
            return;
        }
        if field.texts.len() < TEXTS_MAX || field.texts.contains_key(&(from, to)) {
            field.texts.entry((from, to)).or_insert((0, network)).0 += weight;
        }
        let Some(to) = to else { return };
        let shape = shape_of(&String::from_utf8_lossy(to));
        if field.change.shapes.len() < TEXTS_MAX || field.change.shapes.contains_key(&shape) {
            *field.change.shapes.entry(shape).or_default() += weight;
        }
    }

    /// Compares two parts that stand for themselves, once for all records that share them.
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
        let mut found = Vec::new();
        self.values(from, to, field, depth, &mut found)?;
        let deltas: Rc<[Delta]> = found.into();
        self.known[slot] = Some(Known { places, deltas: Rc::clone(&deltas) });
        Ok(deltas)
    }

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
        self.values_left = self.values_left.checked_sub(1).ok_or(Fault::Work)?;
        let old = resolved(self.before.data, from)?;
        let new = resolved(self.after.data, to)?;
        match (old.value, new.value) {
            (Value::Items { kind: Kind::Map, .. }, Value::Items { kind: Kind::Map, .. })
            | (Value::Items { kind: Kind::Array, .. }, Value::Items { kind: Kind::Array, .. }) => {
                if (old.place, new.place) != (from, to) {
                    let deltas = self.parts(old.place, new.place, field, depth + 1)?;
                    found.extend_from_slice(&deltas);
                    return Ok(());
                }
                self.items(old.value, new.value, field, depth, found)
            }
            (
                Value::Scalar { kind, start, next },
                Value::Scalar { kind: new_kind, start: new_start, next: new_next },
            ) => {
                // A boolean stands in its head, and a value of another type has another head.
                let is_same = kind == new_kind
                    && match kind {
                        Kind::Boolean => {
                            self.before.data[old.place..start]
                                == self.after.data[new.place..new_start]
                        }
                        _ => self.before.data[start..next] == self.after.data[new_start..new_next],
                    };
                if !is_same {
                    let (from, to) = (slot(old.value), slot(new.value));
                    found.push(Delta { field, from, to });
                }
                Ok(())
            }
            (from, to) => {
                found.push(Delta { field, from: slot(from), to: slot(to) });
                Ok(())
            }
        }
    }

    fn items(
        &mut self,
        from: Value,
        to: Value,
        field: u32,
        depth: usize,
        found: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        let old = self.entries(Build::Before, from, field)?;
        let mut new: Vec<_> =
            self.entries(Build::After, to, field)?.into_iter().map(Some).collect();
        for (at, (child, was)) in old.into_iter().enumerate() {
            let is_it = |entry: &Option<(u32, usize)>| entry.is_some_and(|(it, _)| it == child);
            let here = new.get(at).is_some_and(is_it).then_some(at);
            let here = here.or_else(|| new.iter().position(is_it));
            match here.and_then(|at| new[at].take()) {
                Some((_, now)) => self.values(was, now, child, depth + 1, found)?,
                None => self.leaves(Build::Before, was, child, depth + 1, found)?,
            }
        }
        for (child, now) in new.into_iter().flatten() {
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
        self.values_left = self.values_left.checked_sub(1).ok_or(Fault::Work)?;
        let here = resolved(self.data(build), place)?.value;
        if let Value::Items { .. } = here {
            for (child, place) in self.entries(build, here, field)? {
                self.leaves(build, place, child, depth + 1, found)?;
            }
            return Ok(());
        }
        let (from, to) = match build {
            Build::Before => (slot(here), Slot::Absent),
            Build::After => (Slot::Absent, slot(here)),
        };
        found.push(Delta { field, from, to });
        Ok(())
    }

    /// Lists the items of a map or a list: the field of each, and the place of its value.
    fn entries(
        &mut self,
        build: Build,
        items: Value,
        field: u32,
    ) -> Result<Vec<(u32, usize)>, Fault> {
        let Value::Items { kind, count, next } = items else { return Ok(Vec::new()) };
        let data = self.data(build);
        let mut entries = Vec::with_capacity(count.min(64));
        let mut at = next;
        for _ in 0..count {
            let child = match kind {
                Kind::Map => self.key(build, field, &mut at)?,
                _ => self.child(field, ITEM_KEY),
            };
            entries.push((child, at));
            at = behind(data, at, 0)?;
        }
        Ok(entries)
    }

    /// Reads a map's key; finds the field that its value stands in.
    fn key(&mut self, build: Build, field: u32, at: &mut usize) -> Result<u32, Fault> {
        let data = self.data(build);
        let Resolved { place, value: key, next } = resolved(data, *at)?;
        *at = next;
        let by_place = &self.fields[field as usize].by_place[build as usize];
        if let Some((_, child)) = by_place.iter().find(|(known, _)| *known == place) {
            return Ok(*child);
        }
        let Value::Scalar { kind: Kind::Text, start, next } = key else {
            return Err(broken(place, "a key that is a string", format!("{key:?}")));
        };
        let child = self.child(field, &data[start..next]);
        let by_place = &mut self.fields[field as usize].by_place[build as usize];
        if by_place.len() < KEYS_BY_PLACE_MAX {
            by_place.push((place, child));
        }
        Ok(child)
    }

    fn child(&mut self, field: u32, key: &'a [u8]) -> u32 {
        if let Some(child) = self.fields[field as usize].children.get(key) {
            return *child;
        }
        let key = if self.fields.len() < FIELDS_MAX { key } else { ANY_KEY };
        let fresh = u32::try_from(self.fields.len()).unwrap_or(u32::MAX);
        let parent = &mut self.fields[field as usize];
        let keeps_texts = parent.keeps_texts && key != NAMES_KEY;
        let child = *parent.children.entry(key).or_insert(fresh);
        if child == fresh {
            self.fields.push(Field { parent: field, key, keeps_texts, ..Field::default() });
        }
        child
    }

    fn into_comparison(self) -> Comparison {
        let mut paths: Vec<String> = Vec::with_capacity(self.fields.len());
        let mut whole = self.whole;
        for field in self.fields {
            let path = match paths.get(field.parent as usize).map_or("", String::as_str) {
                "" => String::from_utf8_lossy(field.key).into_owned(),
                above if field.key == ITEM_KEY => format!("{above}[]"),
                above => format!("{above}.{}", String::from_utf8_lossy(field.key)),
            };
            let text =
                |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
            let texts = field.texts.into_iter();
            let movements = texts.map(|((from, to), (weight, first))| {
                let first = first.map(|network| network.to_string());
                ((text(from), text(to)), Moved { weight, first })
            });
            let change = FieldChange { movements: movements.collect(), ..field.change };
            if change.lost + change.gained + change.changed > 0 {
                whole.fields.entry(path.clone()).or_default().join(change);
            }
            paths.push(path);
        }
        whole
    }
}

fn slot(value: Value) -> Slot {
    match value {
        Value::Scalar { kind: Kind::Text, start, next } => Slot::Text(start, next),
        _ => Slot::Other,
    }
}
