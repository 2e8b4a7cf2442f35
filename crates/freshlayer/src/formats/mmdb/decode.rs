//! The data section's encoding, one value at a time, as the format specification (version 2.0) has it.

use std::fmt;

use super::{DEPTH_MAX, Fault};

/// The types of values, by the names of the format specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A 64-bit float.
    Double,
    /// Bytes.
    Bytes,
    /// An unsigned integer of at most 16 bits.
    Uint16,
    /// An unsigned integer of at most 32 bits.
    Uint32,
    /// A map from strings to values.
    Map,
    /// A signed integer of at most 32 bits.
    Int32,
    /// An unsigned integer of at most 64 bits.
    Uint64,
    /// An unsigned integer of at most 128 bits.
    Uint128,
    /// A list of values.
    Array,
    /// True or false.
    Boolean,
    /// A 32-bit float.
    Float,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::Text,
        Self::Double,
        Self::Bytes,
        Self::Uint16,
        Self::Uint32,
        Self::Map,
        Self::Int32,
        Self::Uint64,
        Self::Uint128,
        Self::Array,
        Self::Boolean,
        Self::Float,
    ];

    /// Finds a type by the name that the format specification gives it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Tells whether a reader of this type takes a value of another one: unsigned integers may be narrower.
    pub(crate) fn takes(self, other: Self) -> bool {
        let width = |kind| match kind {
            Self::Uint16 => Some(16),
            Self::Uint32 => Some(32),
            Self::Uint64 => Some(64),
            Self::Uint128 => Some(128),
            _ => None,
        };
        self == other || matches!((width(self), width(other)), (Some(own), Some(it)) if it <= own)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Map => "map",
            Self::Int32 => "int32",
            Self::Uint64 => "uint64",
            Self::Uint128 => "uint128",
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Float => "float",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The head of a value: what it is, and where what belongs to it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    /// The value stands elsewhere.
    Pointer { to: usize, next: usize },
    /// A map or an array of so many items, the first at `next`.
    Items { kind: Kind, count: usize, next: usize },
    /// A scalar, from `start` to `next`.
    Scalar { kind: Kind, start: usize, next: usize },
}

/// Decodes the head of the value at an offset and checks that all of it lies inside the data.
#[inline]
pub(crate) fn value(data: &[u8], offset: usize) -> Result<Value, Fault> {
    match common(data, offset) {
        Some(value) => Ok(value),
        None => rare(data, offset),
    }
}

/// Decodes what nearly all values are; `None` says nothing.
#[inline]
fn common(data: &[u8], offset: usize) -> Option<Value> {
    let head: [u8; 5] = data.get(offset..offset + 5)?.try_into().ok()?;
    let [control, bytes @ ..] = head;
    let size = usize::from(control & 31);
    let start = offset + 1;
    let scalar = |kind: Kind| {
        let next = start + size;
        (next <= data.len()).then_some(Value::Scalar { kind, start, next })
    };
    match control >> 5 {
        1 => {
            let high = u32::from(control & 7);
            let number = u32::from_be_bytes(bytes);
            let (to, length) = match size >> 3 {
                0 => (high << 8 | number >> 24, 1),
                1 => ((high << 16 | number >> 16) + 2_048, 2),
                2 => ((high << 24 | number >> 8) + 526_336, 3),
                _ => (number, 4),
            };
            let to = to as usize;
            (to < data.len()).then_some(Value::Pointer { to, next: start + length })
        }
        2 if size < 29 => scalar(Kind::Text),
        3 if size == 8 => scalar(Kind::Double),
        5 if size <= 2 => scalar(Kind::Uint16),
        6 if size <= 4 => scalar(Kind::Uint32),
        7 if size < 29 && size <= data.len() - start => {
            Some(Value::Items { kind: Kind::Map, count: size, next: start })
        }
        _ => None,
    }
}

