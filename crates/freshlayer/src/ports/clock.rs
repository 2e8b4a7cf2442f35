use std::time::Duration;

use jiff::Timestamp;

/// Tells the time. The engine has no clock of its own.
///
/// # Contract
/// `now` is UTC wall-clock time and may jump. `elapsed` is monotonic since some fixed moment of the
/// process and never goes back.
pub trait Clock: Send + Sync {
    /// Returns the wall-clock time.
    fn now(&self) -> Timestamp;

    /// Returns the time since a fixed moment of this process.
    fn elapsed(&self) -> Duration;
}

/// Knows which other publishers are surely dead.
///
/// # Contract
/// `is_gone` answers `true` only where it is certain that the owner of a lease will never act again; then
/// its lease is taken over at once. Where nothing is known it answers `false`, and the lease runs out.
pub trait Peers: Send + Sync {
    /// Tells whether a publisher, named as its lease names it, has certainly ended.
    fn is_gone(&self, owner: &str) -> bool;
}
