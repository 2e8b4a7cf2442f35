//! One upstream, asked for a person who wants to look at its data: no lease, no memory of earlier runs.

use std::path::Path;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Candidate, Pull, passed, snapshot_digest, time_left, within};
use crate::definition::Dataset;
use crate::engine::Run;
use crate::error::Error;
use crate::intake::extract::{Staged, StagedFile};
use crate::ports::{Body, Fetch, Request, SourceError, UpstreamFacts, Validators};
use crate::problem::Problem;
use crate::state::SeenUpstream;

/// A body with what its upstream says of it.
pub(crate) struct Fetched {
    pub(crate) body: Staged,
    facts: UpstreamFacts,
}

impl Fetched {
    /// Copies the body: unpacking a plain one moves it.
    pub(crate) fn copied(&self, to: &Path) -> std::io::Result<Self> {
        std::fs::copy(&self.body.file, to)?;
        let body = Staged { file: to.to_owned(), ..self.body.clone() };
        Ok(Self { body, facts: self.facts.clone() })
    }
}

/// What came of asking.
pub(crate) enum Asked<T> {
    Got(T),
    Refused(Vec<Problem>),
    Failed(SourceError),
}

/// Downloads a body into a folder.
pub(crate) async fn fetch_alone(
    run: &Run<'_>,
    dataset: &Dataset,
    folder: &Path,
) -> Result<Asked<Fetched>, Error> {
    let limits = &run.definition.limits;
    let end = Instant::now() + time_left(run.engine, limits);
    let request = Request { source: &dataset.source, known: None, passed_over: 0, limits };
    let body: Body = match within(request, end, run.engine.ports.source.fetch(request)).await {
        Ok(Fetch::Body(body)) => body,
        Ok(Fetch::Unchanged) => return Ok(Asked::Refused(Vec::new())),
        Err(error) => return Ok(Asked::Failed(error)),
    };
    std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let facts = body.facts.clone();
    let unpacking = Mutex::default();
    let pull = Pull { run, dataset, limits, folder, end, unpacking: &unpacking };
    Ok(match pull.transfer(body).await? {
        super::body::Streamed::Whole(body) => Asked::Got(Fetched { body, facts }),
        super::body::Streamed::TooLarge(problem) => Asked::Refused(vec![problem]),
        super::body::Streamed::Broken(error) => Asked::Failed(error),
    })
}

/// Unpacks a body as a dataset's definition says.
pub(crate) async fn unpack_alone(
    run: &Run<'_>,
    dataset: &Dataset,
    fetched: &Fetched,
    folder: &Path,
) -> Result<Result<Vec<StagedFile>, Vec<Problem>>, Error> {
    let (limits, unpacking) = (&run.definition.limits, Mutex::default());
    let pull = Pull { run, dataset, limits, folder, end: Instant::now(), unpacking: &unpacking };
    pull.unpack(&fetched.body, &[]).await
}

/// Makes what inspection takes.
pub(crate) fn candidate(
    run: &Run<'_>,
    dataset: &Dataset,
    fetched: Fetched,
    files: Vec<StagedFile>,
) -> Candidate {
    let digest = snapshot_digest(&files);
    let gates = passed(dataset, &[], &fetched.body, &files);
    let seen = SeenUpstream {
        fingerprint: dataset.source_fingerprint(),
        validators: Validators::default(),
        digest: digest.clone(),
        young_since: None,
    };
    Candidate {
        dataset: dataset.clone(),
        files,
        digest,
        upstream: fetched.facts,
        fetched: run.engine.ports.clock.now(),
        seen,
        gates,
    }
}
