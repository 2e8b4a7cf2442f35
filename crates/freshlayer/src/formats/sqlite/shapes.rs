//! Texts of a column whose shape no text of that column had before.
//!
//! Memory is bounded: of a table so many shapes are kept, however many rows and columns it has.

use std::collections::{BTreeMap, BTreeSet};

use freshlayer_reader::rusqlite;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::quoted;
use crate::formats::text_shape::{TEXT_BYTES_MAX, have_one_shape, shape_of};

/// How many shapes are kept of one table, and of one column.
const TABLE_SHAPES_MAX: usize = 65_536;
const COLUMN_SHAPES_MAX: usize = 4_096;
/// A column with more shapes than one in so many rows holds free text, which has no shapes to keep to.
const ROWS_PER_SHAPE: u64 = 10;
/// Up to this share of the rows, in percent, and this number of them, new shapes are no news.
const NO_NEWS: u64 = 2;

/// Texts of another shape than what they replace.
#[derive(Debug)]
pub(super) struct Reshaped {
    shapes: BTreeMap<String, u64>,
    /// Texts of shapes beyond those that are kept.
    beyond: u64,
    shapes_max: usize,
}

/// Texts of shapes that the earlier column lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NewShapes {
    pub(crate) texts: u64,
    /// The shape that most of them have.
    pub(crate) most: Option<String>,
}

impl Reshaped {
    /// Makes one for each column of a table.
    pub(super) fn of_columns(count: usize) -> Vec<Self> {
        let shapes_max = COLUMN_SHAPES_MAX.min(TABLE_SHAPES_MAX / count.max(1));
        let new = |_| Self { shapes: BTreeMap::new(), beyond: 0, shapes_max };
        (0..count).map(new).collect()
    }

    /// Takes a value that differs into account.
    pub(super) fn note(&mut self, was: ValueRef<'_>, is: ValueRef<'_>) {
        let Some(text) = short(is) else { return };
        if short(was).is_some_and(|was| have_one_shape(&was, &text)) {
            return;
        }
        let shape = shape_of(&text);
        if self.shapes.len() < self.shapes_max || self.shapes.contains_key(&shape) {
            *self.shapes.entry(shape).or_default() += 1;
        } else {
            self.beyond += 1;
        }
    }

    /// Tells which of them the earlier column lacks. It is read only where they are enough to matter.
    pub(super) fn news(
        self,
        before: &Connection,
        place: (&str, &str),
        (rows, both): (u64, u64),
    ) -> rusqlite::Result<NewShapes> {
        let texts = self.beyond + self.shapes.values().sum::<u64>();
        if texts * 100 <= NO_NEWS * both.max(100) {
            return Ok(NewShapes::default());
        }
        let Some(known) = known(before, place, rows, self.shapes_max)? else {
            return Ok(NewShapes::default());
        };
        let unlike = self.shapes.into_iter().filter(|(shape, _)| !known.contains(shape));
        let unlike: Vec<(String, u64)> = unlike.collect();
        let texts = self.beyond + unlike.iter().map(|(_, count)| count).sum::<u64>();
        let most = unlike.into_iter().max_by_key(|(_, count)| *count);
        Ok(NewShapes { texts, most: most.map(|(shape, _)| shape) })
    }
}

fn short(value: ValueRef<'_>) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        ValueRef::Text(text) if !text.is_empty() && text.len() <= TEXT_BYTES_MAX => {
            Some(String::from_utf8_lossy(text))
        }
        _ => None,
    }
}

/// Lists the shapes of a column; `None` where it holds no texts, or free text. A long text is a shape of its own.
fn known(
    before: &Connection,
    (table, column): (&str, &str),
    rows: u64,
    shapes_max: usize,
) -> rusqlite::Result<Option<BTreeSet<String>>> {
    let most = shapes_max.min(usize::try_from(rows / ROWS_PER_SHAPE).unwrap_or(usize::MAX));
    let mut shapes = BTreeSet::new();
    let mut long = 0;
    let query = format!("SELECT {} FROM {}", quoted(column), quoted(table));
    let mut statement = before.prepare(&query)?;
    let mut asked = statement.query([])?;
    while let Some(row) = asked.next()? {
        let value = row.get_ref(0)?;
        match short(value) {
            Some(text) => {
                let shape = shape_of(&text);
                if !shapes.contains(&shape) {
                    shapes.insert(shape);
                }
            }
            None if matches!(value, ValueRef::Text(text) if !text.is_empty()) => long += 1,
            None => {}
        }
        if shapes.len() + long > most {
            return Ok(None);
        }
    }
    Ok((!shapes.is_empty()).then_some(shapes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_beyond_those_that_are_kept_are_counted() {
        let mut reshaped = Reshaped::of_columns(TABLE_SHAPES_MAX / 2).remove(0);
        for text in ["a", "1", "a1", "1a", "b", "-"] {
            reshaped.note(ValueRef::Null, ValueRef::Text(text.as_bytes()));
        }
        assert_eq!(reshaped.shapes.len(), 2);
        assert_eq!((reshaped.shapes["A"], reshaped.beyond), (2, 3));
    }
}
