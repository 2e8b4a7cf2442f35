//! Faults on demand around every port: a call fails, its reply is lost, or the process dies there.
//!
//! The wrappers change nothing else, so whatever holds for the wrapped adapters holds for the ports that come
//! out, until a fault strikes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::definition::{Destinations, Reader, RolloutHook, ScanHook};
use crate::names::{LayerName, LayerVersionArn, RegionName};
use crate::ports::{
    Alarm, AlarmPattern, Announcement, Answer, Behind, Call, CodeStorage, Consumer, Created, Etag,
    Event, Events, Fetch, Fleet, FleetError, FunctionName, Glimpse, Health, Hook, Hours, Key,
    LayerVersion, ListedVersion, Located, Minutes, News, Notary, Opinion, Parameters, Payload,
    PortError, Ports, Publication, Region, Regions, Registry, Replaced, Request, Scanned, Scanner,
    Source, SourceError, Step, Store, Stored, User, Window,
};

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Nothing is done, and the call fails.
    Fail,
    /// The call is done, and fails all the same.
    LoseReply,
    /// The process dies before the call.
    DieBefore,
    /// The process dies after the call.
    DieAfter,
}

/// Decides about each call: its number, counted from 0 over all ports, and its name.
pub type Decide = dyn Fn(u64, &str) -> Option<Strike> + Send + Sync;

/// Counts the calls of all ports, and strikes.
pub struct Faults {
    calls: AtomicU64,
    decide: Box<Decide>,
    die: Box<dyn Fn() + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
#[error("injected fault at {0}")]
struct Injected(String);

/// Whether a call is done at all, and whether its reply arrives.
struct Verdict {
    strike: Option<Strike>,
    name: String,
}

impl Faults {
    /// Makes faults of a decision and a way to die.
    pub fn new(
        decide: impl Fn(u64, &str) -> Option<Strike> + Send + Sync + 'static,
        die: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { calls: AtomicU64::new(0), decide: Box::new(decide), die: Box::new(die) })
    }

    /// Returns how many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Wraps every port.
    pub fn around(self: &Arc<Self>, ports: &Ports) -> Ports {
        Ports {
            source: self.struck(&ports.source),
            scanner: self.struck(&ports.scanner),
            hook: self.struck(&ports.hook),
            notary: self.struck(&ports.notary),
            store: self.struck(&ports.store),
            regions: self.struck(&ports.regions),
            clock: Arc::clone(&ports.clock),
            peers: Arc::clone(&ports.peers),
            events: self.struck(&ports.events),
        }
    }

    /// Wraps one port.
    pub fn struck<P: ?Sized>(self: &Arc<Self>, port: &Arc<P>) -> Arc<Struck<P>> {
        Arc::new(Struck { faults: Arc::clone(self), inner: Arc::clone(port) })
    }

    fn before(&self, name: &str) -> Verdict {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let strike = (self.decide)(number, name);
        if strike == Some(Strike::DieBefore) {
            (self.die)();
        }
        Verdict { strike, name: format!("call {number}, {name}") }
    }

    fn after<T, E>(
        &self,
        verdict: &Verdict,
        result: Result<T, E>,
        lost: impl FnOnce(PortError) -> E,
    ) -> Result<T, E> {
        match verdict.strike {
            Some(Strike::DieAfter) => {
                (self.die)();
                result
            }
            Some(Strike::LoseReply) => Err(lost(verdict.error())),
            _ => result,
        }
    }
}

impl Verdict {
    fn fails(&self) -> bool {
        self.strike == Some(Strike::Fail)
    }

    fn error(&self) -> PortError {
        Box::new(Injected(self.name.clone()))
    }
}

/// A port whose calls may be struck.
pub struct Struck<P: ?Sized> {
    faults: Arc<Faults>,
    inner: Arc<P>,
}

