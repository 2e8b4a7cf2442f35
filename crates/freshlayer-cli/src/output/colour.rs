//! Colours of outcomes. Lines are written with them, and lose them where they do not go to a terminal that wants them.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::io;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use freshlayer::report::Exit;
use freshlayer::{Level, Verdict};

/// A word in a colour.
pub(crate) struct Coloured<'a>(&'a str, AnsiColor);

impl Display for Coloured<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(word, colour) = self;
        let style = Style::new().fg_color(Some((*colour).into()));
        write!(f, "{style}{word}{style:#}")
    }
}

/// Colours the word for how something ended.
pub(crate) fn outcome(word: &str, exit: Exit) -> Coloured<'_> {
    let colour = match exit {
        Exit::Done => AnsiColor::Green,
        Exit::Held => AnsiColor::Yellow,
        Exit::Failed | Exit::Usage | Exit::Rejected => AnsiColor::Red,
    };
    Coloured(word, colour)
}

/// Colours the word for the level of a problem.
pub(crate) fn level(level: Level) -> Coloured<'static> {
    match level {
        Level::Warn => Coloured("warn", AnsiColor::Yellow),
        Level::Fail => Coloured("fail", AnsiColor::Red),
    }
}

/// Colours the word for the verdict of a check.
pub(crate) fn verdict(verdict: Verdict) -> Coloured<'static> {
    match verdict {
        Verdict::Passed => Coloured("passed", AnsiColor::Green),
        Verdict::Warned => Coloured("warned", AnsiColor::Yellow),
        Verdict::Failed => Coloured("failed", AnsiColor::Red),
        Verdict::NotApplicable => Coloured("did not apply", AnsiColor::White),
    }
}

/// Takes the colours away where standard output is no terminal, or where `NO_COLOR`, `CLICOLOR` or `TERM` wants none.
pub(crate) fn for_output(lines: &str) -> Cow<'_, str> {
    match AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => strip_str(lines).to_string().into(),
        _ => lines.into(),
    }
}
