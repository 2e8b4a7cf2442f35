//! The walls that the compiler does not hold: the crate graph, file lengths, licences, doubled crates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use freshlayer_tests::sandbox::workspace;
use serde_json::Value;

/// Which members of the workspace each may use.
const ARROWS: [(&str, &[&str]); 8] = [
    ("freshlayer-reader", &[]),
    ("freshlayer", &["freshlayer-reader"]),
    ("freshlayer-aws", &["freshlayer"]),
    ("freshlayer-http", &["freshlayer"]),
    ("freshlayer-local", &["freshlayer"]),
    ("freshlayer-page", &["freshlayer"]),
    ("geo-lookup", &["freshlayer-reader"]),
    (
        "publisher",
        &["freshlayer", "freshlayer-aws", "freshlayer-http", "freshlayer-local", "freshlayer-page"],
    ),
];

/// Crates that only some rooms may name; the tests may, too.
const OWNED: [(&str, &[&str]); 5] = [
    ("maud", &["freshlayer-page"]),
    ("reqwest", &["freshlayer-http"]),
    ("nix", &["freshlayer-cli", "freshlayer-local"]),
    ("clap", &["freshlayer-cli"]),
    ("lambda_runtime", &["geo-lookup", "publisher"]),
];

/// What a consumer pays for the reader with no feature.
const READER_DEPENDENCIES: [&str; 4] = ["memmap2", "serde", "serde_json", "thiserror"];

const LICENCES: [&str; 10] = [
    "Apache-2.0",
    "BlueOak-1.0.0",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that others still need in two versions on Linux, and who holds them back.
const DOUBLED: [(&str, &str); 7] = [
    ("base64", "lambda_runtime uses 0.22, hyper-util 0.23"),
    ("crypto-common", "with digest"),
    ("digest", "crc-fast of the AWS SDK uses 0.10, sha2 0.11"),
    (
        "http",
        "types only: aws-sdk-cloudwatch can compress what it sends, by a crate that takes both",
    ),
    ("http-body", "with http"),
    ("getrandom", "ring uses 0.2, tempfile 0.4"),
    ("syn", "procedural macros on their way from 2 to 3; nothing at run time"),
];

/// The engine's wings, lowest first. A module may use its own wing and those before it.
const WINGS: [(&str, &[&str]); 5] = [
    (
        "ground",
        &[
            "definition",
            "engine",
            "error",
            "formats",
            "limits",
            "names",
            "opt_path",
            "ports",
            "problem",
            "progress",
            "report",
            "schema",
            "state",
        ],
    ),
    ("intake", &["intake"]),
    ("release", &["release"]),
    ("rollout", &["rollout"]),
    ("operations", &["codegen", "operations"]),
];

const FILE_LINES_MAX: usize = 600;
const ARCHITECTURE_LINES_MAX: usize = 150;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"])
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn packages(metadata: &Value) -> &Vec<Value> {
    metadata["packages"].as_array().expect("a list of packages")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The packages that some member needs at run time, on Linux.
fn resolved(metadata: &Value) -> BTreeSet<String> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a resolved graph");
    let needs: BTreeMap<&str, Vec<&str>> = nodes
        .iter()
        .map(|node| {
            let dependencies = node["deps"].as_array().into_iter().flatten();
            let normal = dependencies.filter(|dependency| {
                let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
                kinds.clone().any(|kind| kind["kind"].is_null())
            });
            (text(node, "id"), normal.map(|dependency| text(dependency, "pkg")).collect())
        })
        .collect();
    let members = metadata["workspace_members"].as_array().expect("members");
    let mut open: Vec<&str> = members.iter().filter_map(Value::as_str).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if found.insert(id.to_owned()) {
            open.extend(needs.get(id).into_iter().flatten());
        }
    }
    found
}

#[test]
fn arrows_point_one_way() {
    let metadata = metadata();
    let members: BTreeSet<&str> = packages(&metadata)
        .iter()
        .filter(|package| package["source"].is_null())
        .map(|package| text(package, "name"))
        .collect();
    for package in packages(&metadata).iter().filter(|package| package["source"].is_null()) {
        let name = text(package, "name");
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let used: Vec<&str> = dependencies
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(dependency, "name"))
            .collect();
        if let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) {
            for to in used.iter().filter(|used| members.contains(**used)) {
                assert!(allowed.contains(to), "{name} must not use {to}");
            }
        }
        for (owned, owners) in OWNED {
            let may = owners.contains(&name) || name == "freshlayer-tests";
            assert!(may || !used.contains(&owned), "{name} must not name {owned}");
        }
        let aws = used.iter().find(|used| used.starts_with("aws-"));
        assert!(
            aws.is_none() || ["freshlayer-aws", "freshlayer-tests"].contains(&name),
            "{name} must not name {aws:?}"
        );
    }
}

