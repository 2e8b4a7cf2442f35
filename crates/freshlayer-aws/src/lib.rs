//! AWS behind the engine's ports: state in S3, layer versions and functions in Lambda.
//!
//! ```text
//! Settings ── connect ── Aws ─┬─ store()     S3        conditional writes
//!                             ├─ registry()  Lambda    layer versions, published from S3
//!                             └─ fleet()     Lambda    functions and aliases; tags by the tagging API
//! ```
//!
//! One [`Aws`] is one account and one Region. Every call to Lambda's control plane passes one [`Pace`],
//! because AWS allows 15 of them a second per account and Region, for everyone together.

mod connect;
mod fault;
mod fleet;
mod pace;
mod registry;
mod store;

pub use connect::{Aws, Settings, http_client};
pub use fault::Fault;
pub use fleet::LambdaFleet;
pub use pace::{CALLS_PER_SEC_DEFAULT, Pace};
pub use registry::LambdaRegistry;
pub use store::S3Store;
