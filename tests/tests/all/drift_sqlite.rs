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

/// A table of a thousand rows, and one of five that is too small to be judged.
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
    one_after_the_other(sandbox, &zones(""), &zones(change))
}

fn one_after_the_other(sandbox: &Sandbox, sound: &[u8], next: &[u8]) -> Report {
    sandbox.layer("data", ZONES);
    sandbox.upstream.publish("zones.db", sound);
    assert_eq!(sandbox.refresh("data").exit(), Exit::Done);
    sandbox.upstream.publish("zones.db", next);
    sandbox.refresh("data")
}

/// A table of so many rows with a postal code each.
fn places(columns: &str, rows: u32, change: &str) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE places ({columns});
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO places SELECT i, printf('%05d', i), 'Place ' || i FROM n; {change}"
    ))
}

const WITH_KEY: &str = "id INTEGER PRIMARY KEY, postal TEXT, name TEXT";
const WITHOUT_KEY: &str = "id INTEGER, postal TEXT, name TEXT";

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
        ("UPDATE zones SET name = 'Area' || substr(name, 5)", vec![]),
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

/// A large table, which `zones` is a small part of.
const BIG: &str = "CREATE TABLE big (id INTEGER PRIMARY KEY);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO big SELECT i FROM n;";

#[test]
fn a_table_that_lost_most_rows_is_named_beside_a_large_one() {
    let at = "zones: rows-removed at table zones: expected at most";
    for (change, level, text) in [
        (
            "DELETE FROM zones WHERE id > 5",
            Level::Fail,
            "90 % of the live rows to be gone, found 99.50 %",
        ),
        (
            "DELETE FROM zones WHERE id % 2 = 0",
            Level::Warn,
            "30 % of the live rows to be gone, found 50.00 %",
        ),
        (
            "UPDATE zones SET id = id + 5000",
            Level::Warn,
            "30 % of the live rows to be gone, found 100.00 %; 1000 are new",
        ),
    ] {
        let sandbox = Sandbox::new();
        let changed = zones(&format!("{BIG} {change}"));
        let report = one_after_the_other(&sandbox, &zones(BIG), &changed);
        let expected = (Code::RowsRemoved, level, format!("{at} {text}"));
        assert_eq!(said(&report), [expected], "{change}: {report:#?}");
    }
    let few = format!("{BIG} DELETE FROM few WHERE id > 1; DELETE FROM zones WHERE id % 4 = 0");
    let report = one_after_the_other(&Sandbox::new(), &zones(BIG), &zones(&few));
    assert_eq!(said(&report), [], "{report:#?}");
}

/// The newest thousand of something: all are others in each build.
#[test]
fn a_table_that_takes_other_rows_each_time_is_named_once() {
    let sandbox = Sandbox::new();
    let build = |start: u32| zones(&format!("{BIG} UPDATE zones SET id = id + {start}"));
    let report = one_after_the_other(&sandbox, &build(0), &build(5_000));
    assert_eq!(said(&report).len(), 1, "{report:#?}");
    sandbox.upstream.publish("zones.db", &build(10_000));
    assert_eq!(said(&sandbox.refresh("data")), []);
}

/// Two thousand places: a country of three, a name, a kind, when each was seen, and when all were written.
fn coded(build: u32, change: &str) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE places (id INTEGER PRIMARY KEY, country TEXT, name TEXT, kind INTEGER, seen INTEGER, day TEXT,
            written TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO places SELECT i, CASE i % 3 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' ELSE 'US' END, 'Place ' || i, i % 5,
            1700000000 + i + {build}, date('2026-01-01', (i % 9 + {build}) || ' days'), 'build {build}' FROM n; {change}"
    ))
}

#[test]
fn codes_that_all_become_another_one_are_told_of() {
    let report = one_after_the_other(
        &Sandbox::new(),
        &coded(1, ""),
        &coded(2, "UPDATE places SET country = 'KP'"),
    );
    let text = "zones: values-changed at column places.country: expected at most 25 % of the live rows to have another \
                value, found 100.00 %";
    assert_eq!(said(&report), [(Code::ValuesChanged, Level::Warn, text.to_owned())]);
    assert_eq!(report.exit(), Exit::Done, "it keeps nothing out");
    let report = one_after_the_other(
        &Sandbox::new(),
        &coded(1, ""),
        &coded(2, "UPDATE places SET country = 'KP' WHERE id % 5 = 0"),
    );
    assert_eq!(said(&report), [], "{report:#?}");
}

