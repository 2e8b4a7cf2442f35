use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freshlayer::definition::{Definition, read_folder};
use freshlayer::ports::{FunctionName, Notary, Peers, Ports, Unsigned};
use freshlayer::report::{Exit, Outcome, Report, Why};
use freshlayer::state::{FunctionPin, Owner};
use freshlayer::{
    Attention, Back, Engine, FunctionsOrder, LayerName, Prune, Pruned, advance, chain, freeze,
    freeze_functions, give_lease_back, history, pin, pin_functions, prune, refresh,
    roll_back_functions, rollback, status, unfreeze, unfreeze_functions, unpin, unpin_functions,
    verify,
};
use freshlayer_aws::Aws;
use freshlayer_http::HttpSource;
use freshlayer_local::SystemClock;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent};
use serde_json::{Value, json};

use crate::answer::{Summary, answer, diagnostic, done, failed, pruned};
use crate::event::{AskedBy, Command, Tried, command};
use crate::hooks::Hooks;
use crate::log::{self, Log};
use crate::onward::Onward;
use crate::page;
use crate::settings::{Settings, read};
use crate::source::{Upstreams, Vault, maxmind};

/// Longer than Lambda lets any function run, so that two publishers never work on one layer.
const LEASE: Duration = Duration::from_mins(16);
const WORK: &str = "/tmp/freshlayer";
/// What is left of the invocation when no further function is begun with: enough for an update to settle.
const UPDATE_RESERVE: Duration = Duration::from_mins(1);
/// What is left of the invocation when the work stops: enough to report.
const REPORTING: Duration = Duration::from_secs(5);

/// How long a run waits before it tries again what failed for now: an update of a VPC function takes half a minute.
const RETRY_PAUSES_SECS: [u64; 4] = [2, 10, 30, 60];

/// Everything that lives as long as the execution environment.
pub(crate) struct Publisher {
    engine: Engine,
    definitions: Vec<Definition>,
    onward: Onward,
}

/// One invocation: an engine that knows when to stop, and who is running.
struct Run<'a> {
    publisher: &'a Publisher,
    engine: Engine,
    /// When this invocation stops its work.
    ends: Option<Timestamp>,
    function_arn: String,
}

impl Publisher {
    /// Reads the definitions and makes the clients. Nothing is called.
    pub(crate) async fn new(settings: Settings) -> Result<Self, Error> {
        let definitions = read_folder(&settings.layers, &read).map_err(|problems| {
            let lines = problems.iter().map(ToString::to_string);
            lines.collect::<Vec<_>>().join("; ")
        })?;
        let definitions = definitions.into_iter().map(Definition::on_aws).collect();
        let aws = Aws::connect(&freshlayer_aws::Settings {
            region: None,
            profile: None,
            bucket: settings.bucket,
        })
        .await?
        .paced(settings.pace);
        // One environment does one run at a time: what lies here is of a run that was cut off.
        let _nothing_there = std::fs::remove_dir_all(WORK);
        let http = HttpSource::new(freshlayer_http::Settings {
            maxmind: maxmind(settings.maxmind),
            secrets: Arc::new(Vault::new(&aws)),
            pause: freshlayer_http::Settings::PAUSE,
        })?;
        let ports = Ports {
            source: Arc::new(Upstreams {
                aws: aws.source(Arc::new(http.clone())),
                http: http.clone(),
            }),
            scanner: Arc::new(aws.scanner()),
            hook: Arc::new(Hooks { lambda: aws.hook(), http: http.hook() }),
            notary: notary(&aws, settings.signing_key),
            store: Arc::new(aws.store()),
            regions: Arc::new(aws.regions()),
            clock: Arc::new(SystemClock::start()),
            peers: Arc::new(UnknownPeers),
            events: Arc::new(Log),
        };
        let engine = Engine {
            ports,
            work: PathBuf::from(WORK),
            owner: owner(),
            deadline: None,
            attention: Attention::Glance,
            // A wake-up is cheaper than a function that waits.
            patience: Duration::ZERO,
            retry_pauses: RETRY_PAUSES_SECS.map(Duration::from_secs).to_vec(),
            variable: |_| None,
        };
        Ok(Self { engine, definitions, onward: Onward::new(aws, settings.waking) })
    }

