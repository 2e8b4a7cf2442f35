//! Moves consumers: observe, plan (pure), do the steps, until every function is where it belongs.

mod act;
mod came;
mod converge;
mod end;
mod evidence;
mod finish;
mod foresee;
mod goal;
mod hook;
mod judge;
mod measure;
mod observe;
mod plan;
mod recount;
#[cfg(test)]
mod rehearsal;
mod replay;
mod standing;
mod tag;
mod tell;
mod wave;

pub(crate) use converge::{Converge, Outset};
pub(crate) use end::{busy, order, outline_report};
pub(crate) use foresee::foresee;
pub use foresee::{Foreseen, ForeseenWave};
pub(crate) use goal::{Target, before, frozen, goes_on, paused};
pub(crate) use measure::{counts_calls, no_such_alarm, traffic};
pub(crate) use observe::Places;
pub(crate) use plan::Waves;
pub use plan::{
    Foreign, Goal, Intent, Next, Opening, PinnedFunction, PlaceView, Placed, Plan, Probed, SetBack,
    Standing, WAVE_TAG, World, plan,
};
pub(crate) use recount::replay;
pub use replay::Would;
pub(crate) use replay::{Past, deciding};
pub(crate) use standing::{Known, serving};
pub use tag::TagRule;
