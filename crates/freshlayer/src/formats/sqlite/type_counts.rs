//! Which types the values of a table really have: what a column is declared as binds none of them.

use std::collections::BTreeMap;

use freshlayer_reader::rusqlite;
use rusqlite::Connection;

use super::{Table, quoted};

/// The types that values have, by the names that SQLite's `typeof` has for them. A null has none.
const TYPES: [&str; 4] = ["blob", "integer", "real", "text"];

/// How many values a column has of each type, by its name.
pub type TypeCounts = BTreeMap<String, u64>;

/// What one read of a table counts.
pub(crate) struct Counted {
    pub(crate) rows: u64,
    pub(crate) columns: BTreeMap<String, TypeCounts>,
}

/// Counts the rows of a table, and the values of each column by type.
pub(crate) fn count_types(connection: &Connection, table: &Table) -> rusqlite::Result<Counted> {
    // Of a long value `typeof` reads the head of its row alone.
    let asked = table.columns.iter().map(|(name, _)| format!("typeof({})", quoted(name)));
    let asked: Vec<String> = asked.collect();
    let query = format!("SELECT {} FROM {}", asked.join(", "), quoted(&table.name));
    let mut statement = connection.prepare(&query)?;
    let mut asked = statement.query([])?;
    let mut counts = vec![[0_u64; TYPES.len()]; table.columns.len()];
    let mut rows = 0;
    while let Some(row) = asked.next()? {
        rows += 1;
        for (at, counts) in counts.iter_mut().enumerate() {
            let name = row.get_ref(at)?.as_bytes()?;
            if let Some(known) = TYPES.iter().position(|known| known.as_bytes() == name) {
                counts[known] += 1;
            }
        }
    }
    let columns = table.columns.iter().zip(counts);
    let columns = columns.map(|((name, _), counts)| (name.clone(), by_name(counts))).collect();
    Ok(Counted { rows, columns })
}

fn by_name(counts: [u64; TYPES.len()]) -> TypeCounts {
    let named = TYPES.iter().zip(counts).filter(|(_, count)| *count > 0);
    named.map(|(name, count)| ((*name).to_owned(), count)).collect()
}
