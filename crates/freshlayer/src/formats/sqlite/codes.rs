//! Columns whose texts are codes, such as countries.

use freshlayer_reader::rusqlite;
use rusqlite::Connection;

use super::quoted;

/// A column with more different texts than this holds names.
const CODES_MAX: i64 = 1_000;
/// In so many rows, on average, a code stands at least.
const ROWS_PER_CODE_MIN: i64 = 2;
/// Longer texts are no codes.
const CHARS_MAX: u32 = 48;

/// Tells whether the texts of a column are codes: there are several, each in several rows, and most have no digit. A time
/// has digits, and a mark of the build is the same in all rows.
pub(crate) fn holds_codes(
    connection: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<bool> {
    let name = quoted(column);
    let texts = format!(
        "FROM {} WHERE typeof({name}) = 'text' AND length({name}) BETWEEN 1 AND {CHARS_MAX}",
        quoted(table)
    );
    let ask = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let plain = ask(&format!("SELECT count(*) {texts} AND {name} NOT GLOB '*[0-9]*'"))?;
    let all = ask(&format!("SELECT count(*) {texts}"))?;
    if plain * 2 <= all {
        return Ok(false);
    }
    let limit = CODES_MAX + 1;
    let different =
        ask(&format!("SELECT count(*) FROM (SELECT DISTINCT {name} {texts} LIMIT {limit})"))?;
    Ok((2..limit).contains(&different) && different * ROWS_PER_CODE_MIN <= all)
}
