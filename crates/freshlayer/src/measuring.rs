//! What benchmarks measure and no other crate needs.

use jiff::Timestamp;

use crate::rollout::{Foreseen, Intent, World};
use crate::state::Rollout;

/// Plays the rollout of the intended release to its end, as `plan` does before anything happens.
pub fn foresee(intent: &Intent, world: &World, now: Timestamp) -> Foreseen {
    let release = intent.release().unwrap_or_default();
    let rollout = Rollout::imagined(&intent.layer, release, now);
    crate::rollout::foresee(intent, world, rollout, now).0
}