/// What a column did before is what counts from the third release on, whatever it holds.
#[test]
fn a_column_that_never_changed_so_much_is_told_of_and_times_are_not() {
    let sandbox = Sandbox::new();
    assert_eq!(said(&one_after_the_other(&sandbox, &coded(1, ""), &coded(2, ""))), []);
    sandbox.upstream.publish("zones.db", &coded(3, ""));
    assert_eq!(said(&sandbox.refresh("data")), []);
    sandbox.upstream.publish("zones.db", &coded(4, "UPDATE places SET kind = kind + 1"));
    let report = sandbox.refresh("data");
    let told = said(&report);
    let at = |text: &str| text.contains("values-changed at column places.kind");
    assert!(
        matches!(&told[..], [(Code::ValuesChanged, Level::Warn, text)] if at(text)),
        "{told:?}"
    );
    sandbox.upstream.publish("zones.db", &coded(5, "UPDATE places SET kind = kind + 2"));
    assert_eq!(said(&sandbox.refresh("data")), [], "it is what the column does now");
}

#[test]
fn rows_without_a_key_are_judged_by_counting_their_values() {
    let lost = "zones: values-lost at column places.postal: expected at most ";
    let counted = "counted: without a key the rows cannot be paired";
    for (rows, change, level, text) in [
        (
            5_000,
            "UPDATE places SET postal = NULL",
            Level::Fail,
            "10 % of the live rows to lose the value, found 100.00 %",
        ),
        (
            5_000,
            "UPDATE places SET postal = '' WHERE id % 14 = 0",
            Level::Warn,
            "5 % of the live rows to lose the value, found 7.14 %",
        ),
        (
            5_000,
            "UPDATE places SET postal = ''; INSERT INTO places SELECT * FROM places",
            Level::Fail,
            "10 % of the live rows to lose the value, found 100.00 %",
        ),
        (
            52,
            "UPDATE places SET postal = NULL WHERE id <= 32",
            Level::Fail,
            "10 of the 52 live rows to lose the value, found 32",
        ),
    ] {
        let report = one_after_the_other(
            &Sandbox::new(),
            &places(WITHOUT_KEY, rows, ""),
            &places(WITHOUT_KEY, rows, change),
        );
        let text = format!("{lost}{text}; {counted}");
        assert_eq!(said(&report), [(Code::ValuesLost, level, text)], "{change}: {report:#?}");
    }
    for change in
        ["DELETE FROM places WHERE id % 10 = 0", "INSERT INTO places SELECT * FROM places"]
    {
        let report = one_after_the_other(
            &Sandbox::new(),
            &places(WITHOUT_KEY, 5_000, ""),
            &places(WITHOUT_KEY, 5_000, change),
        );
        assert_eq!(said(&report), [], "{change}: {report:#?}");
    }
}

#[test]
fn a_key_that_is_gone_takes_no_judgement_along() {
    let report = one_after_the_other(
        &Sandbox::new(),
        &places(WITH_KEY, 5_000, ""),
        &places(WITHOUT_KEY, 5_000, "UPDATE places SET postal = NULL"),
    );
    let codes: Vec<_> = said(&report).into_iter().map(|(code, level, _)| (code, level)).collect();
    assert_eq!(codes, [(Code::ValuesLost, Level::Fail)], "{report:#?}");
}

