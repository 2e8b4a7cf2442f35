//! One function per kind of foreign bytes, for fuzz targets and for the bounded tests that call the same functions.
//!
//! Bytes may be refused; they may neither panic nor count as this machine's error, and what is taken has to hold.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use flate2::bufread::DeflateDecoder;

use freshlayer_reader::{Layer, maxminddb, rusqlite};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::definition::{Dataset, Definition, read_text};
use crate::formats::deflate::{Deflated, Inflated, Packer, UpstreamStream, deflate_file};
use crate::intake::download::Candidate;
use crate::intake::extract::{ExtraDigest, Staged, StagedFile, extract};
use crate::intake::inspect::{Differences, Inspected, inspect};
use crate::limits::Limits;
use crate::names::{Digest, LayerName};
use crate::operations::{DatasetDiff, diff_databases};
use crate::ports::{Key, UpstreamFacts, Validators};
use crate::problem::GateReport;
use crate::progress::Meter;
use crate::state::{HEAD_FORMAT, Head, SeenUpstream, parse, print};

/// Small bounds, so that a run stays quick and a breach of one is soon seen.
const LIMITS: &str = "
[limits]
download_bytes_max = 4_194_304
unpacked_bytes_max = 4_194_304
entries_max = 200
decoded_values_max = 1_000_000
sqlite_secs_max = 2
";

/// Whether bytes were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They hold.
    Taken,
    /// They were refused in words.
    Refused,
}

/// Reads a layer's definition; a text that is taken is taken again with the same result.
///
/// # Panics
/// Where it is not, or a problem names a line that is not there.
pub fn definition(bytes: &[u8]) -> Fate {
    let Ok(text) = std::str::from_utf8(bytes) else { return Fate::Refused };
    let read = || read_text(Path::new("data.toml"), text, &|_| None);
    match read() {
        Ok(definition) => {
            let again = read().expect("the same text is taken twice");
            assert_eq!(fingerprints(&definition), fingerprints(&again));
            Fate::Taken
        }
        Err(problems) => {
            let lines = text.lines().count().max(1) + 1;
            assert!(!problems.is_empty(), "a refusal has a reason");
            assert!(problems.iter().all(|one| one.line <= lines), "{problems:?}");
            Fate::Refused
        }
    }
}

/// Unpacks a body as an archive's; what is taken lies in its folder and keeps the limits.
///
/// # Panics
/// Where it does not.
pub fn containers(bytes: &[u8], folder: &Path) -> Fate {
    let definition = &*ARCHIVE;
    let Some(files) = unpacked(bytes, dataset(definition), &definition.limits, folder) else {
        return Fate::Refused;
    };
    let size_bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
    assert!(size_bytes <= definition.limits.unpacked_bytes_max, "{size_bytes} bytes");
    assert!(files.len() as u64 <= definition.limits.entries_max, "{} files", files.len());
    for file in &files {
        assert!(file.file.starts_with(folder) && file.path.as_str().starts_with("data/"));
        let length = file.file.metadata().expect("it is there").len();
        assert_eq!(length, file.size_bytes, "{}", file.path);
    }
    Fate::Taken
}

/// Cuts a file out of a deflate stream; what the zip will hold of it gives the file back. The first two bytes say where the
/// file begins and ends in what the stream gives, in 256ths. Taken are streams whose blocks are kept.
///
/// # Panics
/// Where it does not, or the folder cannot be written.
pub fn stream(bytes: &[u8], folder: &Path) -> Fate {
    let Some(([start, end], stream)) = bytes.split_first_chunk::<2>().map(|(p, s)| (*p, s)) else {
        return Fate::Refused;
    };
    let Some(whole) = given(stream) else { return Fate::Refused };
    let [start, end] = [start, end].map(|part| whole.len() * usize::from(part) / 256);
    let Some(file) = whole.get(start..end) else { return Fate::Refused };
    let path = |name: &str| folder.join(name);
    std::fs::create_dir_all(folder).expect("writable");
    std::fs::write(path("stream"), stream).expect("writable");
    std::fs::write(path("file"), file).expect("writable");
    let map = Arc::new(freshlayer_reader::map_file(&path("stream")).expect("it was written"));
    let mut upstream = UpstreamStream::new(&map, 0..stream.len());
    let mut packer = Packer::new(Some(start as u64), path("deflate"));
    packer.write_all(file).expect("writable");
    let deflated = packer.finish(&path("file"), file.len() as u64, Some(&mut upstream));
    let deflated = deflated.expect("no stream is an error of this machine");
    let sha256 = Digest::of(<sha2::Sha256 as sha2::Digest>::new_with_prefix(file));
    let inflated = Inflated::of(&deflated, &path("file"), &sha256).expect("it was written");
    assert!(inflated.is_some(), "another file than {start}..{end} of {}", whole.len());
    let ours = deflate_file(&path("file"), path("ours")).expect("writable");
    let read = |one: &Deflated| std::fs::read(&one.file).expect("it was written");
    if read(&deflated) == read(&ours) { Fate::Refused } else { Fate::Taken }
}