/// Runs a call under the faults, with its error made of an injected one.
macro_rules! struck {
    ($self:ident, $name:literal, $error:expr, $call:expr) => {{
        let verdict = $self.faults.before($name);
        if verdict.fails() {
            return Err($error(verdict.error()));
        }
        let result = $call.await;
        $self.faults.after(&verdict, result, $error)
    }};
}

#[async_trait]
impl Source for Struck<dyn Source> {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        let error = |error: PortError| SourceError::Setup(error.to_string());
        struck!(self, "source.fetch", error, self.inner.fetch(request))
    }

    async fn news(&self, request: Request<'_>) -> Result<News, SourceError> {
        let error = |error: PortError| SourceError::Setup(error.to_string());
        struck!(self, "source.news", error, self.inner.news(request))
    }
}

#[async_trait]
impl Scanner for Struck<dyn Scanner> {
    async fn scan(&self, hook: &ScanHook, scanned: Scanned<'_>) -> Result<Opinion, PortError> {
        struck!(self, "scanner.scan", |e| e, self.inner.scan(hook, scanned))
    }
}

#[async_trait]
impl Hook for Struck<dyn Hook> {
    async fn ask(&self, hook: &RolloutHook, question: &str) -> Result<String, PortError> {
        struck!(self, "hook.ask", |e| e, self.inner.ask(hook, question))
    }
}

#[async_trait]
impl Notary for Struck<dyn Notary> {
    async fn envelope(&self, kind: &str, payload: &[u8]) -> Result<Option<Value>, PortError> {
        struck!(self, "notary.envelope", |e| e, self.inner.envelope(kind, payload))
    }
}

#[async_trait]
impl Store for Struck<dyn Store> {
    async fn read(&self, key: &Key) -> Result<Option<Stored>, PortError> {
        struck!(self, "store.read", |e| e, self.inner.read(key))
    }

    async fn size_bytes(&self, key: &Key) -> Result<Option<u64>, PortError> {
        struck!(self, "store.size_bytes", |e| e, self.inner.size_bytes(key))
    }

    async fn read_to_file(&self, key: &Key, file: &Path) -> Result<bool, PortError> {
        struck!(self, "store.read_to_file", |e| e, self.inner.read_to_file(key, file))
    }

    async fn create(&self, key: &Key, payload: Payload<'_>) -> Result<Created, PortError> {
        struck!(self, "store.create", |e| e, self.inner.create(key, payload))
    }

    async fn replace(&self, key: &Key, seen: &Etag, bytes: &[u8]) -> Result<Replaced, PortError> {
        struck!(self, "store.replace", |e| e, self.inner.replace(key, seen, bytes))
    }

    async fn delete(&self, key: &Key) -> Result<(), PortError> {
        struck!(self, "store.delete", |e| e, self.inner.delete(key))
    }
}

#[async_trait]
impl Registry for Struck<dyn Registry> {
    fn region(&self) -> &RegionName {
        self.inner.region()
    }

    fn parameters(&self) -> Parameters {
        self.inner.parameters()
    }

    async fn versions(&self, layer: &LayerName) -> Result<Vec<ListedVersion>, PortError> {
        struck!(self, "registry.versions", |e| e, self.inner.versions(layer))
    }

    async fn publish(&self, publication: Publication<'_>) -> Result<LayerVersion, PortError> {
        struck!(self, "registry.publish", |e| e, self.inner.publish(publication))
    }

    async fn read_back(&self, arn: &LayerVersionArn) -> Result<Option<LayerVersion>, PortError> {
        struck!(self, "registry.read_back", |e| e, self.inner.read_back(arn))
    }

    async fn locate(&self, arn: &LayerVersionArn) -> Result<Option<Located>, PortError> {
        struck!(self, "registry.locate", |e| e, self.inner.locate(arn))
    }

    async fn share(
        &self,
        arn: &LayerVersionArn,
        readers: &BTreeSet<Reader>,
    ) -> Result<(), PortError> {
        struck!(self, "registry.share", |e| e, self.inner.share(arn, readers))
    }

    async fn announce(&self, announcement: Announcement<'_>) -> Result<(), PortError> {
        struck!(self, "registry.announce", |e| e, self.inner.announce(announcement))
    }

