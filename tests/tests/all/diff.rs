//! `diff`: what differs between releases, layer versions and files.

use freshlayer_tests::damage::tar_of;
use freshlayer_tests::databases::{sqlite, sqlite_of};
use freshlayer_tests::places::{Place, build, with_ipv6};
use freshlayer_tests::sandbox::{Ran, Sandbox};

const PLACES: &str = "
[[dataset]]
name = 'city'
format = 'mmdb'
source.https = 'UPSTREAM/files/city.mmdb'
expect.drift_percent_max = 1000
";

/// Ten networks of a thousand go to France; one is gone.
fn later(number: u32) -> Option<Place> {
    let mut place = Place::sound(number);
    if number < 10 {
        place.country = Some("FR".to_owned());
    }
    (number != 999).then_some(place)
}

fn files(sandbox: &Sandbox, before: &[u8], after: &[u8], more: &[&str]) -> Ran {
    let [a, b] = [("before", before), ("after", after)].map(|(name, bytes)| {
        let path = sandbox.path(name);
        std::fs::write(&path, bytes).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    });
    sandbox.cli(&[&["diff", a.as_str(), b.as_str()], more].concat())
}

#[test]
fn two_releases_are_compared_address_by_address() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", PLACES);
    sandbox.upstream.publish("city.mmdb", &build(0, |number| Some(Place::sound(number))));
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    sandbox.upstream.publish("city.mmdb", &build(7, later));
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let ran = sandbox.cli(&["diff", "geo:1", "geo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r"
    geo:1 (release 1) against geo (release 2)
    city: mmdb, 24.5 kB to 24.5 kB
      addresses with a record: 65536000 to 65470464; 0 % gained one, 0.10 % lost theirs, 1.00 % see another answer
        country.iso_code: 1.00 % changed, 0 % lost the value, 0 % gained one; most: DE to FR 0.40 %, such as 16.0.0.0/16; GB to FR 0.30 %, such as 16.1.0.0/16; US to FR 0.30 %, such as 16.2.0.0/16
    ");
    let json = sandbox.cli(&["diff", "geo:1", "geo", "--json"]).json();
    let mmdb = &json["diff"]["datasets"][0]["mmdb"];
    assert_eq!(mmdb["before"], 1_000 * 65_536);
    assert_eq!(mmdb["removed"], 65_536);
    assert_eq!(mmdb["changed"], 10 * 65_536);
    let ran = sandbox.cli(&["diff", "geo", "geo"]);
    assert!(ran.stdout.contains("city: the same mmdb, "), "{ran:?}");
}

#[test]
fn addresses_of_ipv6_are_compared_by_themselves() {
    let sandbox = Sandbox::new();
    let sound = |number| Some(Place::sound(number));
    let (before, after) = (with_ipv6(0, sound, sound), with_ipv6(7, sound, later));
    let ran = files(&sandbox, &before, &after, &[]);
    insta::assert_snapshot!(ran.stdout.split_once("kB\n").expect("it has sizes").1, @r"
      addresses with a record: 65536000 to 65536000; 0 % gained one, 0 % lost theirs, 0 % see another answer
      /64 networks with a record: 4294967296000 to 4290672328704; 0 % gained one, 0.10 % lost theirs, 1.00 % see another answer
        country.iso_code: 1.00 % changed, 0 % lost the value, 0 % gained one; most: DE to FR 0.40 %, such as 2a00::/32; GB to FR 0.30 %, such as 2a00:1::/32; US to FR 0.30 %, such as 2a00:2::/32
    ");
    let json = files(&sandbox, &before, &after, &["--json"]).json();
    let diff = &json["diff"]["datasets"][0];
    assert_eq!(diff["mmdb"]["changed"], 0);
    let ipv6 = &diff["mmdb_ipv6"];
    assert_eq!(ipv6["before"], 1_000 * (1_u64 << 32));
    assert_eq!(ipv6["removed"], 1_u64 << 32);
    assert_eq!(ipv6["changed"], 10 * (1_u64 << 32));
    let ran = files(&sandbox, &before, &build(7, sound), &[]);
    assert!(ran.stdout.contains("100.00 % lost theirs"), "{ran:?}");
}

#[test]
fn traffic_weighs_the_addresses() {
    let sandbox = Sandbox::new();
    let traffic = sandbox.path("traffic");
    // 16.0.0.0/16 went to France; 16.200.0.0/16 stayed; nothing is known of 200.0.0.1.
    std::fs::write(&traffic, "16.0.1.2 30\n16.200.0.0/24,70\n200.0.0.1 900\n").expect("writable");
    let before = build(0, |number| Some(Place::sound(number)));
    let more = ["--traffic", traffic.to_str().expect("UTF-8")];
    let ran = files(&sandbox, &before, &build(7, later), &more);
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = "requests with a record: 100 to 100 of 1000; 0 % gained one, 0 % lost theirs, 3.00 % see another answer";
    assert!(ran.stdout.contains(expected), "{ran:?}");
    assert!(ran.stdout.contains("country.iso_code: 3.00 % changed"), "{ran:?}");
    // 19.231.0.0/16 is there before, and gone later.
    std::fs::write(&traffic, "19.231.0.1 105\n16.200.0.0 1\n").expect("writable");
    let ran =
        files(&sandbox, &build(0, later), &build(7, |number| Some(Place::sound(number))), &more);
    let expected = "requests with a record: 1 to 106 of 106; 99.06 % gained one, 0 % lost theirs";
    assert!(ran.stdout.contains(expected), "{ran:?}");
    std::fs::write(&traffic, "here 1\n").expect("writable");
    let ran = files(&sandbox, &before, &build(7, later), &more);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("line 1: expected an address"), "{ran:?}");
}

#[test]
fn archives_are_compared_by_entry() {
    let sandbox = Sandbox::new();
    let before =
        tar_of(&[("a", 0o644, b"1"), ("b", 0o644, b"2"), ("c", 0o644, b"3"), ("d", 0o644, b"4")]);
    let after =
        tar_of(&[("a", 0o644, b"1"), ("b", 0o644, b"22"), ("c", 0o755, b"3"), ("e", 0o644, b"5")]);
    let ran = files(&sandbox, &before, &after, &[]);
    let lines: Vec<&str> = ran.stdout.lines().skip(1).map(str::trim).collect();
    let expected = [
        "after: archive, 4 B to 5 B",
        "b: changed, 1 B to 2 B",
        "c: its executable bit changed",
        "d: gone, 1 B",
        "e: new, 1 B",
    ];
    assert_eq!(lines, expected, "{ran:?}");
}

#[test]
fn databases_are_compared_by_row_and_column() {
    let sandbox = Sandbox::new();
    let start = "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT, width REAL);
        CREATE TABLE log (line TEXT); INSERT INTO log VALUES ('a');
        INSERT INTO zones VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);";
    let end =
        "DELETE FROM zones WHERE id = 1; UPDATE zones SET name = NULL, width = 7 WHERE id = 2;
        INSERT INTO zones VALUES (4, 'd', 4); INSERT INTO log VALUES ('b');
        CREATE TABLE more (id INTEGER PRIMARY KEY);";
    let (before, after) = (sqlite_of(start), sqlite_of(&format!("{start}{end}")));
    let ran = files(&sandbox, &before, &after, &[]);
    let lines: Vec<&str> = ran.stdout.lines().skip(2).map(str::trim).collect();
    let expected = [
        "column more.id INTEGER is new",
        "table log: 1 to 2 rows; without a key they cannot be paired",
        "table more: new, 0 rows",
        "table zones: 3 to 3 rows; 1 added, 1 removed, 1 changed",
        "name: 0 changed, 1 lost the value, 0 gained one",
        "width: 1 changed, 0 lost the value, 0 gained one",
    ];
    assert_eq!(lines, expected, "{ran:?}");
}

