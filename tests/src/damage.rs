//! Builds the bodies of the damage cases: what an upstream brings instead of good data.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use crate::databases::{DAY, FIRST_BUILD, GeonameId, Mmdb, sqlite, sqlite_of};

/// Builds the good data that a case begins with.
///
/// # Panics
/// For a format that no case has.
pub fn good(format: &str) -> Vec<u8> {
    match format {
        "mmdb" => Mmdb::default().bytes(),
        "sqlite" => sqlite(1_000),
        "sqlite-no-key" => sqlite_without_key(""),
        "file" => b"\x7fELF and then some bytes, at least a hundred of them, so that a change of the size is \
                    a change that counts.........."
            .to_vec(),
        "archive" => tar(&[File("tool/bin/run", 0o755, b"#!/bin/sh\n"), File("tool/README", 0o644, b"words")]),
        other => panic!("no good {other}"),
    }
}

/// One entry of a tar that a case builds.
enum Entry<'a> {
    File(&'a str, u32, &'a [u8]),
    Special(&'a str, EntryType),
}
use Entry::{File, Special};

/// Builds the body of a case, by the case's name; `None` where the server's fault is the damage.
///
/// # Panics
/// For a name that is no case.
pub fn body(case: &str) -> Option<Vec<u8>> {
    let mmdb = Mmdb::later(1);
    let database = mmdb.bytes();
    let tarred = |entries: &[Entry<'_>]| Some(gzip(&tar(entries)));
    match case {
        "archive-executable-not-executable" => {
            tarred(&[File("tool/bin/run", 0o644, b"#!/bin/sh\n")])
        }
        "archive-entry-missing" => tarred(&[File("tool/README", 0o644, b"words")]),
        "archive-not-an-archive" => Some(b"just text".to_vec()),
        "checksum-differs"
        | "sidecar-differs"
        | "download-too-large"
        | "probe-answer-differs"
        | "size-outside-band"
        | "mmdb-nodes-too-few"
        | "mmdb-values-too-many" => Some(database),
        case if case.starts_with("contract-") => Some(database),
        "container-bomb" => Some(gzip(&vec![0; 64 * 1024 * 1024])),
        "container-crc-wrong" => {
            let mut body = gzip(&database);
            let crc = body.len() - 8;
            body[crc] ^= 1;
            Some(body)
        }
        "container-name-endless" => Some(gzip(&long_name(300 * 1024 * 1024))),
        "container-truncated" => Some(truncated(&gzip(&database))),
        "container-too-many-entries" => {
            let names: Vec<String> = (0..60).map(|number| format!("file-{number}")).collect();
            let entries: Vec<Entry<'_>> = names.iter().map(|name| File(name, 0o644, b"")).collect();
            tarred(&entries)
        }
        "empty-body" => Some(Vec::new()),
        "entry-absolute" => tarred(&[File("/etc/passwd", 0o644, b"root")]),
        "entry-case-folds" => tarred(&[File("tool/a", 0o644, b"1"), File("tool/A", 0o644, b"2")]),
        "entry-device" => tarred(&[Special("tool/null", EntryType::Char)]),
        "entry-file-and-folder" => {
            tarred(&[File("tool/a", 0o644, b"1"), File("tool/a/b", 0o644, b"2")])
        }
        "entry-hard-link" => tarred(&[Special("tool/link", EntryType::Link)]),
        "entry-named-twice" => tarred(&[File("tool/a", 0o644, b"1"), File("tool/a", 0o644, b"2")]),
        "entry-symbolic-link" => tarred(&[Special("tool/link", EntryType::Symlink)]),
        "entry-traversal" => tarred(&[File("tool/../../etc/passwd", 0o644, b"root")]),
        "file-magic-wrong" => {
            let mut body = good("file");
            body[..4].copy_from_slice(b"MZ\x90\0");
            Some(body)
        }
        "mmdb-circle-in-tree" => Some(with_record(&database, &mmdb, |_| 0)),
        "mmdb-is-a-page" | "sqlite-is-a-page" => {
            Some(b"<html><body>Sign in to continue</body></html>".repeat(2_000))
        }
        "mmdb-metadata-unusable" => {
            let mut body = database;
            let at = find(&body, b"node_count").expect("the metadata names it");
            body[at] = b'm';
            Some(body)
        }
        "mmdb-older-build" => {
            Some(Mmdb { build_epoch: FIRST_BUILD - DAY, ..Mmdb::default() }.bytes())
        }
        "mmdb-pointer-outside" => {
            Some(with_record(&database, &mmdb, |nodes| nodes + 16 + 0xf_0000))
        }
        "mmdb-record-not-utf8" => {
            let mut body = database;
            let at = find(&body, b"Country BR").expect("the database names it");
            body[at] = 0xff;
            Some(body)
        }
        case if case.starts_with("mmdb-sector") => Some(paged(&mmdb, case)),
        "mmdb-shrunk" => Some(Mmdb { networks: 100, ..mmdb }.bytes()),
        "mmdb-truncated" => Some(truncated(&database)),
        "mmdb-uint16-geoname-id" => Some(Mmdb { geoname_id: GeonameId::Uint16, ..mmdb }.bytes()),
        "mmdb-wrong-edition" => {
            Some(Mmdb { database_type: "GeoLite2-ASN".to_owned(), ..mmdb }.bytes())
        }
        "select-matches-nothing" => tarred(&[File("LICENSE", 0o644, b"words")]),
        "select-matches-several" => {
            tarred(&[File("a/x.mmdb", 0o644, &database), File("b/x.mmdb", 0o644, &database)])
        }
        "layer-too-large" => Some(gzip(&vec![0; 140_000_000])),
        "upstream-cut"
        | "upstream-endless"
        | "upstream-gone"
        | "upstream-hangs"
        | "upstream-redirects-for-ever"
        | "upstream-fails" => None,
        case if case.starts_with("sqlite-") => Some(sqlite_body(case)),
        other => panic!("no case {other}"),
    }
}

fn sqlite_body(case: &str) -> Vec<u8> {
    match case {
        "sqlite-trigger" => sqlite_with(
            "CREATE TRIGGER seen AFTER INSERT ON zones BEGIN DELETE FROM zones; END;",
        ),
        "sqlite-view" => sqlite_with("CREATE VIEW names AS SELECT name FROM zones;"),
        "sqlite-virtual-table" => sqlite_with("CREATE VIRTUAL TABLE words USING fts5(word);"),
        "sqlite-foreign-key-broken" => sqlite_with(
            "PRAGMA foreign_keys = OFF; CREATE TABLE cities (name TEXT, zone INTEGER REFERENCES zones (id));
             INSERT INTO cities VALUES ('a', 1), ('b', 5000), ('c', NULL), ('d', 6000);",
        ),
        "sqlite-rows-exchanged" => sqlite_with("UPDATE zones SET id = id + 5000;"),
        "sqlite-column-emptied-no-key" => {
            sqlite_without_key("UPDATE zones SET offset_secs = NULL;")
        }
        "sqlite-column-emptied" => sqlite_with("UPDATE zones SET offset_secs = NULL;"),
        // `quick_check` computes generated columns. CHECK constraints it leaves out on a read-only connection.
        "sqlite-value-endless" => sqlite_of(
            "CREATE TABLE zones (id INTEGER PRIMARY KEY);
             INSERT INTO zones (id) VALUES (1);
             ALTER TABLE zones ADD COLUMN name TEXT AS (hex(zeroblob(400000000 + id)));",
        ),
        "sqlite-check-endless" => sqlite_of(
            "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT,
               CHECK (length(hex(zeroblob(400000000))) > 0));
             PRAGMA ignore_check_constraints = ON;
             INSERT INTO zones VALUES (1, 'one');",
        ),
        "sqlite-column-missing" => renamed("name", "title"),
        "sqlite-page-corrupt" => {
            let mut body = sqlite(1_100);
            let page = 4_096;
            body[page..page + 200].fill(0xee);
            body
        }
        "sqlite-rows-too-few" => sqlite(700),
        "sqlite-query-endless" | "sqlite-probe-differs" => sqlite(1_100),
        "sqlite-table-missing" => renamed("zones", "areas"),
        "sqlite-truncated" => truncated(&sqlite(1_100)),
        _ => panic!("no body of {case}"),
    }
}

