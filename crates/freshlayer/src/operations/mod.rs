//! One file or folder per thing that a person or a schedule asks for.

mod history;
mod orders;
mod prune;
mod pull;
mod refresh;
mod status;
mod verify;

pub use history::{HistoryLine, history};
pub use orders::{Pinned, pin, rollback, unpin};
pub use prune::{Kept, Prune, Pruned, PrunedRelease, prune};
pub use pull::{Pulled, Wanted, pull, pull_version};
pub use refresh::{Retry, advance, refresh};
pub use status::{LayerStatus, status};
pub use verify::{Check, Verified, verify};
