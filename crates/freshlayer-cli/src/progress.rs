//! Shows on standard error what a run works on: a line for each stage that ended, and on a terminal
//! a line that is drawn anew for the one that takes longer than a second.

use std::collections::HashMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use freshlayer::definition::Origin;
use freshlayer::ports::{Event, Events, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::lines::bytes;
use crate::output::{Stages, Style, say};

/// A stage that ends sooner gets no bar.
const QUICK: Duration = Duration::from_secs(1);
/// How often bars are drawn, whether bytes come or not.
const DRAWN_APART: Duration = Duration::from_millis(200);

/// One line at every width: the whole line is a message, which is cut where the terminal ends. What matters stands first.
const TEMPLATE: &str = "{wide_msg}";

/// Shows stages on standard error.
pub(crate) struct Progress {
    stages: Stages,
    bars: Arc<Mutex<Bars>>,
    drawer: Mutex<Option<Drawer>>,
}

type Bars = HashMap<Work, Bar>;

/// What has a bar.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    /// The wait for an upstream's answer, with all its tries.
    Ask,
    Stage(Stage),
}

/// One bar for all that is worked on in the same way at once.
struct Bar {
    work: Work,
    since: Instant,
    drawn: ProgressBar,
    subjects: Vec<String>,
}

/// The thread that draws the bars. It ends when this is dropped.
struct Drawer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The bar of an upstream's answer; dropped when the answer came.
pub(crate) struct Asking<'a> {
    progress: &'a Progress,
    subject: String,
}

impl Progress {
    pub(crate) fn new(style: Style) -> Self {
        Self { stages: style.stages, bars: Arc::default(), drawer: Mutex::default() }
    }

    /// Shows which upstream is asked, until the answer came.
    pub(crate) fn ask(&self, origin: &Origin) -> Asking<'_> {
        let subject = origin.to_string();
        self.start(Work::Ask, &subject, None);
        Asking { progress: self, subject }
    }

    fn start(&self, work: Work, subject: &str, total: Option<u64>) {
        if self.stages != Stages::Bars {
            return;
        }
        if let Some(known) = lock(&self.bars).get_mut(&work) {
            known.join(subject, total);
            return;
        }
        let drawn = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(TEMPLATE);
        drawn.set_style(style.unwrap_or(ProgressStyle::default_spinner()));
        let subjects = vec![subject.to_owned()];
        lock(&self.bars).insert(work, Bar { work, since: now(), drawn, subjects });
        lock(&self.drawer).get_or_insert_with(|| Drawer::start(Arc::clone(&self.bars)));
    }

    fn advance(&self, stage: Stage, bytes: u64) {
        if let Some(Bar { drawn, .. }) = lock(&self.bars).get(&Work::Stage(stage)) {
            drawn.inc(bytes);
        }
    }

    fn clear(&self, work: Work, subject: &str) {
        let mut bars = lock(&self.bars);
        let Some(known) = bars.get_mut(&work) else { return };
        known.leave(subject);
        if known.subjects.is_empty()
            && let Some(Bar { drawn, .. }) = bars.remove(&work)
        {
            drawn.finish_and_clear();
        }
    }

    fn finish(&self, stage: Stage, subject: &str, said: &str, duration: Duration) {
        self.clear(Work::Stage(stage), subject);
        let secs = duration.as_secs_f64();
        let line = format!("  {stage:9} {subject:24} {said:>10} {secs:>8.3} s\n");
        // A line goes above the bar of what still runs.
        match lock(&self.bars).values().find(|bar| !bar.drawn.is_hidden()) {
            Some(bar) => bar.drawn.suspend(|| say(&line)),
            None => say(&line),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.progress.clear(Work::Ask, &self.subject);
    }
}

impl Drawer {
    fn start(bars: Arc<Mutex<Bars>>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(DRAWN_APART) == Err(RecvTimeoutError::Timeout) {
                // One at a time: a second one would be drawn over the first.
                if let Some(oldest) = lock(&bars).values().min_by_key(|bar| bar.since) {
                    oldest.draw();
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Drawer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Bar {
    fn join(&mut self, subject: &str, total: Option<u64>) {
        self.subjects.push(subject.to_owned());
        self.drawn.inc_length(total.unwrap_or_default());
    }

    fn leave(&mut self, subject: &str) {
        if let Some(at) = self.subjects.iter().position(|known| known == subject) {
            self.subjects.remove(at);
        }
    }

    fn line(&self) -> String {
        let (subjects, secs) = (self.subjects.join(", "), self.since.elapsed().as_secs());
        let Work::Stage(stage) = self.work else {
            return format!("ask {secs} s {subjects}");
        };
        let done = match (self.drawn.position(), self.drawn.length()) {
            (0, None) => String::new(),
            (position, None) => format!("{} ", bytes(position)),
            (position, Some(total)) => {
                let percent = position.saturating_mul(100) / total.max(1);
                format!("{:>3} % {}/{} ", percent.min(100), bytes(position), bytes(total))
            }
        };
        format!("{stage} {done}{secs} s {subjects}")
    }

    fn draw(&self) {
        if self.since.elapsed() < QUICK {
            return;
        }
        if self.drawn.is_hidden() {
            self.drawn.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.drawn.set_message(self.line());
        self.drawn.tick();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bar appears after a second of this terminal's time"
)]
fn now() -> Instant {
    Instant::now()
}

impl Events for Progress {
    fn emit(&self, event: &Event) {
        if self.stages == Stages::Silent {
            return;
        }
        match event {
            Event::Started { stage, subject, total_bytes, .. } => {
                self.start(Work::Stage(*stage), subject, *total_bytes);
            }
            Event::Progress { stage, bytes } => self.advance(*stage, *bytes),
            Event::Finished { stage, subject, bytes: 0, duration } => {
                self.finish(*stage, subject, "", *duration);
            }
            Event::Finished { stage, subject, bytes: count, duration } => {
                self.finish(*stage, subject, &bytes(*count), *duration);
            }
            Event::Stopped { stage, subject, duration } => {
                self.finish(*stage, subject, "stopped", *duration);
            }
        }
    }
}
