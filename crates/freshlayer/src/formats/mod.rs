//! Bytes in, facts out: compression, hashing, reading on a thread of its own, and the databases' file formats.
//! What a fact means for a dataset is judged in `intake::inspect`.

pub(crate) mod deflate;
pub(crate) mod hashing;
pub(crate) mod mmdb;
pub(crate) mod pipe;
pub(crate) mod rule;
pub(crate) mod sqlite;
mod text_shape;

use crate::names::hex;

/// Shows how a file begins, for a message.
pub(crate) fn first_bytes(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(8)];
    let text: String = start.iter().map(|byte| char::from(*byte)).collect();
    if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        format!("{text:?}")
    } else {
        hex(start)
    }
}
