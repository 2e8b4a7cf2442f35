//! How far a database may be from the live one, by rows.
//!
//! Values that are other values are not judged: a column of times changes in every row of every build. Nor are the rows
//! of single tables, unless none is left: some of sound databases double or halve.

use std::path::Path;
use std::time::Duration;

use freshlayer_reader::rusqlite;
use rusqlite::Connection;

use crate::formats::sqlite::{self, RowChanges, TableComparison, compare};
use crate::limits::Limits;
use crate::problem::{Code, GateReport, Level, Problem};

/// From which share of rows on, in percent, a change warns and fails.
struct Bounds {
    warn: f64,
    fail: f64,
}

const REMOVED: Bounds = Bounds { warn: 15.0, fail: 30.0 };
const LOST: Bounds = Bounds { warn: 5.0, fail: 10.0 };
/// A share of fewer rows says nothing.
const ROWS_MIN: u64 = 100;

/// Compares a database with the live one and judges what differs. What cannot be read of the live one is the error.
pub(super) fn judge(
    live: &Path,
    connection: &Connection,
    limits: &Limits,
    gates: &mut GateReport,
) -> Result<(), String> {
    let words = |error: rusqlite::Error| error.to_string();
    let size_bytes = std::fs::metadata(live).map_err(|error| error.to_string())?.len();
    let live = sqlite::open(live, size_bytes).map_err(words)?;
    let longest = Duration::from_secs(limits.sqlite_secs_max);
    let found = sqlite::within(&live, longest, |live| compare(live, connection)).map_err(words)?;
    gates.measured_share(Code::RowsRemoved, removed(&found), "");
    gates.judge(Code::RowsRemoved, rows_removed(&found).into_iter().chain(emptied(&found)));
    gates.judge(Code::ValuesLost, found.iter().flat_map(values_lost));
    Ok(())
}

/// The share of the live rows that are gone: by their keys, or else by the counts.
fn removed(found: &[TableComparison]) -> f64 {
    let before: u64 = found.iter().filter_map(|table| table.before).sum();
    let gone = found.iter().map(|table| match &table.rows {
        Some(rows) => rows.removed,
        None => table.before.unwrap_or(0).saturating_sub(table.after.unwrap_or(0)),
    });
    if before < ROWS_MIN { 0.0 } else { share(gone.sum(), before) }
}

fn rows_removed(found: &[TableComparison]) -> Option<Problem> {
    let of = |bound: f64| format!("at most {bound} % of the live rows to be gone");
    REMOVED.judge(Code::RowsRemoved, removed(found), &of)
}

/// Tables that lost every row. One that shrinks is no news.
fn emptied(found: &[TableComparison]) -> impl Iterator<Item = Problem> {
    let empty = found.iter().filter(|table| {
        table.after == Some(0) && table.before.is_some_and(|before| before >= ROWS_MIN)
    });
    empty.map(|table| {
        let before = table.before.unwrap_or(0);
        let expected = format!("some of the {before} live rows");
        Problem::fail(Code::RowsRemoved, expected, "an empty table")
            .at(format!("table {}", table.table))
    })
}

fn values_lost(table: &TableComparison) -> Vec<Problem> {
    let (Some(before), Some(RowChanges { columns, removed, .. })) = (table.before, &table.rows)
    else {
        return Vec::new();
    };
    let both = before - removed;
    if both < ROWS_MIN {
        return Vec::new();
    }
    let of = |bound: f64| format!("at most {bound} % of the live rows to lose the value");
    let problems = columns.iter().filter_map(|column| {
        let problem = LOST.judge(Code::ValuesLost, share(column.lost, both), &of)?;
        Some(problem.at(format!("column {}.{}", table.table, column.name)))
    });
    problems.collect()
}

impl Bounds {
    fn judge(&self, code: Code, percent: f64, of: &dyn Fn(f64) -> String) -> Option<Problem> {
        let (level, bound) = match percent {
            _ if percent > self.fail => (Level::Fail, self.fail),
            _ if percent > self.warn => (Level::Warn, self.warn),
            _ => return None,
        };
        Some(Problem { level, ..Problem::fail(code, of(bound), shown(percent)) })
    }
}

fn share(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn shown(percent: f64) -> String {
    format!("{percent:.2} %")
}