    /// Answers one event. What failed is an error of the invocation, so that Lambda tries again and the alarm
    /// sees it; data that was rejected and functions that wait for a person are answers.
    pub(crate) async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let command =
            command(&event.payload).map_err(|message| diagnostic(Exit::Usage, message))?;
        let deadline = event.context.deadline;
        let attention = match &command {
            Command::Refresh { asked_by, .. } => (*asked_by).into(),
            _ => Attention::Whole,
        };
        let run = Run {
            publisher: self,
            engine: Engine {
                deadline: timestamp(deadline.saturating_sub(millis(UPDATE_RESERVE))),
                attention,
                ..self.engine.clone()
            },
            ends: timestamp(deadline.saturating_sub(millis(REPORTING))),
            function_arn: unqualified(&event.context.invoked_function_arn),
        };
        Box::pin(run.answer(command)).await
    }

    /// Returns the definitions of some layers, or of all.
    fn chosen(&self, layers: &[LayerName]) -> Result<Vec<&Definition>, Diagnostic> {
        match layers {
            [] => Ok(self.definitions.iter().collect()),
            named => named.iter().map(|layer| self.one(layer)).collect(),
        }
    }

    fn one(&self, layer: &LayerName) -> Result<&Definition, Diagnostic> {
        let mut definitions = self.definitions.iter();
        let found = definitions.find(|definition| definition.layer == *layer);
        found.ok_or_else(|| diagnostic(Exit::Usage, format!("there is no layer `{layer}`")))
    }
}

/// One layer that cannot be reached holds no order for another one back.
fn all_done(failures: &[freshlayer::Error]) -> Result<(), Diagnostic> {
    let words: Vec<String> = failures.iter().map(|error| chain(error)).collect();
    if words.is_empty() {
        return Ok(());
    }
    Err(diagnostic(Exit::Failed, words.join("; ")))
}

/// Cuts alias or version off a function's ARN: what the role may invoke again is the function itself.
fn unqualified(function_arn: &str) -> String {
    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
    const PARTS: usize = 7;
    function_arn.split(':').take(PARTS).collect::<Vec<_>>().join(":")
}

