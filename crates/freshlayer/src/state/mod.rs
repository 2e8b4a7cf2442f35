//! What is remembered: immutable release records, one small mutable head per layer, and one object per rollout.

mod began;
mod counted;
mod evidence;
mod format;
mod head;
#[cfg(test)]
mod head_tests;
mod journal;
mod lease;
mod moved;
mod noted;
mod orders;
mod outline;
mod release;
mod rollout;
mod seen;
mod session;
mod traffic;
mod version;
mod wave;
mod zip;

pub use began::Began;
pub use counted::{Counted, Sums, Tally};
pub use evidence::{Evidence, Says};
#[cfg(feature = "fuzzing")]
pub(crate) use format::parse;
pub(crate) use format::print;
pub use format::{HEAD_FORMAT, RELEASE_FORMAT, ROLLOUT_FORMAT};
pub use head::{Aim, Head, Versions};
pub use journal::{ConsumerNote, Journal};
pub use lease::{Lease, Work};
pub use moved::{CountriesMoved, CountryMovement};
pub use noted::{FailedRun, Looked, Parameter, Shared, Unpublished};
pub use orders::{
    Acceptance, Adopted, Freeze, FunctionPin, LeftBehind, Ordered, PastOrder, Pin, StaysOn,
};
pub use outline::{Outline, SnapshotOutline};
pub use release::{Profile, Release, Snapshot, content_digest};
pub use rollout::{Cause, OpenRollout, Rollout};
pub use seen::{DailyDownloads, Rejection, SeenUpstream};
pub(crate) use session::{Leased, Written};
pub use session::{Owner, Session, read_release};
pub use traffic::Traffic;
pub use version::{Decision, decide};
pub(crate) use wave::unreached_with_last;
pub use wave::{Members, Wave};
pub(crate) use zip::{LayerZip, prove_zip};

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
