//! What differs between two databases, row by row: one merge of both, table by table, in the order of the primary key.
//!
//! Memory does not grow with the rows: SQLite gives each row once, in order. Of a table without a declared primary key
//! the rows and the values of each column are counted: the numbers that SQLite gives such rows change when a table is
//! written anew.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use freshlayer_reader::rusqlite;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Rows, Statement};

use super::shapes::{NewShapes, Reshaped};
use super::values::{ColumnValues, count_values};
use super::{Table, count_rows, quoted, tables};

/// The order of texts by their bytes in UTF-8, for databases that keep them in UTF-16.
const UTF8_ORDER: &str = "freshlayer_utf8";

/// What differs in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableComparison {
    pub(crate) table: String,
    /// The rows of the earlier database; `None` where it lacks the table.
    pub(crate) before: Option<u64>,
    /// The rows of the later database; `None` where it lacks the table.
    pub(crate) after: Option<u64>,
    /// What differs row by row; `None` where the table has no primary key that both databases know.
    pub(crate) rows: Option<RowChanges>,
    /// The values of each column that both have, where `rows` tells nothing of them.
    pub(crate) values: Vec<ColumnValues>,
}

/// What differs row by row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RowChanges {
    pub(crate) added: u64,
    pub(crate) removed: u64,
    /// Rows of one key that differ in some column.
    pub(crate) changed: u64,
    /// The columns outside the key that both databases have.
    pub(crate) columns: Vec<ColumnChange>,
}

/// What differs in one column, of rows that both databases have. An empty text is no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnChange {
    pub(crate) name: String,
    /// There was a value, and there is none.
    pub(crate) lost: u64,
    /// There was none, and there is a value.
    pub(crate) gained: u64,
    /// There is another value.
    pub(crate) changed: u64,
    /// There is a text of a shape that no text of the earlier column has; none where such texts are no news.
    pub(crate) new_shapes: NewShapes,
}

/// Compares all tables, sorted by name.
pub(crate) fn compare(
    before: &Connection,
    after: &Connection,
) -> rusqlite::Result<Vec<TableComparison>> {
    let (old, new) = (tables(before)?, tables(after)?);
    let names: BTreeSet<&str> = old.iter().chain(&new).map(|table| table.name.as_str()).collect();
    let find =
        |tables: &'_ [Table], name: &str| tables.iter().find(|table| table.name == name).cloned();
    let compared = names.into_iter().map(|name| {
        let (was, is) = (find(&old, name), find(&new, name));
        let count = |connection: &Connection, table: Option<&Table>| {
            table.map(|table| count_rows(connection, &table.name)).transpose()
        };
        let found = TableComparison {
            table: name.to_owned(),
            before: count(before, was.as_ref())?,
            after: count(after, is.as_ref())?,
            ..TableComparison::default()
        };
        match (&was, &is) {
            (Some(was), Some(is)) => contents(before, after, was, is, found),
            _ => Ok(found),
        }
    });
    compared.collect()
}

/// Compares the rows of a table that both have.
fn contents(
    before: &Connection,
    after: &Connection,
    was: &Table,
    is: &Table,
    found: TableComparison,
) -> rusqlite::Result<TableComparison> {
    let key = key(before, &was.name)?;
    let is_paired = !key.is_empty() && key == self::key(after, &is.name)?;
    let has = |table: &Table, name: &str| table.columns.iter().any(|(column, _)| column == name);
    let is_common = |name: &&String| has(is, name) && !(is_paired && key.contains(name));
    let columns: Vec<String> =
        was.columns.iter().map(|(name, _)| name).filter(is_common).cloned().collect();
    if !is_paired {
        let values = count_values(before, after, &was.name, columns)?;
        return Ok(TableComparison { values, ..found });
    }
    let [old_order, new_order] = [order(before)?, order(after)?];
    let mut old = before.prepare(&query(&was.name, &key, &columns, old_order))?;
    let mut new = after.prepare(&query(&was.name, &key, &columns, new_order))?;
    let (mut rows, reshaped) = merge(&mut old, &mut new, key.len(), columns)?;
    let count = found.before.unwrap_or(0);
    let both = count.saturating_sub(rows.removed);
    for (column, reshaped) in rows.columns.iter_mut().zip(reshaped) {
        column.new_shapes = reshaped.news(before, (&was.name, &column.name), (count, both))?;
    }
    Ok(TableComparison { rows: Some(rows), ..found })
}

