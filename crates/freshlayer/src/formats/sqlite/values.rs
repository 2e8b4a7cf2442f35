//! How many rows have a value, where no key pairs the rows of two tables.

use freshlayer_reader::rusqlite;
use rusqlite::Connection;

use super::quoted;

/// The rows of one column that have a value. An empty text is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnValues {
    pub(crate) name: String,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// Counts the values of some columns on both sides: one query each.
pub(super) fn count_values(
    before: &Connection,
    after: &Connection,
    table: &str,
    columns: Vec<String>,
) -> rusqlite::Result<Vec<ColumnValues>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let counted = columns
        .iter()
        .map(|name| format!("count(CASE WHEN {} <> '' COLLATE BINARY THEN 1 END)", quoted(name)));
    let counted: Vec<String> = counted.collect();
    let query = format!("SELECT {} FROM {}", counted.join(", "), quoted(table));
    let ask = |connection: &Connection| -> rusqlite::Result<Vec<u64>> {
        connection.query_row(&query, [], |row| {
            let count = |at| Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0));
            (0..columns.len()).map(count).collect()
        })
    };
    let (old, new) = (ask(before)?, ask(after)?);
    let counts = old.into_iter().zip(new);
    let values = columns.into_iter().zip(counts);
    Ok(values.map(|(name, (before, after))| ColumnValues { name, before, after }).collect())
}