impl Run<'_> {
    async fn answer(&self, command: Command) -> Result<Value, Diagnostic> {
        let (publisher, engine) = (self.publisher, &self.engine);
        match command {
            Command::Refresh { layers, retry, asked_by } => {
                let mut summary = Summary::default();
                let mut chosen = publisher.chosen(&layers)?;
                if layers.is_empty() {
                    let turn = self.hours() % chosen.len().max(1);
                    chosen.rotate_left(turn);
                }
                let here = self.hand_on(chosen, retry, asked_by, &mut summary).await;
                for definition in here {
                    let work = Box::pin(refresh(engine, definition, retry.into()));
                    let report = self.reported(&definition.layer, work).await;
                    self.tell(report, &mut summary).await;
                }
                answer("refresh", &summary)
            }
            Command::Advance { layers } => {
                let mut summary = Summary::default();
                for definition in publisher.chosen(&layers)? {
                    let work = Box::pin(advance(engine, definition));
                    let report = self.reported(&definition.layer, work).await;
                    self.tell(report, &mut summary).await;
                }
                answer("advance", &summary)
            }
            Command::Rollback { layer, to, functions, reason, by } => {
                let order =
                    FunctionsOrder { functions, to: Back::Release(to), until: None, reason };
                self.roll_back(&layer, &order, &by).await
            }
            Command::Prune { layers, keep } => {
                let all = self.prune_all(publisher.chosen(&layers)?, keep).await;
                pruned(&all)
            }
            Command::Status { layers } => {
                let mut statuses = Vec::new();
                for definition in publisher.chosen(&layers)? {
                    let status = status(engine, definition).await;
                    statuses.push(status.map_err(|error| failed(&error))?);
                }
                Ok(done("status", Exit::Done, "statuses", json!(statuses)))
            }
            Command::History { layer } => {
                let history = history(engine, &layer).await.map_err(|error| failed(&error))?;
                Ok(done("history", Exit::Done, "history", json!(history)))
            }
            Command::Verify { layer, release } => {
                let verified = verify(engine, publisher.one(&layer)?, release).await;
                let verified = verified.map_err(|error| failed(&error))?;
                Ok(done("verify", verified.exit(), "verified", json!(verified)))
            }
            Command::Pin { layer, to: Some(release), functions, reason, until, by }
                if !functions.is_empty() =>
            {
                let order = FunctionsOrder { functions, to: Back::Release(release), until, reason };
                self.pin_functions(&layer, &order, &by).await
            }
            Command::Pin { functions, .. } if !functions.is_empty() => {
                let words = "a pin of single functions needs the release, `to`";
                Err(diagnostic(Exit::Usage, words.to_owned()))
            }
            Command::Pin { layer, to, reason, until, by, .. } => {
                let pinned = pin(engine, &layer, to, &by, reason, until).await;
                let pinned = pinned.map_err(|error| failed(&error))?;
                Ok(done("pin", Exit::Done, "release", json!(pinned.seq)))
            }
            Command::Unpin { layer, functions, by, reason } => {
                self.unpin(&layer, &functions, &by, reason).await
            }
            Command::Freeze { layers, functions, reason, by } => {
                let mut failures = Vec::new();
                for definition in publisher.chosen(&layers)? {
                    let reason = reason.clone();
                    let frozen = match functions[..] {
                        [] => freeze(engine, &definition.layer, &by, reason).await,
                        _ => freeze_functions(engine, definition, &functions, &by, reason).await,
                    };
                    failures.extend(frozen.err());
                }
                all_done(&failures)?;
                Ok(done("freeze", Exit::Done, "frozen", json!(true)))
            }
            Command::Unfreeze { layers, functions, reason, by } => {
                let mut failures = Vec::new();
                for definition in publisher.chosen(&layers)? {
                    let (layer, why) = (&definition.layer, reason.clone());
                    let failed = match functions[..] {
                        [] => unfreeze(engine, layer, &by, why).await.err(),
                        _ => unfreeze_functions(engine, layer, &functions, &by, why).await.err(),
                    };
                    failures.extend(failed);
                }
                all_done(&failures)?;
                Ok(done("unfreeze", Exit::Done, "frozen", json!(false)))
            }
        }
    }

    async fn reported(&self, layer: &LayerName, work: impl Future<Output = Report>) -> Report {
        self.in_time(layer, work).await.unwrap_or_else(|error| {
            Report::of(layer.clone(), Outcome::Failed { reason: Why::Error { error }.into() })
        })
    }

    async fn prune_all(&self, mut layers: Vec<&Definition>, keep: usize) -> Vec<Pruned> {
        let turn = self.hours() / 24 % layers.len().max(1);
        layers.rotate_left(turn);
        let mut all = Vec::new();
        for definition in layers {
            let done = self.prune(definition, keep).await;
            log::pruned(&done);
            all.push(done);
        }
        all
    }

    async fn prune(&self, definition: &Definition, keep: usize) -> Pruned {
        let (layer, mode) = (&definition.layer, Prune::AfterRespite);
        let work = Box::pin(prune(&self.engine, definition, keep, mode));
        let done = match self.in_time(layer, work).await {
            Ok(done) => done,
            Err(words) => Err(freshlayer::Error::NotPossible(words)),
        };
        done.unwrap_or_else(|error| Pruned::failed(layer, mode, &error))
    }

    /// Moves the functions that are named back, or all where none is.
    async fn roll_back(
        &self,
        layer: &LayerName,
        order: &FunctionsOrder,
        by: &str,
    ) -> Result<Value, Diagnostic> {
        let (engine, definition) = (&self.engine, self.publisher.one(layer)?);
        let report = if order.functions.is_empty() {
            rollback(engine, definition, order.to, by, order.reason.clone()).await
        } else {
            roll_back_functions(engine, definition, order, by).await
        };
        let mut summary = Summary::default();
        self.tell(report.map_err(|error| failed(&error))?, &mut summary).await;
        answer("rollback", &summary)
    }

    async fn pin_functions(
        &self,
        layer: &LayerName,
        order: &FunctionsOrder,
        by: &str,
    ) -> Result<Value, Diagnostic> {
        let pinned = pin_functions(&self.engine, self.publisher.one(layer)?, order, by).await;
        let pinned = pinned.map_err(|error| failed(&error))?;
        let release = pinned.values().find_map(FunctionPin::release);
        Ok(done("pin", Exit::Done, "release", json!(release)))
    }

    async fn unpin(
        &self,
        layer: &LayerName,
        functions: &[FunctionName],
        by: &str,
        reason: Option<String>,
    ) -> Result<Value, Diagnostic> {
        let unpinned = match functions {
            [] => unpin(&self.engine, layer, by, reason).await,
            named => {
                let unpinned = unpin_functions(&self.engine, layer, named, by, reason).await;
                unpinned.map(|all| !all.is_empty())
            }
        };
        let unpinned = unpinned.map_err(|error| failed(&error))?;
        Ok(done("unpin", Exit::Done, "was_pinned", json!(unpinned)))
    }

    /// Does the work of one layer until time is up. A run that is cut off gives its lease back, and its end is told in words.
    async fn in_time<T>(
        &self,
        layer: &LayerName,
        work: impl Future<Output = T>,
    ) -> Result<T, String> {
        let now = self.engine.ports.clock.now();
        let left = self.ends.map(|ends| ends.duration_since(now));
        let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
        if let Ok(done) = tokio::time::timeout(left, work).await {
            return Ok(done);
        }
        let back = give_lease_back(&self.engine, layer).await;
        Err(match back {
            Ok(()) => "out of time; the release that serves is untouched, and the next run goes on"
                .to_owned(),
            Err(error) => {
                format!("out of time, and its lease runs out by itself: {}", chain(&error))
            }
        })
    }

    /// The hours since 1970. Which layer comes first changes with the time: none is always the last one.
    fn hours(&self) -> usize {
        let hours = self.engine.ports.clock.now().as_second() / 3_600;
        usize::try_from(hours).unwrap_or_default()
    }

    /// Where there is more than one layer each gets an invocation of its own from the start: no layer waits for another
    /// one's upstream. Returns the layers that are left to this invocation.
    async fn hand_on<'d>(
        &self,
        layers: Vec<&'d Definition>,
        retry: Tried,
        asked_by: AskedBy,
        summary: &mut Summary,
    ) -> Vec<&'d Definition> {
        let mut here = Vec::new();
        for definition in layers {
            if here.is_empty() {
                here.push(definition);
                continue;
            }
            let (layer, onward) = (&definition.layer, &self.publisher.onward);
            match onward.hand_on(&self.function_arn, layer, retry, asked_by).await {
                Ok(()) => summary.handed_on.push(layer.clone()),
                Err(fault) => {
                    log::warning(layer, &fault.to_string());
                    summary.warnings.push(fault.to_string());
                    here.push(definition);
                }
            }
        }
        here
    }

    /// Logs a report, tells the event bus, and sees to it that what is on its way is gone on with.
    async fn tell(&self, report: Report, summary: &mut Summary) {
        log::report(&report, self.engine.ports.clock.now());
        let told = self.publisher.onward.tell(&report, &self.function_arn);
        summary.warnings.extend(told.await);
        self.keep_page(&report, summary).await;
        summary.reports.push(report);
    }
}

