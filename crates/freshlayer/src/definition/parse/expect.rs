//! `expect`: what must hold, for every kind of data and for one.

use std::net::IpAddr;

use freshlayer_reader::Format;

use super::super::format::{FieldPath, FormatSpec, MmdbProbe, SqliteProbe};
use super::super::raw::{RawExpect, RawProbe};
use super::super::rules::formats_of;
use super::super::{Expectations, Globs};
use super::Parser;
use crate::limits::Limits;
use crate::opt_path::{Mode, OptPath};

impl Parser<'_> {
    pub(super) fn expect(
        &mut self,
        at: &str,
        format: Format,
        raw: &RawExpect,
        limits: &Limits,
    ) -> Expectations {
        for (key, given) in given_keys(raw) {
            let formats = formats_of(key);
            if given && !formats.contains(&format) {
                let formats: Vec<String> = formats.iter().map(ToString::to_string).collect();
                let message =
                    format!("goes with format {}; this dataset is {format}", formats.join(" and "));
                self.problem(&["dataset", at, "expect", key], message);
            }
        }
        let size_bytes_max = raw.size_bytes_max.unwrap_or(limits.unpacked_bytes_max);
        if raw.size_bytes_min > size_bytes_max {
            let message = format!("expected at most size_bytes_max, {size_bytes_max}");
            self.problem(&["dataset", at, "expect", "size_bytes_min"], message);
        }
        if let (Some(warn), Some(max)) = (raw.build_age_days_warn, raw.build_age_days_max)
            && warn > max
        {
            let message = format!("expected at most build_age_days_max, {max}");
            self.problem(&["dataset", at, "expect", "build_age_days_warn"], message);
        }
        Expectations {
            size_bytes_min: raw.size_bytes_min.max(1),
            size_bytes_max: raw.size_bytes_max,
            drift_percent_max: raw.drift_percent_max,
            older_build: raw.older_build,
            build_age_days_warn: raw.build_age_days_warn,
            build_age_days_max: raw.build_age_days_max,
            min_age_hours: raw.min_age_hours.unwrap_or_default(),
        }
    }

    /// Takes what goes with a format; what goes with others is noted before.
    pub(super) fn format_spec(
        &mut self,
        at: &str,
        format: Format,
        mode: Mode,
        raw: RawExpect,
    ) -> Option<FormatSpec> {
        Some(match format {
            Format::Mmdb => FormatSpec::Mmdb {
                database_type: raw.database_type,
                nodes_min: raw.nodes_min,
                probes: self.each(at, "probes", raw.probes, mmdb_probe)?,
            },
            Format::Sqlite => FormatSpec::Sqlite {
                tables: raw.tables.into_iter().collect(),
                rows_min: raw.rows_min.into_iter().collect(),
                objects: self.objects(at, raw.objects)?,
                probes: self.each(at, "probes", raw.probes, sqlite_probe)?,
            },
            Format::File => FormatSpec::File {
                magic: match raw.magic.as_deref().map(bytes_of_hex) {
                    Some(bytes) => Some(self.noted(&["dataset", at, "expect", "magic"], bytes)?),
                    None => None,
                },
                mode,
            },
            Format::Archive => {
                let below = |text: String| OptPath::parse(&text);
                let entries = self.each(at, "entries", raw.entries, below);
                let executables = self.each(at, "executables", raw.executables, below);
                FormatSpec::Archive { entries: entries?, executables: executables? }
            }
        })
    }

    fn objects(&mut self, at: &str, names: Vec<String>) -> Option<Vec<String>> {
        let globs = Globs::parse(names.clone()).map_err(|faults| faults.join("; "));
        self.noted(&["dataset", at, "expect", "objects"], globs).map(|_| names)
    }

    /// Parses the items of a list, and notes every one that is wrong.
    fn each<R, T>(
        &mut self,
        at: &str,
        key: &str,
        items: Vec<R>,
        parse: impl Fn(R) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let parsed: Vec<Option<T>> = items
            .into_iter()
            .enumerate()
            .map(|(number, item)| {
                let path = ["dataset", at, "expect", key, &number.to_string()];
                self.noted(&path, parse(item))
            })
            .collect();
        parsed.into_iter().collect()
    }
}

fn mmdb_probe(raw: RawProbe) -> Result<MmdbProbe, String> {
    let RawProbe { ip: Some(ip), path, query: None, equals } = raw else {
        return Err("an mmdb probe needs `ip`, and may have `path` and `equals`".to_owned());
    };
    let ip: IpAddr = ip.parse().map_err(|error| format!("`ip`: {error}"))?;
    Ok(MmdbProbe { ip, path: FieldPath::parse(&path.unwrap_or_default()), equals })
}

fn sqlite_probe(raw: RawProbe) -> Result<SqliteProbe, String> {
    let RawProbe { ip: None, path: None, query: Some(query), equals } = raw else {
        return Err("a SQLite probe needs `query`, and may have `equals`".to_owned());
    };
    Ok(SqliteProbe { query, equals })
}

fn given_keys(raw: &RawExpect) -> [(&'static str, bool); 9] {
    [
        ("database_type", raw.database_type.is_some()),
        ("nodes_min", raw.nodes_min != RawExpect::default().nodes_min),
        ("probes", !raw.probes.is_empty()),
        ("tables", !raw.tables.is_empty()),
        ("rows_min", !raw.rows_min.is_empty()),
        ("objects", !raw.objects.is_empty()),
        ("magic", raw.magic.is_some()),
        ("entries", !raw.entries.is_empty()),
        ("executables", !raw.executables.is_empty()),
    ]
}

fn bytes_of_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs
        .collect::<Option<Vec<u8>>>()
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| format!("expected pairs of hex digits, found {text:?}"))
}
