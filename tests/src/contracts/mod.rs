//! One contract suite per port. Each implementation is held to what the port's documentation says.

mod fleet;
mod health;
mod hook;
mod registry;
mod scanner;
mod source;
mod store;

pub use fleet::{FleetBench, Strictness, fleet};
pub use health::{HealthBench, SLOW_CALL, health};
pub use hook::{Asked, hook};
pub use registry::{Hosts, registry};
pub use scanner::{Hooks, scanner};
pub use source::source;
pub use store::store;
