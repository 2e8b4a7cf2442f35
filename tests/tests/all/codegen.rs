//! Code for consumers, written from a definition: what is checked in is what is written today, and it reads data.

use std::net::IpAddr;
use std::process::Command;

use freshlayer_reader::rusqlite::types::Value as SqliteValue;
use freshlayer_reader::testing::LayerFolder;
use freshlayer_tests::consumer_python::consumer_python;
use freshlayer_tests::databases::sqlite_of;
use freshlayer_tests::places::{Place, build};
use freshlayer_tests::sandbox::{Ran, Sandbox, binary, workspace};
use serde_json::json;

#[path = "../../../examples/types/places.rs"]
mod places;

use places::{city, network};

const EXAMPLE: &str = "examples/types";
const LANGUAGES: [(&str, &str); 5] = [
    ("rust", "places.rs"),
    ("python", "places.py"),
    ("typescript", "places.ts"),
    ("java", "PlacesLayer.java"),
    ("csharp", "Places.cs"),
];

fn codegen(language: &str) -> String {
    let output = Command::new(binary("freshlayer"))
        .args(["codegen", "places", "--language", language, "--layers"])
        .arg(workspace().join(EXAMPLE).join("layers"))
        .output()
        .expect("it starts");
    let ran = Ran::of(&output);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

#[expect(clippy::disallowed_methods, reason = "a person asks the test to write")]
#[test]
fn the_example_is_what_is_written_today() {
    for (language, file) in LANGUAGES {
        let path = workspace().join(EXAMPLE).join(file);
        let written = codegen(language);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, written).expect("the file can be written");
            continue;
        }
        let checked_in = std::fs::read_to_string(&path).expect("the file is there");
        assert!(checked_in == written, "{EXAMPLE}/{file} differs: UPDATE_DOCS=1 writes it");
    }
}

const KNOWN: &str = "192.0.2.7";

/// The layer of the example, as a unit test of a consumer makes it.
fn example() -> LayerFolder {
    LayerFolder::new("places")
        .mmdb("city", [("192.0.2.0/24", aachen())])
        .mmdb("network", [("192.0.2.0/24", business())])
        .mmdb("plain", [("192.0.2.0/24", json!({ "any": 1 }))])
        .sqlite("zones", |zones| zones.execute_batch(ZONES))
        .archive("tools", [("bin/run", &b"#!/bin/sh"[..])])
}

fn aachen() -> city::Record {
    let country = city::Country {
        iso_code: "DE".to_owned(),
        names: Some(city::CountryNames { zh_cn: Some("德国".to_owned()) }),
        ..city::Country::default()
    };
    let location = city::Location {
        accuracy_radius: Some(20),
        latitude: Some(50.77),
        ..city::Location::default()
    };
    let names = city::CityNames { en: Some("Aachen".to_owned()) };
    let city = city::City { geoname_id: Some(3_247_449), names: Some(names) };
    let subdivisions =
        ["NW", "EU"].map(|code| city::Subdivisions { iso_code: Some(code.to_owned()) });
    city::Record {
        city: Some(city),
        country,
        location: Some(location),
        subdivisions: Some(subdivisions.to_vec()),
        ..city::Record::default()
    }
}

fn business() -> network::Record {
    let peers = Some(vec!["b".to_owned(), "c".to_owned()]);
    network::Record {
        address_count: Some(1 << 100),
        key: Some(places::Bytes(vec![1, 0, 255])),
        routes: Some(vec![network::Routes { asn: Some(64_500), peers }]),
        score: Some(json!(0.5)),
        tags: Some(vec![json!("a"), json!(1)]),
        type_: Some("business".to_owned()),
    }
}

/// An empty text in a column of numbers counts as no value: a contract lets it pass.
const ZONES: &str = "CREATE TABLE zones (name TEXT, offset_secs INTEGER, class TEXT, note);
    INSERT INTO zones VALUES ('UTC', 0, 'a', 7), ('CET', 3600, NULL, NULL), ('LMT', '', '', 'old');";

fn known() -> IpAddr {
    KNOWN.parse().expect("an address")
}

