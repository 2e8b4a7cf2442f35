use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use freshlayer::ports::{Event, Events, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::lines::bytes;
use crate::output::{Stages, Style};

/// What is over sooner than this gets no bar.
const QUICK: Duration = Duration::from_secs(1);

/// Shows stages on standard error.
pub(crate) struct Progress {
    stages: Stages,
    bars: Mutex<HashMap<Stage, Bar>>,
}

struct Bar {
    since: Instant,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(style: Style) -> Self {
        Self { stages: style.stages, bars: Mutex::default() }
    }

    fn start(&self, stage: Stage, subject: &str, total_bytes: Option<u64>) {
        let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::hidden());
        let template = match total_bytes {
            Some(_) => "{prefix:9} {msg:20} {bar:30} {bytes}/{total_bytes} {eta}",
            None => "{prefix:9} {msg:20} {spinner} {bytes}",
        };
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()),
        );
        bar.set_prefix(stage.to_string());
        bar.set_message(subject.to_owned());
        if let Ok(mut bars) = self.bars.lock() {
            bars.insert(stage, Bar { since: now(), bar });
        }
    }

    fn advance(&self, stage: Stage, bytes: u64) {
        let Ok(bars) = self.bars.lock() else { return };
        let Some(Bar { since, bar }) = bars.get(&stage) else {
            return;
        };
        bar.inc(bytes);
        if bar.is_hidden() && since.elapsed() > QUICK {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn finish(&self, stage: Stage, subject: &str, said: &str, duration: Duration) {
        if let Some(Bar { bar, .. }) = self.bars.lock().ok().and_then(|mut b| b.remove(&stage)) {
            bar.finish_and_clear();
        }
        eprintln!("  {stage:9} {subject:24} {said:>10} {:>8.3} s", duration.as_secs_f64());
    }
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
            Event::Started { stage, subject, total_bytes, .. } if self.stages == Stages::Bars => {
                self.start(*stage, subject, *total_bytes);
            }
            Event::Progress { stage, bytes } if self.stages == Stages::Bars => {
                self.advance(*stage, *bytes);
            }
            Event::Started { .. } | Event::Progress { .. } => {}
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