impl Run<'_> {
    /// A page that is not written changes nothing about how the run ended.
    async fn keep_page(&self, report: &Report, summary: &mut Summary) {
        let definitions = &self.publisher.definitions;
        let definition = definitions.iter().find(|definition| definition.layer == report.layer);
        let Some(definition) = definition else { return };
        let kept = Box::pin(page::keep(&self.engine, definitions, definition, report));
        if let Err(words) = kept.await {
            log::warning(&report.layer, &words);
            summary.warnings.push(words);
        }
    }
}

fn notary(aws: &Aws, key: Option<String>) -> Arc<dyn Notary> {
    match key {
        Some(key) => Arc::new(aws.notary(key)),
        None => Arc::new(Unsigned),
    }
}

/// Names this execution environment: its next event takes up the lease of an event that ran out of time.
fn owner() -> Owner {
    let part = |name| read(name).unwrap_or_default();
    let name =
        format!("{} {}", part("AWS_LAMBDA_FUNCTION_NAME"), part("AWS_LAMBDA_LOG_STREAM_NAME"));
    Owner { name, lease: LEASE }
}

/// Nothing is known of other execution environments: their leases run out.
struct UnknownPeers;

impl Peers for UnknownPeers {
    fn is_gone(&self, _owner: &str) -> bool {
        false
    }
}

fn timestamp(unix_millis: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_millis).ok()?).ok()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
