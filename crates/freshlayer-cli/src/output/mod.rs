//! What the user reads: lines for people, or one JSON document.

pub(crate) mod colour;
mod document;
pub(crate) mod gates;
pub(crate) mod lines;

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::process::ExitCode;

use freshlayer::definition::DefinitionProblem;
use freshlayer::report::{Exit, Report, Why, next_minute};

use crate::arguments::Arguments;
pub(crate) use document::{Answer, Document};

/// How to talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) form: Form,
    pub(crate) stages: Stages,
    pub(crate) details: Details,
}

/// How much a command tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Details {
    /// Problems alone.
    Problems,
    Short,
    Full,
}

/// How the answer is written on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Lines,
    Json,
}

/// How progress is shown, always on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stages {
    /// A bar for what takes over a second, and a line per finished stage.
    Bars,
    /// A line per finished stage.
    Lines,
    /// Nothing.
    Silent,
}

impl Style {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let form = if arguments.json { Form::Json } else { Form::Lines };
        let details = match arguments {
            Arguments { quiet: true, .. } => Details::Problems,
            Arguments { verbose: true, .. } => Details::Full,
            _ => Details::Short,
        };
        let stages = match (form, details) {
            (_, Details::Problems) | (Form::Json, Details::Short) => Stages::Silent,
            _ if io::stderr().is_terminal() => Stages::Bars,
            _ => Stages::Lines,
        };
        Self { form, stages, details }
    }
}

/// A command that came to its end.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) lines: String,
    pub(crate) answer: Answer,
    /// The lines of what is not as it should be, where these are not all or none of the lines.
    troubles: Option<String>,
    problems: Vec<DefinitionProblem>,
    failures: Vec<String>,
}

impl Done {
    pub(crate) fn new(exit: Exit, lines: String, answer: Answer) -> Self {
        let (problems, failures) = (Vec::new(), Vec::new());
        Self { exit, lines, answer, troubles: None, problems, failures }
    }

    /// Tells which lines say what is not as it should be.
    pub(crate) fn with_troubles(self, troubles: String) -> Self {
        Self { troubles: Some(troubles), ..self }
    }

    /// Returns the lines that a person reads who wants to know so much.
    fn told(&self, details: Details) -> &str {
        match (details, &self.answer, &self.troubles) {
            (Details::Short | Details::Full, ..)
            | (_, Answer::Text(_) | Answer::Contract(_), _) => &self.lines,
            (Details::Problems, _, Some(troubles)) => troubles,
            (Details::Problems, _, None) if self.exit == Exit::Done => "",
            (Details::Problems, _, None) => &self.lines,
        }
    }

    /// Ends a command that gives a text.
    pub(crate) fn text(text: String) -> Self {
        Self::new(Exit::Done, text.clone(), Answer::Text(text))
    }

    /// Ends a command that changed layers, with one report of each.
    pub(crate) fn reports(reports: Vec<Report>, style: Style) -> Self {
        let exit = reports.iter().map(Report::exit).fold(Exit::Done, Exit::worst);
        let line = |report: &Report| lines::report(report, style.details);
        let lines = reports.iter().map(line).collect();
        let is_troubled =
            |report: &&Report| report.exit() != Exit::Done || !report.problems.is_empty();
        let troubles = reports.iter().filter(is_troubled).map(line).collect();
        Self::new(exit, lines, Answer::Layers(reports)).with_troubles(troubles)
    }

    /// Says when the command has to be run again, where nothing but a person or a schedule of theirs does it.
    pub(crate) fn by_hand(self) -> Self {
        let Answer::Layers(reports) = &self.answer else { return self };
        let next = reports.iter().filter_map(|report| {
            let (layer, at) = (&report.layer, report.wake_at?);
            let next = match &report.outcome.reason().why {
                Why::Paused { .. } => format!("run `freshlayer rollout resume {layer}`"),
                Why::Frozen { .. } => format!("run `freshlayer unfreeze {layer}`"),
                Why::Busy { .. } => {
                    format!("run `freshlayer refresh {layer}` again when that run is over")
                }
                _ => format!("run `freshlayer refresh {layer}` again at {}", next_minute(at)),
            };
            Some(format!("{layer}: next: {next}\n"))
        });
        let lines = [self.lines.clone()].into_iter().chain(next).collect();
        Self { lines, ..self }
    }

    /// Adds the problems of definitions whose layers were left out.
    pub(crate) fn without(self, problems: Vec<DefinitionProblem>) -> Self {
        let exit = if problems.is_empty() { self.exit } else { self.exit.worst(Exit::Usage) };
        Self { exit, problems, ..self }
    }

    /// Adds the layers that could not be read, with the reason.
    pub(crate) fn failing(self, failures: Vec<String>) -> Self {
        let exit = if failures.is_empty() { self.exit } else { self.exit.worst(Exit::Failed) };
        Self { exit, failures, ..self }
    }
}

/// A command that stopped before its end.
#[derive(Debug)]
pub(crate) struct Stopped {
    code: u8,
    message: String,
    problems: Vec<DefinitionProblem>,
}

impl Stopped {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::with_code(Exit::Failed.code(), message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::with_code(Exit::Usage.code(), message)
    }

    /// Stops with an exit code that is none of freshlayer's own.
    pub(crate) fn with_code(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), problems: Vec::new() }
    }

    /// Says something before the reason.
    pub(crate) fn behind(self, words: &str) -> Self {
        Self { message: format!("{words}: {}", self.message), ..self }
    }

    /// Stops with the problems that were asked for.
    pub(crate) fn problems(problems: Vec<DefinitionProblem>) -> Self {
        let count = lines::count(problems.len(), "problem");
        Self { problems, ..Self::usage(format!("{count} in the definitions")) }
    }

    /// Stops because no definition holds.
    pub(crate) fn definition(problems: Vec<DefinitionProblem>) -> Self {
        let stopped = Self::problems(problems);
        Self { message: format!("{}; nothing was done", stopped.message), ..stopped }
    }
}

