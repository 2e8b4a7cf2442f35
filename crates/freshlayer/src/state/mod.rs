//! What is remembered: immutable release records, one small mutable head per layer, and one object per rollout.

mod began;
mod counted;
mod format;
mod head;
#[cfg(test)]
mod head_tests;
mod lease;
mod moved;
mod noted;
mod orders;
mod outline;
mod release;
mod rollout;
mod seen;
mod session;
mod version;
mod zip;

pub use began::Began;
pub use counted::{Counted, Sums, Tally};
#[cfg(feature = "fuzzing")]
pub(crate) use format::parse;
pub(crate) use format::print;
pub use format::{HEAD_FORMAT, RELEASE_FORMAT, ROLLOUT_FORMAT};
pub use head::{Aim, Head, Versions};
pub use lease::{Lease, Work};
pub use moved::{CountriesMoved, CountryMovement};
pub use noted::{FailedRun, Looked, Parameter, Shared, Unpublished};
pub use orders::{
    Acceptance, Adopted, Freeze, FunctionPin, LeftBehind, Ordered, PastOrder, Pin, StaysOn,
};
pub use outline::{Outline, SnapshotOutline};
pub use release::{Profile, Release, Snapshot, content_digest};
pub(crate) use rollout::unreached_with_last;
pub use rollout::{
    Cause, ConsumerNote, Evidence, Journal, Members, OpenRollout, Rollout, Says, Traffic, Wave,
};
pub use seen::{DailyDownloads, Rejection, SeenUpstream};
pub(crate) use session::{Leased, Written};
pub use session::{Owner, Session, read_release};
pub use version::{Decision, decide};
pub(crate) use zip::{LayerZip, prove_zip};
