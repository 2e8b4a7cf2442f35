//! The layers that consumers make for their unit tests are layers.

use std::time::Duration;

use freshlayer_reader::testing::LayerFolder;
use serde_json::{Value, json};

#[test]
fn every_format_is_opened_as_in_a_function() {
    let folder = LayerFolder::new("geo")
        .mmdb("city", [("192.0.2.0/24", json!({ "name": "Aachen" }))])
        .sqlite("zones", |zones| {
            zones.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (7)")
        })
        .file("note", b"good")
        .archive("tools", [("bin/run", &b"#!/bin/sh"[..]), ("LICENSE", b"free")]);
    let layer = folder.open();
    layer.verify().expect("every digest is right");
    let zones = layer.sqlite("zones").expect("it opens");
    let seven: i64 = zones.query_row("SELECT a FROM t", [], |row| row.get(0)).expect("a row");
    assert_eq!(seven, 7);
    assert_eq!(&*layer.bytes("note").expect("it opens"), b"good");
    let tools = layer.path("tools").expect("it is there");
    assert_eq!(std::fs::read(tools.join("bin/run")).expect("it is there"), b"#!/bin/sh");
    assert!(layer.age().expect("datasets have an age") < Duration::from_hours(1));
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let record = json!({
        "text": "a", "list": [1, "b", { "c": true }], "whole": 5_000_000_000_u64, "share": 0.5,
    });
    let mut written = record.clone();
    written["nothing"] = Value::Null;
    let folder = LayerFolder::new("geo").mmdb("any", [("2001:db8::/32", written)]);
    let any = folder.open().mmdb("any").expect("it opens");
    let found = any.lookup("2001:db8::1".parse().expect("an address")).expect("it is sound");
    assert_eq!(found.decode::<Value>().expect("it decodes"), Some(record));
    let other = any.lookup("192.0.2.1".parse().expect("an address")).expect("it is sound");
    assert_eq!(other.decode::<Value>().expect("it decodes"), None);
}

#[test]
#[should_panic(expected = "is no network")]
fn a_mistake_in_a_network_is_told() {
    let _ = LayerFolder::new("geo").mmdb("any", [("192.0.2.0", json!({})), ("192.0.2", json!({}))]);
}
