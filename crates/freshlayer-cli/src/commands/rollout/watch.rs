//! `rollout status --watch`: reads the state every two seconds, and shows what changed. Ctrl-C ends it as any program.

use std::io::{self, ErrorKind, IsTerminal};
use std::time::Duration;

use freshlayer::{Engine, RolloutGlance, rollout_glance};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::view::{Ending, Left, Refreshes, Seen, block, ending, fresh};
use crate::output::{Answer, Done, Form, Stopped, print};
use crate::wiring::Host;

/// How often the time that is left is shown anew.
const TICK: Duration = Duration::from_secs(1);
/// The state is read at every second tick, as often as a publisher looks for orders.
const TICKS_BETWEEN_READS: u32 = 2;

/// Where the view is shown.
enum Screen {
    /// A terminal, which is drawn over.
    Terminal(ProgressBar),
    /// A pipe or a file, which gets the lines that are new; with what was shown last.
    Lines(String),
}

pub(super) async fn watch(host: &Host, engine: &Engine, layer: &str) -> Result<Done, Stopped> {
    if host.style.form == Form::Json {
        return Err(Stopped::usage(format!(
            "`--watch` shows lines, and `--json` prints one document: leave one of them out; \
             `freshlayer rollout status {layer} --json` prints how the rollout stands now"
        )));
    }
    let definition = host.definition(layer)?;
    let (mut screen, mut seen) = (Screen::of_stdout(), Seen::Nothing);
    let refreshes = Refreshes::from(host.target);
    loop {
        let glance = rollout_glance(engine, &definition).await?;
        if let Some(ending) = ending(&glance, seen) {
            return Ok(screen.end(ending));
        }
        seen = Seen::Rollout;
        for _ in 0..TICKS_BETWEEN_READS {
            match screen.show(&glance, refreshes, engine.ports.clock.now()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Ok(Done::text(String::new()));
                }
                shown => shown.map_err(|error| unwritten(&error))?,
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

fn unwritten(error: &io::Error) -> Stopped {
    Stopped::failed(format!("write the answer to standard output: {error}"))
}

impl Screen {
    fn of_stdout() -> Self {
        if !io::stdout().is_terminal() {
            return Self::Lines(String::new());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{msg}");
        bar.set_style(style.unwrap_or(ProgressStyle::default_spinner()));
        Self::Terminal(bar)
    }

    fn show(
        &mut self,
        glance: &RolloutGlance,
        refreshes: Refreshes,
        now: Timestamp,
    ) -> io::Result<()> {
        match self {
            Self::Terminal(bar) => {
                let text = block(glance, Left::Since(now), refreshes);
                bar.set_message(text.trim_end().to_owned());
                Ok(())
            }
            Self::Lines(shown) => {
                let text = block(glance, Left::Untold, refreshes);
                let before = std::mem::replace(shown, text);
                print(&fresh(&before, shown))
            }
        }
    }

    /// Leaves the last view on the screen, and says below how it ended.
    fn end(self, Ending { exit, view, words }: Ending) -> Done {
        let view = match self {
            Self::Terminal(bar) => {
                bar.finish_and_clear();
                view
            }
            Self::Lines(shown) => fresh(&shown, &view),
        };
        let lines = format!("{view}{words}");
        Done::new(exit, lines.clone(), Answer::Text(lines))
    }
}
