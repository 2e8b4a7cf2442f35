//! Walks every record once and learns its shape: which fields there are, and of which types.
//!
//! Records share most of their parts through pointers. A map or list is walked once per place in the shape
//! where it stands, so the work is that of the file's size, not of the number of networks. Each core walks
//! its own part of the records; the shapes are put together behind that.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::decode::{Kind, Value, broken, value};
use super::tree::Tree;
use super::watch::{Seen, Watch, datum};
use super::{ANY_KEY, DEPTH_MAX, FIELDS_MAX, Fault, ITEM_KEY, KEYS_BY_PLACE_MAX};
use crate::formats::rule::Breaches;

/// Longer keys are data, not names.
const KEY_BYTES_MAX: usize = 256;
/// Paths of deeper fields are not listed.
const PATH_BYTES_MAX: usize = 1_024;
/// The values and keys of one record with all pointers followed. `maxminddb` 0.32 stops a decode at 65,536
/// values; a record above that is one that no consumer can read.
const EXPANDED_MAX: u32 = 65_536;
/// Most pointers lead to one of a few parts (a country, a continent): those are known without a look into
/// the large set. A power of two.
const RECENT: usize = 4_096;

/// Records share their texts: so many values that their rule allows are known by their place. A power of two.
const ALLOWED: usize = 1 << 16;

/// What all records together look like.
#[derive(Default)]
pub(crate) struct Shape {
    /// Dotted path and kind of each field, with the offset of the first such value.
    pub(crate) fields: BTreeMap<(String, Kind), usize>,
    /// How many records there are.
    pub(crate) records: u64,
    /// Which watched fields each record has, in the order of the records; empty where none is watched.
    pub(super) seen: Vec<Seen>,
    /// The values that the rule of each watched field forbids.
    pub(super) breaches: Vec<Breaches>,
}

impl Shape {
    fn join(&mut self, other: Self) {
        self.records += other.records;
        self.seen.extend(other.seen);
        self.breaches.resize_with(other.breaches.len(), Breaches::default);
        for (breaches, others) in self.breaches.iter_mut().zip(other.breaches) {
            breaches.join(others);
        }
        for (field, offset) in other.fields {
            let first = self.fields.entry(field).or_insert(offset);
            *first = offset.min(*first);
        }
    }
}

/// Walks all records of a tree, on all cores. The bound on decoded values holds per core.
pub(crate) fn shape(tree: &Tree<'_>, watch: &Watch, values_max: u64) -> Result<Shape, Fault> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let parts = tree.records(cores).map(|records| {
            scope.spawn(move || {
                let mut walk = ShapeWalk::new(tree.paths.data, watch, values_max);
                for offset in records {
                    walk.record(offset)?;
                }
                Ok(walk.into_shape())
            })
        });
        let parts: Vec<_> = parts.collect();
        let mut whole = Shape::default();
        for part in parts {
            whole.join(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(whole)
    })
}

/// The walk over a part of the records.
struct ShapeWalk<'a> {
    data: &'a [u8],
    watch: &'a Watch,
    fields: Vec<Field<'a>>,
    recent: Vec<(usize, u32, Inside)>,
    /// Values that their rule allows: where each begins, and of which watched field.
    allowed: Vec<(usize, u32)>,
    /// What a part holds, by its place and field.
    walked: FxHashMap<(usize, u32), Inside>,
    values_left: u64,
    whole: Shape,
}

/// What a value holds with all pointers followed.
#[derive(Clone, Copy)]
struct Inside {
    /// How many values.
    expanded: u32,
    seen: Seen,
}

impl Inside {
    const ONE: Self = Self { expanded: 1, seen: Seen::NOTHING };
    /// A part whose walk has not ended: one that is met again inside itself makes a circle.
    const ENDLESS: Self = Self { expanded: u32::MAX, seen: Seen::NOTHING };

    fn add(&mut self, other: Self) {
        self.expanded = self.expanded.saturating_add(other.expanded);
        self.seen = self.seen.and(other.seen);
    }
}

/// One field of the shape.
#[derive(Default)]
struct Field<'a> {
    by_place: Vec<(usize, u32)>,
    children: FxHashMap<&'a [u8], u32>,
    /// Where the first value of each kind was seen.
    first: [Option<usize>; Kind::ALL.len()],
    /// Where it stands among the watched fields.
    place: Option<u32>,
}