#[test]
fn small_tables_are_judged_by_their_number_of_rows() {
    let of = |kind: &str| format!("of the 52 live rows {kind}, found ");
    for (change, expected) in [
        ("UPDATE places SET postal = NULL WHERE id <= 5", vec![]),
        (
            "UPDATE places SET postal = NULL WHERE id <= 6",
            vec![(Code::ValuesLost, Level::Warn, format!("5 {}6", of("to lose the value")))],
        ),
        (
            "UPDATE places SET postal = NULL WHERE id <= 32",
            vec![(Code::ValuesLost, Level::Fail, format!("10 {}32", of("to lose the value")))],
        ),
        ("DELETE FROM places WHERE id <= 15", vec![]),
        (
            "DELETE FROM places WHERE id <= 16",
            vec![(Code::RowsRemoved, Level::Warn, format!("15 {}16", of("to be gone")))],
        ),
        (
            "DELETE FROM places WHERE id <= 31",
            vec![(Code::RowsRemoved, Level::Fail, format!("30 {}31", of("to be gone")))],
        ),
    ] {
        let report = one_after_the_other(
            &Sandbox::new(),
            &places(WITH_KEY, 52, ""),
            &places(WITH_KEY, 52, change),
        );
        let found = said(&report);
        let codes = |list: &[(Code, Level, String)]| -> Vec<_> {
            list.iter().map(|(code, level, _)| (*code, *level)).collect()
        };
        assert_eq!(codes(&found), codes(&expected), "{change}: {report:#?}");
        for ((.., found), (.., text)) in found.iter().zip(&expected) {
            assert!(found.ends_with(&format!("expected at most {text}")), "{change}: {found}");
        }
    }
}

#[test]
fn texts_of_a_new_pattern_are_refused() {
    let sound = places(WITH_KEY, 5_000, "");
    let rewritten = |which: &str| {
        places(
            WITH_KEY,
            5_000,
            &format!("UPDATE places SET postal = '??n' || (id % 90 + 10) WHERE {which}"),
        )
    };
    let report = one_after_the_other(&Sandbox::new(), &sound, &rewritten("true"));
    assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
    let of = "of the live rows with a text whose pattern of letters and digits is new to the column, found";
    let text = format!(
        "zones: shape-new at column places.postal: expected at most 10 % {of} 100.00 %; most like \"??A99\""
    );
    assert_eq!(said(&report), [(Code::ShapeNew, Level::Fail, text)]);
    let report = one_after_the_other(&Sandbox::new(), &sound, &rewritten("id % 20 = 0"));
    let text = format!(
        "zones: shape-new at column places.postal: expected at most 2 % {of} 5.00 %; most like \"??A99\""
    );
    assert_eq!(said(&report), [(Code::ShapeNew, Level::Warn, text)]);
}

/// A pattern that some row has already is none that is new, and free text has no patterns.
#[test]
fn texts_of_known_patterns_and_free_texts_are_no_news() {
    let known = "INSERT INTO places VALUES (9999, 'AB 1', 'One more')";
    let report = one_after_the_other(
        &Sandbox::new(),
        &places(WITH_KEY, 5_000, known),
        &places(WITH_KEY, 5_000, &format!("{known}; UPDATE places SET postal = 'XY 7'")),
    );
    assert_eq!(said(&report), [], "{report:#?}");
    let free = "UPDATE places SET name = substr('a.b-c+d/e:f', 1, id % 11 + 1) || substr(' ;,.:-_!?()[]', id % 13 + 1)
                || char(0x2190 + id % 17)";
    let report = one_after_the_other(
        &Sandbox::new(),
        &places(WITH_KEY, 5_000, free),
        &places(WITH_KEY, 5_000, &format!("{free}; UPDATE places SET name = '#' || name")),
    );
    assert_eq!(said(&report), [], "{report:#?}");
}

#[test]
fn what_was_not_judged_is_told_as_such() {
    let sandbox = Sandbox::new();
    let few = "CREATE TABLE few (name TEXT); INSERT INTO few VALUES ('a'), ('b'), ('c');";
    let report = one_after_the_other(
        &sandbox,
        &sqlite_of(few),
        &sqlite_of(&format!("{few} UPDATE few SET name = NULL WHERE name = 'a'")),
    );
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    let status = sandbox.cli(&["status", "-v"]).stdout;
    let others = status.lines().find(|line| line.contains("did not apply")).unwrap_or_default();
    for code in ["rows-removed", "values-lost", "shape-new"] {
        assert!(others.contains(code), "{status}");
    }
}
