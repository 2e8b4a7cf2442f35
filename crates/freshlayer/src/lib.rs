//! The engine of freshlayer: decisions and ports. It names no AWS service, no HTTP client, no environment
//! variable and no wall clock; adapters bring those in through [`ports`].
//!
//! ```text
//! definition ── download ── extract ── gather(inspect) ── release(package) ── publish ── settle(rollout)
//!    what        Source     folders      problems            one zip          Registry      Fleet
//!                                        or proof          Store: record    Store: head    pure plan
//! ```
//!
//! [`refresh()`] is the whole of it. Each stage takes what the stage before it made, so a stage that is left
//! out does not compile.

mod catch_up;
pub mod definition;
mod deflate;
mod download;
mod engine;
mod error;
mod extract;
mod gather;
mod hashing;
mod history;
mod inspect;
mod limits;
mod names;
mod opt_path;
mod orders;
mod package;
mod pipe;
pub mod ports;
mod problem;
mod prune;
mod publish;
mod pull;
mod refresh;
mod release;
pub mod report;
pub mod rollout;
mod settle;
pub mod state;
mod status;
mod verify;

#[cfg(feature = "faults")]
pub mod faults;

pub use engine::{Engine, RUN_FOLDER_PREFIX};
pub use error::{Error, chain};
pub use freshlayer_reader::manifest_path;
pub use hashing::sha256_of;
pub use history::{HistoryLine, history};
pub use limits::{LAYER_BYTES_MAX, Limits};
pub use names::{AccountId, DatasetName, Digest, LayerName, LayerVersionArn, Place, RegionName};
pub use opt_path::OptPath;
pub use orders::{Pinned, pin, rollback, unpin};
pub use package::prove;
pub use problem::{Code, Level, Problem};
pub use prune::{Kept, Prune, Pruned, PrunedRelease, prune};
pub use pull::{Pulled, Wanted, pull, pull_version};
pub use refresh::{Retry, advance, refresh};
pub use status::{LayerStatus, status};
pub use verify::{Check, Verified, verify};
