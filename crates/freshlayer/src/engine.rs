use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use crate::definition::Destinations;
use crate::error::Error;
use crate::names::LayerName;
use crate::ports::{Event, Events, Key, Ports, Region, Stage};
use crate::report::StageReport;
use crate::state::Release;

/// How the temporary folders of runs begin, so that leftovers of killed ones are known; the owner's name
/// follows.
pub const RUN_FOLDER_PREFIX: &str = "freshlayer-run-";

#[derive(Clone)]
/// Everything that a run needs: the outside world, a place for temporary files, and a name.
pub struct Engine {
    /// The adapters.
    pub ports: Ports,
    /// A folder for temporary files; each run makes its own below it and removes it.
    pub work: PathBuf,
    /// This publisher, as its lease names it and [`crate::ports::Peers`] knows it.
    pub owner: String,
    /// How long a lease lasts. It must exceed the longest run: Lambda ends one after 900 seconds.
    pub lease: Duration,
    /// When no further function is begun with; the report then says when to go on.
    pub until: Option<Timestamp>,
}

impl Engine {
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.until.is_some_and(|until| self.ports.clock.now() >= until)
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
        let prefix = format!("{RUN_FOLDER_PREFIX}{}-", self.owner.replace('/', "_"));
        TempDir::with_prefix_in(prefix, work).map_err(Error::io("make a folder in", work))
    }

    /// Brings a release's zip to this machine; `false` where the store does not have it.
    pub(crate) async fn zip_to_file(&self, release: &Release, file: &Path) -> Result<bool, Error> {
        let key = Key::blob(&release.zip_sha256);
        let found = self.ports.store.read_to_file(&key, file).await;
        found.map_err(|source| Error::Store { key: key.to_string(), source })
    }
}

/// The stages of one run: emits their events, and keeps their figures for the report.
pub(crate) struct Stages {
    layer: LayerName,
    events: Arc<dyn Events>,
    finished: Mutex<Vec<StageReport>>,
}

/// A running stage; its bytes may be counted from any thread.
pub(crate) struct Running {
    stage: Stage,
    subject: String,
    started: Duration,
}

/// Counts a stage's bytes from wherever they pass.
#[derive(Clone)]
pub(crate) struct Meter {
    stage: Stage,
    events: Arc<dyn Events>,
}

impl Meter {
    pub(crate) fn add(&self, bytes: usize) {
        self.events.emit(&Event::Progress { stage: self.stage, bytes: bytes as u64 });
    }
}

impl Stages {
    pub(crate) fn new(engine: &Engine, layer: &LayerName) -> Self {
        let events = Arc::clone(&engine.ports.events);
        Self { layer: layer.clone(), events, finished: Mutex::default() }
    }

    pub(crate) fn start(
        &self,
        engine: &Engine,
        stage: Stage,
        subject: &str,
        total_bytes: Option<u64>,
    ) -> Running {
        let (layer, subject) = (self.layer.clone(), subject.to_owned());
        let started = Event::Started { layer, stage, subject: subject.clone(), total_bytes };
        self.events.emit(&started);
        Running { stage, subject, started: engine.ports.clock.elapsed() }
    }

    pub(crate) fn meter(&self, running: &Running) -> Meter {
        Meter { stage: running.stage, events: Arc::clone(&self.events) }
    }

    pub(crate) fn finish(&self, engine: &Engine, running: Running, bytes: u64) {
        let Running { stage, subject, started } = running;
        let duration = engine.ports.clock.elapsed().saturating_sub(started);
        self.events.emit(&Event::Finished { stage, subject: subject.clone(), bytes, duration });
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.push(StageReport { stage, subject, size_bytes: bytes, duration_ms });
    }

    pub(crate) fn into_reports(self) -> Vec<StageReport> {
        let finished = self.finished.into_inner();
        finished.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs CPU-bound or file-bound work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
