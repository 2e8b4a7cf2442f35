use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use freshlayer::report::Exit;
use freshlayer::{
    ColumnDiff, Compared, DatasetChange, DatasetDiff, Diff, EntryChange, EntryDiff, FieldDiff,
    MmdbDiff, MovementDiff, TableDiff, Traffic, ValuesDiff,
};

use super::inspect::place;
use super::pull::fetch;
use crate::output::lines::bytes;
use crate::output::{Answer, Done, Stopped};
use crate::references::LayerReference;
use crate::wiring::Host;

/// How many fields, tables or entries the lines tell of; `--json` has them all.
const SHOWN_MAX: usize = 12;
/// How many movements of a field.
const MOVEMENTS_MAX: usize = 3;

/// Show what differs between the data of two releases, layer versions, files or addresses.
///
/// An mmdb is compared address by address, a SQLite database row by row, an archive by entry. Nothing changes. Damaged data
/// ends with 3. Shares of addresses are of those that have a record in the earlier build; of those that gained one, in the
/// later build.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The earlier one: `NAME` for a layer's current release, `NAME:VERSION` for a layer version by its number or for a
    /// data version such as 1.0.3, the ARN of a layer version, a file, a folder or an address (`https://…`).
    before: String,
    /// The later one, named in the same way.
    after: String,
    /// mmdb: weigh the addresses by how often they ask. A file with lines of `ADDRESS COUNT`; a network counts as its
    /// first address. Shares are of all requests in the file.
    #[arg(long, value_name = "FILE")]
    traffic: Option<PathBuf>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let traffic = args.traffic.as_deref().map(read_traffic).transpose()?;
    let (before, after) = (side(host, &args.before).await?, side(host, &args.after).await?);
    let engine = host.engine().await?;
    let diff = freshlayer::diff(&engine, &before, &after, traffic.as_ref()).await?;
    if traffic.is_some() && diff.datasets.iter().all(|d| d.format_after.as_deref() != Some("mmdb"))
    {
        return Err(Stopped::usage("--traffic goes with an mmdb; there is none here"));
    }
    Ok(Done::new(exit(&diff), lines(&diff), Answer::Diff(Box::new(diff))))
}

fn read_traffic(path: &Path) -> Result<Traffic, Stopped> {
    let fault = |problem: String| Stopped::usage(format!("read {}: {problem}", path.display()));
    let file = File::open(path).map_err(|error| fault(error.to_string()))?;
    Traffic::read(BufReader::new(file)).map_err(fault)
}

/// Finds what a text names. What looks like a path, or is one here, is no layer.
async fn side(host: &Host, text: &str) -> Result<Compared, Stopped> {
    let is_address = text.starts_with("https://") || text.starts_with("http://");
    if is_address || text.contains('/') || Path::new(text).exists() {
        return place(text).map(Compared::Source);
    }
    let what = format!("{text} is neither a file here nor a layer");
    let layer = LayerReference::parse(text).map_err(|error| error.behind(&what))?;
    let pulled = fetch(host, &layer).await?;
    let name = match pulled.release {
        Some(release) => format!("{text} (release {release})"),
        None => text.to_owned(),
    };
    Ok(Compared::Zip { name, layer: pulled.layer, zip: pulled.zip })
}

/// Formats that cannot be compared are a mistake in what was asked for.
fn exit(diff: &Diff) -> Exit {
    let other = |dataset: &DatasetDiff| dataset.state == DatasetChange::OtherFormat;
    if diff.datasets.iter().any(other) { Exit::Usage } else { Exit::Done }
}

fn lines(diff: &Diff) -> String {
    let mut text = format!("{} against {}\n", diff.before, diff.after);
    for dataset in &diff.datasets {
        of_dataset(dataset, &mut text);
    }
    text
}

fn of_dataset(diff: &DatasetDiff, text: &mut String) {
    let DatasetDiff { name, format_before, format_after, bytes_before, bytes_after, .. } = diff;
    let [before, after] = [format_before, format_after].map(|f| f.as_deref().unwrap_or_default());
    let [was, is] = [*bytes_before, *bytes_after].map(bytes);
    let what = match diff.state {
        DatasetChange::Same => format!("the same {after}, {is}"),
        DatasetChange::Changed => format!("{after}, {was} to {is}"),
        DatasetChange::OtherFormat => {
            format!("{before} of {was} to {after} of {is}: two formats cannot be compared")
        }
        DatasetChange::New => format!("new: {after}, {is}"),
        DatasetChange::Gone => format!("gone: {before}, {was}"),
    };
    let _ = writeln!(text, "{name}: {what}");
    for change in diff.schema.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "  {change}");
    }
    rest(diff.schema.len(), "change", text);
    if let Some(mmdb) = &diff.mmdb {
        of_mmdb(mmdb, text);
    }
    if let Some(ipv6) = &diff.mmdb_ipv6 {
        of_mmdb(ipv6, text);
    }
    if let Some(traffic) = &diff.traffic {
        of_mmdb(traffic, text);
    }
    if let Some(tables) = &diff.tables {
        of_tables(tables, text);
    }
    if let Some(entries) = &diff.entries {
        of_entries(entries, text);
    }
}