/// Writes the good database, changed by some statements.
fn sqlite_with(change: &str) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset_secs INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO zones SELECT i, 'Zone/' || i, i * 60 FROM n; {change}"
    ))
}

/// Writes rows that no key tells apart, changed by some statements.
fn sqlite_without_key(change: &str) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE zones (name TEXT NOT NULL, offset_secs INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO zones SELECT 'Zone/' || i, i * 60 FROM n; {change}"
    ))
}

fn truncated(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() * 2 / 3].to_vec()
}

/// Packs bytes as gzip does.
///
/// # Panics
/// Where memory cannot be written.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Writes a tar byte by byte where it must: a good library refuses to make a bad one.
/// Packs files with their modes.
///
/// # Panics
/// For a name that a tar cannot hold.
pub fn tar_of(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let entries: Vec<Entry<'_>> =
        files.iter().map(|(name, mode, bytes)| File(name, *mode, bytes)).collect();
    tar(&entries)
}

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let (name, kind, mode, content) = match entry {
            File(name, mode, content) => (*name, EntryType::Regular, *mode, *content),
            Special(name, kind) => (*name, *kind, 0o644, &b""[..]),
        };
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        if matches!(kind, EntryType::Link | EntryType::Symlink) {
            header.set_link_name("/etc/passwd").expect("a short name");
        }
        header.set_cksum();
        builder.append(&header, content).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}

