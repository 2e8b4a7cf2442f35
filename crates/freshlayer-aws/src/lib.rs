//! AWS behind the engine's ports: state in S3, layer versions and functions in Lambda.
//!
//! ```text
//! Settings ── connect ── Aws ─┬─ store()     S3        conditional writes
//!                             ├─ regions() ── of each Region ─┬─ registry  Lambda   layer versions, from S3
//!                             │                               ├─ fleets    Lambda   one per account, by its role
//!                             │                               └─ health    CloudWatch  alarms, calls; the same accounts
//!                             ├─ notary()    KMS
//!                             ├─ scanner()   Lambda, GuardDuty
//!                             ├─ secrets()   Secrets Manager, Systems Manager
//!                             ├─ wake()      Scheduler    a call at a later time
//!                             └─ announce()  EventBridge  what happened
//! ```
//!
//! One [`Aws`] is one account and one Region. Every call to Lambda's control plane passes one [`Pace`],
//! because AWS allows 15 of them a second per account and Region, for everyone together.

mod alarms;
mod announce;
mod caller;
mod connect;
mod fault;
mod fleet;
mod health;
mod hook;
mod notary;
mod pace;
mod policy;
mod regions;
mod registry;
mod scanner;
mod secrets;
mod sign;
mod source;
mod store;
mod wake;

pub use connect::{Aws, Settings, http_client};
pub use fault::Fault;
pub use fleet::LambdaFleet;
pub use health::CloudWatchHealth;
pub use hook::LambdaHook;
pub use notary::KmsNotary;
pub use pace::{CALLS_PER_SEC_DEFAULT, Pace};
pub use regions::AwsRegions;
pub use registry::LambdaRegistry;
pub use scanner::AwsScanner;
pub use secrets::AwsSecrets;
pub use source::AwsSource;
pub use store::S3Store;
pub use wake::Wake;