    async fn readers(&self, arn: &LayerVersionArn) -> Result<BTreeSet<String>, PortError> {
        struck!(self, "registry.readers", |e| e, self.inner.readers(arn))
    }

    async fn delete(&self, arn: &LayerVersionArn) -> Result<(), PortError> {
        struck!(self, "registry.delete", |e| e, self.inner.delete(arn))
    }
}

#[async_trait]
impl Fleet for Struck<dyn Fleet> {
    async fn observe(&self, target: &LayerVersionArn) -> Result<Vec<Consumer>, PortError> {
        struck!(self, "fleet.observe", |e| e, self.inner.observe(target))
    }

    async fn glance(&self, target: &LayerVersionArn) -> Result<Glimpse, PortError> {
        struck!(self, "fleet.glance", |e| e, self.inner.glance(target))
    }

    async fn in_use(
        &self,
        of: &LayerVersionArn,
    ) -> Result<BTreeMap<LayerVersionArn, User>, PortError> {
        struck!(self, "fleet.in_use", |e| e, self.inner.in_use(of))
    }

    async fn storage(&self) -> Result<Option<CodeStorage>, PortError> {
        struck!(self, "fleet.storage", |e| e, self.inner.storage())
    }

    async fn call(&self, call: Call<'_>) -> Result<Answer, PortError> {
        struck!(self, "fleet.call", |e| e, self.inner.call(call))
    }

    async fn apply(&self, step: &Step) -> Result<Consumer, FleetError> {
        let function = step.function().clone();
        let error = |source| FleetError::Other { function, source };
        struck!(self, "fleet.apply", error, self.inner.apply(step))
    }
}

#[async_trait]
impl Health for Struck<dyn Health> {
    async fn alarms(&self, patterns: &[AlarmPattern]) -> Result<Vec<Alarm>, PortError> {
        struck!(self, "health.alarms", |e| e, self.inner.alarms(patterns))
    }

    async fn minutes(
        &self,
        functions: &[FunctionName],
        window: Window,
    ) -> Result<BTreeMap<FunctionName, Minutes>, PortError> {
        struck!(self, "health.minutes", |e| e, self.inner.minutes(functions, window))
    }

    async fn hours(
        &self,
        functions: &[FunctionName],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<FunctionName, Hours>, PortError> {
        struck!(self, "health.hours", |e| e, self.inner.hours(functions, from, until))
    }

    async fn minutes_behind(
        &self,
        versions: &[Behind],
        window: Window,
    ) -> Result<BTreeMap<Behind, Minutes>, PortError> {
        struck!(self, "health.minutes", |e| e, self.inner.minutes_behind(versions, window))
    }

    fn minutes_kept(&self) -> SignedDuration {
        self.inner.minutes_kept()
    }
}

#[async_trait]
impl Regions for Struck<dyn Regions> {
    async fn of(&self, destinations: &Destinations) -> Vec<Region> {
        let regions = self.inner.of(destinations).await.into_iter();
        let struck = regions.map(|region| Region {
            registry: self.faults.struck(&region.registry),
            fleets: region
                .fleets
                .iter()
                .map(|(account, fleet)| {
                    let fleet: Arc<dyn Fleet> = self.faults.struck(fleet);
                    (account.clone(), fleet)
                })
                .collect(),
            health: region
                .health
                .iter()
                .map(|(account, health)| {
                    let health: Arc<dyn Health> = self.faults.struck(health);
                    (account.clone(), health)
                })
                .collect(),
        });
        struck.collect()
    }
}

impl Events for Struck<dyn Events> {
    /// Starts of stages count as calls, so that a process can die inside each stage.
    fn emit(&self, event: &Event) {
        if let Event::Started { stage, .. } = event {
            let verdict = self.faults.before(&format!("stage.{stage}"));
            if verdict.strike == Some(Strike::DieAfter) {
                (self.faults.die)();
            }
        }
        self.inner.emit(event);
    }
}
