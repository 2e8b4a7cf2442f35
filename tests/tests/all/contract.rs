//! What consumers rely on, written in the definition: data that breaks it is refused and says what broke.

use freshlayer::Code;
use freshlayer::report::Exit;
use freshlayer_tests::databases::sqlite_of;
use freshlayer_tests::places::{Place, build};
use freshlayer_tests::sandbox::Sandbox;

const PLACES: &str = "
[[dataset]]
name = 'city'
format = 'mmdb'
source.https = 'UPSTREAM/files/city.mmdb'
";

const ZONES: &str = "
[[dataset]]
name = 'zones'
format = 'sqlite'
source.https = 'UPSTREAM/files/zones.db'
";

/// Refreshes a layer of one dataset, and gives each problem's code with its text.
fn problems(definition: &str, file: &str, body: &[u8]) -> Vec<(Code, String)> {
    let sandbox = Sandbox::new();
    sandbox.layer("data", definition);
    sandbox.upstream.publish(file, body);
    let report = sandbox.refresh("data");
    let expected = if report.problems.is_empty() { Exit::Done } else { Exit::Rejected };
    assert_eq!(report.exit(), expected, "{report:#?}");
    report.problems.iter().map(|problem| (problem.code, problem.to_string())).collect()
}

fn places(contract: &str, place: impl Fn(u32) -> Place) -> Vec<(Code, String)> {
    let definition = format!("{PLACES}[dataset.contract]\n{contract}\n");
    problems(&definition, "city.mmdb", &build(0, |number| Some(place(number))))
}

#[test]
fn sound_data_keeps_a_contract() {
    let contract = "
        'country.iso_code' = { type = 'string', null_share_max = 0.0, pattern = '^[A-Z]{2}$', values = ['DE', 'GB', 'US'] }
        'location.latitude' = { type = 'double', min = 0, max = 90 }
        'traits.is_anycast' = { type = 'boolean', absent = false }
    ";
    assert_eq!(places(contract, Place::sound), []);
}

#[test]
fn every_break_of_a_contract_is_told() {
    let cheap = |number: u32| Place {
        postal: (!number.is_multiple_of(10)).then(|| "80331".to_owned()),
        ..Place::sound(number)
    };
    for (contract, code, text) in [
        (
            "'city.names.en' = {}",
            Code::ContractField,
            "city: contract-field at field city.names.en: expected the field in some record, found none with it",
        ),
        (
            "'postal.code' = { type = 'uint32' }",
            Code::ContractType,
            "city: contract-type at field postal.code, first at data offset 0: expected uint32, found string",
        ),
        (
            "'postal.code' = { null_share_max = 0.05 }",
            Code::ContractNull,
            "city: contract-null at field postal.code: expected at most 5.00 % of the networks without a value, found 10.00 %",
        ),
        (
            "'postal.code' = { pattern = '^1' }",
            Code::ContractValue,
            "city: contract-value at field postal.code: expected texts that match ^1, found \"80331\" at data offset 0, and such in 900 networks",
        ),
        (
            "'country.iso_code' = { values = ['DE', 'GB'] }",
            Code::ContractValue,
            "city: contract-value at field country.iso_code: expected one of DE, GB, found \"US\" at data offset 0, and such in 333 networks",
        ),
        (
            "'location.longitude' = { max = 100 }",
            Code::ContractValue,
            "city: contract-value at field location.longitude: expected at most 100, found 101 at data offset 0, and such in 395 networks",
        ),
    ] {
        let found = places(contract, cheap);
        let said: Vec<(Code, String)> =
            found.into_iter().map(|(code, text)| (code, without_offset(&text))).collect();
        assert_eq!(said, [(code, without_offset(text))], "{contract}");
    }
}

/// Where a value lies is the writer's choice.
fn without_offset(text: &str) -> String {
    let offset = regex::Regex::new("data offset [0-9]+").expect("a pattern");
    offset.replace_all(text, "data offset N").into_owned()
}

#[test]
fn a_well_known_database_has_a_contract_of_its_own() {
    let lower = |number: u32| Place { country: Some("de".to_owned()), ..Place::sound(number) };
    let found = problems(PLACES, "city.mmdb", &build(0, |number| Some(lower(number))));
    let text: String = found.iter().map(|(_, text)| text.as_str()).collect();
    assert!(text.contains("contract-value at field country.iso_code"), "{text}");
    let own = "'country.iso_code' = { pattern = '^[a-z]{2}$' }";
    assert_eq!(places(own, lower), [], "the definition has the last word");
}

