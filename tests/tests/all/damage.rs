//! One folder per damage: each gets one clear line and the right exit code, and the last good release keeps
//! serving.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use freshlayer::report::Exit;
use freshlayer::{Code, Level};
use freshlayer_local::{FolderRegistry, NewFunction};
use freshlayer_tests::damage::{body, good};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, layer_name, workspace};
use freshlayer_tests::upstream::Fault;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    format: String,
    exit: i32,
    says: String,
    code: Option<String>,
    fault: Option<String>,
}

/// Every regular file of a folder with its content: what must not change.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            found.insert(path.clone(), std::fs::read(&path).expect("readable"));
        }
    }
    found
}

/// The good release that a case begins with is made with the same definition, less what the case expects to fail.
fn first_definition(layer: &str) -> String {
    let kept = layer.lines().filter(|line| {
        let fails = [
            "source.sha256",
            "expect.",
            "contract.",
            "source.select",
            "download_bytes_max",
            "decoded_values_max",
        ];
        !fails.iter().any(|start| line.starts_with(start))
    });
    kept.collect::<Vec<_>>().join("\n")
}

fn plan(sandbox: &Sandbox, fault: &str) {
    let misbehave = |fault| sandbox.upstream.misbehave("/files/data", fault, 1_000);
    match fault {
        "cut" => misbehave(Fault::Cut(10)),
        "endless" => misbehave(Fault::Endless),
        "hang" => misbehave(Fault::Hang(1_000)),
        "redirects" => misbehave(Fault::RedirectLoop),
        "fails" => misbehave(Fault::Status(503, "later")),
        "gone" => misbehave(Fault::Status(404, "")),
        other => panic!("no fault {other}"),
    }
}

fn run(folder: &Path) {
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let layer = std::fs::read_to_string(folder.join("layer.toml")).expect("a definition");
    let case = std::fs::read_to_string(folder.join("case.toml")).expect("a case");
    let case: Case = toml::from_str(&case).unwrap_or_else(|error| panic!("{name}: {error}"));

    let sandbox = Sandbox::new();
    sandbox.layer("data", &first_definition(&layer));
    sandbox.upstream.publish("data", &good(&case.format));
    let first = sandbox.cli(&["refresh"]);
    assert_eq!(first.code, 0, "{name}: the good data is good: {first:?}");
    let new = NewFunction {
        name: freshlayer::ports::FunctionName::parse("consumer").expect("a name"),
        layers: vec![FolderRegistry::arn(&layer_name("data"), 1)],
        aliases: vec!["live".to_owned()],
        tags: [].into(),
        program: Vec::new(),
    };
    sandbox.fleet().add(new).expect("the function is new");
    let serving = [sandbox.path("host/functions"), sandbox.path("host/layers")];
    let before: Vec<_> = serving.iter().map(|folder| contents(folder)).collect();

    sandbox.layer("data", &layer);
    sandbox.upstream.publish("SHA256SUMS", format!("{}  data\n", "0".repeat(64)).as_bytes());
    match (body(&name), &case.fault) {
        (Some(body), None) => sandbox.upstream.publish("data", &body),
        (None, Some(fault)) => {
            sandbox.upstream.publish("data", &freshlayer_tests::databases::Mmdb::later(1).bytes());
            plan(&sandbox, fault);
        }
        _ => panic!("{name}: a body or a fault, not both"),
    }
    let bad = sandbox.cli(&["refresh", "--json", "-v"]);
    assert_eq!(bad.code, case.exit, "{name}: {bad:?}");
    assert!(!bad.stderr.contains("panicked"), "{name}: {bad:?}");
    let report = bad.json()["layers"][0].clone();
    if let Some(code) = &case.code {
        let problems = report["problems"].as_array().expect("a list");
        assert!(
            problems.iter().any(|problem| problem["code"] == code.as_str()),
            "{name}: {report:#}"
        );
    }
    assert_eq!(report["release"]["seq"].as_u64().unwrap_or(1), 1, "{name}: {report:#}");

    let again = sandbox.cli(&["refresh"]);
    assert_eq!(again.code, case.exit, "{name}: and again: {again:?}");
    let said = again.stdout.lines().find(|line| line.contains(&case.says));
    assert!(said.is_some(), "{name}: expected {:?} in one line of {again:?}", case.says);

    let after: Vec<_> = serving.iter().map(|folder| contents(folder)).collect();
    assert_eq!(before, after, "{name}: nothing that serves has changed");
    let work = std::fs::read_dir(sandbox.path("host/work")).expect("readable").count();
    assert_eq!(work, 0, "{name}: temporary files are gone");
}

#[test]
fn every_damage_is_refused_and_harms_nothing() {
    let folder = workspace().join("tests/damage");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    folders.sort();
    assert!(folders.len() > 40, "{} cases", folders.len());
    let cores = 2;
    std::thread::scope(|scope| {
        for part in 0..cores {
            let folders = &folders;
            scope.spawn(move || {
                folders.iter().skip(part).step_by(cores).for_each(|f| run(f));
            });
        }
    });
}

