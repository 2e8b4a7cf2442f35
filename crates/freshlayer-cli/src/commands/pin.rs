use freshlayer::report::Exit;

use crate::output::{CommandResult, Done, Stopped};
use crate::wiring::{Host, layer_name};

pub(crate) async fn pin(
    host: &Host,
    layer: &str,
    to: Option<u64>,
    reason: Option<String>,
) -> Result<Done, Stopped> {
    let name = layer_name(layer)?;
    let pinned = freshlayer::pin(&host.engine().await?, &name, to, reason).await?;
    let next = match pinned.seq == pinned.current {
        true => "refreshes change nothing until it is unpinned".to_owned(),
        false => format!("run `freshlayer refresh {layer}` to move its functions there"),
    };
    let lines = format!("{layer}: pinned to release {}; {next}\n", pinned.seq);
    let result = CommandResult::Pinned { layer: layer.to_owned(), release: Some(pinned.seq) };
    Ok(Done { exit: Exit::Done, lines, result })
}

pub(crate) async fn unpin(host: &Host, layer: &str) -> Result<Done, Stopped> {
    let was_pinned = freshlayer::unpin(&host.engine().await?, &layer_name(layer)?).await?;
    let lines = match was_pinned {
        true => format!("{layer}: unpinned; the next refresh goes on\n"),
        false => format!("{layer}: was not pinned\n"),
    };
    let result = CommandResult::Pinned { layer: layer.to_owned(), release: None };
    Ok(Done { exit: Exit::Done, lines, result })
}