/// Inflates a stream with a common inflater; `None` where it is none, or gives more than a fuzzer has time for.
fn given(stream: &[u8]) -> Option<Vec<u8>> {
    let most = 1 << 20;
    let mut whole = Vec::new();
    let read = DeflateDecoder::new(stream).take(most + 1).read_to_end(&mut whole);
    read.ok().filter(|read| *read as u64 <= most).map(|_| whole)
}

/// Inspects an mmdb; every record of one that is taken can be decoded by the reader's library.
///
/// # Panics
/// Where one cannot.
pub fn mmdb(bytes: &[u8], folder: &Path) -> Fate {
    let Fate::Taken = inspected(bytes, &MMDB, folder) else { return Fate::Refused };
    let reader = maxminddb::Reader::from_source(bytes).expect("it was taken");
    let networks = reader.networks(maxminddb::WithinOptions::default());
    for found in networks.expect("it was taken") {
        let found = found.expect("its tree was walked");
        let record = found.decode::<Anything>();
        assert!(record.is_ok(), "{:?}: {record:?}", found.network());
    }
    let probe: IpAddr = [16, 0, 1, 7].into();
    let answer = reader.lookup(probe).and_then(|found| found.decode::<Anything>());
    assert!(answer.is_ok(), "{answer:?}");
    Fate::Taken
}

/// Inspects a SQLite database; every row of one that is taken can be read.
///
/// # Panics
/// Where one cannot.
pub fn sqlite(bytes: &[u8], folder: &Path) -> Fate {
    let Fate::Taken = inspected(bytes, &SQLITE, folder) else { return Fate::Refused };
    let file = folder.join("files/0");
    let connection = crate::formats::sqlite::open(&file, bytes.len() as u64).expect("taken");
    let read = read_all(&connection);
    assert!(read.is_ok(), "{read:?}");
    Fate::Taken
}

/// Opens a layer by its manifest, and every dataset that it names.
///
/// # Panics
/// Where the folder cannot be written.
pub fn manifest(bytes: &[u8], folder: &Path) -> Fate {
    let file = folder.join(freshlayer_reader::manifest_path("geo"));
    std::fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("writable");
    std::fs::write(&file, bytes).expect("writable");
    let Ok(layer) = Layer::open_in(folder, "geo") else { return Fate::Refused };
    for dataset in &layer.manifest().datasets {
        let _refused_or_not = (layer.path(&dataset.name), layer.bytes(&dataset.name).map(drop));
    }
    let _age = layer.age();
    Fate::Taken
}

/// Reads a head; one that is taken is written and read again without a loss.
///
/// # Panics
/// Where something is lost.
pub fn head(bytes: &[u8]) -> Fate {
    let key = Key::head(&LayerName::parse("geo").expect("a layer name"));
    let Ok(head) = parse::<Head>(&key, bytes, HEAD_FORMAT) else { return Fate::Refused };
    let written = print(&head);
    let again: Head = parse(&key, &written, HEAD_FORMAT).expect("what was written can be read");
    assert_eq!(print(&again), written);
    Fate::Taken
}

/// Compares two databases; `None` where they cannot be compared.
///
/// # Panics
/// Where the folder cannot be written.
pub fn diff(before: &[u8], after: &[u8], folder: &Path) -> Option<DatasetDiff> {
    std::fs::create_dir_all(folder).expect("writable");
    let files = [("before", before), ("after", after)].map(|(name, bytes)| {
        let file = folder.join(name);
        std::fs::write(&file, bytes).expect("writable");
        file
    });
    diff_databases(&files[0], &files[1]).ok().flatten()
}

