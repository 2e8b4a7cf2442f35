//! Moves consumers: observe, plan (pure), do the steps, until every function is where it belongs.

mod act;
mod converge;
mod end;
mod goal;
mod observe;
mod plan;
mod standing;
mod tag;

pub(crate) use converge::{Converge, Outset};
pub(crate) use end::{busy, outline_report};
pub(crate) use goal::{Target, frozen};
pub(crate) use observe::Places;
pub use plan::{Foreign, Goal, Intent, Next, PlaceView, Placed, Plan, Standing, World, plan};
pub(crate) use standing::Known;
pub use tag::TagRule;
