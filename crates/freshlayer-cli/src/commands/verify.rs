use std::fmt::Write;

use freshlayer::verify;

use crate::output::{CommandResult, Done, Stopped};
use crate::wiring::Host;

pub(crate) async fn run(host: &Host, layer: &str, seq: Option<u64>) -> Result<Done, Stopped> {
    let definitions = host.definitions(&[layer.to_owned()])?;
    let verified = verify(&host.engine().await?, &definitions[0], seq).await?;
    let mut lines = format!("{layer}: release {}\n", verified.seq);
    for check in &verified.checks {
        let _ = match &check.problem {
            None => writeln!(lines, "  right  {}", check.what),
            Some(problem) => writeln!(lines, "  WRONG  {}: {problem}", check.what),
        };
    }
    Ok(Done { exit: verified.exit(), lines, result: CommandResult::Verified(verified) })
}
