//! How far a database may be from the live one, by rows.
//!
//! Other values of a known shape give a warning at most, and only where the column did not change so before: a column of
//! times changes in every row of every build.

use std::path::Path;
use std::time::Duration;

use freshlayer_reader::rusqlite;
use rusqlite::{Connection, ErrorCode};

use super::tables;
use crate::formats::sqlite::{self, ColumnChange, TableComparison, compare, holds_codes};
use crate::intake::inspect::envelope::{Shares, is_usual};
use crate::limits::Limits;
use crate::problem::{Code, GateReport, Level, Problem};

/// From which share of rows on, in percent, a change warns and fails. Of fewer rows than [`SMALL`] it is their number.
pub(super) struct Bounds {
    pub(super) warn: u64,
    pub(super) fail: u64,
}

const REMOVED: Bounds = Bounds { warn: 15, fail: 30 };
const LOST: Bounds = Bounds { warn: 5, fail: 10 };
const SHAPE: Bounds = Bounds { warn: 2, fail: 10 };
/// It never fails.
const CHANGED: Bounds = Bounds { warn: 25, fail: 100 };
/// A table with more rows than this may not lose all of them.
pub(super) const EMPTIED_ROWS_MAX: u64 = 10;
/// A table of fewer rows is judged as if it had so many: a row more or less would be several percent.
pub(super) const SMALL: u64 = 100;

/// Some rows of those that may be concerned.
pub(super) struct Part {
    pub(super) rows: u64,
    pub(super) of: u64,
}

/// What became of one column.
struct Column {
    name: String,
    part: Part,
    /// How it was found out, or what it looks like.
    more: String,
    is_usual: bool,
}

/// Compares a database with the live one and judges what differs; tells what it measured of single tables and columns, as the
/// `past` builds did. The inner error is what cannot be read of the live one, the
/// outer one that the time was over.
pub(super) fn judge(
    live: &Path,
    past: &[Shares],
    connection: &Connection,
    limits: &Limits,
    gates: &mut GateReport,
) -> rusqlite::Result<Result<Shares, String>> {
    let longest = Duration::from_secs(limits.sqlite_secs_max);
    let live = match opened(live) {
        Ok(live) => live,
        Err(words) => return Ok(Err(words)),
    };
    let compared = sqlite::within(&live, longest, |live| -> rusqlite::Result<_> {
        let found = compare(live, connection)?;
        let changed = changed(&found, past, live)?;
        Ok((found, changed))
    });
    let (found, changed) = match compared {
        Ok(found) => found,
        Err(late) if late.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            return Err(late);
        }
        Err(error) => return Ok(Err(error.to_string())),
    };
    judge_rows(&found, past, gates);
    let lost = found.iter().flat_map(lost).collect();
    judge_columns(Code::ValuesLost, &LOST, "to lose the value", lost, gates);
    let kind = "to have another value";
    judge_columns(Code::ValuesChanged, &CHANGED, kind, changed, gates);
    let unlike = found.iter().flat_map(unlike).collect();
    let kind = "with a text whose pattern of letters and digits is new to the column";
    judge_columns(Code::ShapeNew, &SHAPE, kind, unlike, gates);
    Ok(Ok(places(&found)))
}

fn opened(live: &Path) -> Result<Connection, String> {
    let size_bytes = std::fs::metadata(live).map_err(|error| error.to_string())?.len();
    sqlite::open(live, size_bytes).map_err(|error| error.to_string())
}

fn judge_rows(found: &[TableComparison], past: &[Shares], gates: &mut GateReport) {
    let gone = removed(found);
    if gone.of <= EMPTIED_ROWS_MAX {
        return;
    }
    gates.measured_share(Code::RowsRemoved, gone.percent(), "");
    let problem = REMOVED.judge(Code::RowsRemoved, &gone, "to be gone", "");
    let own = tables::judge(found, past, (&gone, problem.as_ref()));
    let own: Vec<Problem> = tables::emptied(found).chain(own).collect();
    gates.judge(Code::RowsRemoved, problem.into_iter().chain(own));
}

/// The live rows that are gone: by their keys, or else by the counts.
fn removed(found: &[TableComparison]) -> Part {
    let gone = found.iter().map(|table| match &table.rows {
        Some(rows) => rows.removed,
        None => table.before.unwrap_or(0).saturating_sub(table.after.unwrap_or(0)),
    });
    Part { rows: gone.sum(), of: found.iter().filter_map(|table| table.before).sum() }
}

/// Judges columns of tables that are large enough; where there is none, nothing was judged.
fn judge_columns(
    code: Code,
    bounds: &Bounds,
    kind: &str,
    mut columns: Vec<Column>,
    gates: &mut GateReport,
) {
    columns.retain(|column| column.part.of > bounds.warn);
    let worst =
        columns.iter().max_by(|one, other| one.part.percent().total_cmp(&other.part.percent()));
    let Some(worst) = worst else { return };
    gates.measured_share(code, worst.part.percent(), &format!(" at most, of {}", worst.name));
    let problems = columns.iter().filter(|column| !column.is_usual).filter_map(|column| {
        let problem = bounds.judge(code, &column.part, kind, &column.more)?;
        Some(problem.at(format!("column {}", column.name)))
    });
    gates.judge(code, problems);
}