impl<'a> ShapeWalk<'a> {
    fn new(data: &'a [u8], watch: &'a Watch, values_max: u64) -> Self {
        let breaches = vec![Breaches::default(); watch.len()];
        Self {
            data,
            watch,
            fields: vec![Field { place: watch.root(), ..Field::default() }],
            recent: vec![(usize::MAX, 0, Inside::ONE); RECENT],
            allowed: vec![(usize::MAX, 0); ALLOWED],
            walked: FxHashMap::default(),
            values_left: values_max,
            whole: Shape { breaches, ..Shape::default() },
        }
    }

    fn record(&mut self, offset: usize) -> Result<(), Fault> {
        let (_, inside) = self.value(offset, 0, 0)?;
        self.whole.records += 1;
        if self.watch.root().is_some() {
            self.whole.seen.push(inside.seen);
        }
        if inside.expanded <= EXPANDED_MAX {
            return Ok(());
        }
        let expected = "a record of at most 65,536 values, what readers decode";
        Err(broken(offset, expected, "more, or a circle of pointers".to_owned()))
    }

    /// Walks a value that stands in a field; returns where the next one begins, and what this one holds.
    fn value(&mut self, offset: usize, field: u32, depth: usize) -> Result<(usize, Inside), Fault> {
        self.values_left = self.values_left.checked_sub(1).ok_or(Fault::Work)?;
        let (to, next) = match value(self.data, offset)? {
            Value::Pointer { to, next } => (to, next),
            here => return self.item(here, offset, field, depth),
        };
        let slot = (to ^ (field as usize).wrapping_mul(0x9e37)) & (RECENT - 1);
        let (recent_to, recent_field, inside) = self.recent[slot];
        if (recent_to, recent_field) == (to, field) {
            return Ok((next, inside));
        }
        let inside = match value(self.data, to)? {
            Value::Pointer { .. } => {
                let found = format!("a pointer at {to}");
                return Err(broken(offset, "a pointer to a value", found));
            }
            scalar @ Value::Scalar { .. } => self.item(scalar, to, field, depth + 1)?.1,
            items @ Value::Items { .. } => self.shared(items, to, field, depth + 1)?,
        };
        self.recent[slot] = (to, field, inside);
        Ok((next, inside))
    }

    /// Walks a shared part once per field.
    fn shared(
        &mut self,
        items: Value,
        to: usize,
        field: u32,
        depth: usize,
    ) -> Result<Inside, Fault> {
        if let Some(inside) = self.walked.get(&(to, field)) {
            return Ok(*inside);
        }
        self.walked.insert((to, field), Inside::ENDLESS);
        let (_, inside) = self.item(items, to, field, depth)?;
        self.walked.insert((to, field), inside);
        Ok(inside)
    }

    fn item(
        &mut self,
        item: Value,
        offset: usize,
        field: u32,
        depth: usize,
    ) -> Result<(usize, Inside), Fault> {
        if depth > DEPTH_MAX {
            return Err(broken(offset, "a nesting of at most 64", "more".to_owned()));
        }
        let (kind, count, mut at) = match item {
            Value::Items { kind, count, next } => (kind, count, next),
            Value::Scalar { kind, start, next } => {
                if kind == Kind::Text {
                    text(self.data, start, next)?;
                }
                self.seen(field, kind, offset);
                let seen = self.watched(field, kind, offset, start..next);
                return Ok((next, Inside { seen, ..Inside::ONE }));
            }
            Value::Pointer { next, .. } => return Ok((next, Inside::ONE)),
        };
        self.seen(field, kind, offset);
        let mut inside = Inside::ONE;
        if let Some(watched) = self.watched_field(field).filter(|_| count > 0) {
            inside.seen = Seen::value(watched);
        }
        for _ in 0..count {
            let child = match kind {
                Kind::Map => self.key(field, &mut at)?,
                _ => self.child(field, ITEM_KEY),
            };
            let (next, below) = self.value(at, child, depth + 1)?;
            at = next;
            inside.add(below);
            inside.expanded = inside.expanded.saturating_add(1);
        }
        Ok((at, inside))
    }

    fn watched_field(&self, field: u32) -> Option<u32> {
        self.watch.watched(self.fields[field as usize].place?)
    }

