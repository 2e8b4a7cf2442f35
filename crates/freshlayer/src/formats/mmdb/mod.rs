//! The MaxMind DB file format, version 2.0: its search tree, its data section, and what its records look like.
//!
//! Threats: a tree that points outside itself or into a circle; records that expand through pointers without
//! end. Defence: the whole tree and every record are walked once, under a bound, with our own decoder.

mod compare;
mod comparison;
mod decode;
mod layout;
mod network;
mod paths;
mod shape;
mod texts;
mod tree;
mod watch;

use std::fmt;

pub(crate) use compare::{Extent, Family, compare, compare_at};
pub(crate) use comparison::{Comparison, FieldChange};
pub use decode::Kind;
pub(crate) use paths::Paths;
pub(crate) use shape::{Shape, shape};
pub(crate) use texts::{FieldFacts, count_texts, facts, shapes};
pub(crate) use tree::{Tree, read as read_tree};
pub(crate) use watch::{Watch, watched};

/// Where the metadata begins: the last occurrence of this, in the last 128 KiB of the file.
/// Source: the MaxMind DB file format specification, version 2.0.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA_BYTES_MAX: usize = 128 * 1024;

/// A nesting that no real database comes near. `maxminddb` stops at the same kind of bound.
const DEPTH_MAX: usize = 64;
/// Databases that use data as keys would make a list of fields as large as themselves; beyond this all further
/// keys count as one.
const FIELDS_MAX: usize = 4_096;
const ANY_KEY: &[u8] = b"*";
const ITEM_KEY: &[u8] = b"[]";
/// Keys are pointers to the same few strings; so many are known by their place per field.
const KEYS_BY_PLACE_MAX: usize = 64;

/// Why a file cannot be read as a MaxMind DB.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The search tree is broken, in one of its nodes or as a whole.
    Tree {
        /// The node, and how many there are.
        node: Option<(usize, usize)>,
        expected: String,
        found: String,
    },
    /// A value of the data section is broken.
    Value { offset: usize, expected: &'static str, found: String },
    /// Values of the data section do not lie as they should.
    Layout { offset: usize, expected: &'static str, found: &'static str },
    /// The values are more than the caller's bound.
    Work,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree { node: Some((node, count)), expected, found } => {
                write!(f, "node {node} of {count} of its tree: expected {expected}, found {found}")
            }
            Self::Tree { node: None, expected, found } => {
                write!(f, "its tree: expected {expected}, found {found}")
            }
            Self::Value { offset, expected, found } => {
                write!(f, "data offset {offset}: expected {expected}, found {found}")
            }
            Self::Layout { offset, expected, found } => {
                write!(f, "data offset {offset}: expected {expected}, found {found}")
            }
            Self::Work => {
                f.write_str("its records hold more values than limits.decoded_values_max")
            }
        }
    }
}

/// Returns where the data section ends: at the marker in front of the metadata.
pub(crate) fn data_end(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(METADATA_BYTES_MAX);
    let marker = bytes[from..].windows(MARKER.len()).rposition(|window| window == MARKER)?;
    Some(from + marker)
}
