use std::fmt::Write;

use freshlayer::{DatasetGates, GateCheck, Verdict, verify};

use crate::output::{Answer, Done, Stopped};
use crate::references::ReleaseReference;
use crate::wiring::Host;

/// Check a release again, from its record to its layer version.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// The release, such as 3, or its data version, such as 1.0.3; default: the current one.
    #[arg(long)]
    release: Option<ReleaseReference>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definition = host.definition(&args.layer)?;
    let release = match args.release {
        Some(release) => Some(release.number(host, &definition.layer).await?),
        None => None,
    };
    let verified = verify(&host.engine().await?, &definition, release).await?;
    let mut lines = format!("{}: release {}\n", verified.layer, verified.seq);
    for check in &verified.checks {
        let _ = match &check.problem {
            None => writeln!(lines, "  ok     {}", check.what),
            Some(problem) => writeln!(lines, "  WRONG  {}: {problem}", check.what),
        };
    }
    for dataset in &verified.gates {
        gates(dataset, &mut lines);
    }
    Ok(Done::new(verified.exit(), lines, Answer::Verified(verified)))
}

/// Lists what a dataset's data went through when it came.
fn gates(dataset: &DatasetGates, lines: &mut String) {
    let name = &dataset.name;
    if dataset.checks.is_empty() {
        let _ = writeln!(
            lines,
            "  dataset {name}: its record does not say which checks it went through"
        );
        return;
    }
    let _ = writeln!(lines, "  dataset {name} when it came:");
    let (ran, others): (Vec<_>, Vec<_>) =
        dataset.checks.checks().iter().partition(|check| check.verdict != Verdict::NotApplicable);
    for check in ran {
        let _ = writeln!(lines, "    {}", check_line(check));
    }
    let others: Vec<&str> = others.into_iter().map(|check| check.id.as_str()).collect();
    if !others.is_empty() {
        let _ = writeln!(lines, "    did not apply: {}", others.join(", "));
    }
}

fn check_line(check: &GateCheck) -> String {
    let verdict = match check.verdict {
        Verdict::Passed => "passed",
        Verdict::Warned => "warned",
        Verdict::Failed => "failed",
        Verdict::NotApplicable => "did not apply",
    };
    let measured = check.measured.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    let id = check.id;
    let found = check
        .problems
        .iter()
        .map(|problem| format!("; expected {}, found {}", problem.expected, problem.found));
    format!("{verdict} {id}{measured}{}", found.collect::<String>())
}
