use std::fmt::Write;

use freshlayer::history;
use freshlayer::report::Exit;

use crate::output::lines::{bytes, first_reasons};
use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// List a layer's releases, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    layer: String,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let history = history(&host.engine().await?, &layer_name(&args.layer)?).await?;
    let mut lines = String::new();
    for line in &history {
        let versions: Vec<String> =
            line.layer_versions.iter().map(|(r, arn)| format!("{r}:{}", arn.version())).collect();
        let versions = match versions.is_empty() {
            true => "no layer version".to_owned(),
            false => versions.join(" "),
        };
        let _ = writeln!(
            lines,
            "{:>4}  {:8} {}  {:>9}  {versions:16} {:15} {}",
            line.seq,
            line.version,
            line.created.strftime("%Y-%m-%d %H:%M"),
            bytes(line.zip_bytes),
            line.marks.join(", "),
            first_reasons(&line.version_reasons),
        );
    }
    Ok(Done { exit: Exit::Done, lines, answer: Answer::History(history) })
}
