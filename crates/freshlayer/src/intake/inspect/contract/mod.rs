//! Data against its contract: every field is there, of its type, not empty too often, and holds allowed values.

mod mmdb;
mod sqlite;

pub(super) use mmdb::{Named, judge as judge_mmdb, named, named_values};
pub(super) use sqlite::judge as judge_sqlite;

use crate::problem::{Code, GateReport, Problem};
use crate::schema::{FieldContract, percent};

/// How many allowed values a problem lists.
const VALUES_SHOWN_MAX: usize = 10;

/// What was counted of one field.
struct Counted<'a> {
    /// The field or column.
    at: String,
    contract: &'a FieldContract,
    /// What is counted, in the plural: networks or rows.
    of: &'static str,
    whole: u64,
    values: u64,
    breaches: u64,
    first: Option<&'a (String, String)>,
}

impl Counted<'_> {
    /// Judges how many are without a value, and whether each value is allowed.
    fn judge(&self, gates: &mut GateReport) {
        gates.judge(Code::ContractNull, self.null());
        gates.judge(Code::ContractValue, self.forbidden());
    }

    fn null(&self) -> Option<Problem> {
        let most = self.contract.null_share_max?;
        let share = 1.0 - self.values as f64 / self.whole.max(1) as f64;
        (share > most).then(|| {
            let expected = format!("at most {} of the {} without a value", percent(most), self.of);
            Problem::fail(Code::ContractNull, expected, percent(share)).at(&self.at)
        })
    }

    fn forbidden(&self) -> Option<Problem> {
        let (value, place) = self.first.filter(|_| self.breaches > 0)?;
        let found = format!("{value} at {place}, and such in {} {}", self.breaches, self.of);
        Some(Problem::fail(Code::ContractValue, allowed(self.contract), found).at(&self.at))
    }
}

/// Says which values a field may have.
fn allowed(contract: &FieldContract) -> String {
    let mut said = Vec::new();
    if !contract.values.is_empty() {
        let mut values = contract.values[..contract.values.len().min(VALUES_SHOWN_MAX)].join(", ");
        if contract.values.len() > VALUES_SHOWN_MAX {
            values.push_str(", …");
        }
        said.push(format!("one of {values}"));
    }
    said.extend(contract.pattern.as_ref().map(|pattern| format!("texts that match {pattern}")));
    said.extend(match (contract.min, contract.max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
        (Some(min), None) => Some(format!("at least {min}")),
        (None, Some(max)) => Some(format!("at most {max}")),
        (None, None) => None,
    });
    said.join(", ")
}

/// A field that is not there.
fn missing(expected: &str, found: &str, at: String) -> Problem {
    Problem::fail(Code::ContractField, expected, found).at(at)
}
