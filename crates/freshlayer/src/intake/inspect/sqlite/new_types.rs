//! Values of a type that their column does not have in the live release. It keeps nothing out: the data version is a new
//! MAJOR one, unless a contract leaves the column out.

use crate::problem::{Code, GateReport, Problem};
use crate::schema::{NewType, Schema, new_types};
use crate::state::{Profile, Snapshot};

pub(super) fn judge(live: &Snapshot, new: &Profile, gates: &mut GateReport) {
    let (was, is) = (&live.profile.value_types, &new.value_types);
    if was.is_empty() {
        return;
    }
    let declared = Schema::parse(&live.profile.shape);
    let found = new_types(was, is, &declared, &live.contract);
    gates.judge(Code::TypeNew, found.iter().map(problem));
}

fn problem(new: &NewType<'_>) -> Problem {
    let expected = format!("values of the types in the live release, {}", new.known());
    Problem::warn(Code::TypeNew, expected, new.found()).at(format!("column {}", new.path()))
}