/// Says how many more there are than are shown.
fn rest(count: usize, noun: &str, text: &mut String) {
    if count > SHOWN_MAX {
        let more = crate::output::lines::count(count - SHOWN_MAX, noun);
        let _ = writeln!(text, "  and {more} more; --json lists all");
    }
}

fn of_mmdb(diff: &MmdbDiff, text: &mut String) {
    let MmdbDiff { unit, all, before, after, added, removed, changed, fields } = diff;
    let whole = all.unwrap_or(*before);
    let share = |count: u64| percent(count, whole);
    let of = all.map(|all| format!(" of {all}")).unwrap_or_default();
    let _ = writeln!(
        text,
        "  {unit} with a record: {before} to {after}{of}; {} gained one, {} lost theirs, {} see another answer",
        percent(*added, all.unwrap_or(*after)),
        share(*removed),
        share(*changed)
    );
    let fields: Vec<&FieldDiff> = fields.iter().filter(|field| !is_translation(field)).collect();
    for field in fields.iter().take(SHOWN_MAX) {
        let FieldDiff { path, lost, gained, changed, movements } = field;
        let _ = writeln!(
            text,
            "    {path}: {} changed, {} lost the value, {} gained one{}",
            share(*changed),
            share(*lost),
            share(*gained),
            moved(movements, whole)
        );
    }
    rest(fields.len(), "field", text);
}

/// Names are told in English; `--json` has them in all languages.
fn is_translation(field: &FieldDiff) -> bool {
    field.path.contains("names.") && !field.path.ends_with("names.en")
}

fn moved(movements: &[MovementDiff], whole: u64) -> String {
    let name = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let network = |movement: &MovementDiff| {
        movement.network.as_ref().map(|network| format!(", such as {network}")).unwrap_or_default()
    };
    let (texts, others): (Vec<_>, Vec<_>) =
        movements.iter().partition(|movement| movement.from.is_some() || movement.to.is_some());
    let shown = texts.iter().take(MOVEMENTS_MAX).map(|movement| {
        let (from, to) = (name(&movement.from), name(&movement.to));
        format!("{from} to {to} {}{}", percent(movement.count, whole), network(movement))
    });
    let shown: Vec<String> = shown.collect();
    match (&shown[..], &others[..]) {
        ([], []) => String::new(),
        ([], [other, ..]) => network(other),
        (shown, _) => format!("; most: {}", shown.join("; ")),
    }
}

fn of_tables(tables: &[TableDiff], text: &mut String) {
    for table in tables.iter().take(SHOWN_MAX) {
        let TableDiff { table: name, rows_before, rows_after, added, removed, changed, .. } = table;
        let what = match (rows_before, rows_after) {
            (None, Some(rows)) => format!("new, {rows} rows"),
            (Some(rows), None) => format!("gone, {rows} rows"),
            (before, after) => {
                format!("{} to {} rows", before.unwrap_or_default(), after.unwrap_or_default())
            }
        };
        let rows = match (added, removed, changed) {
            (Some(added), Some(removed), Some(changed)) => {
                format!("; {added} added, {removed} removed, {changed} changed")
            }
            _ if rows_before.is_some() && rows_after.is_some() => {
                "; without a key they cannot be paired".to_owned()
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "  table {name}: {what}{rows}");
        of_columns(table, text);
    }
    rest(tables.len(), "table", text);
}

fn of_columns(table: &TableDiff, text: &mut String) {
    for column in table.columns.iter().take(SHOWN_MAX) {
        let ColumnDiff { column, lost, gained, changed } = column;
        let _ = writeln!(
            text,
            "    {column}: {changed} changed, {lost} lost the value, {gained} gained one"
        );
    }
    let [rows_before, rows_after] =
        [table.rows_before, table.rows_after].map(|rows| rows.unwrap_or(0));
    let shares = table.values.iter().map(|values| {
        let ValuesDiff { column, without_before, without_after } = values;
        (column, percent(*without_before, rows_before), percent(*without_after, rows_after))
    });
    for (column, was, is) in shares.filter(|(_, was, is)| was != is).take(SHOWN_MAX) {
        let _ = writeln!(text, "    {column}: {was} to {is} of the rows without a value");
    }
}

fn of_entries(entries: &[EntryDiff], text: &mut String) {
    for entry in entries.iter().take(SHOWN_MAX) {
        let size = |count: Option<u64>| count.map(bytes).unwrap_or_default();
        let (was, is) = (size(entry.bytes_before), size(entry.bytes_after));
        let what = match entry.change {
            EntryChange::New => format!("new, {is}"),
            EntryChange::Gone => format!("gone, {was}"),
            EntryChange::Changed => format!("changed, {was} to {is}"),
            EntryChange::Mode => "its executable bit changed".to_owned(),
        };
        let _ = writeln!(text, "  {}: {what}", entry.path);
    }
    rest(entries.len(), "file", text);
}

fn percent(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    match part {
        0 => "0 %".to_owned(),
        _ if percent < 0.01 => "under 0.01 %".to_owned(),
        _ => format!("{percent:.2} %"),
    }
}
