//! AWS in memory, as strict as AWS says it is: the rules and texts that no emulator has.
//!
//! It answers the SDK's own requests, so the real adapters run against it, and it needs no socket, so its time
//! may be tokio's virtual time. By default everything takes as long as it does at AWS at best; a test asks for
//! what is worse.
//!
//! ```text
//! wire       between the SDK and the simulation
//! services   which call a request is, and who answers it
//! places     accounts and Regions: who calls, what each takes in a second
//! rules      what a test asked of AWS: lags, delays, outages, layers that break functions
//! functions  $LATEST and its updates;  versions, aliases, provisioned: what is published, and who gets it
//! listing    what shows functions;     shown, settings: how one is written;   invoke: what a call gets
//! layers     layer versions and their policies;   refusal: what Lambda has against a list of layers
//! account    code storage, roles;      objects, signer: S3 and Signer
//! person     what people do, at once;  views: what happened, and what callers get
//! ```

mod account;
mod aliases;
mod functions;
mod invoke;
mod layers;
mod listing;
mod objects;
mod person;
mod places;
mod provisioned;
mod refusal;
mod rules;
mod services;
mod settings;
mod shown;
mod signer;
mod versions;
mod views;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_runtime_api::client::result::ConnectorError;
use freshlayer_aws::{Aws, Pace};

use crate::clock::VirtualClock;
use functions::Functions;
pub use functions::Updates;
use layers::Layers;
use objects::Objects;
pub use person::NewFunction;
use places::Quotas;
pub use places::{Outage, Place};
pub use rules::Answering;
use rules::Rules;
pub use settings::{Architecture, RunsOn, Settings, Signing, SnapStart, Tracing};
use signer::Signer;
use views::Record;
pub use views::{Met, Moved, Served};
use wire::{Answer, Asked};

/// The Region.
pub const REGION: &str = "eu-west-1";
/// The account.
pub const ACCOUNT: &str = "123456789012";
/// The bucket of state and zips.
pub const BUCKET: &str = "state";
/// What Lambda's control plane takes, per account and Region. Source: AWS Lambda quotas.
pub const CALLS_PER_SEC: u32 = 15;
/// How long a call takes; a guess.
const LATENCY: Duration = Duration::from_millis(30);

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// Nothing is done, and the caller hears nothing, ever.
    SilentBefore,
    /// It is done, and the caller hears nothing, ever.
    SilentAfter,
    /// It is done, and the connection is cut.
    Cut,
    /// It is done, and the answer takes this much longer.
    Slow(Duration),
}

/// Decides about each call: its number, counted from 0, and its name.
type Decide = dyn Fn(u64, &str) -> Option<Hit> + Send + Sync;

/// An AWS of its own. Clones are views of the same one.
#[derive(Clone)]
pub struct Simulated {
    world: Arc<Mutex<World>>,
    decide: Arc<Decide>,
    /// Where this view looks, and who calls through it.
    place: Place,
    clock: VirtualClock,
}

