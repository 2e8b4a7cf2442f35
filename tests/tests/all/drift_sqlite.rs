//! SQLite databases that are sound by themselves and wrong all the same: found by what differs from the live release.

use freshlayer::report::{Exit, Report};
use freshlayer::{Code, Level};
use freshlayer_tests::databases::sqlite_of;
use freshlayer_tests::sandbox::Sandbox;

const ZONES: &str = "
[[dataset]]
name = 'zones'
format = 'sqlite'
source.https = 'UPSTREAM/files/zones.db'
expect.drift_percent_max = 1000
";

/// A database of a thousand rows, and one of five that no share is taken of.
fn zones(change: &str) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT, seen INTEGER);
         CREATE TABLE few (id INTEGER PRIMARY KEY, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO zones SELECT i, 'Zone/' || i, 0 FROM n;
         INSERT INTO few VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e');
         {change}"
    ))
}

fn after_a_sound_build(sandbox: &Sandbox, change: &str) -> Report {
    sandbox.layer("data", ZONES);
    sandbox.upstream.publish("zones.db", &zones(""));
    assert_eq!(sandbox.refresh("data").exit(), Exit::Done);
    sandbox.upstream.publish("zones.db", &zones(change));
    sandbox.refresh("data")
}

fn said(report: &Report) -> Vec<(Code, Level, String)> {
    let problems = report.problems.iter();
    problems.map(|problem| (problem.code, problem.level, problem.to_string())).collect()
}

#[test]
fn each_damage_is_refused_by_name() {
    for (change, code, text) in [
        (
            "UPDATE zones SET name = NULL WHERE id % 5 = 0",
            Code::ValuesLost,
            "zones: values-lost at column zones.name: expected at most 10 % of the live rows to lose the value, found 20.00 %",
        ),
        (
            "UPDATE zones SET name = '' WHERE id % 5 = 0",
            Code::ValuesLost,
            "zones: values-lost at column zones.name: expected at most 10 % of the live rows to lose the value, found 20.00 %",
        ),
        (
            "DELETE FROM zones WHERE id % 2 = 0; INSERT INTO zones SELECT id + 5000, name, seen FROM zones",
            Code::RowsRemoved,
            "zones: rows-removed: expected at most 30 % of the live rows to be gone, found 49.75 %",
        ),
    ] {
        let report = after_a_sound_build(&Sandbox::new(), change);
        assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
        assert_eq!(said(&report), [(code, Level::Fail, text.to_owned())]);
        assert_eq!(report.release.map(|release| release.seq), Some(1));
    }
}

#[test]
fn a_change_between_the_bounds_warns_and_an_ordinary_one_does_not() {
    for (change, expected) in [
        ("UPDATE zones SET name = NULL WHERE id % 14 = 0", vec![Code::ValuesLost]),
        ("DELETE FROM zones WHERE id % 5 = 0", vec![Code::RowsRemoved]),
        ("UPDATE zones SET seen = id", vec![]),
        ("UPDATE zones SET name = name || '!'", vec![]),
        ("UPDATE few SET name = NULL", vec![]),
        ("DELETE FROM zones WHERE id % 10 = 0; INSERT INTO zones VALUES (2000, 'new', 1)", vec![]),
    ] {
        let report = after_a_sound_build(&Sandbox::new(), change);
        assert_eq!(report.exit(), Exit::Done, "{change}: {report:#?}");
        let codes: Vec<Code> = said(&report).into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, expected, "{change}");
        assert!(said(&report).iter().all(|(_, level, _)| *level == Level::Warn), "{change}");
    }
}

#[test]
fn a_person_accepts_the_build_once() {
    let sandbox = Sandbox::new();
    let report = after_a_sound_build(&sandbox, "DELETE FROM zones WHERE id % 2 = 0");
    assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
    let head = sandbox.head("data");
    let digest = head["rejected"][0]["digest"].as_str().expect("it is remembered");
    let ran = sandbox.cli(&["accept", "data", &digest[..12], "--reason", "half was doubled"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let status = sandbox.cli(&["status"]);
    assert!(
        status.stdout.contains("(half was doubled); the next refresh releases it"),
        "{status:?}"
    );
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    assert_eq!(report.release.map(|release| release.seq), Some(2));
    assert!(!sandbox.cli(&["status"]).stdout.contains("the next refresh releases it"));
    assert_eq!(sandbox.cli(&["rollback", "data"]).code, 0);
    let status = sandbox.cli(&["status"]).stdout;
    assert!(status.contains("rolled-back") && !status.contains("releases it"), "{status}");
}

#[test]
fn a_table_that_lost_every_row_is_refused_and_named() {
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
        INSERT INTO big SELECT i FROM n";
    let big = format!("CREATE TABLE big (id INTEGER PRIMARY KEY); {rows};");
    let sandbox = Sandbox::new();
    sandbox.layer("data", ZONES);
    sandbox.upstream.publish("zones.db", &zones(&big));
    assert_eq!(sandbox.refresh("data").exit(), Exit::Done);
    sandbox
        .upstream
        .publish("zones.db", &zones(&format!("{big} DELETE FROM zones; DELETE FROM few")));
    let report = sandbox.refresh("data");
    assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
    let text = "zones: rows-removed at table zones: expected some of the 1000 live rows, found an empty table";
    assert_eq!(said(&report), [(Code::RowsRemoved, Level::Fail, text.to_owned())]);
}
