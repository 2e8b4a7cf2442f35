use std::time::Duration;

use freshlayer_reader::rusqlite;
use rusqlite::{Connection, ErrorCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::DatasetDiff;
use super::side::Dataset;
use crate::error::Error;
use crate::formats::sqlite::{self, Table, TableComparison, tables, within};
use crate::limits::Limits;
use crate::schema::{self, Element, Schema};

/// What differs in one table, or may: rows that no key pairs are not compared one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableDiff {
    /// Its name.
    pub table: String,
    /// The earlier number of rows; absent where the table is new.
    pub rows_before: Option<u64>,
    /// The later number of rows; absent where the table is gone.
    pub rows_after: Option<u64>,
    /// How many rows are new; absent, as the next two, where the table has no primary key to tell rows apart by.
    pub added: Option<u64>,
    /// How many rows are gone.
    pub removed: Option<u64>,
    /// How many rows differ in some column.
    pub changed: Option<u64>,
    /// The columns that differ.
    pub columns: Vec<ColumnDiff>,
    /// How many rows lack a value, by column, where no primary key that both have pairs the rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValuesDiff>,
}

/// What differs in one column, of rows that both databases have. An empty text is no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ColumnDiff {
    /// Its name.
    pub column: String,
    /// How many rows lost the value.
    pub lost: u64,
    /// How many rows gained a value.
    pub gained: u64,
    /// How many rows have another value.
    pub changed: u64,
}

/// How many rows lack a value in one column. An empty text is no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ValuesDiff {
    /// Its name.
    pub column: String,
    /// The earlier rows without a value.
    pub without_before: u64,
    /// The later rows without a value.
    pub without_after: u64,
}

/// Compares two databases, row by row.
pub(super) fn compare(
    before: &Dataset,
    after: &Dataset,
    diff: &mut DatasetDiff,
) -> Result<(), Error> {
    let open = |dataset: &Dataset| -> Result<Connection, Error> {
        let file = dataset.single()?;
        sqlite::open(&file.file, file.size_bytes).map_err(|error| dataset.fault(error.to_string()))
    };
    let (old, new) = (open(before)?, open(after)?);
    let longest = Duration::from_secs(Limits::default().sqlite_secs_max);
    let compared = within(&old, longest, |old| {
        within(&new, longest, |new| -> rusqlite::Result<_> {
            let schemas = (schema_of(&tables(old)?), schema_of(&tables(new)?));
            Ok((schemas, sqlite::compare(old, new)?))
        })
    });
    let ((was, is), found) = compared.map_err(|error| {
        if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            let problem = format!("it takes longer than {} s", longest.as_secs());
            return Error::Proof { what: "what differs".to_owned(), problem };
        }
        let broken = if is_sound(&old) { after } else { before };
        broken.fault(error.to_string())
    })?;
    diff.schema = schema::compare(&was, &is).iter().map(ToString::to_string).collect();
    diff.tables = Some(found.into_iter().map(of).filter(differs).collect());
    Ok(())
}

/// Tells whether a database can be read as a whole.
fn is_sound(database: &Connection) -> bool {
    let said = database.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    said.is_ok_and(|said| said == "ok")
}

fn schema_of(tables: &[Table]) -> Schema {
    let columns = tables.iter().flat_map(|table| {
        table.columns.iter().map(|(name, kind)| Element::Column {
            table: table.name.clone(),
            name: name.clone(),
            kind: kind.clone(),
        })
    });
    columns.collect()
}

fn of(found: TableComparison) -> TableDiff {
    let TableComparison { table, before, after, rows, values } = found;
    let columns = rows.iter().flat_map(|rows| &rows.columns).map(|column| ColumnDiff {
        column: column.name.clone(),
        lost: column.lost,
        gained: column.gained,
        changed: column.changed,
    });
    let columns = columns.filter(|column| column.lost + column.gained + column.changed > 0);
    let values = values.into_iter().map(|column| ValuesDiff {
        column: column.name,
        without_before: before.unwrap_or(0).saturating_sub(column.before),
        without_after: after.unwrap_or(0).saturating_sub(column.after),
    });
    TableDiff {
        table,
        rows_before: before,
        rows_after: after,
        columns: columns.collect(),
        values: values.collect(),
        added: rows.as_ref().map(|rows| rows.added),
        removed: rows.as_ref().map(|rows| rows.removed),
        changed: rows.as_ref().map(|rows| rows.changed),
    }
}

/// Tells whether a table differs, or may.
fn differs(table: &TableDiff) -> bool {
    let is_some = |count: Option<u64>| count.is_none_or(|count| count > 0);
    is_some(table.added) || is_some(table.removed) || is_some(table.changed)
}
