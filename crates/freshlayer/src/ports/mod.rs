//! The seams. The engine owns these traits; adapters implement them, and one contract suite holds every
//! implementation of a port to what is written here.

mod clock;
mod events;
mod fleet;
mod health;
mod hook;
mod notary;
mod regions;
mod registry;
mod scanner;
mod secrets;
mod source;
mod store;

use std::sync::Arc;

pub use clock::{Clock, Peers};
pub use events::{Event, Events, Stage};
pub use fleet::{
    Alias, Answer, Call, CodeStorage, Configuration, Consumer, Fleet, FleetError, FunctionName,
    Glimpse, Look, PublishedVersion, Routing, Step, Unqualified, Update, User,
};
pub use health::{
    Alarm, AlarmPattern, AlarmState, AlarmTag, Behind, Calls, Health, Hours, Minutes,
    Notifications, Window,
};
pub use hook::{ANSWER_BYTES_MAX, Hook};
pub use notary::{Notary, Unsigned};
pub use regions::{Region, Regions};
pub use registry::{
    Announcement, LayerVersion, ListedVersion, Located, Parameters, Publication, Registry,
    Signature,
};
pub use scanner::{Opinion, Scanned, Scanner};
pub use secrets::{Secret, SecretError, Secrets};
pub use source::{
    Body, ExpectedChecksum, Fetch, News, Request, Source, SourceError, UpstreamFacts, Validators,
};
pub use store::{Created, Etag, Key, Payload, Replaced, Store, Stored};

/// What an adapter says when something outside fails; the engine adds where.
pub type PortError = Box<dyn std::error::Error + Send + Sync>;

/// One set of adapters: the outside world as the engine sees it.
#[derive(Clone)]
pub struct Ports {
    /// Downloads.
    pub source: Arc<dyn Source>,
    /// Who looks at zips before they are published.
    pub scanner: Arc<dyn Scanner>,
    /// Who is asked about waves.
    pub hook: Arc<dyn Hook>,
    /// Who signs provenance documents.
    pub notary: Arc<dyn Notary>,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// Layer versions and functions, Region by Region.
    pub regions: Arc<dyn Regions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Other publishers.
    pub peers: Arc<dyn Peers>,
    /// Where progress goes.
    pub events: Arc<dyn Events>,
}
