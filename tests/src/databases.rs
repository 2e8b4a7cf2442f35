//! Databases that the project writes itself: sound ones, and the parts that damaged ones are made of.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use freshlayer_reader::rusqlite::{self, Connection, ErrorCode};
use ipnet::{IpNet, Ipv4Net};
use mmdb_writer::{Value, Writer};

/// 2026-09-15 12:00 UTC, the first build of most tests.
pub const FIRST_BUILD: u64 = 1_789_473_600;
/// One day.
pub const DAY: u64 = 86_400;

/// An mmdb to be written.
#[derive(Debug, Clone)]
pub struct Mmdb {
    /// Its `database_type`.
    pub database_type: String,
    /// When it is built, in seconds since 1970.
    pub build_epoch: u64,
    /// How many /24 networks it has.
    pub networks: u32,
    /// The type of its `geoname_id`s.
    pub geoname_id: GeonameId,
    /// Whether one record in ten has a continent as well.
    pub continents: bool,
    /// Its description; an empty one is left out.
    pub description: String,
}

/// The type of `geoname_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeonameId {
    /// As every typed reader decodes it.
    Uint32,
    /// As none does.
    Uint16,
}

impl Default for Mmdb {
    fn default() -> Self {
        Self {
            database_type: "GeoLite2-Country".to_owned(),
            build_epoch: FIRST_BUILD,
            networks: 500,
            geoname_id: GeonameId::Uint32,
            continents: false,
            description: "A test database".to_owned(),
        }
    }
}

impl Mmdb {
    /// A build that is some days younger.
    #[must_use]
    pub fn later(days: u64) -> Self {
        Self { build_epoch: FIRST_BUILD + days * DAY, ..Self::default() }
    }

    /// Writes the database. Networks are 16.0.0.0/24 and up; each has a country and a number.
    ///
    /// # Panics
    /// Where a network cannot be inserted.
    pub fn bytes(&self) -> Vec<u8> {
        let description = [("en", self.description.as_str())];
        let description = if self.description.is_empty() { &[][..] } else { &description[..] };
        let mut writer = Writer::builder(&self.database_type)
            .description(description)
            .build_epoch(UNIX_EPOCH + Duration::from_secs(self.build_epoch))
            .build();
        for number in 0..self.networks {
            let address = std::net::Ipv4Addr::from((16 << 24) + (number << 8));
            let network = IpNet::V4(Ipv4Net::new(address, 24).expect("24 is a prefix"));
            writer.insert_value(network, self.record(number)).expect("the network is free");
        }
        writer.to_bytes().expect("memory takes it")
    }

    fn record(&self, number: u32) -> Value {
        let code = ["AU", "BR", "CA", "DE"][number as usize % 4];
        let geoname_id = match self.geoname_id {
            GeonameId::Uint32 => Value::U32(2_000_000 + number),
            GeonameId::Uint16 => Value::U16(1 + (number % 60_000) as u16),
        };
        let names = Value::map([("en", Value::from(format!("Country {code}")))]);
        let country = Value::map([
            ("geoname_id", geoname_id),
            ("iso_code", Value::from(code)),
            ("names", names),
        ]);
        let continent = (self.continents && number.is_multiple_of(10)).then(|| {
            let code = Value::map([("code", Value::from("EU"))]);
            ("continent", code)
        });
        Value::map([("country", country)].into_iter().chain(continent))
    }
}

/// An address that every test database knows.
pub const KNOWN_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(16, 0, 1, 7));

/// Writes a SQLite database: table `zones` with so many rows.
///
/// # Panics
/// Where the temporary folder cannot be written.
pub fn sqlite(rows: u32) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset_secs INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO zones SELECT i, 'Zone/' || i, i * 60 FROM n;"
    ))
}

/// Writes a SQLite database with some statements.
///
/// # Panics
/// Where a statement fails.
pub fn sqlite_of(statements: &str) -> Vec<u8> {
    loop {
        match written(statements) {
            Ok(bytes) => return bytes,
            // The inspection of another database in this process may use up SQLite's heap: the limit is the process's.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OutOfMemory) => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(error) => panic!("the statements hold: {error}"),
        }
    }
}

fn written(statements: &str) -> rusqlite::Result<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("made.sqlite");
    let connection = Connection::open(&path)?;
    connection.execute_batch(statements)?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(std::fs::read(&path).expect("it was written"))
}