/// Lists the columns of the declared primary key, in its order.
fn key(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    let mut statement = connection.prepare(query)?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// Names the collation that orders texts as Rust does. SQLite's own one for bytes takes them as the database keeps them.
fn order(connection: &Connection) -> rusqlite::Result<&'static str> {
    let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
    if encoding == "UTF-8" {
        return Ok("BINARY");
    }
    connection.create_collation(UTF8_ORDER, str::cmp)?;
    Ok(UTF8_ORDER)
}

/// Asks for all rows, in the order in which Rust compares keys.
fn query(table: &str, key: &[String], columns: &[String], order: &str) -> String {
    let listed = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
    let asked = listed(&mut key.iter().chain(columns).map(|name| quoted(name)));
    let order = listed(&mut key.iter().map(|name| format!("{} COLLATE {order}", quoted(name))));
    format!("SELECT {asked} FROM {} ORDER BY {order}", quoted(table))
}

fn merge(
    old: &mut Statement<'_>,
    new: &mut Statement<'_>,
    key_columns: usize,
    columns: Vec<String>,
) -> rusqlite::Result<(RowChanges, Vec<Reshaped>)> {
    let mut reshaped = Reshaped::of_columns(columns.len());
    let columns = columns.into_iter().map(|name| ColumnChange { name, ..ColumnChange::default() });
    let mut found = RowChanges { columns: columns.collect(), ..RowChanges::default() };
    let (mut old, mut new): (Rows<'_>, Rows<'_>) = (old.query([])?, new.query([])?);
    let (mut was, mut is) = (old.next()?, new.next()?);
    loop {
        let order = match (was, is) {
            (None, None) => return Ok((found, reshaped)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(was), Some(is)) => keys_in_order(was, is, key_columns)?,
        };
        match (order, was, is) {
            (Ordering::Equal, Some(one), Some(other)) => {
                found.compare(one, other, key_columns, &mut reshaped)?;
                (was, is) = (old.next()?, new.next()?);
            }
            (Ordering::Less, ..) => {
                found.removed += 1;
                was = old.next()?;
            }
            _ => {
                found.added += 1;
                is = new.next()?;
            }
        }
    }
}

impl RowChanges {
    fn compare(
        &mut self,
        was: &Row<'_>,
        is: &Row<'_>,
        from: usize,
        reshaped: &mut [Reshaped],
    ) -> rusqlite::Result<()> {
        let mut differs = false;
        for ((at, column), reshaped) in (from..).zip(&mut self.columns).zip(reshaped) {
            let (was, is) = (was.get_ref(at)?, is.get_ref(at)?);
            if was == is {
                continue;
            }
            differs = true;
            reshaped.note(was, is);
            match (is_value(was), is_value(is)) {
                (true, false) => column.lost += 1,
                (false, true) => column.gained += 1,
                _ => column.changed += 1,
            }
        }
        self.changed += u64::from(differs);
        Ok(())
    }
}

fn is_value(value: ValueRef<'_>) -> bool {
    !matches!(value, ValueRef::Null | ValueRef::Text(b""))
}