fn fingerprints(definition: &Definition) -> Vec<String> {
    let of = |dataset: &Dataset| {
        format!(
            "{:?} {:?}",
            dataset.source_fingerprint(),
            dataset.verdict_fingerprint(&definition.limits)
        )
    };
    definition.datasets.iter().map(of).collect()
}

// Reading a definition takes longer than most runs, so each is read once.
static ARCHIVE: LazyLock<Definition> = LazyLock::new(|| defined("archive"));
static MMDB: LazyLock<Definition> = LazyLock::new(|| defined("mmdb"));
static SQLITE: LazyLock<Definition> = LazyLock::new(|| defined("sqlite"));

fn defined(format: &str) -> Definition {
    let text = format!(
        "[[dataset]]\nname = 'data'\npath = 'data/data'\nformat = '{format}'\n\
         source.https = 'https://example.org/data'\n{LIMITS}"
    );
    let definition = read_text(Path::new("geo.toml"), &text, &|_| None);
    definition.expect("the definition holds")
}

fn dataset(definition: &Definition) -> &Dataset {
    let [dataset] = &definition.datasets[..] else { unreachable!("one dataset is defined") };
    dataset
}

/// Unpacks bytes into `files` below a folder; `None` where they are refused.
fn unpacked(
    bytes: &[u8],
    dataset: &Dataset,
    limits: &Limits,
    folder: &Path,
) -> Option<Vec<StagedFile>> {
    std::fs::create_dir_all(folder).expect("writable");
    let file = folder.join("body");
    std::fs::write(&file, bytes).expect("writable");
    let sha256 = Digest::of(<sha2::Sha256 as sha2::Digest>::new_with_prefix(bytes));
    let body = Staged { file, size_bytes: bytes.len() as u64, sha256 };
    let (files, meter) = (folder.join("files"), Meter::unheard());
    let taken = extract(dataset, limits, &body, &files, ExtraDigest::Nothing, &meter);
    taken.expect("no bytes are an error of this machine").ok()
}

fn inspected(bytes: &[u8], definition: &Definition, folder: &Path) -> Fate {
    let dataset = dataset(definition);
    let Some(files) = unpacked(bytes, dataset, &definition.limits, folder) else {
        return Fate::Refused;
    };
    let candidate = candidate(dataset, files);
    let (limits, now) = (&definition.limits, Timestamp::MAX);
    let inspected = inspect(candidate, None, Differences::Judged, limits, now);
    let Inspected { proven, .. } = inspected.expect("no bytes are an error of this machine");
    if proven.is_some() { Fate::Taken } else { Fate::Refused }
}

fn candidate(dataset: &Dataset, files: Vec<StagedFile>) -> Candidate {
    let digest = files.first().expect("a dataset has a file").sha256.clone();
    let (fingerprint, validators) = (dataset.source_fingerprint(), Validators::default());
    Candidate {
        dataset: dataset.clone(),
        files,
        seen: SeenUpstream { fingerprint, validators, digest: digest.clone(), young_since: None },
        digest,
        upstream: UpstreamFacts { url: String::new(), etag: None, last_modified: None },
        fetched: Timestamp::UNIX_EPOCH,
        gates: GateReport::default(),
    }
}

/// Any value, decoded to its end. The record format has types that JSON lacks.
#[derive(Debug)]
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

/// Scalars that are simply taken.
macro_rules! taken {
    ($($visit:ident: $kind:ty),+ $(,)?) => {
        $(fn $visit<E>(self, _value: $kind) -> Result<Self, E> {
            Ok(self)
        })+
    };
}

impl<'de> Visitor<'de> for Anything {
    type Value = Self;

    taken! {
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_u128: u128, visit_f64: f64, visit_str: &str,
        visit_bytes: &[u8],
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<String, Self>()?.is_some() {}
        Ok(self)
    }
}

fn read_all(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    for table in crate::formats::sqlite::tables(connection)? {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM \"{}\"", table.name.replace('"', "\"\"")))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..row.as_ref().column_count() {
                row.get_ref(column)?;
            }
        }
    }
    Ok(())
}