/// The wing of a module of the engine, as its place in [`WINGS`].
fn wing(module: &str) -> usize {
    let found = WINGS.iter().position(|(_, modules)| modules.contains(&module));
    found.unwrap_or_else(|| panic!("module {module} of the engine belongs to no wing"))
}

/// The modules of the engine that a text names by `crate::`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        Some(&rest[..end]).filter(|_| rest[end..].starts_with("::"))
    })
}

#[test]
fn the_wings_of_the_engine_stand_in_one_line() {
    let source = workspace().join("crates/freshlayer/src");
    for file in tracked(&["crates/freshlayer/src/*.rs", "crates/freshlayer/src/**/*.rs"]) {
        let below = file.strip_prefix(&source).expect("it lies there").with_extension("");
        let own = below.iter().next().expect("a file has a name").to_string_lossy().into_owned();
        if ["lib", "faults", "fuzzing", "measuring"].contains(&own.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        for module in named(&text) {
            let (here, there) = (wing(&own), wing(module));
            let words = "uses a wing above its own:";
            assert!(there <= here, "{} {words} crate::{module}", below.display());
        }
    }
}

#[test]
fn the_reader_stays_small() {
    let metadata = metadata();
    let reader = packages(&metadata).iter().find(|p| text(p, "name") == "freshlayer-reader");
    let reader = reader.expect("the reader is a member");
    let dependencies = reader["dependencies"].as_array().into_iter().flatten();
    let always: Vec<&str> = dependencies
        .filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false)
        .map(|dependency| text(dependency, "name"))
        .collect();
    assert_eq!(always, READER_DEPENDENCIES);
}

#[test]
fn every_licence_is_a_known_one() {
    let metadata = metadata();
    for package in packages(&metadata) {
        let licence = text(package, "license").replace('/', " OR ");
        let alternatives = licence.split(" OR ").map(|part| part.trim_matches(['(', ')', ' ']));
        let known = alternatives.into_iter().any(|alternative| {
            let alternative = alternative.replace(" WITH LLVM-exception", "");
            let mut parts = alternative.split(" AND ").map(|part| part.trim_matches(['(', ')']));
            parts.all(|part| LICENCES.contains(&part))
        });
        assert!(known, "{} has licence {licence:?}", text(package, "name"));
    }
}

#[test]
fn no_crate_stands_twice_in_the_tree() {
    let metadata = metadata();
    let resolved = resolved(&metadata);
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages(&metadata).iter().filter(|p| resolved.contains(text(p, "id"))) {
        versions.entry(text(package, "name")).or_default().insert(text(package, "version"));
    }
    let doubled: BTreeSet<&str> =
        versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| *name).collect();
    let known: BTreeSet<&str> = DOUBLED.iter().map(|(name, _)| *name).collect();
    assert_eq!(doubled, known, "a new one needs a reason, one that is gone leaves the list");
}

#[test]
fn files_fit_a_reader() {
    for file in tracked(&["*.rs"]) {
        let lines = std::fs::read_to_string(&file).expect("readable").lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines: two rooms in one?", file.display());
    }
    let map = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("readable");
    assert!(map.lines().count() <= ARCHITECTURE_LINES_MAX);
}

#[test]
fn no_room_for_everything() {
    for file in tracked(&["*.rs"]) {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let vague =
            ["utils", "util", "common", "helpers", "misc", "types"].contains(&stem.as_str());
        assert!(!vague, "{} says nothing by its name", file.display());
    }
}

#[test]
fn the_engine_reads_no_clock_and_no_environment() {
    let mut files = tracked(&["crates/freshlayer/src/*.rs", "crates/freshlayer/src/**/*.rs"]);
    // A test: it is told how many rollouts to play, and tells its figures.
    files.retain(|file| !file.ends_with("rollout/rehearsal.rs"));
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        for word in ["disallowed_methods", "std::env", "SystemTime::now", "println!"] {
            assert!(!text.contains(word), "{} holds {word}", file.display());
        }
    }
}

fn tracked(patterns: &[&str]) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--"])
        .args(patterns)
        .current_dir(workspace())
        .output()
        .expect("git starts");
    let files = String::from_utf8(output.stdout).expect("file names are text");
    let files: Vec<PathBuf> = files
        .lines()
        .map(|line| workspace().join(line))
        .filter(|path| Path::exists(path))
        .collect();
    assert!(!files.is_empty(), "git lists the files");
    files
}
