//! Judges what the upstreams gave. What is bad does not hold back what is good.

use std::collections::BTreeMap;

use crate::definition::{Dataset, Definition};
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::formats::pipe::blocking;
use crate::intake::download::{Candidate, Pulled, Refused};
use crate::intake::inspect::{Proven, inspect};
use crate::names::{DatasetName, Digest, RegionName};
use crate::ports::{Stage, UpstreamFacts};
use crate::problem::{Code, Problem};
use crate::progress::Stages;
use crate::report::{DatasetReport, DatasetState};
use crate::state::{Head, Rejection, Release, Seen};

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
    /// The Regions that did not take it, and why.
    pub(crate) unpublished: BTreeMap<RegionName, String>,
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
        for dataset in self.datasets.iter_mut().filter(|d| d.state == DatasetState::New) {
            dataset.state = DatasetState::SameContent;
        }
    }

    /// Writes what was learned about the upstreams into the head.
    pub(crate) fn remember(&self, head: &mut Head) {
        if self.keeps == Keeps::Accepted {
            head.upstream.extend(self.accepted.iter().cloned());
        }
        for (seen, rejection) in &self.rejected {
            head.upstream.insert(rejection.dataset.clone(), seen.clone());
            head.reject(rejection.clone());
        }
    }

    fn note(&mut self, name: &DatasetName, state: DatasetState, upstream: Option<UpstreamFacts>) {
        self.datasets.push(DatasetReport { name: name.clone(), state, upstream });
    }
}

/// What everything that came is held against.
pub(crate) struct Against<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) definition: &'a Definition,
    pub(crate) head: &'a Head,
    pub(crate) live: Option<&'a Release>,
}

/// Inspects every candidate, and sorts everything that came.
pub(crate) async fn gather(
    against: &Against<'_>,
    pulled: Vec<Pulled>,
    stages: &Stages,
) -> Result<Gathered, Error> {
    let mut gathered = Gathered::default();
    for (dataset, pulled) in against.definition.datasets.iter().zip(pulled) {
        match pulled {
            Pulled::Unchanged => gathered.note(&dataset.name, DatasetState::Unchanged, None),
            Pulled::Failed(source) => {
                let error = Error::Source { dataset: dataset.name.clone(), source };
                gathered.failures.push(chain(&error));
                gathered.note(&dataset.name, DatasetState::Failed, None);
            }
            Pulled::Refused(refused) => against.refuse(dataset, refused, None, &mut gathered),
            Pulled::Fresh(candidate) => against.judge(*candidate, &mut gathered, stages).await?,
        }
    }
    Ok(gathered)
}

impl Against<'_> {
    async fn judge(
        &self,
        candidate: Candidate,
        gathered: &mut Gathered,
        stages: &Stages,
    ) -> Result<(), Error> {
        let dataset = candidate.dataset.clone();
        let upstream = Some(candidate.upstream.clone());
        let seen = candidate.seen.clone();
        let size_bytes = candidate.files.iter().map(|file| file.size_bytes).sum();
        let running = stages.start(Stage::Inspect, dataset.name.as_str(), None);
        let live = self.live.and_then(|release| release.snapshot(&dataset.name)).cloned();
        let limits = self.definition.limits.clone();
        let now = self.engine.ports.clock.now();
        let inspected = blocking(move || inspect(candidate, live.as_ref(), &limits, now)).await?;
        running.done(size_bytes);
        let Some(proven) = inspected.proven else {
            // A check that ran out of time says more about this machine than about the data.
            let final_word = inspected.problems.iter().all(|p| p.code != Code::SqliteTime);
            let seen = final_word.then_some(seen);
            let refused = Refused { problems: inspected.problems, seen };
            return Ok(self.refuse(&dataset, refused, upstream, gathered));
        };
        // Inspection may have converted the file, and then its digest is a new one.
        let digest: Digest = proven.snapshot().digest.clone();
        let seen = Seen { digest, ..seen };
        if let Some(known) = self.known(&dataset, &seen.digest) {
            let refused = Refused { problems: known.problems.clone(), seen: Some(seen) };
            return Ok(self.refuse(&dataset, refused, upstream, gathered));
        }
        gathered.note(&dataset.name, DatasetState::New, upstream);
        gathered.accepted.push((dataset.name.clone(), seen));
        gathered.proven.push(proven);
        gathered.problems.extend(inspected.problems);
        Ok(())
    }

    fn known(&self, dataset: &Dataset, digest: &Digest) -> Option<&Rejection> {
        self.head.rejection(dataset, &self.definition.limits, digest)
    }

    fn refuse(
        &self,
        dataset: &Dataset,
        refused: Refused,
        upstream: Option<UpstreamFacts>,
        gathered: &mut Gathered,
    ) {
        let Refused { problems, seen } = refused;
        gathered.note(&dataset.name, DatasetState::Rejected, upstream);
        gathered.problems.extend(problems.iter().cloned());
        let Some(seen) = seen else { return };
        let rejection = Rejection {
            dataset: dataset.name.clone(),
            digest: seen.digest.clone(),
            fingerprint: dataset.verdict_fingerprint(&self.definition.limits),
            at: self.engine.ports.clock.now(),
            problems,
        };
        gathered.rejected.push((seen, rejection));
    }
}
