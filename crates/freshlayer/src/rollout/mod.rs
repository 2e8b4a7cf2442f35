//! Moves consumers: observe, plan (pure), do the steps, observe what they answer, until nothing is left.

mod drive;
mod orders;
mod plan;
mod standing;
mod survey;

pub(crate) use drive::{Driven, drive};
pub use orders::{Order, order};
pub use plan::{Desired, Plan, Standing, plan};
pub(crate) use standing::standing;
pub(crate) use survey::{glance, survey};
