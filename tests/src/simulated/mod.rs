//! AWS in memory, as strict as AWS says it is: the rules and texts that no emulator has.
//!
//! It answers the SDK's own requests, so the real adapters run against it, and it needs no socket, so its time
//! may be tokio's virtual time.

mod functions;
mod layers;
mod objects;
mod refusal;
mod services;
mod signer;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use freshlayer_aws::{Aws, Pace};
use serde_json::{Value, json};
use tokio::time::Instant;

use functions::Functions;
pub use functions::{NewFunction, RunsOn, Signing};
use layers::Layers;
use objects::Objects;
use signer::Signer;

/// The Region.
pub const REGION: &str = "eu-west-1";
/// The account.
pub const ACCOUNT: &str = "123456789012";
/// The bucket of state and zips.
pub const BUCKET: &str = "state";
/// What Lambda's control plane takes, per account and Region. Source: AWS Lambda quotas.
pub const CALLS_PER_SEC: u32 = 15;
const GET_FUNCTIONS_PER_SEC: u32 = 100;
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
}

/// All that is remembered.
pub(crate) struct World {
    pub(crate) functions: Functions,
    pub(crate) layers: Layers,
    pub(crate) objects: Objects,
    pub(crate) signer: Signer,
    pub(crate) parameters: std::collections::BTreeMap<String, String>,
    calls: u64,
    names: Vec<String>,
    control: Bucket,
    reads: Bucket,
    throttled: u64,
}

/// A request, taken apart.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: Vec<String>,
    pub(crate) query: std::collections::BTreeMap<String, String>,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An answer: a status, headers, a body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// Tokens that fill up again.
struct Bucket {
    per_sec: u32,
    left: f64,
    since: Instant,
}

impl Bucket {
    fn new(per_sec: u32) -> Self {
        Self { per_sec, left: f64::from(per_sec), since: Instant::now() }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.since).as_secs_f64() * f64::from(self.per_sec);
        self.left = (self.left + earned).min(f64::from(self.per_sec));
        self.since = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        let body = body.to_string().into_bytes();
        Self { status, headers, body }
    }

    /// An error as Lambda's services write one.
    pub(crate) fn fault(status: u16, code: &str, message: &str) -> Self {
        let mut answer = Self::json(status, &json!({"Type": "User", "message": message}));
        answer.headers.push(("x-amzn-errortype", code.to_owned()));
        answer
    }
}

impl Asked {
    async fn of(request: HttpRequest) -> Self {
        let uri = url::Url::parse(request.uri()).expect("the SDK writes whole addresses");
        let segments = uri.path_segments().expect("it has a path");
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let path = segments.filter(|part| !part.is_empty()).map(decoded).collect();
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            method: request.method().to_owned(),
            query: uri.query_pairs().into_owned().collect(),
            headers: headers.collect(),
            path,
            body: body(request).await,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

async fn body(mut request: HttpRequest) -> Vec<u8> {
    let body = std::mem::replace(request.body_mut(), SdkBody::empty());
    let bytes = ByteStream::new(body).collect().await;
    bytes.expect("the body is readable").to_vec()
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulated {
    /// Makes an empty AWS.
    pub fn new() -> Self {
        let world = World {
            functions: Functions::default(),
            layers: Layers::default(),
            objects: Objects::default(),
            signer: Signer::default(),
            parameters: std::collections::BTreeMap::new(),
            calls: 0,
            names: Vec::new(),
            control: Bucket::new(CALLS_PER_SEC),
            reads: Bucket::new(GET_FUNCTIONS_PER_SEC),
            throttled: 0,
        };
        Self { world: Arc::new(Mutex::new(world)), decide: Arc::new(|_, _| None) }
    }

    /// The same AWS, behind a network that misbehaves. Calls are counted anew.
    #[must_use]
    pub fn hit_by(
        &self,
        decide: impl Fn(u64, &str) -> Option<Hit> + Send + Sync + 'static,
    ) -> Self {
        self.world().calls = 0;
        Self { world: Arc::clone(&self.world), decide: Arc::new(decide) }
    }

    /// An independent AWS in the same state.
    #[must_use]
    pub fn copy(&self) -> Self {
        let (copy, world) = (Self::new(), self.world());
        {
            let mut other = copy.world();
            other.functions = world.functions.clone();
            other.layers = world.layers.clone();
            other.objects = world.objects.clone();
            other.signer = world.signer.clone();
            other.parameters.clone_from(&world.parameters);
        }
        copy
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
        self.world().parameters.get(name).cloned()
    }

    /// Returns how its SDK is configured.
    pub fn sdk(&self) -> SdkConfig {
        let credentials = Credentials::new("AKIASIMULATED", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            // An address, so that buckets stand in the path.
            .endpoint_url("http://127.0.0.1:1")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(SharedHttpClient::new(self.clone()))
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
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
        let free = match name {
            "GetFunction" => self.reads.take(),
            name if services::is_control_plane(name) => self.control.take(),
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

impl HttpClient for Simulated {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Simulated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let simulated = self.clone();
        HttpConnectorFuture::new(async move {
            let asked = Asked::of(request).await;
            let answer = simulated.answer(asked).await?;
            let status = StatusCode::try_from(answer.status).expect("a status");
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            for (name, value) in answer.headers {
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        })
    }
}
