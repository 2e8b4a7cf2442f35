//! From wave to wave, and back where a gate fails.

use super::act::{Failed, Stuck};
use super::came::Came;
use super::converge::Converge;
use super::plan::Next;
use crate::error::Error;
use crate::report::Why;
use crate::state::{Ordered, Wave};

impl Converge<'_, '_, '_> {
    /// Opens a wave, or notes that the open one is where it should be; the journal comes before the act. Tells whether it
    /// did either.
    pub(super) async fn next_wave(&mut self, came: &mut Came) -> Result<bool, Error> {
        let now = self.run.engine.ports.clock.now();
        let Some(rollout) = &mut came.rollout else { return Ok(false) };
        match &came.plan.next {
            Next::Open(members) => {
                let members = members.clone();
                rollout.waves.push(Wave { members, opened: now, reached: None });
            }
            Next::Reached => {
                if let Some(wave) = rollout.waves.last_mut() {
                    wave.reached = Some(now);
                }
            }
            _ => return Ok(false),
        }
        self.session.write_rollout(rollout).await?;
        Ok(true)
    }

    /// Sends every function back to the last stable release, and keeps the data that failed away. Where no release came
    /// before, the report names the function that failed.
    pub(super) async fn retreat(&mut self, came: &mut Came, failed: Failed) -> Result<(), Error> {
        let Failed { place, function, words } = failed;
        let head = self.session.head();
        let (Some(to), Some(release)) = (head.before_rollout(), head.desired()) else {
            let why = Why::ProbeFailed { words };
            came.strays.insert((place, function), Stuck::Refused(why));
            return Ok(());
        };
        let target = self.session.release(to).await?;
        let why = Why::GateFailed { release, to, function, words };
        let at = self.run.engine.ports.clock.now();
        let by = self.run.engine.owner.name.clone();
        let order = Ordered { at, by, reason: Some(why.to_string()) };
        self.session
            .order(|head| {
                // A person may have ordered otherwise meanwhile.
                if head.desired() == Some(release) && !head.is_told_to_stay() {
                    head.retreat(&target, &order);
                }
                Ok(())
            })
            .await?;
        self.outset.gate = (self.session.head().desired() == Some(to)).then_some(why);
        Ok(())
    }
}
