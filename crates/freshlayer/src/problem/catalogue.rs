//! What is known of each check beside its meaning: how much its problem weighs, and what to do about it.

use std::fmt::Write;

use super::{Code, Level};

const ASK_UPSTREAM: &str = "Tell the upstream, and wait for its next build.";
const LOOK_AT_BOTH: &str = "Compare the data with the definition. Where the data is wrong, tell the upstream and wait for \
                            its next build. Where the upstream changed it on purpose, correct the definition.";
const OWN_NAMES: &str = "Tell the upstream, and wait for its next build. Where two datasets of the layer bring the names, \
                         change the `path` of one.";
const OWN_FOLDER: &str = "Tell the upstream, and wait for its next build. In a folder of your own (`source.file`), remove \
                          the entry.";
const ACCEPT: &str = "Compare this build with the live one. Where it is right, run the `freshlayer accept` command that \
                      `freshlayer status` shows, and refresh: that holds for this build only.";

impl Code {
    /// Returns the levels of its problems, the lighter one first.
    pub fn levels(self) -> &'static [Level] {
        match self {
            Self::MmdbMetadataCosmetic
            | Self::SqliteWal
            | Self::LiveUnread
            | Self::Unusual
            | Self::TypeNew => &[Level::Warn],
            Self::Drift
            | Self::CoverageLost
            | Self::CountryChanged
            | Self::CountryShares
            | Self::BuildTooOld
            | Self::RowsRemoved
            | Self::ValuesLost
            | Self::ValuesChanged
            | Self::ShapeNew => &[Level::Warn, Level::Fail],
            _ => &[Level::Fail],
        }
    }

    /// Returns what a person can do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::DownloadTooLarge => {
                "Where the data is genuine, raise `limits.download_bytes_max`."
            }
            Self::ChecksumMismatch => {
                "Where `source.sha256` names the build, write the digest of the one that you want. Else tell the upstream, \
                 and wait for its next build."
            }
            Self::Signature => {
                "Refresh later: a signature may arrive after its data. Where the problem stays, ask the upstream whether \
                 `source.minisign_key` is still its key."
            }
            Self::ExpansionLimit => {
                "Where the data is genuine, raise `limits.expansion_ratio_max` or `limits.unpacked_bytes_max`, the latter up \
                 to 262,144,000: a layer holds no more."
            }
            Self::EntryLimit => {
                "Raise `limits.entries_max`, or narrow `source.select`. Split a layer of more than 65,534 files: that bound \
                 is the zip's."
            }
            Self::EntryPath | Self::EntryDuplicate | Self::EntryFolder => OWN_NAMES,
            Self::EntryLink | Self::EntrySpecial => OWN_FOLDER,
            Self::SelectMany => "Narrow `source.select` so that it matches one file.",
            Self::SelectNone
            | Self::WrongType
            | Self::MmdbDatabaseType
            | Self::Magic
            | Self::EntryMissing
            | Self::Probe
            | Self::ContractField
            | Self::ContractType
            | Self::ContractNull
            | Self::ContractValue
            | Self::SqliteTable
            | Self::SqliteColumn => LOOK_AT_BOTH,
            Self::EntryMode => {
                "Tell the upstream that the file lost its executable bit, or take it out of `expect.executables`."
            }
            Self::Drift => {
                "Compare this build with the live one. Where such changes are normal, raise `expect.drift_percent_max`; where \
                 this build alone is right, run the `freshlayer accept` command that `freshlayer status` shows."
            }
            code if code.is_difference() => ACCEPT,
            Self::SizeBand => {
                "Look at the data. Where its size is right, change `expect.size_bytes_min`, `expect.size_bytes_max` or \
                 `limits.unpacked_bytes_max`."
            }
            Self::SqliteObject => {
                "Read their SQL. Where it is harmless, name them in `expect.objects`, one by one or by patterns such as `*_view`."
            }
            Self::MmdbNodes => "Look at the data. Where it is right, lower `expect.nodes_min`.",
            Self::SqliteRows => "Look at the data. Where it is right, lower `expect.rows_min`.",
            Self::MmdbWork => "Where the data is genuine, raise `limits.decoded_values_max`.",
            Self::SqliteTime => "Simplify the probes, or raise `limits.sqlite_secs_max`.",
            Self::SqliteMemory => {
                "Simplify the probe: the bound is fixed. Where the problem names no probe, tell the upstream."
            }
            Self::OlderBuild => {
                "Wait for a newer build. Where the upstream went back on purpose, write `expect.older_build = \"accept\"`."
            }
            Self::BuildTooOld => {
                "Ask the upstream why it has stopped, or raise `expect.build_age_days_warn` and `expect.build_age_days_max`."
            }
            Self::FutureBuild => {
                "Look at this machine's clock. Where it is right, tell the upstream."
            }
            Self::LayerTooLarge => {
                "Leave a dataset out, or split the layer in two: Lambda takes no more."
            }
            Self::Scan => {
                "Read what the scanner says. Where the data is bad, wait for another build: freshlayer does not scan this one again. Where \
                 the scanner is wrong, mend it and run `freshlayer refresh LAYER --retry-rejected`."
            }
            Self::RolledBack => {
                "Wait for another build. To release this one again, run `freshlayer refresh LAYER --retry-rejected`."
            }
            Self::SqliteWal | Self::MmdbMetadataCosmetic => "Do nothing.",
            Self::Unusual => {
                "Run `freshlayer diff` on this release and the one before. Where the upstream meant the change, do nothing."
            }
            Self::TypeNew => {
                "Look at what your functions do with such a value. Unless a contract leaves the column out, the data version is a new \
                 MAJOR one: functions stay on the old one unless they ask for it."
            }
            Self::LiveUnread => {
                "Run `freshlayer verify`: it says what is wrong with the live release. The new build was not compared \
                 with it address by address, or row by row."
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
