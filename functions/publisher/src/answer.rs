//! What an invocation answers: the report of `--json` with the exit code of the CLI, or an error with the exit
//! class as its type.

use freshlayer::report::{Exit, Outcome, Report};
use freshlayer::{LayerName, Pruned};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};

/// What became of each layer, what was handed on to other invocations, and what went wrong beside the work.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) reports: Vec<Report>,
    pub(crate) handed_on: Vec<LayerName>,
    pub(crate) warnings: Vec<String>,
}

/// Answers with reports.
pub(crate) fn answer(command: &str, summary: &Summary) -> Result<Value, Diagnostic> {
    let reports = &summary.reports;
    let exits = reports.iter().map(Report::exit);
    let exit = exits.fold(Exit::Done, Exit::worst);
    if exit == Exit::Failed {
        let failed =
            reports.iter().filter(|report| matches!(report.outcome, Outcome::Failed { .. }));
        let lines = failed.map(|report| format!("{}: {}", report.layer, report.outcome.reason()));
        return Err(diagnostic(exit, lines.collect::<Vec<_>>().join("; ")));
    }
    let mut answer = done(command, exit, "layers", json!(reports));
    if !summary.handed_on.is_empty() {
        answer["handed_on"] = json!(summary.handed_on);
    }
    if !summary.warnings.is_empty() {
        answer["warnings"] = json!(summary.warnings);
    }
    Ok(answer)
}

/// Answers with what was pruned.
pub(crate) fn pruned(all: &[Pruned]) -> Result<Value, Diagnostic> {
    let exit = all.iter().map(Pruned::exit).fold(Exit::Done, Exit::worst);
    if exit == Exit::Failed {
        let failed = all.iter().filter(|pruned| pruned.exit() == Exit::Failed);
        let lines =
            failed.map(|pruned| format!("{}: {}", pruned.layer, pruned.failures.join("; ")));
        return Err(diagnostic(exit, lines.collect::<Vec<_>>().join("; ")));
    }
    Ok(done("prune", exit, "pruned", json!(all)))
}

/// Answers with one result.
pub(crate) fn done(command: &str, exit: Exit, name: &str, result: Value) -> Value {
    let mut answer = json!({"command": command, "exit_code": exit.code()});
    answer[name] = result;
    answer
}

pub(crate) fn failed(error: &freshlayer::Error) -> Diagnostic {
    let exit = match error {
        freshlayer::Error::NotPossible(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    diagnostic(exit, freshlayer::chain(error))
}

/// The error's type is the exit class, as the CLI counts them.
pub(crate) fn diagnostic(exit: Exit, message: String) -> Diagnostic {
    Diagnostic { error_type: format!("{exit:?}"), error_message: message }
}