fn rare(data: &[u8], offset: usize) -> Result<Value, Fault> {
    let mut at = offset;
    let control = byte(data, &mut at)?;
    let tag = match control >> 5 {
        0 => 7 + u16::from(byte(data, &mut at)?),
        tag => u16::from(tag),
    };
    if tag == 1 {
        return pointer(data, control, at);
    }
    let size = size(data, control, &mut at)?;
    let (kind, sizes) = match tag {
        2 => (Kind::Text, 0..=usize::MAX),
        3 => (Kind::Double, 8..=8),
        4 => (Kind::Bytes, 0..=usize::MAX),
        5 => (Kind::Uint16, 0..=2),
        6 => (Kind::Uint32, 0..=4),
        7 => return items(data, Kind::Map, size, at),
        8 => (Kind::Int32, 0..=4),
        9 => (Kind::Uint64, 0..=8),
        10 => (Kind::Uint128, 0..=16),
        11 => return items(data, Kind::Array, size, at),
        14 => {
            let found = || format!("{size}");
            let kind = Kind::Boolean;
            return match size {
                0 | 1 => Ok(Value::Scalar { kind, start: at, next: at }),
                _ => Err(broken(offset, "a boolean of 0 or 1", found())),
            };
        }
        15 => (Kind::Float, 4..=4),
        _ => return Err(broken(offset, "a value's type", format!("type {tag}"))),
    };
    if !sizes.contains(&size) {
        return Err(broken(offset, "a size that fits the type", format!("{kind} of {size} bytes")));
    }
    match at.checked_add(size).filter(|next| *next <= data.len()) {
        Some(next) => Ok(Value::Scalar { kind, start: at, next }),
        None => Err(broken(offset, "a value inside the data", format!("{size} bytes more"))),
    }
}

fn items(data: &[u8], kind: Kind, count: usize, next: usize) -> Result<Value, Fault> {
    // Each item takes at least a byte, so a count that the data cannot hold is a lie.
    if count > data.len() - next {
        return Err(broken(next, "items inside the data", format!("{count} of them")));
    }
    Ok(Value::Items { kind, count, next })
}

fn pointer(data: &[u8], control: u8, mut at: usize) -> Result<Value, Fault> {
    let offset = at - 1;
    let high = u32::from(control & 7);
    let mut number = |bytes: u8, start: u32| -> Result<u32, Fault> {
        let mut value = start;
        for _ in 0..bytes {
            value = (value << 8) | u32::from(byte(data, &mut at)?);
        }
        Ok(value)
    };
    // Each length has its own base, so that no value has two encodings.
    let to = match (control >> 3) & 3 {
        0 => number(1, high)? as usize,
        1 => number(2, high)? as usize + 2_048,
        2 => number(3, high)? as usize + 526_336,
        _ => number(4, 0)? as usize,
    };
    if to < data.len() {
        Ok(Value::Pointer { to, next: at })
    } else {
        Err(broken(offset, "a pointer into the data", format!("to {to}")))
    }
}

fn size(data: &[u8], control: u8, at: &mut usize) -> Result<usize, Fault> {
    let mut next = || Ok(usize::from(byte(data, at)?));
    Ok(match control & 31 {
        29 => 29 + next()?,
        30 => 285 + (next()? << 8) + next()?,
        31 => 65_821 + (next()? << 16) + (next()? << 8) + next()?,
        size => usize::from(size),
    })
}

fn byte(data: &[u8], at: &mut usize) -> Result<u8, Fault> {
    let byte = *data.get(*at).ok_or_else(|| {
        broken(*at, "a value inside the data", format!("the end at {}", data.len()))
    })?;
    *at += 1;
    Ok(byte)
}

