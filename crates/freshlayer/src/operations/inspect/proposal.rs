//! The definition that data passes as it is.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use freshlayer_reader::{Format, map_file};
use rusqlite::Connection;
use url::Url;

use crate::definition::is_loopback;
use crate::formats::mmdb::data_end;
use crate::formats::sqlite;
use crate::intake::extract::StagedFile;
use crate::intake::recognise::{Plain, Recognised};
use crate::limits::Limits;
use crate::names::hex;
use crate::opt_path::Mode;

/// What later builds may lose of a count before the proposed definition refuses them.
const FEWEST_PERCENT: u64 = 50;
const MAGIC_BYTES: usize = 4;
/// How much of a file tells what it is.
const START_BYTES: u64 = 512;
const EXECUTABLES_MAX: usize = 10;
const TABLES_MAX: usize = 20;

/// Writes a dataset's definition.
pub(super) fn proposal(source: &str, recognised: &Recognised, expectations: &[String]) -> String {
    let Recognised { format, select } = recognised;
    let is_address = source.starts_with("https://") || source.starts_with("http://");
    let key = if is_address { "https" } else { "file" };
    let mut text = format!(
        "[[dataset]]\nname = {}\nformat = \"{format}\"\nsource.{key} = {}\n",
        quoted(&name_of(source)),
        quoted(source)
    );
    let is_remote = |url: Url| url.scheme() == "http" && !is_loopback(&url);
    if Url::parse(source).is_ok_and(is_remote) {
        text.push_str("source.plain_http = \"anywhere\"\n");
    }
    if !select.is_empty() {
        let globs: Vec<String> = select.iter().map(|glob| quoted(glob)).collect();
        let _ = writeln!(text, "source.select = [{}]", globs.join(", "));
    }
    for line in expectations {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Makes a dataset's name of the last part of an address or path.
fn name_of(source: &str) -> String {
    let last = source.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let last = last.rsplit('/').next().unwrap_or_default();
    let stem = last.split('.').next().unwrap_or_default();
    let letters = stem.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let name: String = letters.take(64).collect();
    if name.is_empty() { "data".to_owned() } else { name }
}

fn is_text(start: &[u8]) -> bool {
    let valid = match str::from_utf8(start) {
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => &start[..error.valid_up_to()],
        Err(_) => return false,
        Ok(_) => start,
    };
    let text = String::from_utf8_lossy(valid);
    text.chars().all(|letter| !letter.is_control() || letter.is_whitespace())
}

/// Tells whether most of the first bytes are letters, digits or signs, as in the marks of formats.
fn spells(magic: &[u8]) -> bool {
    let letters = magic.iter().filter(|byte| byte.is_ascii_graphic()).count();
    letters * 4 >= magic.len() * 3
}

/// Writes what must hold for later builds.
pub(super) fn expectations(format: Format, files: &[StagedFile], limits: &Limits) -> Vec<String> {
    match (format, files) {
        (Format::Mmdb, [file]) => of_mmdb(&file.file).unwrap_or_default(),
        (Format::Sqlite, [file]) => of_sqlite(file, limits).unwrap_or_default(),
        (Format::File, [file]) => {
            let start = beginning(&file.file);
            let magic = &start[..start.len().min(MAGIC_BYTES)];
            let runs =
                (Plain::of(&start) == Plain::Program).then(|| "executable = true".to_owned());
            // A text's first words change with the next build, and so do bytes that spell nothing.
            let magic = (!is_text(&start) && spells(magic))
                .then(|| format!("expect.magic = {}", quoted(&hex(magic))));
            runs.into_iter().chain(magic).collect()
        }
        (Format::Archive, files) => {
            let can_run = files.iter().filter(|file| file.mode == Mode::Executable);
            let below = |file: &StagedFile| {
                let path = file.path.as_str();
                quoted(
                    path.split_once('/')
                        .and_then(|(_, p)| p.split_once('/'))
                        .map_or(path, |(_, p)| p),
                )
            };
            let names: Vec<String> = can_run.take(EXECUTABLES_MAX).map(below).collect();
            let line = format!("expect.executables = [{}]", names.join(", "));
            if names.is_empty() { Vec::new() } else { vec![line] }
        }
        _ => Vec::new(),
    }
}

/// Returns how a file begins.
pub(super) fn beginning(file: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    let _nothing = File::open(file).and_then(|file| file.take(START_BYTES).read_to_end(&mut start));
    start
}

fn of_mmdb(file: &Path) -> Option<Vec<String>> {
    let map = map_file(file).ok()?;
    data_end(&map)?;
    let reader = freshlayer_reader::maxminddb::Reader::from_source(&map[..]).ok()?;
    let metadata = reader.metadata();
    let nodes = u64::from(metadata.node_count) * FEWEST_PERCENT / 100;
    Some(vec![
        format!("expect.database_type = {}", quoted(&metadata.database_type)),
        format!("expect.nodes_min = {}", nodes.max(1)),
    ])
}

fn of_sqlite(file: &StagedFile, limits: &Limits) -> Option<Vec<String>> {
    let connection = sqlite::open(&file.file, file.size_bytes).ok()?;
    let names: Vec<String> =
        sqlite::objects(&connection).ok()?.iter().map(|object| quoted(&object.name)).collect();
    let objects = format!("expect.objects = [{}]", names.join(", "));
    let objects = (!names.is_empty()).then_some(objects);
    let longest = Duration::from_secs(limits.sqlite_secs_max);
    let tables = sqlite::within(&connection, longest, of_tables).unwrap_or_default();
    Some(tables.into_iter().chain(objects).collect())
}

/// Expects the columns of each table, and most of its rows.
fn of_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut lines = Vec::new();
    let is_one_line = |name: &&sqlite::Table| !name.name.chars().any(char::is_control);
    for table in sqlite::tables(connection)?.iter().filter(is_one_line).take(TABLES_MAX) {
        let key = quoted(&table.name);
        let columns: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
        lines.push(format!("expect.tables.{key} = [{}]", columns.join(", ")));
        let rows = sqlite::count_rows(connection, &table.name)? * FEWEST_PERCENT / 100;
        if rows > 0 {
            lines.push(format!("expect.rows_min.{key} = {rows}"));
        }
    }
    Ok(lines)
}
