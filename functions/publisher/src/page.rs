//! The page of the layers, kept up to date in the state.

use std::time::Duration;

use freshlayer::definition::Definition;
use freshlayer::report::Report;
use freshlayer::{Engine, Error, chain, dossier_after, shelve};

/// How long a run writes at its page. It is less than what is left of an invocation for its report.
const PATIENCE: Duration = Duration::from_secs(3);

/// Writes the page after a run that looked at all functions of a layer. A run that was content with a glance writes
/// nothing, and costs no more calls than before.
pub(crate) async fn keep(
    engine: &Engine,
    definitions: &[Definition],
    definition: &Definition,
    report: &Report,
) -> Result<(), String> {
    if report.places.is_empty() || report.last_look.is_some() {
        return Ok(());
    }
    let written = tokio::time::timeout(PATIENCE, write(engine, definitions, definition, report));
    match written.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the page was not written: {}", chain(&error))),
        Err(_) => Err("the page was not written within 3 seconds; the next run that looks at all functions writes it".to_owned()),
    }
}

async fn write(
    engine: &Engine,
    definitions: &[Definition],
    definition: &Definition,
    report: &Report,
) -> Result<(), Error> {
    let layer = dossier_after(engine, definition, report).await?;
    shelve(engine, definitions, &layer, freshlayer_page::page).await
}