/// All that is remembered.
pub(crate) struct World {
    pub(crate) places: BTreeMap<Place, Functions>,
    pub(crate) layers: Layers,
    pub(crate) objects: Objects,
    pub(crate) signer: Signer,
    pub(crate) parameters: BTreeMap<(Place, String), String>,
    pub(crate) rules: Rules,
    pub(crate) record: Record,
    calls: u64,
    names: Vec<String>,
    quotas: Quotas,
    throttled: u64,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulated {
    /// Makes an empty AWS.
    pub fn new() -> Self {
        Self::at_time(VirtualClock::start())
    }

    fn at_time(clock: VirtualClock) -> Self {
        let world = World {
            places: BTreeMap::new(),
            layers: Layers::default(),
            objects: Objects::default(),
            signer: Signer::default(),
            parameters: BTreeMap::new(),
            rules: Rules::new(clock),
            record: Record::new(clock),
            calls: 0,
            names: Vec::new(),
            quotas: Quotas::default(),
            throttled: 0,
        };
        let (world, decide) = (Arc::new(Mutex::new(world)), Arc::new(|_, _: &str| None));
        Self { world, decide, place: Place::home(), clock }
    }

    /// The same AWS, seen from another account or Region.
    #[must_use]
    pub fn at(&self, account: &str, region: &str) -> Self {
        Self { place: Place::new(account, region), ..self.clone() }
    }

    /// The same AWS, behind a network that misbehaves. Calls are counted anew.
    #[must_use]
    pub fn hit_by(
        &self,
        decide: impl Fn(u64, &str) -> Option<Hit> + Send + Sync + 'static,
    ) -> Self {
        self.world().calls = 0;
        Self { decide: Arc::new(decide), ..self.clone() }
    }

    /// An independent AWS in the same state.
    #[must_use]
    pub fn copy(&self) -> Self {
        let (copy, world) = (Self::at_time(self.clock), self.world());
        {
            let mut other = copy.world();
            other.places.clone_from(&world.places);
            other.layers = world.layers.clone();
            other.objects = world.objects.clone();
            other.signer = world.signer.clone();
            other.parameters.clone_from(&world.parameters);
            other.rules = world.rules.clone();
        }
        Self { place: self.place.clone(), ..copy }
    }

    /// Returns the clock by which it counts.
    pub fn clock(&self) -> VirtualClock {
        self.clock
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many calls there were since they were last counted anew.
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// Returns the names of the calls, in order, and forgets them.
    pub fn called(&self) -> Vec<String> {
        std::mem::take(&mut self.world().names)
    }

    /// Returns how many calls were throttled.
    pub fn throttled(&self) -> u64 {
        self.world().throttled
    }

    /// Returns the value of a parameter of Systems Manager.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let key = (self.place.clone(), name.to_owned());
        self.world().parameters.get(&key).cloned()
    }

    /// Returns how its SDK is configured.
    pub fn sdk(&self) -> SdkConfig {
        let key = self.place.access_key("AKIA");
        let credentials = Credentials::new(key, "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.place.region.clone()))
            // An address, so that buckets stand in the path.
            .endpoint_url("http://127.0.0.1:1")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(SharedHttpClient::new(self.clone()))
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .time_source(self.clock)
            .build()
    }

    /// Returns freshlayer's view of it.
    ///
    /// # Panics
    /// Never: the Region is named.
    pub fn aws(&self, pace: Pace) -> Aws {
        let aws = Aws::with(self.sdk(), BUCKET).expect("a Region is named");
        aws.paced(pace)
    }

    async fn answer(self, asked: Asked) -> Result<Answer, ConnectorError> {
        let name = services::name(&asked);
        let number = {
            let mut world = self.world();
            let number = world.calls;
            world.calls += 1;
            world.names.push(name.clone());
            number
        };
        let hit = (self.decide)(number, &name);
        if hit == Some(Hit::SilentBefore) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(LATENCY).await;
        let outage = self.world().rules.outage(&asked.place);
        if outage == Some(Outage::Unreachable) && services::is_lambda(&name) {
            return Err(ConnectorError::io("the connection was refused".into()));
        }
        let answer = self.world().answer(&name, &asked);
        match hit {
            Some(Hit::SilentAfter) => std::future::pending().await,
            Some(Hit::Slow(longer)) => {
                tokio::time::sleep(longer).await;
                Ok(answer)
            }
            Some(Hit::Cut) => Err(ConnectorError::io("the connection was cut".into())),
            _ => Ok(answer),
        }
    }
}

impl World {
    fn answer(&mut self, name: &str, asked: &Asked) -> Answer {
        if let Some(denial) = self.rules.denial(name, asked).filter(|_| services::is_lambda(name)) {
            return denial;
        }
        let throttles = self.rules.outage(&asked.place) == Some(Outage::Throttled);
        let free = match name {
            name if throttles && services::is_lambda(name) => false,
            "GetFunction" => self.quotas.read(&asked.place),
            name if services::is_control_plane(name) => self.quotas.control(&asked.place),
            _ => true,
        };
        if !free {
            self.throttled += 1;
            let mut answer = Answer::fault(429, "TooManyRequestsException", "Rate exceeded");
            answer.headers.push(("retry-after", "1".to_owned()));
            return answer;
        }
        services::dispatch(self, name, asked)
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulated")
    }
}
