//! What a consumer gets when it opens a dataset.

use freshlayer_reader::Layer;
use freshlayer_tests::databases::{FIRST_BUILD, Mmdb, sqlite_of};
use freshlayer_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::refresh::GEO;

const ZONES: &str = "
[[dataset]]
name = 'zones'
format = 'sqlite'
source.https = 'UPSTREAM/files/zones.sqlite'
expect.objects = ['trap']
";

/// A file of foreign origin may not call what the consumer registered, and cannot be damaged through the connection.
#[test]
fn a_sqlite_database_is_opened_defensively() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", ZONES);
    let statements = "CREATE TABLE zones (id INTEGER); INSERT INTO zones VALUES (1);
                      CREATE VIEW trap AS SELECT load_extension('x') FROM zones;";
    sandbox.upstream.publish("zones.sqlite", &sqlite_of(statements));
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_eq!(sandbox.cli(&["exec", "geo", "--", "true"]).code, 0);
    let layer = Layer::open_in(sandbox.path("host/layers/geo/1/opt"), "geo").expect("it is there");
    let zones = layer.sqlite("zones").expect("it opens");
    let pragma = |name: &str| {
        zones.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).expect("a value")
    };
    assert_eq!((pragma("trusted_schema"), pragma("cell_size_check")), (0, 1));
    let trap = zones.query_row("SELECT * FROM trap", [], |_| Ok(()));
    let said = trap.expect_err("it is not called").to_string();
    assert!(said.contains("unsafe use of"), "{said}");
    zones.pragma_update(None, "writable_schema", true).expect("defensive mode ignores it");
    assert_eq!(pragma("writable_schema"), 0, "the schema's text cannot be edited");
}

#[test]
fn a_layer_tells_its_build_time_and_a_metric_of_its_age() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    assert_eq!(sandbox.cli(&["exec", "geo", "--", "true"]).code, 0);
    let layer = Layer::open_in(sandbox.path("host/layers/geo/1/opt"), "geo").expect("it is there");
    assert_eq!(layer.built_unix_secs(), i64::try_from(FIRST_BUILD).ok());
    let line: Value = serde_json::from_str(&layer.metric_line()).expect("JSON");
    let directive = json!([{
        "Namespace": "freshlayer",
        "Dimensions": [["Layer"]],
        "Metrics": [{ "Name": "ServedDataAgeDays", "Unit": "None" }],
    }]);
    assert_eq!(line["_aws"]["CloudWatchMetrics"], directive);
    assert_eq!((&line["Layer"], &line["Version"]), (&json!("geo"), &json!("1.0.0")));
    let age = layer.age().expect("it has a dataset").as_secs_f64() / 86_400.0;
    let said = line["ServedDataAgeDays"].as_f64().expect("a number");
    assert!((age - said).abs() < 0.01 && age > 1.0, "{age} {said}");
    let now = line["_aws"]["Timestamp"].as_i64().expect("milliseconds");
    let built = layer.built_unix_secs().expect("it has a dataset") * 1000;
    assert!(((now - built) as f64 / 86_400_000.0 - age).abs() < 0.01, "{now}");
}
