//! The embedded host: a folder that behaves as Lambda does, so that the whole product runs without an
//! account, and a local `/opt` is the one that a function will see.
//!
//! ```text
//! <host>/state/      FolderStore      head, releases, blobs
//! <host>/layers/     FolderRegistry   numbered, immutable layer versions; unpacked on demand
//! <host>/functions/  FolderFleet      $LATEST, versions, aliases, tags, revision ids
//! <host>/refreshed/  Refreshes        when each layer was last refreshed
//! <host>/work        temporary files, removed after each run
//! ```

mod child;
mod clock;
mod durable;
mod fleet;
mod function;
mod hook;
mod leftovers;
mod opt;
mod peers;
mod program;
mod refreshes;
mod regions;
mod registry;
mod scanner;
mod secrets;
mod source;
mod store;

pub use clock::SystemClock;
pub use durable::sweep;
pub use fleet::{FolderFleet, HostError};
pub use function::{Function, NewFunction};
pub use hook::CommandHook;
pub use leftovers::{HostFolders, clear};
pub use opt::{OptError, merged_opt, merged_zips};
pub use peers::ProcessPeers;
pub use program::Runner;
pub use refreshes::Refreshes;
pub use regions::FolderRegions;
pub use registry::{ACCOUNT, FolderRegistry, REGION};
pub use scanner::CommandScanner;
pub use secrets::LocalSecrets;
pub use source::FileSource;
pub use store::FolderStore;
