//! Types of values that are new to a SQLite column. Whoever reads the column takes those that it had.

use std::collections::BTreeMap;
use std::fmt;

use super::{Contract, Schema, StorageClass, TypeCounts, percent};

/// How many values of each type the columns hold, by table and column.
pub type ValueTypes = BTreeMap<String, BTreeMap<String, TypeCounts>>;

/// A column has a type from more than one of so many values on: 0.1 %.
const VALUES_PER_STRAY: u64 = 1_000;
/// A type that was there is no news until its share has grown so many times.
const TIMES: f64 = 10.0;

/// A type that is new to a column.
pub(crate) struct NewType<'a> {
    table: &'a str,
    column: &'a str,
    name: &'a str,
    was: &'a TypeCounts,
    is: &'a TypeCounts,
}

/// Lists the types that columns have and had not, by how the columns were declared and what was promised of them.
/// A column without a value before has none that is new.
pub(crate) fn new_types<'a>(
    before: &'a ValueTypes,
    after: &'a ValueTypes,
    declared: &Schema,
    promised: &Contract,
) -> Vec<NewType<'a>> {
    let both = before.iter().flat_map(|(table, columns)| {
        columns.iter().filter_map(move |(column, was)| {
            let is = after.get(table)?.get(column)?;
            Some((table.as_str(), column.as_str(), was, is))
        })
    });
    let new = both.filter(|(_, _, was, _)| !was.is_empty()).flat_map(|(table, column, was, is)| {
        let takes = |name: &str| {
            let numbers =
                || is_numeric(declared, table, column) || is_number(promised, table, column);
            match name {
                // Whoever reads real numbers reads whole ones, too.
                "integer" => had(was, is, "integer") || has(was, "real"),
                "real" => had(was, is, "real") || (has(was, "integer") && numbers()),
                _ => had(was, is, name),
            }
        };
        let names = is.keys().map(String::as_str).filter(|name| has(is, name) && !takes(name));
        let new = names.map(|name| NewType { table, column, name, was, is });
        new.collect::<Vec<_>>()
    });
    new.collect()
}

fn has(counts: &TypeCounts, name: &str) -> bool {
    let count = counts.get(name).copied().unwrap_or(0);
    count.saturating_mul(VALUES_PER_STRAY) > counts.values().sum()
}

/// Tells whether a type was no news: at a tenth of its share now, or at one value of ten. So a few stray values that come and
/// go make no new version.
fn had(was: &TypeCounts, is: &TypeCounts, name: &str) -> bool {
    let was = share(was, name);
    was > 0.0 && was * TIMES >= share(is, name)
}

fn share(counts: &TypeCounts, name: &str) -> f64 {
    let count = counts.get(name).copied().unwrap_or(0);
    count as f64 / counts.values().sum::<u64>().max(1) as f64
}

/// Tells whether SQLite itself makes a column's numbers whole or real, whichever they can be: its affinity is REAL or NUMERIC.
/// Source: "Datatypes In SQLite", section 3.1.
fn is_numeric(declared: &Schema, table: &str, column: &str) -> bool {
    let kind = declared.columns().find(|(of, name, _)| (*of, *name) == (table, column));
    let Some((.., kind)) = kind else { return false };
    let kind = kind.to_ascii_uppercase();
    let others = ["INT", "CHAR", "CLOB", "TEXT", "BLOB"];
    !kind.is_empty() && !others.iter().any(|other| kind.contains(other))
}

/// Tells whether a contract promises no more than a number.
fn is_number(promised: &Contract, table: &str, column: &str) -> bool {
    let field = promised.get(&format!("{table}.{column}"));
    let kind = field.and_then(|field| field.kind.as_deref()).and_then(StorageClass::parse);
    kind == Some(StorageClass::Number)
}

impl NewType<'_> {
    /// Names the column as a contract does.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    /// Names the types that the column had.
    pub(crate) fn known(&self) -> String {
        let known = self.was.keys().map(String::as_str).filter(|name| has(self.was, name));
        known.collect::<Vec<_>>().join(", ")
    }

    /// Shows the new type with its share of the values.
    pub(crate) fn found(&self) -> String {
        format!("{} {}", percent(share(self.is, self.name)), self.name)
    }
}

impl fmt::Display for NewType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = percent(share(self.is, self.name));
        write!(f, "{}: {now} of the values are {}, ", self.path(), self.name)?;
        if self.was.contains_key(self.name) {
            write!(f, "{} were before", percent(share(self.was, self.name)))
        } else {
            f.write_str("none was before")
        }
    }
}
