//! The functions of the fuzz targets, on seeded mutations of small valid inputs. Each target runs in a process of its
//! own, so that a stack that overflows, an abort or too much memory is one target's failure and names the input.
//!
//! `FUZZ_ONE=mmdb:1234` runs one input alone, in this process. `FUZZ_SEEDS=fuzz/corpus` writes the valid inputs there.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use freshlayer::fuzzing::{self, Fate};
use freshlayer_tests::damage::{gzip, tar_of};
use freshlayer_tests::databases::{Mmdb, sqlite_of};
use freshlayer_tests::sandbox::{Sandbox, workspace};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::refresh::{BUNDLE, GEO, released};

/// What a process with the engine and one small input takes is a fifth of this.
const PEAK_KIB_MAX: u64 = 300 * 1024;
/// A mutation makes an input longer by so much at most.
const GROWTH_BYTES_MAX: usize = 4_096;
/// The variable that tells a child which target it is for, and where it notes the input that it is at.
const CHILD: &str = "FRESHLAYER_FUZZ_CHILD";
const NOTE: &str = "FRESHLAYER_FUZZ_NOTE";

/// One target with its valid inputs.
struct Target {
    name: &'static str,
    inputs: u64,
    seeds: fn() -> Vec<Vec<u8>>,
    run: fn(&[u8], &Path) -> Fate,
}

const TARGETS: [Target; 8] = [
    Target {
        name: "definition",
        inputs: 3_000,
        seeds: definitions,
        run: |bytes, _| fuzzing::definition(bytes),
    },
    Target { name: "containers", inputs: 1_500, seeds: containers, run: fuzzing::containers },
    Target { name: "stream", inputs: 600, seeds: streams, run: fuzzing::stream },
    Target { name: "mmdb", inputs: 3_000, seeds: mmdbs, run: fuzzing::mmdb },
    Target { name: "sqlite", inputs: 2_000, seeds: databases, run: fuzzing::sqlite },
    Target { name: "manifest", inputs: 2_000, seeds: manifests, run: fuzzing::manifest },
    Target { name: "head", inputs: 3_000, seeds: heads, run: |bytes, _| fuzzing::head(bytes) },
    Target { name: "diff", inputs: 1_000, seeds: pairs, run: compare },
];

fn definitions() -> Vec<Vec<u8>> {
    let samples = std::fs::read_dir(workspace().join("layers/samples")).expect("readable");
    let samples = samples.map(|entry| std::fs::read(entry.expect("readable").path()));
    let samples = samples.map(|text| text.expect("readable"));
    let filled = |text: &str| text.replace("UPSTREAM", "https://example.org").into_bytes();
    samples.chain([GEO, BUNDLE].map(filled)).collect()
}

fn containers() -> Vec<Vec<u8>> {
    let long = "folder/".repeat(30) + "name";
    let tar = tar_of(&[("a/run", 0o755, b"#!/bin/sh\n"), (&long, 0o644, &[7; 600])]);
    let zstd = compress_to_vec(&tar[..], CompressionLevel::Fastest);
    vec![gzip(&tar), zstd, zip(), tar]
}

fn zip() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, mode) in [("a/run", 0o755), ("b", 0o644)] {
        zip.start_file(name, options.unix_permissions(mode)).expect("memory takes it");
        zip.write_all(&[b'z'; 300]).expect("memory takes it");
    }
    zip.finish().expect("memory takes it").into_inner()
}

/// Streams of several blocks, of each kind: in the first two bytes the place of a file.
fn streams() -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(3);
    let words: Vec<u8> = (0..24_000)
        .flat_map(|_| [b"to ", b"be ", b"or ", b"not"][random.usize(..4)].to_vec())
        .collect();
    let noise: Vec<u8> = (0..9_000).map(|_| random.u8(..)).collect();
    let whole = [&words[..], &noise, &words].concat();
    let stream = |level: u32, part: usize| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        for part in whole.chunks(part) {
            encoder.write_all(part).expect("memory takes it");
            encoder.flush().expect("memory takes it");
        }
        encoder.finish().expect("memory takes it")
    };
    let placed = |place: [u8; 2], stream: Vec<u8>| [&place[..], &stream].concat();
    vec![
        placed([0, 255], stream(6, 50_000)),
        placed([60, 200], stream(9, 8_000)),
        placed([0, 128], stream(9, 12_000)),
        placed([90, 255], stream(7, 30_000)),
    ]
}