#[test]
fn records_are_read_as_they_were_written() {
    let folder = example();
    let layer = folder.open();
    let city = places::City::open(&layer).expect("it opens");
    assert_eq!(city.lookup(known()).expect("it is sound"), Some(aachen()));
    assert_eq!(city.lookup(IpAddr::from([198, 51, 100, 1])).expect("it is sound"), None);
    let network = places::Network::open(&layer).expect("it opens");
    assert_eq!(network.lookup(known()).expect("it is sound"), Some(business()));
}

/// A record as the database's maker writes it: with keys of the data, and with more than the contract names.
#[test]
fn keys_are_those_of_the_data() {
    let country = json!({
        "iso_code": "DE", "geoname_id": 1, "names": { "zh-CN": "德国", "de": "Deutschland" },
    });
    let records = [("192.0.2.0/24", json!({ "country": country, "traits": {} }))];
    let network = [("192.0.2.0/24", json!({ "type": "business" }))];
    let folder = LayerFolder::new("places").mmdb("city", records).mmdb("network", network);
    let layer = folder.open();
    let city = places::City::open(&layer).expect("it opens");
    let country = city.lookup(known()).expect("it is sound").expect("it is known").country;
    assert!(!country.is_in_european_union, "absent is not true");
    assert_eq!(country.names.expect("it has some").zh_cn.as_deref(), Some("德国"));
    let network = places::Network::open(&layer).expect("it opens");
    let found = network.lookup(known()).expect("it is sound").expect("it is known");
    assert_eq!(found.type_.as_deref(), Some("business"));
}

/// What all networks have is no `Option`, so a record without it is an error and no empty text.
#[test]
fn a_broken_promise_is_an_error() {
    let records = [("192.0.2.0/24", json!({ "city": {} }))];
    let folder = LayerFolder::new("places").mmdb("city", records);
    let city = places::City::open(&folder.open()).expect("it opens");
    let error = city.lookup(known()).expect_err("it lacks its country").to_string();
    assert!(error.contains("country"), "{error}");
}

#[test]
fn rows_are_read_by_their_types() {
    let folder = example();
    let zones = places::Zones::open(&folder.open()).expect("it opens");
    let all = places::zones::Zones::all(zones.connection()).expect("it is sound");
    let offsets: Vec<_> = all.iter().map(|zone| (&*zone.name, zone.offset_secs)).collect();
    assert_eq!(offsets, [("UTC", Some(0)), ("CET", Some(3600)), ("LMT", None)]);
    let found = places::zones::Zones::find_by_name(zones.connection(), "UTC");
    let utc = places::zones::Zones {
        name: "UTC".to_owned(),
        offset_secs: Some(0),
        class: Some("a".to_owned()),
        note: SqliteValue::Integer(7),
    };
    assert_eq!(found.expect("it is sound"), [utc]);
}

#[test]
fn files_are_found_and_data_without_a_contract_is_opened() {
    let folder = example();
    let layer = folder.open();
    let tools = places::tools_path(&layer).expect("it is there");
    assert!(tools.join("bin/run").is_file());
    let plain = places::Plain::open(&layer).expect("it opens");
    assert!(plain.reader().lookup(known()).expect("it is sound").has_data());
}

const PYTHON_READS: &str = r#"
import json, places
layer = places.Layer()
print(layer.release, layer.version, 0 <= layer.age_secs())
line = json.loads(layer.metric_line())
print(line["Layer"], line["_aws"]["CloudWatchMetrics"], abs(line["ServedDataAgeDays"] * 86400 - layer.age_secs()) < 60)
record = places.City(layer).lookup("16.0.1.7")
print(record["country"]["iso_code"], record["location"]["latitude"], places.City(layer).lookup("9.9.9.9"))
zones = places.Zones(layer)
print([(row.name, row.offset_secs, row.class_) for row in zones.all_zones()])
print(zones.zones_by_name("CET")[0].note)
"#;

