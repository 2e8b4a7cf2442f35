//! A value that a contract lists and that stands nowhere any more: code that waits for it waits in vain.

use freshlayer::report::{Exit, Report};
use freshlayer_tests::databases::sqlite_of;
use freshlayer_tests::places::{Place, build};
use freshlayer_tests::sandbox::Sandbox;

const LINES: &str = "
[[dataset]]
name = 'lines'
format = 'sqlite'
source.https = 'UPSTREAM/files/lines'
expect.drift_percent_max = 1000
";

const PLACES: &str = "
[[dataset]]
name = 'city'
format = 'mmdb'
source.https = 'UPSTREAM/files/city'
expect.drift_percent_max = 1000
";

/// Releases one build after the other; returns the last data version and its reasons.
fn released(definition: &str, builds: &[Vec<u8>]) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.layer("data", definition);
    let file = if definition.contains("sqlite") { "lines" } else { "city" };
    let release = |build: &Vec<u8>| -> Report {
        sandbox.upstream.publish(file, build);
        let report = sandbox.refresh("data");
        assert_eq!(report.exit(), Exit::Done, "{report:#?}");
        report
    };
    let reports: Vec<Report> = builds.iter().map(release).collect();
    let last = reports.into_iter().next_back().expect("a build");
    let release = last.release.expect("it is released");
    (release.version, release.version_reasons.join("; "))
}

/// A table of 2,000 lines, of which the first `dialup` are of that kind.
fn lines(dialup: u32) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE line (id INTEGER PRIMARY KEY, kind TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO line SELECT i, CASE WHEN i <= {dialup} THEN 'Dialup' ELSE 'Cable' END FROM n;"
    ))
}

#[test]
fn a_listed_value_of_a_column_that_goes_away_is_a_major_version() {
    let listing = "'line.kind' = { values = ['Cable', 'Dialup', 'Satellite'] }";
    let gone = "lines: line.kind: the listed value \"Dialup\" is gone; before, 0.15 % of the values were that one";
    for (contract, before, after, expected) in [
        (listing, 3, 0, ("2.0.0", gone)),
        (listing, 2, 0, ("1.0.1", "only data changed")),
        (listing, 3, 1, ("1.0.1", "only data changed")),
        ("'line.kind' = {}", 3, 0, ("1.0.1", "only data changed")),
    ] {
        let definition = format!("{LINES}[dataset.contract]\n{contract}\n");
        let found = released(&definition, &[lines(before), lines(after)]);
        assert_eq!((&*found.0, &*found.1), expected, "{contract}: {before} to {after}");
    }
}

#[test]
fn a_value_that_went_is_told_once() {
    let listing = "'line.kind' = { values = ['Cable', 'Dialup'] }";
    let definition = format!("{LINES}[dataset.contract]\n{listing}\n");
    let without_a_row = sqlite_of(
        "CREATE TABLE line (id INTEGER PRIMARY KEY, kind TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
         INSERT INTO line SELECT i, 'Cable' FROM n;",
    );
    let found = released(&definition, &[lines(9), lines(0), without_a_row]);
    assert_eq!(found.0, "2.0.1", "{}", found.1);
}

#[test]
fn a_listed_value_of_a_field_is_weighed_by_its_networks() {
    let places = |french: u32| {
        build(u64::from(9 - french), move |number| {
            let mut place = Place::sound(number);
            if number < french {
                place.country = Some("FR".to_owned());
            }
            Some(place)
        })
    };
    let listing = "'country.iso_code' = { values = ['DE', 'FR', 'GB', 'US'] }";
    let definition = format!("{PLACES}[dataset.contract]\n{listing}\n");
    let gone = "city: country.iso_code: the listed value \"FR\" is gone; before, 0.20 % of the values were that one";
    let found = released(&definition, &[places(2), places(0)]);
    assert_eq!((&*found.0, &*found.1), ("2.0.0", gone));
    assert_eq!(released(&definition, &[places(1), places(0)]).0, "1.0.1", "a rare one");
    assert_eq!(released(PLACES, &[places(2), places(0)]).0, "1.0.1", "none is listed");
}
