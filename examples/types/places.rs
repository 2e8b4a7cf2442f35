//! The layer `places`, as its definition promises it.
//!
//! `freshlayer codegen places` writes this file: change the definition instead.
//! It needs the crates `freshlayer-reader`, `serde` (with `derive`) and `serde_json`.

#![allow(clippy::pedantic, dead_code, unreachable_pub, reason = "generated, and used in part")]

use std::net::IpAddr;
use std::path::PathBuf;

use freshlayer_reader::maxminddb::MaxMindDbError;
use freshlayer_reader::rusqlite::Connection;
use freshlayer_reader::{Error, Layer, MmdbReader};

/// The layer's name.
pub const LAYER: &str = "places";

/// Opens the layer under `/opt`, or under the folder that `FRESHLAYER_ROOT` names.
pub fn open() -> Result<Layer, Error> {
    Layer::open(LAYER)
}

/// The dataset `city`.
#[derive(Debug)]
pub struct City {
    reader: MmdbReader,
}

impl City {
    /// Opens it, without a copy.
    pub fn open(layer: &Layer) -> Result<Self, Error> {
        layer.mmdb("city").map(|reader| Self { reader })
    }

    /// Looks an address up.
    pub fn lookup(&self, ip: IpAddr) -> Result<Option<city::Record>, MaxMindDbError> {
        self.reader.lookup(ip)?.decode()
    }

    /// Returns what it is read by, for what the contract does not name.
    pub fn reader(&self) -> &MmdbReader {
        &self.reader
    }
}

/// What the records of `city` hold.
pub mod city {
    use serde::{Deserialize, Serialize};

    /// The object `city.names`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct CityNames {
        /// `city.names.en`; at most 50.00 % of the networks lack it.
        pub en: Option<String>,
    }

    /// The object `city`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct City {
        /// `city.geoname_id`; it may be absent.
        pub geoname_id: Option<u32>,
        /// `city.names`; it may be absent.
        pub names: Option<CityNames>,
    }

    /// The object `continent`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Continent {
        /// `continent.code`; it may be absent.
        pub code: Option<String>,
    }

    /// The object `country.names`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct CountryNames {
        /// `country.names.zh-CN`; it may be absent.
        #[serde(rename = "zh-CN")]
        pub zh_cn: Option<String>,
    }

    /// The object `country`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Country {
        /// `country.is_in_european_union`; it is there only when it is true.
        #[serde(default)]
        pub is_in_european_union: bool,
        /// `country.iso_code`; all networks have it.
        pub iso_code: String,
        /// `country.names`; it may be absent.
        pub names: Option<CountryNames>,
    }

    /// The object `location`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Location {
        /// `location.accuracy_radius`; it may be absent.
        pub accuracy_radius: Option<u16>,
        /// `location.latitude`; at most 5.00 % of the networks lack it.
        pub latitude: Option<f64>,
        /// `location.longitude`; at most 5.00 % of the networks lack it.
        pub longitude: Option<f64>,
        /// `location.time_zone`; it may be absent.
        pub time_zone: Option<String>,
    }

    /// The object `postal`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Postal {
        /// `postal.code`; it may be absent.
        pub code: Option<String>,
    }

    /// The object `registered_country`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct RegisteredCountry {
        /// `registered_country.iso_code`; it may be absent.
        pub iso_code: Option<String>,
    }

    /// The object `represented_country`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct RepresentedCountry {
        /// `represented_country.iso_code`; it may be absent.
        pub iso_code: Option<String>,
    }

    /// The object `subdivisions`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Subdivisions {
        /// `subdivisions[].iso_code`; it may be absent.
        pub iso_code: Option<String>,
    }

    /// One record, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Record {
        /// `city`; it may be absent.
        pub city: Option<City>,
        /// `continent`; it may be absent.
        pub continent: Option<Continent>,
        /// `country`; all networks have it.
        pub country: Country,
        /// `location`; it may be absent.
        pub location: Option<Location>,
        /// `postal`; it may be absent.
        pub postal: Option<Postal>,
        /// `registered_country`; it may be absent.
        pub registered_country: Option<RegisteredCountry>,
        /// `represented_country`; it may be absent.
        pub represented_country: Option<RepresentedCountry>,
        /// `subdivisions`; it may be absent.
        pub subdivisions: Option<Vec<Subdivisions>>,
    }
}

/// The dataset `network`.
#[derive(Debug)]
pub struct Network {
    reader: MmdbReader,
}