/// Writes a tar whose one entry has a name of so many bytes. A part of it cannot be compressed, so that the whole
/// stays below the largest ratio of expansion.
fn long_name(bytes: usize) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path("././@LongLink").expect("a short name");
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(bytes as u64);
    header.set_cksum();
    let mut noise = 1_u32;
    let name = (0..bytes).map(|at| {
        // Numerical Recipes' generator: its high bits look random to deflate.
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if at < bytes / 64 { noise.to_be_bytes()[0] } else { b'x' }
    });
    let mut tar = header.as_bytes().to_vec();
    tar.extend(name);
    tar.extend(self::tar(&[File("tool/bin/run", 0o755, b"#!/bin/sh\n")]));
    tar
}

fn renamed(from: &str, to: &str) -> Vec<u8> {
    let create = "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT, offset_secs INTEGER);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO zones SELECT i, 'Zone/' || i, i * 60 FROM n;";
    sqlite_of(&create.replace(from, to))
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// A sector of a disk: so many bytes are overwritten, zeroed or moved together.
const SECTOR: usize = 512;

/// Writes a larger database and damages one sector of its tree or of its data.
fn paged(mmdb: &Mmdb, case: &str) -> Vec<u8> {
    let mut body = Mmdb { networks: 700, ..mmdb.clone() }.bytes();
    let reader = freshlayer_reader::maxminddb::Reader::from_source(&body).expect("a database");
    let metadata = reader.metadata();
    let tree = metadata.node_count as usize * usize::from(metadata.record_size) / 4;
    let end = find(&body, b"\xab\xcd\xefMaxMind.com").expect("its marker");
    assert!(tree > 4 * SECTOR && end - tree > 6 * SECTOR, "a tree of {tree} bytes in {end}");
    let data = tree + 16;
    match case {
        "mmdb-sector-of-tree-repeated" => body.copy_within(..SECTOR, 3 * SECTOR),
        "mmdb-sector-of-tree-zeroed" => body[2 * SECTOR..3 * SECTOR].fill(0),
        "mmdb-sector-of-data-zeroed" => body[data + 2 * SECTOR..data + 3 * SECTOR].fill(0),
        _ => {
            let (first, second) = body[data..].split_at_mut(4 * SECTOR);
            first[..SECTOR].swap_with_slice(&mut second[..SECTOR]);
        }
    }
    body
}

/// Overwrites the last node's left record; nodes are found by the metadata's count.
fn with_record(database: &[u8], mmdb: &Mmdb, record: impl FnOnce(u32) -> u32) -> Vec<u8> {
    let reader = freshlayer_reader::maxminddb::Reader::from_source(database).expect("a database");
    let metadata = reader.metadata();
    assert_eq!((metadata.record_size, metadata.build_epoch), (24, mmdb.build_epoch));
    let last = (metadata.node_count as usize - 1) * 6;
    let mut body = database.to_vec();
    body[last..last + 3].copy_from_slice(&record(metadata.node_count).to_be_bytes()[1..]);
    body
}