/// Reads a number; `None` for what is none.
pub(super) fn number(kind: Kind, bytes: &[u8]) -> Option<f64> {
    let unsigned = || bytes.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    match kind {
        Kind::Double => bytes.try_into().ok().map(f64::from_be_bytes),
        Kind::Float => bytes.try_into().ok().map(|bytes| f64::from(f32::from_be_bytes(bytes))),
        Kind::Int32 => u32::try_from(unsigned()).ok().map(|bits| f64::from(bits.cast_signed())),
        Kind::Uint16 | Kind::Uint32 | Kind::Uint64 | Kind::Uint128 => Some(unsigned() as f64),
        Kind::Text | Kind::Bytes | Kind::Map | Kind::Array | Kind::Boolean => None,
    }
}

/// A value with its pointer followed.
pub(super) struct Resolved {
    pub(super) place: usize,
    pub(super) value: Value,
    /// Where the next value begins, behind the pointer or behind a scalar.
    pub(super) next: usize,
}

pub(super) fn resolved(data: &[u8], place: usize) -> Result<Resolved, Fault> {
    match value(data, place)? {
        Value::Pointer { to, next } => match value(data, to)? {
            Value::Pointer { .. } => {
                Err(broken(place, "a pointer to a value", format!("a pointer at {to}")))
            }
            value => Ok(Resolved { place: to, value, next }),
        },
        value @ (Value::Scalar { next, .. } | Value::Items { next, .. }) => {
            Ok(Resolved { place, value, next })
        }
    }
}

/// Returns where the value ends that begins at a place.
pub(super) fn behind(data: &[u8], place: usize, depth: usize) -> Result<usize, Fault> {
    if depth > DEPTH_MAX {
        return Err(broken(place, "a nesting of at most 64", "more".to_owned()));
    }
    match value(data, place)? {
        Value::Pointer { next, .. } | Value::Scalar { next, .. } => Ok(next),
        Value::Items { kind, count, next } => {
            let values = if kind == Kind::Map { count * 2 } else { count };
            (0..values).try_fold(next, |at, _| behind(data, at, depth + 1))
        }
    }
}

pub(crate) fn broken(offset: usize, expected: &'static str, found: String) -> Fault {
    Fault::Value { offset, expected, found }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_quick_way_says_what_the_whole_one_says(
            control in any::<u8>(),
            behind in prop::collection::vec(any::<u8>(), 0..40),
            at in 0_usize..3,
        ) {
            let data = [vec![0xff; at], vec![control], behind].concat();
            if let Some(quick) = common(&data, at) {
                let whole = rare(&data, at).expect("as sound as the quick way says");
                prop_assert_eq!(format!("{quick:?}"), format!("{whole:?}"));
            }
        }
    }

    #[test]
    fn pointers_lead_to_the_same_place_both_ways() {
        let mut data = vec![0; 600 * 1024];
        let mut known = 0;
        for control in 0x20..0x40 {
            for behind in [[0, 0, 0, 0], [0, 0, 7, 9], [0, 1, 2, 3], [1, 0, 0, 0], [9, 9, 9, 9]] {
                data[0] = control;
                data[1..5].copy_from_slice(&behind);
                let (quick, whole) = (common(&data, 0), rare(&data, 0));
                known += u32::from(quick.is_some());
                assert_eq!(
                    quick.map(|value| format!("{value:?}")),
                    whole.ok().map(|value| format!("{value:?}")),
                    "{control:x} {behind:x?}"
                );
            }
        }
        assert!(known > 100, "{known} lead into the data");
    }

    #[test]
    fn the_quick_way_knows_what_nearly_all_values_are() {
        let long_enough = |start: &[u8]| [start, &[0; 3_000]].concat();
        for known in [&[0x42, b'D', b'E'][..], &[0xe1], &[0x20, 9], &[0x28, 1, 9], &[0x68], &[0xc2]]
        {
            assert!(common(&long_enough(known), 0).is_some(), "{known:x?}");
        }
        for unknown in [&[0x5d, 1][..], &[0x02, 4], &[0x00, 7], &[0x67], &[0xc5]] {
            assert!(common(&long_enough(unknown), 0).is_none(), "{unknown:x?}");
        }
        assert!(common(&[0x42, b'D', b'E'], 0).is_none(), "the end of the data is too near");
    }
}
