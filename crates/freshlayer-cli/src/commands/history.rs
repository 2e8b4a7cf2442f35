use std::fmt::Write;

use freshlayer::history;
use freshlayer::report::Exit;

use super::refresh::first_reasons;
use crate::output::{CommandResult, Done, Stopped, bytes};
use crate::wiring::{Host, layer_name};

pub(crate) async fn run(host: &Host, layer: &str) -> Result<Done, Stopped> {
    let history = history(&host.engine().await?, &layer_name(layer)?).await?;
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
    Ok(Done { exit: Exit::Done, lines, result: CommandResult::History(history) })
}
