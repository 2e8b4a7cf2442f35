//! Moves consumers: observe, plan (pure), do the steps, observe what they answer, until nothing is left.

pub(crate) mod converge;
mod drive;
mod plan;
mod standing;
mod survey;
mod tag;

pub(crate) use drive::{Driven, drive};
pub use plan::{Desired, Plan, Standing, plan};
pub(crate) use standing::standing;
pub(crate) use survey::{glance, survey};
pub use tag::{Order, order};
