//! How the checks of a dataset are written.

use std::fmt::Write;

use freshlayer::{DatasetGates, GateCheck, GateReport, Verdict};

use super::colour;

/// Lists every check that ran, and names the others.
pub(crate) fn listed(report: &GateReport, indent: &str, lines: &mut String) {
    let (ran, others): (Vec<_>, Vec<_>) =
        report.checks().iter().partition(|check| check.verdict != Verdict::NotApplicable);
    for check in ran {
        let _ = writeln!(lines, "{indent}{}", line(check));
    }
    let others: Vec<&str> = others.into_iter().map(|check| check.id.as_str()).collect();
    if !others.is_empty() {
        let _ = writeln!(lines, "{indent}did not apply: {}", others.join(", "));
    }
}

fn line(check: &GateCheck) -> String {
    let verdict = colour::verdict(check.verdict);
    let measured = check.measured.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    let id = check.id;
    let found = check.problems.iter().map(|problem| {
        let place = problem.location.as_ref().map(|place| format!(" at {place}"));
        let (place, expected, found) =
            (place.unwrap_or_default(), &problem.expected, &problem.found);
        format!("; expected{place} {expected}, found {found}")
    });
    format!("{verdict} {id}{measured}{}", found.collect::<String>())
}

/// Lists what a dataset's data went through when it came.
pub(crate) fn of_dataset(dataset: &DatasetGates, lines: &mut String) {
    let name = &dataset.name;
    if dataset.checks.is_empty() {
        let _ = writeln!(
            lines,
            "  dataset {name}: its record does not say which checks it went through"
        );
        return;
    }
    let _ = writeln!(lines, "  dataset {name} when it came:");
    listed(&dataset.checks, "    ", lines);
}