impl Network {
    /// Opens it, without a copy.
    pub fn open(layer: &Layer) -> Result<Self, Error> {
        layer.mmdb("network").map(|reader| Self { reader })
    }

    /// Looks an address up.
    pub fn lookup(&self, ip: IpAddr) -> Result<Option<network::Record>, MaxMindDbError> {
        self.reader.lookup(ip)?.decode()
    }

    /// Returns what it is read by, for what the contract does not name.
    pub fn reader(&self) -> &MmdbReader {
        &self.reader
    }
}

/// What the records of `network` hold.
pub mod network {
    use serde::{Deserialize, Serialize};

    /// The object `routes`, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Routes {
        /// `routes[].asn`; it may be absent.
        pub asn: Option<u32>,
        /// `routes[].peers`; it may be absent.
        pub peers: Option<Vec<String>>,
    }

    /// One record, as far as the contract names it.
    #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
    pub struct Record {
        /// `address count`; it may be absent.
        #[serde(rename = "address count")]
        pub address_count: Option<u128>,
        /// `key`; it may be absent.
        pub key: Option<super::Bytes>,
        /// `routes`; it may be absent.
        pub routes: Option<Vec<Routes>>,
        /// `score`; it may be absent.
        pub score: Option<serde_json::Value>,
        /// `tags`; it may be absent.
        pub tags: Option<Vec<serde_json::Value>>,
        /// `type`; it may be absent.
        #[serde(rename = "type")]
        pub type_: Option<String>,
    }
}

/// The dataset `zones`.
#[derive(Debug)]
pub struct Zones {
    connection: Connection,
}

impl Zones {
    /// Opens it, without a copy.
    pub fn open(layer: &Layer) -> Result<Self, Error> {
        layer.sqlite("zones").map(|connection| Self { connection })
    }

    /// Returns what it is read by, for what the contract does not name.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// What the tables of `zones` hold.
pub mod zones {
    use freshlayer_reader::rusqlite::types::Value;
    use freshlayer_reader::rusqlite::{Connection, Params, Result, Row};

    /// A row of the table `zones`, as far as the contract names it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Zones {
        /// `zones.name`; all rows have it.
        pub name: String,
        /// `zones.offset_secs`; it may be absent.
        pub offset_secs: Option<i64>,
        /// `zones.class`; it may be absent.
        pub class: Option<String>,
        /// `zones.note`; it may be absent.
        pub note: Value,
    }

    impl Zones {
        const ALL: &str = r#"
            SELECT "name", NULLIF("offset_secs", '') AS "offset_secs", "class", "note"
            FROM "zones"
        "#;
        const BY_FIRST: &str = r#"
            SELECT "name", NULLIF("offset_secs", '') AS "offset_secs", "class", "note"
            FROM "zones"
            WHERE "name" = ?1
        "#;

        /// Returns all rows.
        pub fn all(connection: &Connection) -> Result<Vec<Self>> {
            Self::rows(connection, Self::ALL, [])
        }

        /// Returns the rows with one value in `name`.
        pub fn find_by_name(connection: &Connection, value: &str) -> Result<Vec<Self>> {
            Self::rows(connection, Self::BY_FIRST, [value])
        }

        fn rows(connection: &Connection, query: &str, values: impl Params) -> Result<Vec<Self>> {
            let mut statement = connection.prepare_cached(query)?;
            statement.query_map(values, Self::read)?.collect()
        }

        fn read(row: &Row<'_>) -> Result<Self> {
            Ok(Self {
                name: row.get(0)?,
                offset_secs: row.get(1)?,
                class: row.get(2)?,
                note: row.get(3)?,
            })
        }
    }
}

/// The dataset `plain`; a contract in the definition gives it types.
#[derive(Debug)]
pub struct Plain {
    reader: MmdbReader,
}

impl Plain {
    /// Opens it, without a copy.
    pub fn open(layer: &Layer) -> Result<Self, Error> {
        layer.mmdb("plain").map(|reader| Self { reader })
    }

    /// Returns what it is read by, for what the contract does not name.
    pub fn reader(&self) -> &MmdbReader {
        &self.reader
    }
}

/// Returns the path of the dataset `tools`: a folder.
pub fn tools_path(layer: &Layer) -> Result<PathBuf, Error> {
    layer.path("tools")
}

/// A value of type `bytes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|bytes| Self(bytes.to_vec()))
    }
}
