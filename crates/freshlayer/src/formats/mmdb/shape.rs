//! Walks every record once and learns its shape: which fields there are, and of which types.
//!
//! Records share most of their parts through pointers. A map or list is walked once per place in the shape
//! where it stands, so the work is that of the file's size, not of the number of networks. Each core walks
//! its own part of the records; the shapes are put together behind that.

use std::collections::BTreeMap;
use std::num::NonZero;

use rustc_hash::FxHashMap;

use super::decode::{Kind, Value, broken, value};
use super::tree::Tree;
use super::{ANY_KEY, DEPTH_MAX, FIELDS_MAX, Fault, ITEM_KEY, KEYS_BY_PLACE_MAX};

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

/// What all records together look like.
#[derive(Default)]
pub(crate) struct Shape {
    /// Dotted path and kind of each field, with the offset of the first such value.
    pub(crate) fields: BTreeMap<(String, Kind), usize>,
    /// How many records there are.
    pub(crate) records: u64,
}

impl Shape {
    fn join(&mut self, other: Self) {
        self.records += other.records;
        for (field, offset) in other.fields {
            let first = self.fields.entry(field).or_insert(offset);
            *first = offset.min(*first);
        }
    }
}

/// Walks all records of a tree, on all cores. The bound on decoded values holds per core.
pub(crate) fn shape(tree: &Tree<'_>, values_max: u64) -> Result<Shape, Fault> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let parts = tree.records(cores).map(|records| {
            scope.spawn(move || {
                let mut walk = ShapeWalk::new(tree.data, values_max);
                let mut count = 0;
                for offset in records {
                    walk.record(offset)?;
                    count += 1;
                }
                Ok(walk.into_shape(count))
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
    fields: Vec<Field<'a>>,
    recent: Vec<(usize, u32, u32)>,
    /// How many values a part holds with all pointers followed, by its place and field.
    walked: FxHashMap<(usize, u32), u32>,
    values_left: u64,
}

/// One field of the shape.
#[derive(Default)]
struct Field<'a> {
    by_place: Vec<(usize, u32)>,
    children: FxHashMap<&'a [u8], u32>,
    /// Where the first value of each kind was seen.
    first: [Option<usize>; Kind::ALL.len()],
}

impl<'a> ShapeWalk<'a> {
    fn new(data: &'a [u8], values_max: u64) -> Self {
        Self {
            data,
            fields: vec![Field::default()],
            recent: vec![(usize::MAX, 0, 0); RECENT],
            walked: FxHashMap::default(),
            values_left: values_max,
        }
    }

    fn record(&mut self, offset: usize) -> Result<(), Fault> {
        let (_, expanded) = self.value(offset, 0, 0)?;
        if expanded <= EXPANDED_MAX {
            return Ok(());
        }
        let expected = "a record of at most 65,536 values, what readers decode";
        Err(broken(offset, expected, "more, or a circle of pointers".to_owned()))
    }

    /// Walks a value that stands in a field; returns where the next one begins, and how many values this one
    /// is with all pointers followed.
    fn value(&mut self, offset: usize, field: u32, depth: usize) -> Result<(usize, u32), Fault> {
        self.values_left = self.values_left.checked_sub(1).ok_or(Fault::Work)?;
        let (to, next) = match value(self.data, offset)? {
            Value::Pointer { to, next } => (to, next),
            here => return self.item(here, offset, field, depth),
        };
        let slot = (to ^ (field as usize).wrapping_mul(0x9e37)) & (RECENT - 1);
        let (recent_to, recent_field, expanded) = self.recent[slot];
        if (recent_to, recent_field) == (to, field) {
            return Ok((next, expanded));
        }
        let expanded = match value(self.data, to)? {
            Value::Pointer { .. } => {
                let found = format!("a pointer at {to}");
                return Err(broken(offset, "a pointer to a value", found));
            }
            scalar @ Value::Scalar { .. } => self.item(scalar, to, field, depth + 1)?.1,
            items @ Value::Items { .. } => self.shared(items, to, field, depth + 1)?,
        };
        self.recent[slot] = (to, field, expanded);
        Ok((next, expanded))
    }

    /// Walks a shared part once per field. Until its walk ends it counts as endless: a part that is met again
    /// inside itself makes a circle.
    fn shared(&mut self, items: Value, to: usize, field: u32, depth: usize) -> Result<u32, Fault> {
        if let Some(expanded) = self.walked.get(&(to, field)) {
            return Ok(*expanded);
        }
        self.walked.insert((to, field), u32::MAX);
        let (_, expanded) = self.item(items, to, field, depth)?;
        self.walked.insert((to, field), expanded);
        Ok(expanded)
    }

    fn item(
        &mut self,
        item: Value,
        offset: usize,
        field: u32,
        depth: usize,
    ) -> Result<(usize, u32), Fault> {
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
                return Ok((next, 1));
            }
            Value::Pointer { next, .. } => return Ok((next, 1)),
        };
        self.seen(field, kind, offset);
        let mut expanded = 1_u32;
        for _ in 0..count {
            let child = match kind {
                Kind::Map => self.key(field, &mut at)?,
                _ => self.child(field, ITEM_KEY),
            };
            let (next, inside) = self.value(at, child, depth + 1)?;
            at = next;
            expanded = expanded.saturating_add(inside).saturating_add(1);
        }
        Ok((at, expanded))
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
        let child = *self.fields[field as usize].children.entry(key).or_insert(fresh);
        if child == fresh {
            self.fields.push(Field::default());
        }
        child
    }

    fn seen(&mut self, field: u32, kind: Kind, offset: usize) {
        self.fields[field as usize].first[kind as usize].get_or_insert(offset);
    }

    fn into_shape(self, records: u64) -> Shape {
        let mut shape = Shape { records, ..Shape::default() };
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