fn keys_in_order(one: &Row<'_>, other: &Row<'_>, columns: usize) -> rusqlite::Result<Ordering> {
    for at in 0..columns {
        let order = values_in_order(one.get_ref(at)?, other.get_ref(at)?);
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

/// Orders values as SQLite does under `COLLATE BINARY` in UTF-8. Source: "Datatypes In SQLite", section 4.1.
fn values_in_order(one: ValueRef<'_>, other: ValueRef<'_>) -> Ordering {
    let class = |value: ValueRef<'_>| match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 1,
        ValueRef::Text(_) => 2,
        ValueRef::Blob(_) => 3,
    };
    match (one, other) {
        (ValueRef::Integer(one), ValueRef::Integer(other)) => one.cmp(&other),
        (ValueRef::Real(one), ValueRef::Real(other)) => one.total_cmp(&other),
        (ValueRef::Integer(one), ValueRef::Real(other)) => mixed(one, other),
        (ValueRef::Real(one), ValueRef::Integer(other)) => mixed(other, one).reverse(),
        (ValueRef::Text(one), ValueRef::Text(other))
        | (ValueRef::Blob(one), ValueRef::Blob(other)) => one.cmp(other),
        _ => class(one).cmp(&class(other)),
    }
}

/// Orders an integer and a real number; large integers are no reals.
fn mixed(integer: i64, real: f64) -> Ordering {
    let order = (integer as f64).total_cmp(&real);
    if order != Ordering::Equal {
        return order;
    }
    // They are equal as reals: the real has no fraction then, and fits 128 bits.
    #[expect(clippy::cast_possible_truncation, reason = "it equals an integer of 64 bits")]
    let whole = real as i128;
    i128::from(integer).cmp(&whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(statements: &str) -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(statements).expect("the statements hold");
        connection
    }

    fn compared(before: &str, after: &str) -> Vec<TableComparison> {
        compare(&database(before), &database(after)).expect("both can be read")
    }

    #[test]
    fn rows_are_matched_by_their_key_and_compared_by_column() {
        let start = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);";
        let before = format!("{start} INSERT INTO t VALUES (1,'x',1),(2,'y',2),(3,'z',3),(5,'',5)");
        let after =
            format!("{start} INSERT INTO t VALUES (1,'x',1),(3,NULL,4),(4,'n',4),(5,'e',5)");
        let found = compared(&before, &after);
        let column = |name: &str, lost, gained, changed| ColumnChange {
            name: name.to_owned(),
            lost,
            gained,
            changed,
            new_shapes: NewShapes::default(),
        };
        let rows = RowChanges {
            added: 1,
            removed: 1,
            changed: 2,
            columns: vec![column("a", 1, 1, 0), column("b", 0, 0, 1)],
        };
        let expected = TableComparison {
            table: "t".to_owned(),
            before: Some(4),
            after: Some(4),
            rows: Some(rows),
            values: Vec::new(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn keys_of_all_types_are_in_the_order_of_sqlite() {
        let start = "CREATE TABLE t (k PRIMARY KEY, v) WITHOUT ROWID;
            CREATE TABLE c (a TEXT COLLATE NOCASE, b, v, PRIMARY KEY (b, a));";
        let rows = "INSERT INTO t VALUES (1, 1), (1.5, 1), (9007199254740993, 1), (9007199254740992.0, 1), ('', 1),
            ('B', 1), ('a', 1), (x'00', 1), (-1e300, 1);
            INSERT INTO c VALUES ('B', 1, 1), ('a', 1, 1), ('C', 0.5, 1), ('é', 'x', 1);";
        let found = compared(&format!("{start}{rows}"), &format!("{start}{rows}"));
        for table in &found {
            let rows = table.rows.as_ref().expect("it has a key");
            assert_eq!((rows.added, rows.removed, rows.changed), (0, 0, 0), "{table:?}");
        }
        let without = compared(&format!("{start}{rows}"), start);
        let removed: Vec<u64> = without.iter().flat_map(|t| &t.rows).map(|r| r.removed).collect();
        assert_eq!(removed, [4, 9]);
    }

    /// In UTF-16LE `ā` (01 01) comes before `a` (61 00).
    #[test]
    fn texts_in_utf16_are_matched_with_texts_in_utf8() {
        let with = |encoding: &str, rows: &str| {
            format!(
                "PRAGMA encoding = '{encoding}'; CREATE TABLE t (k TEXT PRIMARY KEY, v);
                 INSERT INTO t VALUES {rows};"
            )
        };
        for encodings in [["UTF-8", "UTF-16le"], ["UTF-16le", "UTF-16be"], ["UTF-16le", "UTF-8"]] {
            let [before, after] = encodings;
            let found = compared(
                &with(before, "('a', 1), ('ā', 1), ('ￇ', 1), ('😀', 1)"),
                &with(after, "('a', 1), ('ￇ', 2), ('😀', 1)"),
            );
            let rows = found[0].rows.as_ref().expect("it has a key");
            assert_eq!((rows.added, rows.removed, rows.changed), (0, 1, 1), "{encodings:?}");
        }
    }

    #[test]
    fn a_table_without_a_key_is_compared_by_its_counts() {
        let found = compared(
            "CREATE TABLE t (a, b COLLATE nocase, c); CREATE TABLE old (a PRIMARY KEY);
             INSERT INTO t VALUES (1, 'x', x''), (2, '', 0);",
            "CREATE TABLE t (a, b, d); CREATE TABLE new (a PRIMARY KEY); INSERT INTO t VALUES (NULL, 'x', 1);",
        );
        let facts: Vec<_> =
            found.iter().map(|t| (t.table.as_str(), t.before, t.after, t.rows.is_some())).collect();
        let expected = [
            ("new", None, Some(0), false),
            ("old", Some(0), None, false),
            ("t", Some(2), Some(1), false),
        ];
        assert_eq!(facts, expected);
        let values = found[2].values.iter().map(|one| (one.name.as_str(), one.before, one.after));
        assert_eq!(values.collect::<Vec<_>>(), [("a", 2, 0), ("b", 1, 1)]);
    }
}
