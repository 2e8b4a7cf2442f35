//! What a SQLite column really holds: its declared type binds no value, and generated columns are columns, too.

use freshlayer::report::{Exit, Report};
use freshlayer::{Code, Level};
use freshlayer_tests::databases::sqlite_of;
use freshlayer_tests::sandbox::Sandbox;

const DATA: &str = "
[[dataset]]
name = 'data'
format = 'sqlite'
source.https = 'UPSTREAM/files/data.db'
expect.drift_percent_max = 1000
";

/// A table of 1,999 rows with a postal code each: an expression of the row's number `i`.
fn zips(column: &str, value: &str) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE main (id INTEGER PRIMARY KEY, {column});
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
         INSERT INTO main SELECT i, {value} FROM n;"
    ))
}

fn one_after_the_other(sandbox: &Sandbox, contract: &str, builds: [&[u8]; 2]) -> Report {
    sandbox.layer("data", &format!("{DATA}{contract}"));
    sandbox.upstream.publish("data.db", builds[0]);
    assert_eq!(sandbox.refresh("data").exit(), Exit::Done);
    next(sandbox, builds[1])
}

fn next(sandbox: &Sandbox, build: &[u8]) -> Report {
    sandbox.upstream.publish("data.db", build);
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    report
}

/// The data version, and why it is that one.
fn version(report: &Report) -> (String, String) {
    let release = report.release.as_ref().expect("it is released");
    (release.version.clone(), release.version_reasons.join("; "))
}

fn warned_of_types(report: &Report) -> Vec<String> {
    let told = report.problems.iter().filter(|problem| problem.code.as_str() == "type-new");
    let told = told.inspect(|problem| assert_eq!(problem.level, Level::Warn));
    told.map(ToString::to_string).collect()
}

#[test]
fn numbers_that_become_texts_are_a_new_major_version() {
    let sandbox = Sandbox::new();
    let builds = [&zips("zip INTEGER", "10000 + i")[..], &zips("zip INTEGER", "'D-' || i")];
    let report = one_after_the_other(&sandbox, "", builds);
    let reason = "data: main.zip: 100.00 % of the values are text, none was before";
    assert_eq!(version(&report), ("2.0.0".to_owned(), reason.to_owned()));
    let told = "data: type-new at column main.zip: expected values of the types in the live release, integer, found 100.00 % text";
    assert_eq!(warned_of_types(&report), [told]);
    let status = sandbox.cli(&["status", "-v"]).stdout;
    assert!(status.contains("warned type-new"), "{status}");
    let again = next(&sandbox, &zips("zip INTEGER", "'E-' || i"));
    assert_eq!(version(&again).0, "2.0.1", "texts are no news any more");
}

#[test]
fn only_a_type_that_is_new_to_a_column_counts() {
    for (column, before, after, expected) in [
        ("zip INTEGER", "i", "CASE i WHEN 1 THEN 'x' ELSE i END", "1.0.1"),
        (
            "zip INTEGER",
            "CASE WHEN i < 2 THEN 'x' ELSE i END",
            "CASE WHEN i < 5 THEN 'x' ELSE i END",
            "1.0.1",
        ),
        ("zip INTEGER", "i", "CASE WHEN i < 3 THEN 'x' ELSE i END", "2.0.0"),
        ("zip INTEGER", "i", "CASE WHEN i < 3 THEN '' ELSE i END", "2.0.0"),
        ("zip INTEGER", "CASE i % 2 WHEN 0 THEN 'x' ELSE i END", "'y'", "1.0.1"),
        ("zip INTEGER", "CASE i WHEN 1 THEN 'x' ELSE i END", "'y'", "2.0.0"),
        ("zip INTEGER", "CASE WHEN i < 5 THEN 'x' ELSE i END", "'y'", "2.0.0"),
        ("zip INTEGER", "NULL", "'x'", "1.0.1"),
        ("zip INTEGER", "i", "i + 0.5", "2.0.0"),
        ("zip INTEGER", "i + 0.5", "i", "1.0.1"),
        ("zip NUMERIC", "i", "i + 0.5", "1.0.1"),
        ("zip REAL", "i", "i + 0.5", "1.0.1"),
        ("zip NUMERIC", "i", "'x' || i", "2.0.0"),
        ("zip", "'x' || i", "CAST('x' || i AS BLOB)", "2.0.0"),
    ] {
        let builds = [&zips(column, before)[..], &zips(column, after)];
        let report = one_after_the_other(&Sandbox::new(), "", builds);
        let (found, reasons) = version(&report);
        assert_eq!(found, expected, "{column}: {before} to {after}: {reasons}");
        let warned = warned_of_types(&report).len();
        assert_eq!(warned, usize::from(expected == "2.0.0"), "{column}: {before} to {after}");
    }
}

