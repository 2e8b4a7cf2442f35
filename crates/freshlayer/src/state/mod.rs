//! What is remembered: immutable release records, and one mutable head per layer.

mod head;
mod release;
mod session;
mod version;
mod zip;

pub use head::{ConsumerNote, Head, Journal, Lease, Pin, Rejection, Rollout, Seen, Told};
pub use release::{Profile, Release, Snapshot, content_digest};
pub(crate) use session::Leased;
pub use session::{Owner, Session, read_release};
pub use version::{Decision, decide};
pub(crate) use zip::{LayerZip, prove_zip};

use crate::error::Error;
use crate::ports::Key;

/// The number of the state format that this engine writes and reads.
pub const STATE_FORMAT: u32 = 1;

/// Reads an object of our own making.
fn parse<T: serde::de::DeserializeOwned>(key: &Key, bytes: &[u8]) -> Result<T, Error> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        format: u32,
    }
    let corrupt = |problem: String| Error::State { key: key.to_string(), problem };
    let numbered: Numbered =
        serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
    if numbered.format != STATE_FORMAT {
        let found = numbered.format;
        return Err(corrupt(format!("expected state format {STATE_FORMAT}, found {found}")));
    }
    serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))
}

/// Writes an object of our own making.
fn print<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("state holds no map with odd keys");
    bytes.push(b'\n');
    bytes
}