/// Each of few addresses before is one of many after.
#[test]
fn no_share_passes_the_whole() {
    let few = build(0, |number| (number < 10).then(|| Place::sound(number)));
    let many = build(7, |number| Some(Place::sound(number)));
    let ran = files(&Sandbox::new(), &few, &many, &[]);
    let expected =
        "addresses with a record: 655360 to 65536000; 99.00 % gained one, 0 % lost theirs";
    assert!(ran.stdout.contains(expected), "{ran:?}");
}

#[test]
fn values_are_counted_where_no_key_pairs_the_rows() {
    let sandbox = Sandbox::new();
    let start = "CREATE TABLE log (line TEXT, level TEXT); INSERT INTO log VALUES ('a', 'x'), ('b', ''), ('c', NULL), ('d', 'y');";
    let (before, after) =
        (sqlite_of(start), sqlite_of(&format!("{start} UPDATE log SET line = NULL;")));
    let ran = files(&sandbox, &before, &after, &[]);
    let lines: Vec<&str> = ran.stdout.lines().skip(2).map(str::trim).collect();
    let expected = [
        "table log: 4 to 4 rows; without a key they cannot be paired",
        "line: 0 % to 100.00 % of the rows without a value",
    ];
    assert_eq!(lines, expected, "{ran:?}");
    let [a, b] =
        ["before", "after"].map(|name| sandbox.path(name).to_str().expect("UTF-8").to_owned());
    let json = sandbox.cli(&["diff", &a, &b, "--json"]).json();
    let table = &json["diff"]["datasets"][0]["tables"][0];
    assert_eq!(table["values"][1]["without_before"], 2, "{json:#}");
    assert_eq!(table["values"][0]["without_after"], 4, "{json:#}");
}

#[test]
fn what_cannot_be_compared_is_told() {
    let sandbox = Sandbox::new();
    let sound = build(0, |number| Some(Place::sound(number)));
    let ran = files(&sandbox, &sound, b"some bytes", &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("two formats cannot be compared"), "{ran:?}");
    let mut damaged = build(7, later);
    damaged[..64].fill(0);
    let ran = files(&sandbox, &sound, &damaged, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("tree"), "{ran:?}");
    let zones = sqlite(1_000);
    let ran = files(&sandbox, &zones, &zones[..zones.len() / 2], &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("malformed"), "{ran:?}");
    for (arguments, says) in [
        (["diff", "nowhere", "geo"], "nowhere"),
        (["diff", "./nowhere.mmdb", "geo"], "No such file"),
    ] {
        let ran = sandbox.cli(&arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(says), "{ran:?}");
    }
}
