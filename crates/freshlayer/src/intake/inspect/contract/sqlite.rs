use std::collections::BTreeMap;

use freshlayer_reader::rusqlite;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::{Counted, missing};
use crate::formats::rule::{Breaches, Datum, Rule};
use crate::formats::sqlite::{Table, quoted};
use crate::problem::{Code, GateReport, Problem};
use crate::schema::{Contract, FieldContract, NamedValues, StorageClass};

/// What is found in one column.
struct Column<'a> {
    name: &'a str,
    contract: &'a FieldContract,
    rule: Rule,
    values: u64,
    wrong_type: Option<(&'static str, u64)>,
    breaches: Breaches,
    /// How many rows have each value that the contract lists.
    named: BTreeMap<String, u64>,
}

/// Judges the rows of every table that the contract names, one read of each table. Returns how often each value stands
/// there that it lists.
pub(in crate::intake::inspect) fn judge(
    connection: &Connection,
    contract: &Contract,
    tables: &[Table],
    gates: &mut GateReport,
) -> rusqlite::Result<NamedValues> {
    let mut named = NamedValues::new();
    if contract.is_empty() {
        return Ok(named);
    }
    for id in [Code::ContractField, Code::ContractType, Code::ContractNull, Code::ContractValue] {
        gates.judge(id, None);
    }
    gates.measured(Code::ContractField, format!("{} columns named", contract.len()));
    for (table, columns) in by_table(contract) {
        let known = tables.iter().find(|known| known.name == table);
        let is_there = |column: &str| {
            known.is_some_and(|table| table.columns.iter().any(|(name, _)| name == column))
        };
        let (here, gone): (Vec<_>, Vec<_>) =
            columns.into_iter().partition(|(name, _)| is_there(name));
        let gone = gone
            .into_iter()
            .map(|(name, _)| missing("the column", "none", format!("column {table}.{name}")));
        gates.judge(Code::ContractField, gone);
        if !here.is_empty() {
            named.extend(judge_table(connection, table, here, gates)?);
        }
    }
    Ok(named)
}

fn by_table(contract: &Contract) -> BTreeMap<&str, Vec<(&str, &FieldContract)>> {
    let mut tables: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (path, field) in contract {
        if let Some((table, column)) = path.split_once('.') {
            tables.entry(table).or_default().push((column, field));
        }
    }
    tables
}

fn judge_table(
    connection: &Connection,
    table: &str,
    columns: Vec<(&str, &FieldContract)>,
    gates: &mut GateReport,
) -> rusqlite::Result<NamedValues> {
    // A pattern that is none is the definition's to refuse.
    let mut columns: Vec<Column<'_>> = columns
        .into_iter()
        .map(|(name, contract)| Column {
            name,
            contract,
            rule: contract.rule().unwrap_or_default(),
            values: 0,
            wrong_type: None,
            breaches: Breaches::default(),
            named: BTreeMap::new(),
        })
        .collect();
    let names: Vec<String> = columns.iter().map(|column| quoted(column.name)).collect();
    let query = format!("SELECT {} FROM {}", names.join(", "), quoted(table));
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    let mut count = 0_u64;
    while let Some(row) = rows.next()? {
        count += 1;
        for (at, column) in columns.iter_mut().enumerate() {
            column.look_at(row.get_ref(at)?, count);
        }
    }
    for column in &columns {
        let at = format!("column {table}.{}", column.name);
        gates.judge(Code::ContractType, column.other_type(&at));
        let counted = Counted {
            at,
            contract: column.contract,
            of: "rows",
            whole: count,
            values: column.values,
            breaches: column.breaches.count,
            first: column.breaches.first.as_ref(),
        };
        counted.judge(gates);
    }
    let listing = columns.into_iter().filter(|column| !column.rule.values.is_empty());
    Ok(listing.map(|column| (format!("{table}.{}", column.name), column.named)).collect())
}

impl Column<'_> {
    fn look_at(&mut self, value: ValueRef<'_>, row: u64) {
        let (kind, datum) = match value {
            ValueRef::Null | ValueRef::Text(b"") => return,
            ValueRef::Integer(number) => ("integer", Some(Datum::Number(number as f64))),
            ValueRef::Real(number) => ("real", Some(Datum::Number(number))),
            ValueRef::Text(text) => ("text", std::str::from_utf8(text).ok().map(Datum::Text)),
            ValueRef::Blob(_) => ("blob", None),
        };
        self.values += 1;
        let wanted = self.contract.kind.as_deref().and_then(StorageClass::parse);
        if wanted.is_some_and(|wanted| !wanted.takes(kind)) {
            self.wrong_type.get_or_insert((kind, 0)).1 += 1;
        }
        let Some(datum) = datum else { return };
        if !self.rule.allows(datum) {
            self.breaches.note(datum, || format!("row {row}"));
        } else if let Datum::Text(text) = datum
            && !self.rule.values.is_empty()
        {
            *self.named.entry(text.to_owned()).or_default() += 1;
        }
    }

    fn other_type(&self, at: &str) -> Option<Problem> {
        let (kind, rows) = self.wrong_type?;
        let wanted = self.contract.kind.as_deref().unwrap_or_default();
        let found = format!("{kind}, and other types than {wanted} in {rows} rows");
        Some(Problem::fail(Code::ContractType, wanted, found).at(at))
    }
}
