//! What the user reads: lines for people, or one JSON document.

mod document;
pub(crate) mod lines;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use freshlayer::definition::DefinitionProblem;
use freshlayer::report::{Exit, Report};

use crate::arguments::Arguments;
pub(crate) use document::{Answer, Document};

/// How to talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) form: Form,
    pub(crate) stages: Stages,
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
        let stages = match (form, arguments.verbose) {
            (Form::Json, false) => Stages::Silent,
            _ if std::io::stderr().is_terminal() => Stages::Bars,
            _ => Stages::Lines,
        };
        Self { form, stages }
    }
}

/// A command that came to its end.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) lines: String,
    pub(crate) answer: Answer,
}

impl Done {
    /// Ends a command that gives a text.
    pub(crate) fn text(text: String) -> Self {
        Self { exit: Exit::Done, lines: text.clone(), answer: Answer::Text(text) }
    }

    /// Ends a command that changed layers, with one report of each.
    pub(crate) fn reports(reports: Vec<Report>) -> Self {
        let exit = reports.iter().map(Report::exit).fold(Exit::Done, Exit::worst);
        let lines = reports.iter().map(lines::report).collect();
        Self { exit, lines, answer: Answer::Layers(reports) }
    }
}

/// A command that could not.
#[derive(Debug)]
pub(crate) struct Stopped {
    exit: Exit,
    message: String,
    problems: Vec<DefinitionProblem>,
}

impl Stopped {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), problems: Vec::new() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), problems: Vec::new() }
    }

    pub(crate) fn definition(problems: Vec<DefinitionProblem>) -> Self {
        let count = problems.len();
        let message = match count {
            1 => "1 problem in the definitions; nothing was done".to_owned(),
            _ => format!("{count} problems in the definitions; nothing was done"),
        };
        Self { exit: Exit::Usage, message, problems }
    }
}

impl From<freshlayer::Error> for Stopped {
    fn from(error: freshlayer::Error) -> Self {
        let exit = match error {
            freshlayer::Error::NotPossible(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        Self { exit, message: freshlayer::chain(&error), problems: Vec::new() }
    }
}

/// Prints the answer of a command that came to its end.
pub(crate) fn done(command: &str, style: Style, done: &Done) -> ExitCode {
    match style.form {
        Form::Lines => print(&done.lines),
        Form::Json => {
            print(&Document::new(command, done.exit.code()).with_answer(&done.answer).text());
        }
    }
    ExitCode::from(done.exit.code())
}

/// Prints what kept a command from its end.
pub(crate) fn stopped(command: &str, style: Style, stopped: &Stopped) -> ExitCode {
    let mut text = String::new();
    for problem in &stopped.problems {
        let _ = writeln!(text, "{problem}");
    }
    let _ = writeln!(text, "freshlayer: {}", stopped.message);
    let _closed = std::io::stderr().write_all(text.as_bytes());
    if style.form == Form::Json {
        let document = Document::new(command, stopped.exit.code()).with_error(&stopped.message);
        let problems = Answer::Problems(stopped.problems.clone());
        print(&match stopped.problems.is_empty() {
            true => document.text(),
            false => document.with_answer(&problems).text(),
        });
    }
    ExitCode::from(stopped.exit.code())
}

/// Prints what a command line without a command to run gives: help, the version, or what is wrong with it.
pub(crate) fn unread(error: &clap::Error) -> ExitCode {
    let _closed = error.print();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return ExitCode::from(Exit::Done.code());
    }
    if std::env::args().any(|argument| argument == "--json") {
        let what = error.kind().to_string();
        print(&Document::new("", Exit::Usage.code()).with_error(&what).text());
    }
    ExitCode::from(Exit::Usage.code())
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
fn print(text: &str) {
    let _closed = std::io::stdout().write_all(text.as_bytes());
}