/// The rows that lost a value: those of a key that both have, or else as many as the counts say.
fn lost(table: &TableComparison) -> Vec<Column> {
    if let Some((columns, both)) = paired(table) {
        let lost = columns.iter().map(|column| Column {
            name: format!("{}.{}", table.table, column.name),
            part: Part { rows: column.lost, of: both },
            more: String::new(),
            is_usual: false,
        });
        return lost.collect();
    }
    let (Some(before), Some(after @ 1..)) = (table.before, table.after) else { return Vec::new() };
    let lost = table.values.iter().map(|column| {
        // As many rows as before would have so many values now. Of rows that were added none had a value to lose.
        let [values, was, is] = [column.after, before, after].map(u128::from);
        let values = u64::try_from((values * was + is / 2) / is).unwrap_or(u64::MAX);
        let values = if after >= before { values.max(column.after) } else { values };
        Column {
            name: format!("{}.{}", table.table, column.name),
            part: Part { rows: column.before.saturating_sub(values), of: before },
            more: "; counted: without a key the rows cannot be paired".to_owned(),
            is_usual: false,
        }
    });
    lost.collect()
}

fn unlike(table: &TableComparison) -> Vec<Column> {
    let Some((columns, both)) = paired(table) else { return Vec::new() };
    let unlike = columns.iter().map(|column| Column {
        name: format!("{}.{}", table.table, column.name),
        part: Part { rows: column.new_shapes.texts, of: both },
        more: column
            .new_shapes
            .most
            .as_ref()
            .map_or(String::new(), |most| format!("; most like {most:?}")),
        is_usual: false,
    });
    unlike.collect()
}

/// The rows with another value. What is usual of a column is what it did before, or else what its texts are.
fn changed(
    found: &[TableComparison],
    past: &[Shares],
    live: &Connection,
) -> rusqlite::Result<Vec<Column>> {
    let column = |(table, column, part): (&str, &ColumnChange, Part)| -> rusqlite::Result<Column> {
        let name = format!("{table}.{}", column.name);
        let is_usual = if CHANGED.judge(Code::ValuesChanged, &part, "", "").is_none() {
            true
        } else {
            match is_usual(past, &place(Code::ValuesChanged, &name), ppm(&part)) {
                Some(is_usual) => is_usual,
                None => !holds_codes(live, table, &column.name)?,
            }
        };
        Ok(Column { name, part, more: String::new(), is_usual })
    };
    changes(found).map(column).collect()
}

/// Lists the rows with another value by column, of tables that are large enough.
fn changes(found: &[TableComparison]) -> impl Iterator<Item = (&str, &ColumnChange, Part)> {
    let large = found.iter().filter_map(|table| {
        let (columns, both) = paired(table)?;
        (both >= SMALL).then_some((table.table.as_str(), columns, both))
    });
    large.flat_map(|(table, columns, both)| {
        let part = move |column: &ColumnChange| Part { rows: column.changed, of: both };
        columns.iter().map(move |column| (table, column, part(column)))
    })
}

/// Names what was measured of single tables and columns.
fn places(found: &[TableComparison]) -> Shares {
    let columns = changes(found).map(|(table, column, part)| {
        (place(Code::ValuesChanged, &format!("{table}.{}", column.name)), ppm(&part))
    });
    let tables = found.iter().filter_map(|table| {
        let of = table.before.filter(|rows| *rows >= SMALL)?;
        let part = Part { rows: table.rows.as_ref()?.removed, of };
        Some((place(Code::RowsRemoved, &table.table), ppm(&part)))
    });
    columns.chain(tables).collect()
}

/// Names a share of one table or column.
pub(super) fn place(code: Code, name: &str) -> String {
    format!("{code} of {name}")
}

pub(super) fn ppm(part: &Part) -> u32 {
    let ppm = u128::from(part.rows) * 1_000_000 / u128::from(part.of.max(1));
    u32::try_from(ppm).unwrap_or(u32::MAX)
}

/// The columns of a table whose rows are paired by a key, and how many rows both have.
fn paired(table: &TableComparison) -> Option<(&[ColumnChange], u64)> {
    let rows = table.rows.as_ref()?;
    Some((&rows.columns, table.before?.saturating_sub(rows.removed)))
}

impl Part {
    fn percent(&self) -> f64 {
        100.0 * self.rows as f64 / self.of.max(SMALL) as f64
    }
}

impl Bounds {
    pub(super) fn judge(&self, code: Code, part: &Part, kind: &str, more: &str) -> Option<Problem> {
        let Part { rows, of } = part;
        let is_beyond = |bound: u64| rows * 100 > bound * of.max(&SMALL);
        let (level, bound) = match () {
            () if is_beyond(self.fail) => (Level::Fail, self.fail),
            () if is_beyond(self.warn) => (Level::Warn, self.warn),
            () => return None,
        };
        let (most, found) = if *of < SMALL {
            (format!("{bound} of the {of}"), rows.to_string())
        } else {
            (format!("{bound} % of the"), format!("{:.2} %", part.percent()))
        };
        let expected = format!("at most {most} live rows {kind}");
        Some(Problem { level, ..Problem::fail(code, expected, format!("{found}{more}")) })
    }
}
