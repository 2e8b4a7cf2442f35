use schemars::JsonSchema;
use serde::Serialize;

use super::DatasetDiff;
use super::side::Dataset;
use crate::error::Error;

/// What differs in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableDiff {
    /// Its name.
    pub table: String,
}

/// What differs in one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ColumnDiff {
    /// Its name.
    pub column: String,
}

pub(super) fn compare(
    _before: &Dataset,
    _after: &Dataset,
    _diff: &mut DatasetDiff,
) -> Result<(), Error> {
    Ok(())
}
