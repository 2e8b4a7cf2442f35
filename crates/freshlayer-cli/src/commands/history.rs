use freshlayer::history;
use freshlayer::report::Exit;

use crate::output::lines::{bytes, first_reasons};
use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// List a layer's releases, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let history = history(&host.engine().await?, &layer_name(&args.layer)?).await?;
    let mut lines =
        row(["release", "version", "made (UTC)", "zip", "layer version", "marks", "why"]);
    for line in &history {
        let versions: Vec<String> =
            line.layer_versions.iter().map(|(r, arn)| format!("{r}:{}", arn.version())).collect();
        let versions = match versions.is_empty() {
            true => "no layer version".to_owned(),
            false => versions.join(" "),
        };
        lines.push_str(&row([
            &line.seq.to_string(),
            &line.version,
            &line.created.strftime("%Y-%m-%d %H:%M").to_string(),
            &bytes(line.zip_bytes),
            &versions,
            &line.marks.join(", "),
            &first_reasons(&line.version_reasons),
        ]));
    }
    Ok(Done::new(Exit::Done, lines, Answer::History(history)))
}

fn row([release, version, made, zip, layer_version, marks, why]: [&str; 7]) -> String {
    format!("{release:>7}  {version:8} {made:16}  {zip:>9}  {layer_version:16} {marks:23} {why}\n")
}
