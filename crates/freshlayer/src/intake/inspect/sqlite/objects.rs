//! What a schema holds beside tables: triggers and views run statements of the upstream's choice, and a virtual table runs
//! a module's code. Each is refused, unless the definition names it.

use freshlayer_reader::rusqlite;
use rusqlite::Connection;

use super::listed;
use crate::definition::Globs;
use crate::formats::sqlite::{foreign_key_breaks, objects};
use crate::problem::{Code, GateReport, Problem};

/// Refuses what is not named, and names that nothing has.
pub(super) fn judge(
    connection: &Connection,
    named: &[String],
    gates: &mut GateReport,
) -> rusqlite::Result<()> {
    // A glob that is none is the definition's to refuse.
    let globs = Globs::parse(named.to_vec()).unwrap_or_default();
    let is_named = |name: &str| !named.is_empty() && globs.is_match(name);
    let found = objects(connection)?;
    let strange: Vec<String> = found
        .iter()
        .filter(|object| !is_named(&object.name))
        .map(|object| format!("{} {}", object.kind, object.name))
        .collect();
    let problem = (!strange.is_empty()).then(|| {
        let expected = "no trigger, view or virtual table but those of expect.objects";
        let shown = listed(strange.iter().map(String::as_str));
        Problem::fail(Code::SqliteObject, expected, format!("{}: {shown}", strange.len()))
    });
    gates.judge(Code::SqliteObject, problem);
    Ok(())
}

/// Finds rows that refer to rows which are not there.
pub(super) fn judge_references(
    connection: &Connection,
    gates: &mut GateReport,
) -> rusqlite::Result<()> {
    let broken = foreign_key_breaks(connection)?;
    let problems = broken.into_iter().map(|broken| {
        let expected = format!("rows that refer to rows of {}", broken.parent);
        let found = format!("{} rows that refer to none", broken.rows);
        Problem::fail(Code::SqliteForeignKey, expected, found).at(format!("table {}", broken.table))
    });
    gates.judge(Code::SqliteForeignKey, problems);
    Ok(())
}
