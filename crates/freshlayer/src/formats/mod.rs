//! Bytes in, facts out: compression, hashing, and reading on a thread of its own.

pub(crate) mod deflate;
pub(crate) mod hashing;
pub(crate) mod pipe;