#[test]
fn a_contract_says_whose_type_matters() {
    let version_with = |contract: &str, after: &str| {
        let builds = [&zips("zip INTEGER", "i")[..], &zips("zip INTEGER", after)];
        let contract = format!("[dataset.contract]\n{contract}\n");
        version(&one_after_the_other(&Sandbox::new(), &contract, builds))
    };
    let texts = "data: main.zip: 100.00 % of the values are text, none was before";
    let (minor, reasons) = version_with("'main.id' = {}", "'D-' || i");
    assert_eq!((&*minor, reasons), ("1.1.0", format!("{texts}; the contract does not name it")));
    assert_eq!(version_with("'main.zip' = {}", "'D-' || i").0, "2.0.0");
    assert_eq!(version_with("'main.zip' = { type = 'number' }", "i + 0.5").0, "1.0.1");
}

/// Records of versions that did not count types say nothing of them.
#[test]
fn a_record_without_types_is_read() {
    let sandbox = Sandbox::new();
    let (numbers, texts) = (zips("zip INTEGER", "i"), zips("zip INTEGER", "'D-' || i"));
    one_after_the_other(&sandbox, "", [&zips("zip INTEGER", "i + 1"), &numbers]);
    let path = sandbox.path("host/state/layers/data/releases/2.json");
    let record = std::fs::read(&path).expect("it is recorded");
    let mut record: serde_json::Value = serde_json::from_slice(&record).expect("it is JSON");
    let profile = record["snapshots"][0]["profile"].as_object_mut().expect("an object");
    assert!(profile.remove("value_types").is_some(), "{profile:#?}");
    std::fs::write(&path, record.to_string()).expect("writable");
    let report = next(&sandbox, &texts);
    assert_eq!(version(&report).0, "1.0.2", "{report:#?}");
}

const GENERATED: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, g TEXT AS (upper(a)) VIRTUAL, s TEXT AS (lower(a)) STORED);
    INSERT INTO t (id, a) VALUES (1, 'Ab'), (2, 'Cd');";

#[test]
fn generated_columns_are_columns() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "data",
        &format!(
            "{DATA}expect.tables.t = ['id', 'a', 'g', 's']\n[dataset.contract]\n't.g' = {{ type = 'text', values = ['AB', 'CD'] }}\n"
        ),
    );
    sandbox.upstream.publish("data.db", &sqlite_of(GENERATED));
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    sandbox.upstream.publish("data.db", &sqlite_of(&GENERATED.replace("upper", "lower")));
    let report = sandbox.refresh("data");
    let codes: Vec<Code> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::ContractValue], "{report:#?}");
}

#[test]
fn a_generated_column_that_is_gone_is_a_new_major_version() {
    let without = GENERATED.replace(", g TEXT AS (upper(a)) VIRTUAL", "");
    let builds = [&sqlite_of(GENERATED)[..], &sqlite_of(&without)];
    let report = one_after_the_other(&Sandbox::new(), "", builds);
    let expected = ("2.0.0".to_owned(), "data: column t.g TEXT is gone".to_owned());
    assert_eq!(version(&report), expected);
}
