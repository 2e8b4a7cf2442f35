//! Fields that a walk over all records keeps an eye on.

use rustc_hash::FxHashMap;

use super::ITEM_KEY;
use super::decode::{Kind, number};
use super::shape::Shape;
use super::tree::Tree;
use crate::formats::rule::{Datum, Rule};

/// How many fields can be watched: each is one bit of a record's mask.
pub(crate) const WATCHED_MAX: usize = 64;

/// Which watched fields a record has: one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    /// There is a value that is not empty.
    pub(crate) values: u64,
    /// There is a value that the rule forbids.
    pub(crate) breaches: u64,
}

impl Seen {
    pub(super) const NOTHING: Self = Self { values: 0, breaches: 0 };

    pub(super) fn value(watched: u32) -> Self {
        Self { values: 1 << watched, breaches: 0 }
    }

    pub(super) fn breach(watched: u32) -> Self {
        Self { values: 1 << watched, breaches: 1 << watched }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { values: self.values | other.values, breaches: self.breaches | other.breaches }
    }
}

/// How many networks have a watched field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Networks with a value.
    pub(crate) values: u64,
    /// Networks with a value that the rule forbids.
    pub(crate) breaches: u64,
    /// The first such value: the value, and where it stands.
    pub(crate) first: Option<(String, String)>,
}

/// How many networks have each watched field, and how many networks there are.
pub(crate) fn watched(tree: &Tree<'_>, shape: &Shape) -> (u64, Vec<Watched>) {
    let mut networks = vec![0_u32; shape.seen.len()];
    tree.each_network(|record| networks[record] = networks[record].saturating_add(1));
    let mut sums: FxHashMap<Seen, u64> = FxHashMap::default();
    for (seen, networks) in shape.seen.iter().zip(&networks) {
        *sums.entry(*seen).or_default() += u64::from(*networks);
    }
    let sum = |has: &dyn Fn(&Seen) -> bool| {
        sums.iter().filter(|(seen, _)| has(seen)).map(|(_, networks)| networks).sum()
    };
    let fields = shape.breaches.iter().enumerate().map(|(number, breaches)| Watched {
        values: sum(&|seen| seen.values >> number & 1 == 1),
        breaches: sum(&|seen| seen.breaches >> number & 1 == 1),
        first: breaches.first.clone(),
    });
    (sum(&|_| true), fields.collect())
}

/// The watched fields, as a tree of their keys.
#[derive(Default)]
pub(crate) struct Watch {
    places: Vec<Place>,
    rules: Vec<Rule>,
}

#[derive(Default)]
struct Place {
    children: FxHashMap<Box<[u8]>, u32>,
    watched: Option<u32>,
}

impl Watch {
    /// Watches the fields of these dotted paths, at most [`WATCHED_MAX`].
    pub(crate) fn new<'a>(fields: impl IntoIterator<Item = (&'a str, Rule)>) -> Self {
        let mut watch = Self { places: vec![Place::default()], rules: Vec::new() };
        for (number, (path, rule)) in (0..).zip(fields.into_iter().take(WATCHED_MAX)) {
            let mut at = 0;
            for key in keys(path) {
                at = watch.below(at, key);
            }
            watch.places[at].watched = Some(number);
            watch.rules.push(rule);
        }
        watch
    }

    fn below(&mut self, at: usize, key: &str) -> usize {
        let next = self.places.len();
        let known = self.places[at].children.entry(key.as_bytes().into());
        let place = *known.or_insert(u32::try_from(next).unwrap_or(u32::MAX)) as usize;
        if place == next {
            self.places.push(Place::default());
        }
        place
    }

    /// Returns how many fields are watched.
    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns the place of the whole record, if anything is watched.
    pub(super) fn root(&self) -> Option<u32> {
        (!self.rules.is_empty()).then_some(0)
    }

    /// Finds the place below another one.
    pub(super) fn child(&self, place: u32, key: &[u8]) -> Option<u32> {
        self.places[place as usize].children.get(key).copied()
    }

    /// Returns the number of the field that a place stands for.
    pub(super) fn watched(&self, place: u32) -> Option<u32> {
        self.places[place as usize].watched
    }

    /// Tells whether a field's rule allows a value.
    pub(super) fn allows(&self, watched: u32, datum: Datum<'_>) -> bool {
        self.rules[watched as usize].allows(datum)
    }
}

/// Takes a dotted path apart.
pub(super) fn keys(path: &str) -> impl Iterator<Item = &str> {
    let item = std::str::from_utf8(ITEM_KEY).unwrap_or("[]");
    path.split('.').flat_map(move |part| {
        let name = part.trim_end_matches(item);
        let items = (part.len() - name.len()) / item.len();
        Some(name)
            .filter(|name| !name.is_empty())
            .into_iter()
            .chain(std::iter::repeat_n(item, items))
    })
}

/// Reads a scalar as far as a rule looks at it.
pub(super) fn datum(data: &[u8], kind: Kind, start: usize, next: usize) -> Option<Datum<'_>> {
    match kind {
        Kind::Text => std::str::from_utf8(&data[start..next]).ok().map(Datum::Text),
        _ => number(kind, &data[start..next]).map(Datum::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_by_its_keys() {
        let watch = Watch::new([
            ("country.iso_code", Rule::default()),
            ("subdivisions[].iso_code", Rule::default()),
        ]);
        let find = |keys: &[&str]| {
            let start = watch.root().expect("something is watched");
            let place = keys.iter().try_fold(start, |at, key| watch.child(at, key.as_bytes()))?;
            watch.watched(place)
        };
        assert_eq!(find(&["country", "iso_code"]), Some(0));
        assert_eq!(find(&["subdivisions", "[]", "iso_code"]), Some(1));
        assert_eq!(find(&["country"]), None);
        assert_eq!(find(&["city"]), None);
        assert_eq!(Watch::default().root(), None);
    }
}