    /// Judges a scalar by the rule of its field. An empty text is no value.
    fn watched(&mut self, field: u32, kind: Kind, offset: usize, bytes: Range<usize>) -> Seen {
        let Some(watched) = self.watched_field(field) else { return Seen::NOTHING };
        if kind == Kind::Text && bytes.is_empty() {
            return Seen::NOTHING;
        }
        let slot = offset & (ALLOWED - 1);
        if self.allowed[slot] == (offset, watched) {
            return Seen::value(watched);
        }
        let start = bytes.start;
        let datum = datum(self.data, kind, start, bytes.end);
        let Some(datum) = datum.filter(|datum| !self.watch.allows(watched, *datum)) else {
            self.allowed[slot] = (offset, watched);
            return Seen::value(watched);
        };
        let place = || format!("data offset {start}");
        self.whole.breaches[watched as usize].note(datum, place);
        Seen::breach(watched)
    }

    /// Reads a map's key; finds the field that its value stands in.
    fn key(&mut self, field: u32, at: &mut usize) -> Result<u32, Fault> {
        let (place, behind) = match value(self.data, *at)? {
            Value::Pointer { to, next } => (to, Some(next)),
            _ => (*at, None),
        };
        if let Some(behind) = behind {
            let known = self.fields[field as usize].by_place.iter().find(|(p, _)| *p == place);
            if let Some((_, child)) = known {
                *at = behind;
                return Ok(*child);
            }
        }
        match value(self.data, place)? {
            Value::Scalar { kind: Kind::Text, start, next } => {
                let key = text(self.data, start, next)?;
                let child = self.child(field, key);
                let by_place = &mut self.fields[field as usize].by_place;
                if behind.is_some() && by_place.len() < KEYS_BY_PLACE_MAX {
                    by_place.push((place, child));
                }
                *at = behind.unwrap_or(next);
                Ok(child)
            }
            other => Err(broken(place, "a key that is a string", format!("{other:?}"))),
        }
    }

    fn child(&mut self, field: u32, key: &'a [u8]) -> u32 {
        if let Some(child) = self.fields[field as usize].children.get(key) {
            return *child;
        }
        let name = self.fields.len() < FIELDS_MAX && key.len() <= KEY_BYTES_MAX;
        let key = if name { key } else { ANY_KEY };
        let fresh = u32::try_from(self.fields.len()).unwrap_or(u32::MAX);
        let parent = &mut self.fields[field as usize];
        let place = parent.place.and_then(|place| self.watch.child(place, key));
        let child = *parent.children.entry(key).or_insert(fresh);
        if child == fresh {
            self.fields.push(Field { place, ..Field::default() });
        }
        child
    }

    fn seen(&mut self, field: u32, kind: Kind, offset: usize) {
        self.fields[field as usize].first[kind as usize].get_or_insert(offset);
    }

    fn into_shape(mut self) -> Shape {
        let mut shape = std::mem::take(&mut self.whole);
        self.list(0, "", &mut shape);
        shape
    }

    fn list(&self, field: u32, path: &str, shape: &mut Shape) {
        let here = &self.fields[field as usize];
        let shown = if path.is_empty() { "(record)" } else { path };
        for (kind, first) in Kind::ALL.into_iter().zip(here.first) {
            if let Some(offset) = first {
                shape.fields.insert((shown.to_owned(), kind), offset);
            }
        }
        for (key, child) in &here.children {
            let key = String::from_utf8_lossy(key);
            let dot = if path.is_empty() || key == "[]" { "" } else { "." };
            let below = format!("{path}{dot}{key}");
            if below.len() <= PATH_BYTES_MAX {
                self.list(*child, &below, shape);
            }
        }
    }
}

fn text(data: &[u8], start: usize, next: usize) -> Result<&[u8], Fault> {
    let bytes = &data[start..next];
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(broken(start, "UTF-8", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;
    use crate::formats::rule::Rule;

    /// A value that begins inside another one is judged by itself.
    #[test]
    fn what_a_rule_allows_says_nothing_of_a_value_that_overlaps_it() {
        let record = |to: u8| [0xe1, 0x41, b'c', 0x20, to];
        // 95 bytes from byte 12 on, and a text of two bytes from the same byte on.
        let mut data = [&record(10)[..], &record(11), &[0x9d, 0x42]].concat();
        data.resize(12 + 95 + 5, b'?');
        let pattern = Some(Regex::new("^[A-Z]{2}$").expect("it compiles"));
        let watch = Watch::new([("c", Rule { pattern, ..Rule::default() })]);
        let mut walk = ShapeWalk::new(&data, &watch, 100);
        walk.record(0).expect("bytes");
        walk.record(5).expect("a text");
        assert_eq!(walk.into_shape().breaches[0].count, 1);
    }
}
