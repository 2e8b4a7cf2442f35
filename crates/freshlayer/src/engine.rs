use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use crate::definition::{Definition, Destinations};
use crate::error::Error;
use crate::names::LayerName;
use crate::ports::{Ports, Region};
use crate::progress::Stages;
use crate::state::{Owner, Session};

/// How the temporary folders of runs begin, so that leftovers of killed ones are known; the owner's name
/// follows.
pub const RUN_FOLDER_PREFIX: &str = "freshlayer-run-";

/// Everything that a run needs: the outside world, a place for temporary files, and a name.
#[derive(Clone)]
pub struct Engine {
    /// The adapters.
    pub ports: Ports,
    /// A folder for temporary files; each run makes its own below it and removes it.
    pub work: PathBuf,
    /// This publisher, as its leases name it.
    pub owner: Owner,
    /// When no further function is begun with; the report then says when to go on.
    pub deadline: Option<Timestamp>,
    /// How closely a run that finds nothing new looks at the functions.
    pub attention: Attention,
    /// How long an order waits for a publisher that moves functions; the order stands in every case.
    pub patience: Duration,
    /// How long a run waits before it tries again what failed for now; as many times as there are pauses.
    pub retry_pauses: Vec<Duration>,
    /// Looks up a variable in an address that a person gives without a definition.
    pub variable: fn(&str) -> Option<String>,
}

/// How closely a run that finds nothing new looks at the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// At everything: a person asks.
    Whole,
    /// At `$LATEST` and tags, and at everything once a day: a schedule asks.
    Glance,
}

/// Whether data that was rejected before is tried again, and whether a young build waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Only once the upstream or the expectations change.
    OnChange,
    /// Now: a person asks for it.
    Now,
    /// As `OnChange`; but a build that is younger than `expect.min_age_hours` is taken: a person cannot wait.
    Young,
}

/// What every stage of a run takes.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) definition: &'a Definition,
    pub(crate) stages: &'a Stages,
}

impl Engine {
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.ports.clock.now() >= deadline)
    }

    /// Reads a layer's head.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn session(&self, layer: &LayerName) -> Result<Session<'_>, Error> {
        Session::open(&self.ports, &self.owner, layer).await
    }

    /// Returns the Region that this engine is in.
    pub async fn home(&self) -> Region {
        let mut regions = self.ports.regions.of(&Destinations::default()).await;
        regions.swap_remove(0)
    }

    /// Makes a temporary folder for one run; it is removed when it is dropped.
    pub(crate) fn run_folder(&self) -> Result<TempDir, Error> {
        let work = &self.work;
        std::fs::create_dir_all(work).map_err(Error::io("make the folder", work))?;
        let prefix = format!("{RUN_FOLDER_PREFIX}{}-", self.owner.name.replace('/', "_"));
        TempDir::with_prefix_in(prefix, work).map_err(Error::io("make a folder in", work))
    }
}