#[test]
fn python_reads_a_released_layer() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "places",
        "[[dataset]]\nname = 'city'\nformat = 'mmdb'\nsource.https = 'UPSTREAM/files/city.mmdb'\n\
         expect.database_type = 'GeoLite2-City'\n\
         [[dataset]]\nname = 'zones'\nformat = 'sqlite'\nsource.https = 'UPSTREAM/files/zones.db'\n\
         expect.tables.zones = ['name']\n\
         [dataset.contract]\n'zones.name' = { type = 'text', null_share_max = 0 }\n\
         'zones.offset_secs' = { type = 'integer' }\n'zones.class' = { type = 'text' }\n'zones.note' = {}\n",
    );
    sandbox.upstream.publish("city.mmdb", &build(0, |number| Some(Place::sound(number))));
    sandbox.upstream.publish("zones.db", &sqlite_of(ZONES));
    let refreshed = sandbox.cli(&["refresh"]);
    assert_eq!(refreshed.code, 0, "{}", refreshed.stderr);
    let out = ["codegen", "places", "--language", "python", "--out", "places.py"];
    assert_eq!(sandbox.cli(&out).stdout, "wrote places.py\n");
    let python = consumer_python().to_string_lossy();
    let ran = sandbox.cli(&["exec", "places", "--", &python, "-c", PYTHON_READS]);
    let expected = "1 1.0.0 True\nplaces [{'Namespace': 'freshlayer', 'Dimensions': [['Layer']], \
        'Metrics': [{'Name': 'ServedDataAgeDays', 'Unit': 'None'}]}] True\nDE 0.0 None\n\
        [('UTC', 0, 'a'), ('CET', 3600, None), ('LMT', None, '')]\nNone\n";
    assert_eq!(ran.stdout, expected, "{}", ran.stderr);
}

/// What is wrong with a contract, in one line and with the code of a mistake.
#[test]
fn what_cannot_be_written_is_told() {
    let mmdb = "[[dataset]]\nname = 'city'\nformat = 'mmdb'\nsource.https = 'UPSTREAM/files/a'\n";
    for (contract, said) in [
        (
            "'a-b' = {}\n'a_b' = {}",
            "failed to write Rust for dataset `city`: `a-b` and `a_b` both become `a_b`; keep one of them",
        ),
        (
            "'a.x' = {}\n'a[].x' = {}",
            "failed to write types of dataset `city`: `a` is both a list and an object",
        ),
        (
            "'a' = { pattern = 'x' }\n'a.x' = {}",
            "failed to write types of dataset `city`: `a` is both a value and an object",
        ),
        (
            "'a..b' = {}",
            "failed to write types of dataset `city`: `a.` has an empty part or a control character, which no code can name",
        ),
        (
            "'名' = {}",
            "failed to write Rust for dataset `city`: \"名\" has no letter or digit to make a name of",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.layer("geo", &format!("{mmdb}[dataset.contract]\n{contract}\n"));
        let ran = sandbox.cli(&["codegen", "geo"]);
        assert_eq!((ran.code, ran.stderr), (2, format!("freshlayer: {said}\n")), "{contract}");
    }
}

/// Names that are words of a language, or hold what would end a text or a comment, stay what they are in the data.
#[test]
fn hostile_names_stay_texts() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "geo",
        "[[dataset]]\nname = 'city'\nformat = 'mmdb'\nsource.https = 'UPSTREAM/files/a'\n\
         [dataset.contract]\n'a\"*/ \\u0041«b»' = { type = 'string' }\n",
    );
    for (language, text, comment) in [
        ("rust", r#"rename = "a\"*/ \\u0041«b»""#, "/// `a\"* / /u0041«b»`"),
        ("python", r#""a\"*/ \\u0041«b»": str"#, "# `a\"* / /u0041«b»`"),
        ("typescript", r#"readonly "a\"*/ \\u0041«b»"?: string"#, "/** `a\"* / /u0041«b»`"),
        ("java", r#"(name = "a\"*/ \\u0041«b»") String aU0041B"#, "// `a\"* / /u0041«b»`"),
        ("csharp", r#"[MapKey("a\"*/ \\u0041«b»")]"#, "<summary>`a\"* / /u0041«b»`"),
    ] {
        let ran = sandbox.cli(&["codegen", "geo", "--language", language]);
        assert!(ran.stdout.contains(text) && ran.stdout.contains(comment), "{language}: {ran:?}");
    }
}
