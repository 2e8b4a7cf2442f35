//! Judges what the upstreams gave. What is bad does not hold back what is good.

use crate::definition::{Dataset, Definition};
use crate::download::{Candidate, Pulled, Refused};
use crate::engine::{Engine, Stages, blocking};
use crate::error::{Error, chain};
use crate::inspect::{Proven, inspect};
use crate::names::{DatasetName, Digest};
use crate::ports::{Stage, UpstreamFacts};
use crate::problem::Problem;
use crate::report::{DatasetReport, DatasetState};
use crate::state::{Head, Rejection, Release, Seen, Snapshot};

/// What the upstreams of a layer gave, judged.
#[derive(Default)]
pub(crate) struct Gathered {
    /// New snapshots that passed.
    pub(crate) proven: Vec<Proven>,
    /// What the report says of each dataset.
    pub(crate) datasets: Vec<DatasetReport>,
    /// All problems of all datasets.
    pub(crate) problems: Vec<Problem>,
    /// Upstreams that could not be asked.
    pub(crate) failures: Vec<String>,
    /// The release that came of it, if one did.
    pub(crate) released: Option<(u64, String)>,
    accepted: Vec<(DatasetName, Seen)>,
    rejected: Vec<(Seen, Rejection)>,
    keeps: Keeps,
}

/// Whether the new snapshots are the live ones now, so that their validators may be asked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Keeps {
    Accepted,
    #[default]
    RejectedOnly,
}

impl Gathered {
    /// Notes that the new snapshots went live, or are the same as the live ones.
    pub(crate) fn keep(&mut self) {
        self.keeps = Keeps::Accepted;
    }

    pub(crate) fn same_content(&mut self) {
        self.keep();
        for dataset in self
            .datasets
            .iter_mut()
            .filter(|d| d.state == DatasetState::New)
        {
            dataset.state = DatasetState::SameContent;
        }
    }

    /// Writes what was learned about the upstreams into the head.
    pub(crate) fn remember(&self, head: &mut Head) {
        if self.keeps == Keeps::Accepted {
            head.upstream.extend(self.accepted.iter().cloned());
        }
        for (seen, rejection) in &self.rejected {
            head.upstream
                .insert(rejection.dataset.clone(), seen.clone());
            head.reject(seen.digest.clone(), rejection.clone());
        }
    }

    fn note(&mut self, name: &DatasetName, state: DatasetState, upstream: Option<UpstreamFacts>) {
        self.datasets.push(DatasetReport {
            name: name.clone(),
            state,
            upstream,
        });
    }
}

/// Inspects every candidate, and sorts everything that came.
pub(crate) async fn gather(
    engine: &Engine,
    definition: &Definition,
    live: Option<&Release>,
    pulled: Vec<Pulled>,
    stages: &mut Stages,
) -> Result<Gathered, Error> {
    let mut gathered = Gathered::default();
    for (dataset, pulled) in definition.datasets.iter().zip(pulled) {
        match pulled {
            Pulled::Unchanged => gathered.note(&dataset.name, DatasetState::Unchanged, None),
            Pulled::Failed(source) => {
                let error = Error::Source {
                    dataset: dataset.name.clone(),
                    source,
                };
                gathered.failures.push(chain(&error));
                gathered.note(&dataset.name, DatasetState::Failed, None);
            }
            Pulled::Refused(Refused { problems, seen }) => {
                gathered.note(&dataset.name, DatasetState::Rejected, None);
                if let Some(seen) = seen {
                    gathered
                        .rejected
                        .push((seen, rejection(engine, dataset, problems.clone())));
                }
                gathered.problems.extend(problems);
            }
            Pulled::Fresh(candidate) => {
                let live = live.and_then(|release| release.snapshot(&dataset.name));
                judge(engine, definition, live, *candidate, &mut gathered, stages).await?;
            }
        }
    }
    Ok(gathered)
}

async fn judge(
    engine: &Engine,
    definition: &Definition,
    live: Option<&Snapshot>,
    candidate: Candidate,
    gathered: &mut Gathered,
    stages: &mut Stages,
) -> Result<(), Error> {
    let dataset = candidate.dataset.clone();
    let upstream = Some(candidate.upstream.clone());
    let seen = candidate.seen.clone();
    let size_bytes = candidate.files.iter().map(|file| file.size_bytes).sum();
    let running = stages.start(engine, Stage::Inspect, dataset.name.as_str(), None);
    let (live, limits, now) = (
        live.cloned(),
        definition.limits.clone(),
        engine.ports.clock.now(),
    );
    let inspected = blocking(move || inspect(candidate, live.as_ref(), &limits, now)).await?;
    stages.finish(engine, running, size_bytes);
    if let Some(proven) = inspected.proven {
        gathered.note(&dataset.name, DatasetState::New, upstream);
        let digest: Digest = proven.snapshot.digest.clone();
        gathered
            .accepted
            .push((dataset.name.clone(), Seen { digest, ..seen }));
        gathered.proven.push(proven);
    } else {
        gathered.note(&dataset.name, DatasetState::Rejected, upstream);
        let rejection = rejection(engine, &dataset, inspected.problems.clone());
        gathered.rejected.push((seen, rejection));
    }
    gathered.problems.extend(inspected.problems);
    Ok(())
}

fn rejection(engine: &Engine, dataset: &Dataset, problems: Vec<Problem>) -> Rejection {
    Rejection {
        dataset: dataset.name.clone(),
        fingerprint: dataset.verdict_fingerprint(),
        at: engine.ports.clock.now(),
        problems,
    }
}
