//! What consumers of a dataset rely on: fields with types, columns, executables.
//!
//! A release record keeps a schema as lines of text ([`Element`]'s `Display`), and every line that some version
//! of freshlayer wrote is read again without loss: one that this version does not know stays [`Element::Other`].

mod compare;
mod contract;
mod editions;
mod gone_values;
mod new_types;

use std::collections::BTreeSet;
use std::fmt;

pub use compare::{Change, compare};
pub use contract::{Contract, FieldContract, contract_toml};
pub(crate) use contract::{PromiseChange, mmdb_class, percent, promises, sqlite_class};
pub(crate) use editions::{FAMILIES, built_in, documented};
pub use gone_values::NamedValues;
pub(crate) use gone_values::gone_values;
pub use new_types::ValueTypes;
pub(crate) use new_types::{NewType, new_types};

pub use crate::formats::mmdb::Kind;
pub use crate::formats::sqlite::TypeCounts;

/// The types that values of a SQLite column have, as contracts name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageClass {
    Text,
    Integer,
    Real,
    /// An integer or a real number.
    Number,
    Blob,
}

impl StorageClass {
    /// Finds a type by its name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "integer" => Self::Integer,
            "real" => Self::Real,
            "number" => Self::Number,
            "blob" => Self::Blob,
            _ => return None,
        })
    }

    /// Tells whether a value of a type, by the name that SQLite's `typeof` has for it, is one of these.
    pub(crate) fn takes(self, name: &str) -> bool {
        let numbers = [Self::Integer, Self::Real];
        Self::parse(name).is_some_and(|class| {
            class == self || (self == Self::Number && numbers.contains(&class))
        })
    }
}

/// One thing that consumers of a dataset rely on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// mmdb: the `database_type` of its metadata.
    DatabaseType(String),
    /// mmdb: the IP version of its tree.
    IpVersion(u16),
    /// mmdb: a field of its records.
    Field {
        /// The keys that lead to it, joined by dots; `[]` is any item of a list.
        path: String,
        /// The type of its values.
        kind: Kind,
    },
    /// SQLite: a column.
    Column {
        /// The table.
        table: String,
        /// The column.
        name: String,
        /// The declared type; empty where none is declared.
        kind: String,
    },
    /// Archive: a file that can be run, by its path below `/opt`.
    Executable(String),
    /// A line of a release record that this version does not know.
    Other(String),
}

impl Element {
    /// Reads a line of a release record.
    pub fn parse(line: &str) -> Self {
        let other = || Self::Other(line.to_owned());
        let known = Self::parse_known(line).filter(|element| element.to_string() == line);
        known.unwrap_or_else(other)
    }

    fn parse_known(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        Some(match word {
            "database_type" => Self::DatabaseType(rest.to_owned()),
            "ip_version" => Self::IpVersion(rest.parse().ok()?),
            "field" => {
                // A key may hold spaces; a type's name never does.
                let (path, kind) = rest.rsplit_once(' ')?;
                Self::Field { path: path.to_owned(), kind: Kind::parse(kind)? }
            }
            "column" => {
                let (table, rest) = rest.split_once('.')?;
                let (name, kind) = rest.split_once(' ')?;
                let (table, name, kind) = (table.to_owned(), name.to_owned(), kind.to_owned());
                Self::Column { table, name, kind }
            }
            "executable" => Self::Executable(rest.to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DatabaseType(name) => write!(f, "database_type {name}"),
            Self::IpVersion(version) => write!(f, "ip_version {version}"),
            Self::Field { path, kind } => write!(f, "field {path} {kind}"),
            Self::Column { table, name, kind } => write!(f, "column {table}.{name} {kind}"),
            Self::Executable(path) => write!(f, "executable {path}"),
            Self::Other(line) => f.write_str(line),
        }
    }
}

/// All that consumers of a dataset rely on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    elements: BTreeSet<Element>,
}

impl Schema {
    /// Reads the lines of a release record.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a String>) -> Self {
        lines.into_iter().map(|line| Element::parse(line)).collect()
    }

    /// Returns the lines for a release record, sorted.
    pub fn lines(&self) -> BTreeSet<String> {
        self.elements.iter().map(ToString::to_string).collect()
    }

    /// Returns all elements.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.elements.iter()
    }

    /// Returns the fields of an mmdb's records with their types, sorted by path.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.elements.iter().filter_map(|element| match element {
            Element::Field { path, kind } => Some((path.as_str(), *kind)),
            _ => None,
        })
    }

    /// Tells whether a new type of an mmdb's field is one that readers of its other types do not take. A reader of an unsigned
    /// integer takes narrower ones.
    pub(crate) fn has_other_types(&self, path: &str, kind: Kind) -> bool {
        let mut known = self.fields().filter(|(field, _)| *field == path).peekable();
        known.peek().is_some() && known.all(|(_, other)| !other.takes(kind))
    }

    /// Returns table, column and declared type of each column, sorted by name.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.elements.iter().filter_map(|element| match element {
            Element::Column { table, name, kind } => {
                Some((table.as_str(), name.as_str(), kind.as_str()))
            }
            _ => None,
        })
    }

    /// Returns the paths below `/opt` of the files that can be run, sorted.
    pub fn executables(&self) -> impl Iterator<Item = &str> {
        self.elements.iter().filter_map(|element| match element {
            Element::Executable(path) => Some(path.as_str()),
            _ => None,
        })
    }
}

impl FromIterator<Element> for Schema {
    fn from_iter<I: IntoIterator<Item = Element>>(elements: I) -> Self {
        Self { elements: elements.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_a_record_is_read() {
        let column = |table: &str, name: &str, kind: &str| Element::Column {
            table: table.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
        };
        for (line, element) in [
            ("database_type GeoLite2-City", Element::DatabaseType("GeoLite2-City".to_owned())),
            ("ip_version 6", Element::IpVersion(6)),
            (
                "field subdivisions[].names.pt-BR string",
                Element::Field { path: "subdivisions[].names.pt-BR".to_owned(), kind: Kind::Text },
            ),
            (
                "field a key with spaces uint128",
                Element::Field { path: "a key with spaces".to_owned(), kind: Kind::Uint128 },
            ),
            ("column zones.name TEXT", column("zones", "name", "TEXT")),
            ("column zones.width DOUBLE PRECISION", column("zones", "width", "DOUBLE PRECISION")),
            ("column zones.untyped ", column("zones", "untyped", "")),
            ("executable tool/bin/run", Element::Executable("tool/bin/run".to_owned())),
        ] {
            assert_eq!(Element::parse(line), element);
            assert_eq!(element.to_string(), line);
        }
    }

    #[test]
    fn what_is_not_known_stays_as_it_is() {
        for line in ["", "field a", "field a uint7", "ip_version 06", "column a", "promise x int"] {
            assert_eq!(Element::parse(line), Element::Other(line.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn a_record_is_read_and_written_without_loss(
            lines in prop::collection::btree_set(
                "(database_type |ip_version |field |column |executable |)[a-z0-9 .\\[\\]]{0,12}", 0..8
            )
        ) {
            prop_assert_eq!(Schema::parse(&lines).lines(), lines);
        }
    }
}