#[test]
fn metadata_without_a_description_are_told_of_and_released() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "data",
        "[[dataset]]\nname = 'data'\nformat = 'mmdb'\nsource.https = 'UPSTREAM/files/data'\n",
    );
    let nameless = Mmdb { description: String::new(), ..Mmdb::default() };
    sandbox.upstream.publish("data", &nameless.bytes());
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    let said: Vec<_> =
        report.problems.iter().map(|problem| (problem.code, problem.level)).collect();
    assert_eq!(said, [(Code::MmdbMetadataCosmetic, Level::Warn)]);
}

/// Where each check that no folder of damage fails is seen to raise its problem: a file of tests, and the test.
const SEEN_ELSEWHERE: &[(Code, &str, &str)] = &[
    (Code::Signature, "sources_signed", "what_is_not_signed_by_the_key_moves_nothing"),
    (
        Code::Scan,
        "scan",
        "a_zip_that_the_scanner_refuses_is_never_published_and_nothing_is_asked_twice",
    ),
    (Code::Unusual, "drift", "a_change_that_no_release_ever_brought_is_released_with_a_warning"),
    (Code::CoverageLost, "drift", "networks_that_are_gone_are_refused"),
    (Code::CountryChanged, "drift", "wrong_countries_are_refused_and_the_movement_is_told"),
    (Code::CountryShares, "drift", "a_country_that_gains_too_much_is_refused_and_named"),
    (Code::ValuesChanged, "drift", "other_places_everywhere_are_refused"),
    (Code::ShapeNew, "drift", "malformed_postal_codes_are_refused"),
    (Code::TypeNew, "sqlite_types", "numbers_that_become_texts_are_a_new_major_version"),
    (Code::LiveUnread, "drift", "live_data_that_cannot_be_read_is_told_of"),
    (Code::BuildTooOld, "sources_young", "an_old_build_is_told_of_before_it_is_refused"),
    (Code::FutureBuild, "refresh", "a_build_from_the_future_is_rejected"),
    (
        Code::MmdbMetadataCosmetic,
        "damage",
        "metadata_without_a_description_are_told_of_and_released",
    ),
    (Code::ContractNull, "contract", "every_break_of_a_contract_is_told"),
    (Code::SqliteWal, "orders", "a_rolled_back_database_in_wal_mode_stays_back"),
    (Code::RolledBack, "orders", "a_rollback_stays_back_until_the_upstream_moves_on"),
];

#[test]
fn each_check_is_seen_to_fail() {
    let folder = workspace().join("tests/damage");
    let cases = std::fs::read_dir(folder).expect("readable").map(|entry| {
        let case = entry.expect("readable").path().join("case.toml");
        let case: Case =
            toml::from_str(&std::fs::read_to_string(case).expect("a case")).expect("it holds");
        case.code
    });
    let by_folder: Vec<String> = cases.flatten().collect();
    for code in Code::ALL {
        if by_folder.iter().any(|one| one == code.as_str()) {
            continue;
        }
        let elsewhere = SEEN_ELSEWHERE.iter().find(|(one, ..)| one == code);
        let (_, file, test) = elsewhere.unwrap_or_else(|| panic!("no test sees {code} fail"));
        let path = workspace().join(format!("tests/tests/all/{file}.rs"));
        let tests = std::fs::read_to_string(path).expect("a file of tests");
        let body = tests.split_once(&format!("fn {test}()")).map(|(_, behind)| behind);
        let body = body.unwrap_or_else(|| panic!("{code}: {file} has no test {test}"));
        let body = body.split("\n}\n").next().unwrap_or_default();
        let is_named = body.contains(&format!("{code:?}")) || body.contains(code.as_str());
        assert!(is_named, "{code}: {file}::{test} does not name it");
    }
}

/// A file that claims much gets little: the process stays below the memory of a small publisher.
#[test]
fn no_damage_takes_much_memory() {
    const PEAK_KIB_MAX: u64 = 200 * 1024;
    let script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); \
                  print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let cases = [
        ("container-name-endless", "archive"),
        ("sqlite-value-endless", "sqlite"),
        ("sqlite-check-endless", "sqlite"),
    ];
    let peaks = cases.map(|(case, format)| {
        let sandbox = Sandbox::new();
        let definition = format!(
            "[[dataset]]\nname = 'data'\nformat = '{format}'\nsource.https = 'UPSTREAM/files/data'\n"
        );
        sandbox.layer("data", &definition);
        sandbox.upstream.publish("data", &body(case).expect("a body"));
        let output = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(freshlayer_tests::sandbox::binary("freshlayer"))
            .arg("refresh")
            .current_dir(sandbox.path(""))
            .env("FRESHLAYER_HOST", "host")
            .output()
            .expect("python3 starts");
        let peak = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>();
        let peak = peak.unwrap_or_else(|error| panic!("{case}: {error}: {output:?}"));
        (case, peak)
    });
    assert!(peaks.iter().all(|(_, peak)| *peak < PEAK_KIB_MAX), "{peaks:?} KiB");
}
