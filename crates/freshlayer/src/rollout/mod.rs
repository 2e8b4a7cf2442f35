//! Moves consumers: observe, plan (pure), do the steps, observe what they answer, until nothing is left.

mod drive;
mod orders;
mod plan;

pub(crate) use drive::{Driven, drive, glance, standing, survey};
pub use orders::{Order, order};
pub use plan::{Desired, Plan, Standing, plan};
