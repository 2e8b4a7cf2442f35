use std::path::Path;
use std::time::Duration;

use freshlayer_reader::rusqlite;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::Sample;
use crate::formats::mmdb::FieldFacts;
use crate::formats::sqlite::{self, Table, quoted};
use crate::limits::Limits;
use crate::schema::Contract;

/// What is found in one column.
#[derive(Default)]
struct Column {
    values: u64,
    kinds: Vec<&'static str>,
    facts: FieldFacts,
}

pub(super) fn suggest(file: &Path, limits: &Limits) -> Result<Contract, String> {
    let size_bytes = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    let connection = sqlite::open(file, size_bytes).map_err(|error| error.to_string())?;
    let longest = Duration::from_secs(limits.sqlite_secs_max);
    sqlite::within(&connection, longest, columns).map_err(|error| error.to_string())
}

fn columns(connection: &Connection) -> rusqlite::Result<Contract> {
    let mut contract = Contract::new();
    // The first dot of a key ends its table.
    let can_be_named = |table: &&Table| !table.name.contains('.');
    for table in sqlite::tables(connection)?.iter().filter(can_be_named) {
        of_table(connection, table, &mut contract)?;
    }
    Ok(contract)
}

fn of_table(
    connection: &Connection,
    table: &Table,
    contract: &mut Contract,
) -> rusqlite::Result<()> {
    let names: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
    let mut found: Vec<Column> = names.iter().map(|_| Column::default()).collect();
    let query = format!("SELECT {} FROM {}", names.join(", "), quoted(&table.name));
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    let mut whole = 0;
    while let Some(row) = rows.next()? {
        whole += 1;
        for (at, column) in found.iter_mut().enumerate() {
            column.look_at(row.get_ref(at)?);
        }
    }
    for ((name, _), column) in table.columns.iter().zip(&found) {
        let sample =
            Sample { kind: column.kind(), whole, values: column.values, facts: &column.facts };
        contract.insert(format!("{}.{name}", table.name), sample.contract());
    }
    Ok(())
}

impl Column {
    fn look_at(&mut self, value: ValueRef<'_>) {
        let kind = match value {
            ValueRef::Null | ValueRef::Text(b"") => return,
            ValueRef::Integer(number) => {
                self.facts.number(number as f64);
                "integer"
            }
            ValueRef::Real(number) => {
                self.facts.number(number);
                "real"
            }
            ValueRef::Text(text) => {
                self.facts.text(&String::from_utf8_lossy(text));
                "text"
            }
            ValueRef::Blob(_) => "blob",
        };
        self.values += 1;
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// Names the type of all values, if they have one.
    fn kind(&self) -> Option<String> {
        match &self.kinds[..] {
            [one] => Some((*one).to_owned()),
            ["integer", "real"] | ["real", "integer"] => Some("number".to_owned()),
            _ => None,
        }
    }
}
