//! Rows that single tables lost, beside the rule for all tables together.

use super::drift::{Bounds, EMPTIED_ROWS_MAX, Part, SMALL, place, ppm};
use crate::formats::sqlite::TableComparison;
use crate::intake::inspect::envelope::{Shares, is_usual};
use crate::problem::{Code, Level, Problem};

/// Some tables of sound databases halve.
const FEWER: Bounds = Bounds { warn: 30, fail: 90 };
/// Some have other rows in each build: that alone never fails.
const EXCHANGED: Bounds = Bounds { warn: FEWER.warn, fail: 100 };

/// Judges each table that both have. `whole` is what all tables together lost, with its problem.
pub(super) fn judge<'a>(
    found: &'a [TableComparison],
    past: &'a [Shares],
    (whole, problem): (&'a Part, Option<&'a Problem>),
) -> impl Iterator<Item = Problem> + 'a {
    let level = problem.map(|problem| problem.level);
    // Of a table that holds most rows, the problem of all tables tells already.
    let is_told = move |rows: u64, own: Level| rows * 2 > whole.of && Some(own) <= level;
    found.iter().filter_map(move |table| {
        let before = table.before.filter(|rows| *rows >= SMALL)?;
        let own = rows_gone(table, before, past)?;
        (!is_told(before, own.level)).then(|| own.at(format!("table {}", table.table)))
    })
}

fn rows_gone(table: &TableComparison, before: u64, past: &[Shares]) -> Option<Problem> {
    let after = table.after.filter(|rows| *rows > 0)?;
    let judge = |bounds: &Bounds, rows: u64, more: &str| {
        bounds.judge(Code::RowsRemoved, &Part { rows, of: before }, "to be gone", more)
    };
    let exchanged = || {
        let rows = table.rows.as_ref()?;
        let gone = Part { rows: rows.removed, of: before };
        let is_usual = is_usual(past, &place(Code::RowsRemoved, &table.table), ppm(&gone));
        let more = format!("; {} are new", rows.added);
        judge(&EXCHANGED, gone.rows, &more).filter(|_| is_usual != Some(true))
    };
    judge(&FEWER, before.saturating_sub(after), "").or_else(exchanged)
}

/// Tables that lost every row.
pub(super) fn emptied(found: &[TableComparison]) -> impl Iterator<Item = Problem> {
    let empty = found.iter().filter_map(|table| {
        let before = table.before.filter(|before| *before > EMPTIED_ROWS_MAX)?;
        (table.after == Some(0)).then_some((table, before))
    });
    empty.map(|(table, before)| {
        let expected = format!("some of the {before} live rows");
        Problem::fail(Code::RowsRemoved, expected, "an empty table")
            .at(format!("table {}", table.table))
    })
}
