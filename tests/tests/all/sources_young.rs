//! A build waits until it is as old as the definition wants it.

use std::path::Path;

use freshlayer::definition::{Expectations, read_file};
use freshlayer::ports::Clock as _;
use freshlayer::report::{DatasetState, Exit, Outcome, Report, Why};
use freshlayer::{Code, Level};
use freshlayer_local::SystemClock;
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::Sandbox;
use freshlayer_tests::upstream::Fault;

use crate::refresh::{GEO, assert_refreshed};

const HOUR: u64 = 3_600;

/// A build that was made so many hours ago.
fn built(hours_ago: u64) -> Vec<u8> {
    let now = u64::try_from(SystemClock::start().now().as_second()).expect("after 1970");
    Mmdb { build_epoch: now - hours_ago * HOUR, ..Mmdb::default() }.bytes()
}

/// A first release, and then a build of two hours ago.
fn young() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", &format!("{GEO}expect.min_age_hours = 24\n"));
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    assert_refreshed(&sandbox.refresh("geo"), 1);
    sandbox.upstream.publish("country.mmdb", &built(2));
    sandbox.upstream.seen();
    sandbox
}

fn assert_waits(report: &Report) {
    assert!(
        matches!(&report.outcome, Outcome::Unchanged { reason } if matches!(reason.why, Why::Young { .. })),
        "{report:#?}"
    );
    assert_eq!(report.exit(), Exit::Done);
    assert_eq!(report.datasets[0].state, DatasetState::Waiting);
    assert!(report.datasets[0].waits_until.is_some(), "{report:#?}");
}

#[test]
fn a_young_build_waits_and_is_downloaded_once() {
    let sandbox = young();
    assert_waits(&sandbox.refresh("geo"));
    assert_waits(&sandbox.refresh("geo"));
    let seen = sandbox.upstream.seen();
    assert!(seen.len() == 2 && seen[1].conditional, "{seen:?}");
    let head = sandbox.head("geo");
    assert_eq!((&head["current"], &head["rejected"]), (&1.into(), &serde_json::json!([])));
    for command in ["refresh", "status"] {
        let ran = sandbox.cli(&[command]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.stdout.contains("is younger than `expect.min_age_hours` and waits until"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_person_need_not_wait() {
    let sandbox = young();
    assert_waits(&sandbox.refresh("geo"));
    let ran = sandbox.cli(&["refresh", "--now"]);
    assert!(ran.code == 0 && ran.stdout.contains("release 2"), "{ran:?}");
    assert!(matches!(sandbox.refresh("geo").outcome, Outcome::Unchanged { .. }));
}

#[test]
fn a_build_that_is_old_enough_by_now_is_released() {
    let sandbox = young();
    assert_waits(&sandbox.refresh("geo"));
    sandbox.layer("geo", &format!("{GEO}expect.min_age_hours = 1\n"));
    assert_refreshed(&sandbox.refresh("geo"), 2);
}

#[test]
fn a_file_that_says_nothing_of_its_age_counts_from_the_first_sight() {
    let sandbox = Sandbox::new();
    let toml = "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'UPSTREAM/files/a'\nexpect.min_age_hours = 1\n";
    sandbox.layer("data", toml);
    sandbox.upstream.publish("a", b"some bytes");
    sandbox.upstream.misbehave("a", Fault::NoValidators, 10);
    let first = sandbox.refresh("data");
    assert_waits(&first);
    assert_eq!(sandbox.refresh("data").datasets[0].waits_until, first.datasets[0].waits_until);
}

#[test]
fn the_others_of_a_group_wait_with_it() {
    let sandbox = young();
    let other = GEO.replace("'country'", "'other'").replace("country.mmdb", "other.mmdb");
    let toml = format!("{GEO}expect.min_age_hours = 24\ngroup = 'both'\n{other}group = 'both'\n");
    sandbox.layer("geo", &toml);
    sandbox.upstream.publish("other.mmdb", &Mmdb::default().bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(
        report.datasets.iter().map(|d| d.state).collect::<Vec<_>>(),
        [DatasetState::Waiting; 2]
    );
}

#[test]
fn builds_of_maxminds_free_databases_settle_for_a_day() {
    for (source, hours) in [
        ("source.maxmind = 'GeoLite2-City'", 24),
        ("source.maxmind = 'GeoLite2-Country'", 24),
        ("source.maxmind = 'GeoLite2-ASN'", 0),
        ("source.maxmind = 'GeoLite2-City'\nsource.host = 'https://example.org'", 0),
        ("source.maxmind = 'GeoLite2-City'\nexpect.min_age_hours = 0", 0),
        ("source.https = 'https://example.org/a'", 0),
        ("source.https = 'https://example.org/a'\nexpect.min_age_hours = 6", 6),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("geo.toml");
        std::fs::write(&file, format!("[[dataset]]\nname = 'a'\nformat = 'mmdb'\n{source}\n"))
            .expect("writable");
        assert_eq!(expect(&file).min_age_hours, hours, "{source}");
    }
}

#[test]
fn maxminds_free_databases_are_late_after_eight_days_and_stopped_after_fifteen() {
    for (source, ages) in [
        ("source.maxmind = 'GeoLite2-City'", (Some(8), Some(15))),
        ("source.maxmind = 'GeoLite2-ASN'", (Some(8), Some(15))),
        ("source.maxmind = 'GeoIP2-City'", (None, None)),
        ("source.maxmind = 'GeoLite2-ASN'\nexpect.build_age_days_max = 90", (Some(8), Some(90))),
        ("source.https = 'https://example.org/a'", (None, None)),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("geo.toml");
        std::fs::write(&file, format!("[[dataset]]\nname = 'a'\nformat = 'mmdb'\n{source}\n"))
            .expect("writable");
        let expect = expect(&file);
        assert_eq!((expect.build_age_days_warn, expect.build_age_days_max), ages, "{source}");
    }
}

#[test]
fn maxminds_free_databases_may_be_kept_for_thirty_days_after_a_newer_build() {
    for (source, days) in [
        ("source.maxmind = 'GeoLite2-City'", Some(30)),
        ("source.maxmind = 'GeoLite2-ASN'\nreplaced_days_max = 7", Some(7)),
        ("source.maxmind = 'GeoIP2-City'", None),
        ("source.https = 'https://example.org/a'", None),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("geo.toml");
        let text = format!("[[dataset]]\nname = 'a'\nformat = 'mmdb'\n{source}\n");
        std::fs::write(&file, text).expect("writable");
        let definition = read_file(&file, &|_| None).expect("it holds");
        assert_eq!(definition.datasets[0].replaced_days_max, days, "{source}");
    }
}

#[test]
fn an_old_build_is_told_of_before_it_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "geo",
        &format!("{GEO}expect.build_age_days_warn = 1\nexpect.build_age_days_max = 100000\n"),
    );
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Done, "{report:#?}");
    let told = report.problems.iter().find(|problem| problem.code == Code::BuildTooOld);
    assert_eq!(told.map(|problem| problem.level), Some(Level::Warn), "{report:#?}");
}

fn expect(file: &Path) -> Expectations {
    let mut definition = read_file(file, &|_| None).expect("it holds");
    definition.datasets.remove(0).expect
}