fn mmdbs() -> Vec<Vec<u8>> {
    let small = Mmdb { networks: 6, ..Mmdb::default() };
    let other = Mmdb { networks: 40, database_type: "Other".to_owned(), ..Mmdb::default() };
    vec![small.bytes(), other.bytes()]
}

fn databases() -> Vec<Vec<u8>> {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
        INSERT INTO t SELECT i, 'text ' || i, i / 3.0 FROM n;";
    let more = "CREATE TABLE w (k TEXT PRIMARY KEY, v BLOB, UNIQUE (v)) WITHOUT ROWID;
        INSERT INTO w VALUES ('a', x'00ff'), ('b', zeroblob(900));
        CREATE INDEX i ON t (a COLLATE NOCASE, b DESC);
        CREATE TABLE c (t REFERENCES t (id), g AS (t + 1) STORED); INSERT INTO c (t) VALUES (1);";
    let small = format!("PRAGMA page_size = 512; {table}");
    vec![sqlite_of(&small), sqlite_of(&format!("{small}{more}"))]
}

fn manifests() -> Vec<Vec<u8>> {
    let file = r#"{"path": "geo/note", "size_bytes": 4, "sha256": "00", "mode": "0644"}"#;
    let dataset = |name: &str, format: &str| {
        format!(
            r#"{{"name": "{name}", "format": "{format}", "path": "geo/note", "built_unix_secs": -1,
            "fetched_unix_secs": 9223372036854775807, "files": [{file}]}}"#
        )
    };
    let datasets = ["file", "mmdb", "archive", "parquet"].map(|format| dataset(format, format));
    let manifest = format!(
        r#"{{"format": 1, "layer": "geo", "release": 3, "version": "1.0.2", "datasets": [{}]}}"#,
        datasets.join(", ")
    );
    vec![manifest.into_bytes()]
}

fn heads() -> Vec<Vec<u8>> {
    let sandbox: Sandbox = released();
    sandbox.refresh("geo");
    let now = sandbox.head("geo");
    let old = serde_json::json!({
        "format": 1, "layer": "geo", "newest": 2, "current": 1, "record": null, "stable": 1,
        "stable_before": [1], "versions": now["versions"], "leaving": {}, "told": now["announced"],
        "upstream": now["upstream"], "pin": {"seq": 1, "at": "2026-11-01T00:00:00Z", "reason": "so"},
        "lease": null,
        "rejected": [{
            "dataset": "country", "digest": "a".repeat(64), "fingerprint": "f", "at": "2026-11-01T00:00:00Z",
            "problems": [{"code": "rolled-back", "level": "fail", "found": "the data of release 7, rolled back to 2",
                "expected": "another build"}],
        }],
        "rollout": {
            "from": 1, "to": 2, "started": "2026-11-01T00:00:00Z",
            "places": {"local": {"gone": {"from": null, "outcome": "moved"}}},
        },
    });
    [now, old].map(|head| head.to_string().into_bytes()).to_vec()
}

/// Two databases behind each other, and the length of the first one before them.
fn pairs() -> Vec<Vec<u8>> {
    let pair = |both: Vec<Vec<u8>>| {
        let length = u32::try_from(both[0].len()).expect("it is small");
        [&length.to_be_bytes()[..], &both.concat()].concat()
    };
    vec![pair(mmdbs()), pair(databases()), pair(databases())]
}

fn compare(bytes: &[u8], folder: &Path) -> Fate {
    let Some((length, both)) = bytes.split_first_chunk::<4>() else { return Fate::Refused };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (before, after) = both.split_at(length.min(both.len()));
    match fuzzing::diff(before, after, folder) {
        Some(_) => Fate::Taken,
        None => Fate::Refused,
    }
}