impl From<freshlayer::Error> for Stopped {
    fn from(error: freshlayer::Error) -> Self {
        let message = freshlayer::chain(&error);
        match error {
            freshlayer::Error::NotPossible(_) => Self::usage(message),
            freshlayer::Error::Unreadable { .. } => {
                Self::with_code(Exit::Rejected.code(), format!("failed to {message}"))
            }
            _ => Self::failed(format!("failed to {message}")),
        }
    }
}

/// Prints the answer of a command that came to its end.
pub(crate) fn done(command: &str, style: Style, done: &Done) -> ExitCode {
    let mut said = every(&done.problems);
    if !done.problems.is_empty() {
        let count = lines::count(done.problems.len(), "problem");
        let _ = writeln!(said, "freshlayer: {count} in the definitions; their layers are left out");
    }
    for failure in &done.failures {
        let _ = writeln!(said, "freshlayer: {failure}");
    }
    say(&said);
    let code = done.exit.code();
    let document = Document {
        problems: &done.problems,
        failures: &done.failures,
        ..Document::new(command, code, &done.answer)
    };
    let lines = match done.answer {
        Answer::Text(_) => done.told(style.details).into(),
        _ => colour::for_output(done.told(style.details)),
    };
    ended(code, print(&answer(style, &lines, &document)))
}

/// Prints what stopped a command before its end.
pub(crate) fn stopped(command: &str, style: Style, stopped: &Stopped) -> ExitCode {
    say(&format!("{}freshlayer: {}\n", every(&stopped.problems), stopped.message));
    let error = Answer::Error(stopped.message.clone());
    let document =
        Document { problems: &stopped.problems, ..Document::new(command, stopped.code, &error) };
    ended(stopped.code, print(&answer(style, "", &document)))
}

/// Prints what a command line without a command to run gives: help, the version, or what is wrong
/// with it.
pub(crate) fn unread(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    let printed = error.print();
    if matches!(error.kind(), DisplayHelp | DisplayVersion) {
        return ended(Exit::Done.code(), printed);
    }
    let code = Exit::Usage.code();
    if std::env::args().any(|argument| argument == "--json") {
        let error = Answer::Error(error.kind().to_string());
        return ended(code, print(&Document::new("", code, &error).text()));
    }
    ExitCode::from(code)
}

fn answer(style: Style, lines: &str, document: &Document<'_>) -> String {
    match style.form {
        Form::Lines => lines.to_owned(),
        Form::Json => document.text(),
    }
}

fn every(problems: &[DefinitionProblem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// Says what a person may want to know beside the answer, on standard error.
pub(crate) fn remark(style: Style, text: &str) {
    if style.details != Details::Problems {
        say(text);
    }
}

/// Writes to standard error, which is the last place to say that something cannot be written.
pub(crate) fn say(text: &str) {
    let _closed = io::stderr().write_all(text.as_bytes());
}

/// Writes a part of the answer, at once.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Ends the process. An answer that was not written is a failure; a reader that closed the pipe
/// (`| head`) has read what it wants.
fn ended(code: u8, printed: io::Result<()>) -> ExitCode {
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("freshlayer: write the answer to standard output: {error}\n"));
            let failed = Exit::Failed.code();
            ExitCode::from(if code == Exit::Done.code() { failed } else { code })
        }
        _ => ExitCode::from(code),
    }
}

#[cfg(test)]
mod tests {
    use freshlayer::LayerName;
    use freshlayer::report::{Outcome, Reason};
    use jiff::Timestamp;

    use super::*;

    fn next(outcome: impl Fn(Reason) -> Outcome, why: Why, wake_at: &str) -> String {
        let time = |text: &str| format!("2026-03-02T{text}Z").parse::<Timestamp>().expect("a time");
        let layer = LayerName::parse("geo").expect("a name");
        let report = Report::of(layer, outcome(why.into()));
        let report = Report { wake_at: Some(time(wake_at)), ..report };
        let style = Style { form: Form::Lines, stages: Stages::Silent, details: Details::Short };
        let done = Done::reports(vec![report], style).by_hand();
        done.lines.lines().last().expect("it says something").to_owned()
    }

    #[test]
    fn a_next_step_is_true_when_it_is_followed() {
        let (at, by, reason) = (Timestamp::UNIX_EPOCH, String::new(), None);
        let unchanged = |reason| Outcome::Unchanged { reason };
        let again = "geo: next: run `freshlayer refresh geo` again at 2026-03-02";
        for (wake_at, minute) in [
            ("13:53:00", "13:53"),
            ("13:53:00.001", "13:54"),
            ("13:53:59", "13:54"),
            ("13:59:30", "14:00"),
        ] {
            let said = next(unchanged, Why::NothingNew, wake_at);
            assert_eq!(said, format!("{again} {minute} UTC"), "{wake_at}");
        }
        let held = |reason| Outcome::Held { reason };
        let busy = Why::Busy { owner: "other".to_owned(), until: at };
        let paused = Why::Paused { at, by: by.clone(), reason: reason.clone() };
        let frozen = Why::Frozen { at, by, reason };
        for (why, command) in [
            (busy, "freshlayer refresh geo` again when that run is over"),
            (paused, "freshlayer rollout resume geo`"),
            (frozen, "freshlayer unfreeze geo`"),
        ] {
            assert_eq!(next(held, why, "13:53:00"), format!("geo: next: run `{command}"));
        }
    }
}
