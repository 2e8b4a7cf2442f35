//! The whole refresh of one layer, on one screen.

use crate::definition::Definition;
use crate::download::{Downloaded, download};
use crate::engine::{Engine, Stages};
use crate::error::{Error, chain};
use crate::gather::{Against, Gathered, gather};
use crate::publish::publish;
use crate::release::{complete, make_release};
use crate::report::{Outcome, Report};
use crate::settle::{busy, promote, settle};
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
    let mut stages = Stages::new(engine, &definition.layer);
    let result = run(engine, definition, retry, &mut stages).await;
    let layer = definition.layer.clone();
    let mut report = result.unwrap_or_else(|error| {
        Report::of(
            layer,
            Outcome::Failed {
                reason: chain(&error),
            },
        )
    });
    report.stages = stages.into_reports();
    report
}

async fn run(
    engine: &Engine,
    definition: &Definition,
    retry: Retry,
    stages: &mut Stages,
) -> Result<Report, Error> {
    let mut session = Session::open(engine, &definition.layer).await?;
    if session.head().pin.is_some() {
        return settle(engine, &mut session, Gathered::default(), stages).await;
    }
    if retry == Retry::Now && !session.head().rejected.is_empty() {
        session.order(|head| Ok(head.rejected.clear())).await?;
    }
    let live = session.current_release().await?;
    let live = live.as_ref();
    let folder = engine.run_folder()?;

    let pulled = match download(
        engine,
        &mut session,
        definition,
        live,
        folder.path(),
        stages,
    )
    .await?
    {
        Downloaded::Pulled(pulled) => pulled,
        Downloaded::Busy(lease) => return Ok(busy(definition, &lease)),
    };
    let against = Against {
        engine,
        definition,
        head: session.head(),
        live,
    };
    let mut gathered = gather(&against, pulled, stages).await?;
    let complete = complete(engine, definition, live, &mut gathered, folder.path()).await?;
    if let Some(assembled) = complete {
        if let Leased::Theirs(lease) = session.lease().await? {
            return Ok(busy(definition, &lease));
        }
        let (release, zip) = make_release(
            engine,
            &session,
            live,
            assembled,
            &gathered,
            folder.path(),
            stages,
        )
        .await?;
        // Packaging and storing may have taken longer than the lease.
        if let Leased::Theirs(lease) = session.lease().await? {
            return Ok(busy(definition, &lease));
        }
        let version = publish(engine, &release, &zip, stages).await?;
        promote(engine, &mut session, &release, version, &mut gathered).await?;
    }
    settle(engine, &mut session, gathered, stages).await
}