/// Flips, splices, truncates and repeats, one to four times.
fn mutated(seeds: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut bytes = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        let end = (at + random.usize(1..64)).min(bytes.len());
        match random.u8(..8) {
            0..=2 => bytes[at] ^= 1 << random.u8(..8),
            3 => bytes[at] = [0, 0xff, 0x7f, 0x80, b'"', b'9'][random.usize(..6)],
            4 => {
                let other = &seeds[random.usize(..seeds.len())];
                let from = random.usize(..other.len());
                let to = (from + random.usize(1..256)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            5 => bytes.truncate(at),
            6 => drop(bytes.drain(at..end)),
            _ => {
                let piece = bytes[at..end].to_vec();
                let times = random.usize(1..=GROWTH_BYTES_MAX / 64);
                bytes.splice(at..at, piece.repeat(times));
            }
        }
    }
    bytes
}

/// Makes one input: it follows from the target and its number.
fn input(target: &Target, seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    // The seeds themselves come first: what holds is taken.
    if let Some(seed) = usize::try_from(number).ok().and_then(|at| seeds.get(at)) {
        return seed.clone();
    }
    let name = target.name.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte));
    let bytes = mutated(seeds, &mut Rng::with_seed(name ^ (number << 20)));
    // Most mutations of a compressed tar end at its checksum; mutations of the tar go deeper.
    if target.name == "containers" && number.is_multiple_of(3) { deflated(&bytes) } else { bytes }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Runs some inputs of a target; returns how many were taken, and how many refused.
fn run(target: &Target, numbers: std::ops::Range<u64>, note: Option<&Path>) -> (u64, u64) {
    let seeds = (target.seeds)();
    let (mut taken, mut refused) = (0, 0);
    for number in numbers {
        if let Some(note) = note {
            std::fs::write(note, number.to_string()).expect("writable");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        match (target.run)(&input(target, &seeds, number), folder.path()) {
            Fate::Taken => taken += 1,
            Fate::Refused => refused += 1,
        }
        assert!(number >= seeds.len() as u64 || refused == 0, "seed {number} is refused");
    }
    (taken, refused)
}

fn target(name: &str) -> &'static Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What a child does.
fn alone(name: &str, note: &Path) {
    let target = target(name);
    let (taken, refused) = run(target, 0..target.inputs, Some(note));
    assert!(taken > 0 && refused > 0, "{name}: {taken} taken, {refused} refused");
    let peak = peak_kib();
    assert!(peak < PEAK_KIB_MAX, "{name}: a peak of {peak} KiB");
}

/// Runs a target in a process of its own; returns what went wrong.
fn child(target: &Target, folder: &Path) -> Option<String> {
    let note = folder.join(target.name);
    let output = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "fuzz::foreign_bytes_are_taken_or_refused_and_nothing_else"])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, target.name)
        .env(NOTE, &note)
        .output()
        .expect("it starts");
    let at = std::fs::read_to_string(&note).unwrap_or_default();
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(|| format!("FUZZ_ONE={}:{at}: {}", target.name, said()))
}

/// Writes the valid inputs where `cargo fuzz` begins with them.
fn write_seeds(corpus: &Path) {
    for target in &TARGETS {
        let folder = corpus.join(target.name);
        std::fs::create_dir_all(&folder).expect("writable");
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).expect("writable");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a person or the parent process chooses the inputs")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn foreign_bytes_are_taken_or_refused_and_nothing_else() {
    if let (Some(name), Some(note)) = (variable(CHILD), variable(NOTE)) {
        return alone(&name, Path::new(&note));
    }
    if let Some(corpus) = variable("FUZZ_SEEDS") {
        return write_seeds(Path::new(&corpus));
    }
    if let Some(one) = variable("FUZZ_ONE") {
        let (name, number) = one.split_once(':').expect("a target and a number");
        let number: u64 = number.parse().expect("a number");
        run(target(name), number..number + 1, None);
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let failed: Vec<String> = std::thread::scope(|scope| {
        let children = TARGETS.iter().map(|target| scope.spawn(|| child(target, folder.path())));
        let children: Vec<_> = children.collect();
        children.into_iter().filter_map(|child| child.join().expect("no panic")).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
