//! The stages of one run: what each works on, how many bytes it went through, how long it took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::names::LayerName;
use crate::ports::{Clock, Event, Events, Ports, Stage};
use crate::report::StageReport;

/// The stages of one run: emits their events, and keeps their figures for the report.
pub(crate) struct Stages {
    layer: LayerName,
    events: Arc<dyn Events>,
    clock: Arc<dyn Clock>,
    finished: Mutex<Vec<StageReport>>,
}

/// A stage that runs. Dropped without [`Running::done`] it says that it stopped.
pub(crate) struct Running<'a> {
    stages: &'a Stages,
    stage: Stage,
    subject: String,
    started: Duration,
    ended: bool,
}

/// Counts a stage's bytes, from any thread.
#[derive(Clone)]
pub(crate) struct Meter {
    stage: Stage,
    events: Arc<dyn Events>,
}

impl Meter {
    /// Makes a meter without a reader.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn unheard() -> Self {
        struct Nobody;
        impl Events for Nobody {
            fn emit(&self, _event: &Event) {}
        }
        Self { stage: Stage::Extract, events: Arc::new(Nobody) }
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.events.emit(&Event::Progress { stage: self.stage, bytes: bytes as u64 });
    }
}

impl Stages {
    pub(crate) fn new(ports: &Ports, layer: &LayerName) -> Self {
        Self {
            layer: layer.clone(),
            events: Arc::clone(&ports.events),
            clock: Arc::clone(&ports.clock),
            finished: Mutex::default(),
        }
    }

    pub(crate) fn start(
        &self,
        stage: Stage,
        subject: &str,
        total_bytes: Option<u64>,
    ) -> Running<'_> {
        let (layer, subject) = (self.layer.clone(), subject.to_owned());
        self.events.emit(&Event::Started { layer, stage, subject: subject.clone(), total_bytes });
        Running { stages: self, stage, subject, started: self.clock.elapsed(), ended: false }
    }

    pub(crate) fn into_reports(self) -> Vec<StageReport> {
        let finished = self.finished.into_inner();
        finished.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running<'_> {
    pub(crate) fn meter(&self) -> Meter {
        Meter { stage: self.stage, events: Arc::clone(&self.stages.events) }
    }

    /// Ends the stage well.
    pub(crate) fn done(mut self, bytes: u64) {
        self.ended = true;
        let (stage, subject, duration) = (self.stage, self.subject.clone(), self.took());
        let stages = self.stages;
        stages.events.emit(&Event::Finished { stage, subject: subject.clone(), bytes, duration });
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut finished = stages.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.push(StageReport { stage, subject, size_bytes: bytes, duration_ms });
    }

    fn took(&self) -> Duration {
        self.stages.clock.elapsed().saturating_sub(self.started)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let (stage, subject, duration) = (self.stage, self.subject.clone(), self.took());
            self.stages.events.emit(&Event::Stopped { stage, subject, duration });
        }
    }
}