#[test]
fn columns_are_held_to_a_contract() {
    let rows = "CREATE TABLE zones (id INTEGER PRIMARY KEY, code, width);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
        INSERT INTO zones SELECT i, CASE WHEN i % 4 = 0 THEN NULL WHEN i = 7 THEN 7 ELSE 'Z' || i END, i * 0.5 FROM n;";
    let zones = |contract: &str| {
        let definition = format!("{ZONES}[dataset.contract]\n{contract}\n");
        problems(&definition, "zones.db", &sqlite_of(rows))
    };
    let sound = "
        'zones.code' = { null_share_max = 0.25, pattern = '^Z[0-9]+$' }
        'zones.width' = { type = 'number', min = 0, max = 50 }
        'zones.id' = { type = 'integer' }
    ";
    assert_eq!(zones(sound), []);
    for (contract, code, text) in [
        (
            "'zones.name' = {}",
            Code::ContractField,
            "zones: contract-field at column zones.name: expected the column, found none",
        ),
        (
            "'places.name' = {}",
            Code::ContractField,
            "zones: contract-field at column places.name: expected the column, found none",
        ),
        (
            "'zones.code' = { type = 'text' }",
            Code::ContractType,
            "zones: contract-type at column zones.code: expected text, found integer, and other types than text in 1 rows",
        ),
        (
            "'zones.code' = { null_share_max = 0.2 }",
            Code::ContractNull,
            "zones: contract-null at column zones.code: expected at most 20.00 % of the rows without a value, found 25.00 %",
        ),
        (
            "'zones.width' = { max = 49 }",
            Code::ContractValue,
            "zones: contract-value at column zones.width: expected at most 49, found 49.5 at row 99, and such in 2 rows",
        ),
    ] {
        assert_eq!(zones(contract), [(code, text.to_owned())], "{contract}");
    }
}

#[test]
fn what_no_contract_names_may_go_without_a_new_major_version() {
    let version = |contract: &str| {
        // Few networks have a postal code, so that its loss is no drift.
        let few = |number: u32| {
            let postal = (number < 40).then(|| "80331".to_owned());
            Some(Place { postal, ..Place::sound(number) })
        };
        let none = |number: u32| Some(Place { postal: None, ..Place::sound(number) });
        let sandbox = Sandbox::new();
        sandbox.layer("data", &format!("{PLACES}expect.drift_percent_max = 1000\n{contract}"));
        sandbox.upstream.publish("city.mmdb", &build(0, few));
        assert_eq!(sandbox.refresh("data").exit(), Exit::Done);
        sandbox.upstream.publish("city.mmdb", &build(7, none));
        let report = sandbox.refresh("data");
        assert_eq!(report.exit(), Exit::Done, "{report:#?}");
        let release = report.release.expect("it is released");
        (release.version.clone(), release.version_reasons.join("; "))
    };
    let (major, reasons) = version("");
    assert_eq!(major, "2.0.0", "{reasons}");
    let (minor, reasons) = version("[dataset.contract]\n'country.iso_code' = {}\n");
    assert_eq!(minor, "1.1.0");
    assert_eq!(
        reasons,
        "city: field postal map is gone; the contract does not name it; city: field postal.code string is gone; the \
         contract does not name it"
    );
}

#[test]
fn a_contract_that_cannot_be_kept_is_refused_with_its_line() {
    for (contract, said) in [
        ("'a' = { typ = 'string' }", "typ"),
        ("'a' = { type = 'text' }", "expected a type of the MaxMind DB format"),
        ("'a' = { null_share_max = 1.5 }", "null_share_max"),
        ("'a' = { pattern = '(' }", "expected a regular expression"),
        ("'a' = { min = 2, max = 1 }", "expected at most `max`, 1"),
        ("'a' = { type = 'string', min = 2 }", "goes with numbers"),
        ("'a' = { absent = true }", "absent"),
        ("'a' = { type = 'string' }\n'a.b' = {}", "`a` has to be a map or an array to hold it"),
        ("'a' = { values = ['x'], pattern = 'y' }", "\"x\" does not match `pattern`"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.layer("data", &format!("{PLACES}[dataset.contract]\n{contract}\n"));
        let ran = sandbox.cli(&["check"]);
        assert_eq!(ran.code, 2, "{contract}: {ran:?}");
        assert!(ran.stderr.contains(said), "{contract}: {ran:?}");
        assert!(!ran.stderr.contains(":1:"), "{contract}: it names its line: {ran:?}");
    }
    let file = "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'https://example.org/a'\n";
    let sandbox = Sandbox::new();
    sandbox.layer("data", &format!("{file}[dataset.contract]\n'a' = {{}}\n"));
    let ran = sandbox.cli(&["check"]);
    assert!(ran.stderr.contains("goes with format mmdb and sqlite"), "{ran:?}");
    sandbox.layer("data", &format!("{ZONES}[dataset.contract]\n'a' = {{}}\n"));
    let ran = sandbox.cli(&["check"]);
    assert!(ran.stderr.contains("expected a key of the form \"table.column\""), "{ran:?}");
}
