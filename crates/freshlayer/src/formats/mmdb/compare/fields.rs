//! The fields of both builds, and what differs in each.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::formats::mmdb::comparison::{FieldChange, Moved};
use crate::formats::mmdb::network::Network;
use crate::formats::mmdb::texts::TEXTS_MAX;
use crate::formats::mmdb::{ANY_KEY, FIELDS_MAX, ITEM_KEY, KEYS_BY_PLACE_MAX};
use crate::formats::text_shape::shape_of;

/// Names are for people, in many languages: their movements are not kept.
const NAMES_KEY: &[u8] = b"names";

/// One of the two builds.
#[derive(Clone, Copy)]
pub(super) enum Build {
    Before,
    After,
}

/// A value of a field as differences tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told<'a> {
    Absent,
    /// A text that is short enough to be kept.
    Text(&'a [u8]),
    Other,
}

impl<'a> Told<'a> {
    fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Other => None,
        }
    }
}

/// From one text to another; `None` where there is none. Two of them stand for all that is no short text.
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

/// All fields, by their numbers; 0 is the record itself.
pub(super) struct Fields<'a>(Vec<Field<'a>>);

impl<'a> Fields<'a> {
    pub(super) fn new() -> Self {
        Self(vec![Field { keeps_texts: true, ..Field::default() }])
    }

    /// Finds the field of a key that was read at this place before.
    pub(super) fn known(&self, build: Build, field: u32, place: usize) -> Option<u32> {
        let by_place = &self.0[field as usize].by_place[build as usize];
        by_place.iter().find(|(known, _)| *known == place).map(|(_, child)| *child)
    }

    /// Finds the field of a key, and remembers the key's place.
    pub(super) fn keyed(&mut self, build: Build, field: u32, place: usize, key: &'a [u8]) -> u32 {
        let child = self.child(field, key);
        let by_place = &mut self.0[field as usize].by_place[build as usize];
        if by_place.len() < KEYS_BY_PLACE_MAX {
            by_place.push((place, child));
        }
        child
    }

    /// Finds the field of a list's items.
    pub(super) fn item(&mut self, field: u32) -> u32 {
        self.child(field, ITEM_KEY)
    }

    fn child(&mut self, field: u32, key: &'a [u8]) -> u32 {
        if let Some(child) = self.0[field as usize].children.get(key) {
            return *child;
        }
        let key = if self.0.len() < FIELDS_MAX { key } else { ANY_KEY };
        let fresh = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let parent = &mut self.0[field as usize];
        let keeps_texts = parent.keeps_texts && key != NAMES_KEY;
        let child = *parent.children.entry(key).or_insert(fresh);
        if child == fresh {
            self.0.push(Field { parent: field, key, keeps_texts, ..Field::default() });
        }
        child
    }

    /// Counts a difference of a field for the addresses of a network.
    pub(super) fn count(
        &mut self,
        field: u32,
        (from, to): (Told<'a>, Told<'a>),
        weight: u64,
        network: Option<Network>,
    ) {
        let field = &mut self.0[field as usize];
        let sum = match (from, to) {
            (_, Told::Absent) => &mut field.change.lost,
            (Told::Absent, _) => &mut field.change.gained,
            _ => &mut field.change.changed,
        };
        *sum = sum.saturating_add(weight);
        if field.keeps_texts {
            field.moved(from, to, weight, network);
        }
    }

    /// Lists what differs, by the fields' dotted paths.
    pub(super) fn into_changes(self) -> BTreeMap<String, FieldChange> {
        let mut paths: Vec<String> = Vec::with_capacity(self.0.len());
        let mut changes: BTreeMap<String, FieldChange> = BTreeMap::new();
        for field in self.0 {
            let path = match paths.get(field.parent as usize).map_or("", String::as_str) {
                "" => String::from_utf8_lossy(field.key).into_owned(),
                above if field.key == ITEM_KEY => format!("{above}[]"),
                above => format!("{above}.{}", String::from_utf8_lossy(field.key)),
            };
            let change = field.into_change();
            if change.lost > 0 || change.gained > 0 || change.changed > 0 {
                changes.entry(path.clone()).or_default().join(change);
            }
            paths.push(path);
        }
        changes
    }
}

impl<'a> Field<'a> {
    /// Keeps from which text to which, and the shape of the new one.
    fn moved(&mut self, from: Told<'a>, to: Told<'a>, weight: u64, network: Option<Network>) {
        let texts = match (from, to) {
            (Told::Other, _) | (_, Told::Other) => (None, None),
            (from, to) => (from.text(), to.text()),
        };
        if self.texts.len() < TEXTS_MAX || self.texts.contains_key(&texts) {
            let sum = &mut self.texts.entry(texts).or_insert((0, network)).0;
            *sum = sum.saturating_add(weight);
        }
        let Some(to) = to.text() else { return };
        let shapes = &mut self.change.shapes;
        let shape = shape_of(&String::from_utf8_lossy(to));
        if shapes.len() < TEXTS_MAX || shapes.contains_key(&shape) {
            let sum = shapes.entry(shape).or_default();
            *sum = sum.saturating_add(weight);
        }
    }

    fn into_change(self) -> FieldChange {
        let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
        let movements = self.texts.into_iter();
        let movements = movements
            .map(|((from, to), (weight, first))| ((text(from), text(to)), Moved { weight, first }));
        FieldChange { movements: movements.collect(), ..self.change }
    }
}
