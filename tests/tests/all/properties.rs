//! What holds for any two databases: a comparison counts what a model of the same data counts.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, UNIX_EPOCH};

use freshlayer::fuzzing::diff;
use freshlayer::{DatasetDiff, MmdbDiff, TableDiff};
use freshlayer_tests::databases::{DAY, FIRST_BUILD, sqlite_of};
use ipnet::{IpNet, Ipv4Net};
use mmdb_writer::{Value, Writer};
use proptest::prelude::*;

/// Networks of the model: 16.0.0.0/18 and up.
const NETWORKS: usize = 48;
const PREFIX: u8 = 18;
const ADDRESSES: u64 = 1 << (32 - PREFIX);

/// One record of the model: a country, and a number that may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    country: &'static str,
    number: Option<u32>,
}

type Networks = Vec<Option<Entry>>;

fn networks() -> impl Strategy<Value = Networks> {
    let country = prop::sample::select(vec!["AU", "BR", "DE", ""]);
    let entry = (country, prop::option::of(0..3_u32));
    let entry = entry.prop_map(|(country, number)| Entry { country, number });
    prop::collection::vec(prop::option::weighted(0.8, entry), NETWORKS)
}

/// Writes the networks that hold a record, each alone or together with its like neighbour.
fn mmdb(networks: &Networks, days: u64) -> Vec<u8> {
    let mut writer = Writer::builder("Model")
        .description(&[("en", "A model")])
        .build_epoch(UNIX_EPOCH + Duration::from_secs(FIRST_BUILD + days * DAY))
        .build();
    for (at, entry) in (0_u32..).zip(networks) {
        let Some(entry) = entry else { continue };
        let address = Ipv4Addr::from((16 << 24) + (at << (32 - PREFIX)));
        let network = IpNet::V4(Ipv4Net::new(address, PREFIX).expect("it is a prefix"));
        let number = entry.number.map(|number| ("number", Value::U32(number)));
        let country = Some(("country", Value::from(entry.country)));
        let record = Value::map([country, number].into_iter().flatten());
        writer.insert_value(network, record).expect("the network is free");
    }
    writer.to_bytes().expect("memory takes it")
}

fn compared(before: &[u8], after: &[u8]) -> DatasetDiff {
    let folder = tempfile::tempdir().expect("a temporary folder");
    diff(before, after, folder.path()).expect("both can be read")
}

fn compared_mmdb(before: &Networks, after: &Networks) -> MmdbDiff {
    let found = compared(&mmdb(before, 0), &mmdb(after, 1));
    found.mmdb.expect("other metadata make another file")
}

/// How many pairs a question is true for.
fn count<T>(
    pairs: &[(&Option<T>, &Option<T>)],
    is: impl Fn(Option<&T>, Option<&T>) -> bool,
) -> u64 {
    pairs.iter().filter(|(was, now)| is(was.as_ref(), now.as_ref())).count() as u64
}

