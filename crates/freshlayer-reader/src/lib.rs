//! Opens the data that freshlayer keeps fresh under `/opt` of an AWS Lambda function.
//!
//! ```text
//! /opt/freshlayer/<layer>.json ── manifest ──> Layer ──┬── mmdb()    memory-mapped reader
//! /opt/<path of a dataset>     ────────────────────────┼── sqlite()  read-only, immutable
//!                                                      └── bytes()   memory map, path()
//! ```
//!
//! Opening reads the manifest (a few hundred bytes) and maps files; nothing is copied, whatever the size.
//! An execution environment never sees its layer change, so what is opened at init stays valid.
//!
//! ```no_run
//! # #[cfg(feature = "mmdb")] {
//! let geo = freshlayer_reader::Layer::open("geo")?;
//! let city = geo.mmdb("city")?;
//! println!("{} {} {:?}", geo.version(), geo.release(), geo.age());
//! # }
//! # Ok::<(), freshlayer_reader::Error>(())
//! ```

#[cfg(all(doctest, feature = "mmdb"))]
#[doc = include_str!("../README.md")]
struct Readme;

mod error;
mod layer;
mod manifest;
mod map;
#[cfg(feature = "mmdb")]
mod mmdb;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "verify")]
mod verify;

pub use error::Error;
pub use layer::{DEFAULT_ROOT, Layer, ROOT_VARIABLE};
pub use manifest::{
    Dataset, FORMAT_NUMBER, File, Format, MANIFEST_BYTES_MAX, Manifest, manifest_path,
};
pub use map::map_file;
#[cfg(feature = "mmdb")]
pub use maxminddb;
pub use memmap2::Mmap;
#[cfg(feature = "mmdb")]
pub use mmdb::MmdbReader;
#[cfg(feature = "sqlite")]
pub use rusqlite;
#[cfg(feature = "sqlite")]
pub use sqlite::immutable_uri;
