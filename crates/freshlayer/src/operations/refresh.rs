//! The whole refresh of one layer, on one screen.

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::intake::download::{Downloaded, download};
use crate::intake::gather::{Against, Gathered, gather};
use crate::progress::Stages;
use crate::release::make::{complete, make_release};
use crate::release::publish::publish;
use crate::report::{Outcome, Report};
use crate::rollout::converge::{busy, promote, settle};
use crate::state::{Leased, Session};

/// Whether data that was rejected before is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Only once the upstream or the expectations change.
    OnChange,
    /// Now: a person asks for it.
    Now,
}

/// Brings one layer up to date: downloads what is new, proves it, packages it, publishes it, and moves the
/// consumers. Says what it did and why; an error is an outcome of the report, too.
pub async fn refresh(engine: &Engine, definition: &Definition, retry: Retry) -> Report {
    let stages = Stages::new(&engine.ports, &definition.layer);
    let result = match engine.session(&definition.layer).await {
        Ok(mut session) => {
            let done = run(engine, &mut session, definition, retry, &stages).await;
            session.end(done).await
        }
        Err(error) => Err(error),
    };
    reported(definition, result, stages)
}

/// Goes on with what is ordered already: Regions that lack the release, consumers on their way. No upstream is
/// asked.
pub async fn advance(engine: &Engine, definition: &Definition) -> Report {
    let stages = Stages::new(&engine.ports, &definition.layer);
    let result = match engine.session(&definition.layer).await {
        Ok(mut session) => {
            let nothing = Gathered::default();
            let done = settle(engine, &mut session, definition, nothing, &stages).await;
            session.end(done).await
        }
        Err(error) => Err(error),
    };
    reported(definition, result, stages)
}

fn reported(definition: &Definition, result: Result<Report, Error>, stages: Stages) -> Report {
    let mut report = result.unwrap_or_else(|error| {
        let reason = chain(&error);
        Report::of(definition.layer.clone(), Outcome::Failed { reason })
    });
    report.stages = stages.into_reports();
    report
}

async fn run(
    engine: &Engine,
    session: &mut Session<'_>,
    definition: &Definition,
    retry: Retry,
    stages: &Stages,
) -> Result<Report, Error> {
    if session.head().pin.is_some() {
        return settle(engine, session, definition, Gathered::default(), stages).await;
    }
    if retry == Retry::Now && !session.head().rejected.is_empty() {
        session.order(|head| Ok(head.rejected.clear())).await?;
    }
    let live = session.current_release().await?;
    let live = live.as_ref();
    let folder = engine.run_folder()?;

    let pulled = match download(engine, session, definition, live, folder.path(), stages).await? {
        Downloaded::Pulled(pulled) => pulled,
        Downloaded::Busy(lease) => return Ok(busy(&definition.layer, &lease)),
    };
    let against = Against { engine, definition, head: session.head(), live };
    let mut gathered = gather(&against, pulled, stages).await?;
    let complete = complete(engine, definition, live, &mut gathered, folder.path()).await?;
    if let Some(assembled) = complete {
        if let Leased::Theirs(lease) = session.lease().await? {
            return Ok(busy(&definition.layer, &lease));
        }
        let (release, zip) =
            make_release(engine, session, live, assembled, &gathered, folder.path(), stages)
                .await?;
        // Packaging and storing may have taken longer than the lease.
        if let Leased::Theirs(lease) = session.lease().await? {
            return Ok(busy(&definition.layer, &lease));
        }
        let published = publish(engine, definition, &release, &zip, stages).await?;
        promote(engine, session, &release, &published, &mut gathered).await?;
    }
    settle(engine, session, definition, gathered, stages).await
}