/// Lost, gained and changed values of a field.
fn field(found: &MmdbDiff, path: &str) -> (u64, u64, u64) {
    let field = found.fields.iter().find(|field| field.path == path);
    field.map_or((0, 0, 0), |field| (field.lost, field.gained, field.changed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_networks_in_another_build_do_not_differ(networks in networks()) {
        prop_assume!(networks.iter().any(Option::is_some));
        let found = compared_mmdb(&networks, &networks);
        prop_assert_eq!((found.added, found.removed, found.changed), (0, 0, 0));
        prop_assert_eq!(found.before, found.after);
        prop_assert!(found.fields.is_empty(), "{:?}", found.fields);
    }

    #[test]
    fn addresses_add_up_on_both_sides(before in networks(), after in networks()) {
        prop_assume!([&before, &after].iter().all(|side| side.iter().any(Option::is_some)));
        let found = compared_mmdb(&before, &after);
        let pairs: Vec<_> = before.iter().zip(&after).collect();
        let of = |is: &dyn Fn(Option<&Entry>, Option<&Entry>) -> bool| {
            ADDRESSES * count(&pairs, is)
        };
        let same = of(&|was, is| was.is_some() && was == is);
        prop_assert_eq!(found.before, of(&|was, _| was.is_some()));
        prop_assert_eq!(found.after, of(&|_, is| is.is_some()));
        prop_assert_eq!(found.before, same + found.changed + found.removed);
        prop_assert_eq!(found.after, same + found.changed + found.added);
        let number = |entry: Option<&Entry>| entry.and_then(|entry| entry.number);
        let both = |was: Option<&Entry>, is: Option<&Entry>| was.is_some() && is.is_some();
        let lost = of(&|a, b| both(a, b) && number(a).is_some() && number(b).is_none());
        let gained = of(&|a, b| both(a, b) && number(a).is_none() && number(b).is_some());
        let changed = of(&|a, b| {
            number(a).is_some() && number(b).is_some() && number(a) != number(b)
        });
        prop_assert_eq!(field(&found, "number"), (lost, gained, changed));
    }
}

/// Keys that SQLite orders in its own way: numbers first, then texts, then blobs.
const KEYS: [&str; 14] = [
    "1",
    "2",
    "-3",
    "2.5",
    "1e300",
    "9007199254740993",
    "9007199254740992.0",
    "''",
    "'a'",
    "'B'",
    "'é'",
    "'ā'",
    "'😀'",
    "x'ff'",
];
const VALUES: [&str; 6] = ["NULL", "''", "'x'", "'ü'", "7", "7.5"];
const ENCODINGS: [&str; 3] = ["UTF-8", "UTF-16le", "UTF-16be"];

/// The values of each key, as places in the lists.
type Rows = BTreeMap<usize, (usize, usize)>;

fn rows() -> impl Strategy<Value = Rows> {
    let values = (0..VALUES.len(), 0..VALUES.len());
    prop::collection::btree_map(0..KEYS.len(), values, 1..KEYS.len())
}

/// Writes the rows, last or first one first.
fn sqlite(rows: &Rows, encoding: &str, order: Order) -> Vec<u8> {
    let mut inserts: Vec<String> = rows
        .iter()
        .map(|(key, (a, b))| {
            format!("INSERT INTO t VALUES ({}, {}, {});", KEYS[*key], VALUES[*a], VALUES[*b])
        })
        .collect();
    if order == Order::Backward {
        inserts.reverse();
    }
    let table = "CREATE TABLE t (k PRIMARY KEY, a, b);";
    sqlite_of(&format!("PRAGMA encoding = '{encoding}'; {table} {}", inserts.concat()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Forward,
    Backward,
}

fn tables(found: DatasetDiff) -> Vec<TableDiff> {
    found.tables.unwrap_or_default()
}

/// Lost, gained and changed values of a column, by the model.
fn column(pairs: &[(Option<&usize>, Option<&usize>)]) -> (u64, u64, u64) {
    let is_value = |at: usize| !["NULL", "''"].contains(&VALUES[at]);
    let mut counts = (0, 0, 0);
    for pair in pairs {
        let (Some(was), Some(is)) = *pair else { continue };
        match (is_value(*was), is_value(*is)) {
            _ if was == is => {}
            (true, false) => counts.0 += 1,
            (false, true) => counts.1 += 1,
            _ => counts.2 += 1,
        }
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn the_same_rows_in_another_order_do_not_differ(
        rows in rows(),
        encoding in prop::sample::select(&ENCODINGS[..]),
    ) {
        let before = sqlite(&rows, encoding, Order::Forward);
        let found = compared(&before, &sqlite(&rows, encoding, Order::Backward));
        prop_assert_eq!(&found.schema, &Vec::<String>::new());
        let tables = tables(found);
        prop_assert!(tables.is_empty(), "{:?}", tables);
    }

    #[test]
    fn rows_add_up_on_both_sides(
        before in rows(),
        after in rows(),
        encodings in [prop::sample::select(&ENCODINGS[..]), prop::sample::select(&ENCODINGS[..])],
    ) {
        let old = sqlite(&before, encodings[0], Order::Forward);
        let tables = tables(compared(&old, &sqlite(&after, encodings[1], Order::Forward)));
        if before == after {
            prop_assert!(tables.is_empty(), "{:?}", tables);
            return Ok(());
        }
        prop_assert_eq!(tables.len(), 1);
        let found = &tables[0];
        let keys: Vec<_> = (0..KEYS.len()).map(|key| (before.get(&key), after.get(&key))).collect();
        let of = |is: &dyn Fn(bool, bool, bool) -> bool| {
            let holds = keys.iter().filter(|(a, b)| is(a.is_some(), b.is_some(), a == b));
            holds.count() as u64
        };
        let expected = (
            Some(of(&|was, is, _| !was && is)),
            Some(of(&|was, is, _| was && !is)),
            Some(of(&|was, is, same| was && is && !same)),
        );
        prop_assert_eq!((found.added, found.removed, found.changed), expected);
        let same = of(&|was, is, same| was && is && same);
        let (added, removed, changed) = (expected.0, expected.1, expected.2);
        let sum = |one: Option<u64>| same + changed.unwrap_or(0) + one.unwrap_or(0);
        prop_assert_eq!(found.rows_before, Some(sum(removed)));
        prop_assert_eq!(found.rows_after, Some(sum(added)));
        for (name, at) in [("a", 0), ("b", 1)] {
            let value = |row: Option<&(usize, usize)>| row.map(|row| [row.0, row.1][at]);
            let pairs: Vec<_> = keys.iter().map(|(was, is)| (value(*was), value(*is))).collect();
            let pairs: Vec<_> = pairs.iter().map(|(was, is)| (was.as_ref(), is.as_ref())).collect();
            let of = found.columns.iter().find(|column| column.column == name);
            let counts = of.map_or((0, 0, 0), |c| (c.lost, c.gained, c.changed));
            prop_assert_eq!(counts, column(&pairs));
        }
    }
}
