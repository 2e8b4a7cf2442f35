//! What is known of each check beside its meaning: how much its problem weighs, and what to do about it.

use std::fmt::Write;

use super::{Code, Level};

/// The same upstream, or the same definition, will not get better by itself.
const ASK_UPSTREAM: &str = "Wait for the upstream's next build, and tell the upstream.";
const LOOK_AT_DATA: &str = "Compare the two builds. Where the new one is right after all, widen the bound of `expect` and \
                            refresh.";
const ACCEPT: &str = "Compare the two builds. Where the new one is right after all, `freshlayer accept` lets it pass once.";
const FIX_DEFINITION: &str = "Correct the definition: it names what the data does not have.";
const WIDEN_LIMIT: &str = "Raise the limit in `[limits]` where such data is meant to come.";

impl Code {
    /// Returns the levels of its problems, the lighter one first.
    pub fn levels(self) -> &'static [Level] {
        match self {
            Self::MmdbMetadataCosmetic | Self::SqliteWal | Self::LiveUnread => &[Level::Warn],
            Self::CoverageLost
            | Self::CountryChanged
            | Self::ValuesLost
            | Self::ValuesChanged
            | Self::ShapeNew => &[Level::Warn, Level::Fail],
            _ => &[Level::Fail],
        }
    }

    /// Returns what a person can do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::DownloadTooLarge
            | Self::ExpansionLimit
            | Self::EntryLimit
            | Self::MmdbWork
            | Self::SqliteTime
            | Self::SqliteMemory => WIDEN_LIMIT,
            Self::SelectNone
            | Self::SelectMany
            | Self::WrongType
            | Self::MmdbDatabaseType
            | Self::Magic
            | Self::EntryMissing
            | Self::EntryMode
            | Self::Probe
            | Self::SqliteTable
            | Self::SqliteColumn => FIX_DEFINITION,
            code if code.is_difference() => ACCEPT,
            Self::SizeBand | Self::MmdbNodes | Self::SqliteRows => LOOK_AT_DATA,
            Self::OlderBuild => {
                "Nothing, or `expect.older_build = \"accept\"` where the upstream went back on purpose."
            }
            Self::BuildTooOld => {
                "Ask why the upstream has stopped, or raise `expect.build_age_days_max`."
            }
            Self::LayerTooLarge => {
                "Leave a dataset out, or split the layer in two: Lambda takes no more."
            }
            Self::RolledBack => "`refresh --retry-rejected` where it is wanted after all.",
            Self::SqliteWal | Self::MmdbMetadataCosmetic => "Nothing.",
            Self::LiveUnread => {
                "`freshlayer doctor` and `freshlayer verify` say what became of the live release."
            }
            _ => ASK_UPSTREAM,
        }
    }
}

/// Returns the table of all checks, in Markdown.
pub fn check_table() -> String {
    let mut table =
        "| code | level | a problem means | what to do |\n| --- | --- | --- | --- |\n".to_owned();
    for code in Code::ALL {
        let levels = code.levels().iter().map(|level| match level {
            Level::Warn => "warn",
            Level::Fail => "fail",
        });
        let levels: Vec<&str> = levels.collect();
        let (levels, meaning, advice) = (levels.join(", "), code.meaning(), code.advice());
        let _ = writeln!(table, "| `{code}` | {levels} | {meaning} | {advice} |");
    }
    table
}
