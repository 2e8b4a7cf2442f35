//! A database of places as GeoLite2-City has them, and damage to it that no reader notices.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, UNIX_EPOCH};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mmdb_writer::{Value, Writer};

use crate::databases::{DAY, FIRST_BUILD};

/// How many networks of 65,536 addresses a database has.
pub const NETWORKS: u32 = 1_000;

/// One network's record.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The country's code.
    pub country: Option<String>,
    /// The postal code.
    pub postal: Option<String>,
    /// Latitude and longitude.
    pub location: Option<(f64, f64)>,
}

impl Place {
    /// Returns the sound record of a network: German, British and American postal codes.
    pub fn sound(number: u32) -> Self {
        let (country, postal) = match number % 3 {
            0 => ("DE", format!("{:05}", 10_000 + number)),
            1 => ("GB", format!("SW{} {}AA", 1 + number % 9, number % 10)),
            _ => ("US", format!("{:05}", 20_000 + number)),
        };
        Self {
            country: Some(country.to_owned()),
            postal: Some(postal),
            location: Some((f64::from(number % 90), f64::from(number % 180))),
        }
    }
}

/// Writes a build that is some days younger than the first: `place` gives the record of each network, or none.
///
/// # Panics
/// Where a network cannot be inserted.
pub fn build(days: u64, place: impl Fn(u32) -> Option<Place>) -> Vec<u8> {
    written(days, &[("en", "A test database")], place)
}

/// Writes a build without a description, which is a warning.
///
/// # Panics
/// Where a network cannot be inserted.
pub fn nameless(days: u64, place: impl Fn(u32) -> Option<Place>) -> Vec<u8> {
    written(days, &[], place)
}

/// Writes a build with networks of IPv6, too: `ipv6` gives the record of each, or none.
///
/// # Panics
/// Where a network cannot be inserted.
pub fn with_ipv6(
    days: u64,
    place: impl Fn(u32) -> Option<Place>,
    ipv6: impl Fn(u32) -> Option<Place>,
) -> Vec<u8> {
    let mut writer = writer(days, &[("en", "A test database")]);
    insert_ipv4(&mut writer, place);
    for number in 0..NETWORKS {
        let Some(place) = ipv6(number) else { continue };
        let address = Ipv6Addr::from((0x2a00_u128 << 112) + (u128::from(number) << 96));
        let network = IpNet::V6(Ipv6Net::new(address, 32).expect("32 is a prefix"));
        writer.insert_value(network, record(&place)).expect("the network is free");
    }
    writer.to_bytes().expect("memory takes it")
}

fn written(
    days: u64,
    description: &[(&str, &str)],
    place: impl Fn(u32) -> Option<Place>,
) -> Vec<u8> {
    let mut writer = writer(days, description);
    insert_ipv4(&mut writer, place);
    writer.to_bytes().expect("memory takes it")
}

fn writer(days: u64, description: &[(&str, &str)]) -> Writer {
    Writer::builder("GeoLite2-City")
        .description(description)
        .build_epoch(UNIX_EPOCH + Duration::from_secs(FIRST_BUILD + days * DAY))
        .build()
}

fn insert_ipv4(writer: &mut Writer, place: impl Fn(u32) -> Option<Place>) {
    for number in 0..NETWORKS {
        let Some(place) = place(number) else { continue };
        let address = Ipv4Addr::from((16 << 24) + (number << 16));
        let network = IpNet::V4(Ipv4Net::new(address, 16).expect("16 is a prefix"));
        writer.insert_value(network, record(&place)).expect("the network is free");
    }
}

fn record(place: &Place) -> Value {
    let country = place.country.as_ref().map(|code| ("country", one("iso_code", code)));
    let postal = place.postal.as_ref().map(|code| ("postal", one("code", code)));
    let location = place.location.map(|(latitude, longitude)| {
        let both = [("latitude", Value::from(latitude)), ("longitude", Value::from(longitude))];
        ("location", Value::map(both))
    });
    Value::map([country, postal, location].into_iter().flatten())
}

fn one(key: &'static str, text: &str) -> Value {
    Value::map([(key, Value::from(text.to_owned()))])
}
