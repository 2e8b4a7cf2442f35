use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freshlayer::definition::{Definition, read_folder};
use freshlayer::ports::{Peers, Ports};
use freshlayer::report::{Exit, Report};
use freshlayer::state::Owner;
use freshlayer::{
    Engine, LayerName, advance, history, pin, refresh, rollback, status, unpin, verify,
};
use freshlayer_aws::{Aws, Glance};
use freshlayer_local::SystemClock;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, Error, LambdaEvent};
use serde_json::{Value, json};

use crate::answer::{Account, answer, diagnostic, done, failed};
use crate::event::{Command, Tried, command};
use crate::log::{self, Log};
use crate::onward::{Onward, Share};
use crate::settings::{Settings, read};
use crate::source::Upstreams;

/// Longer than Lambda lets any function run, so that two publishers never work on one layer.
const LEASE: Duration = Duration::from_mins(16);
const WORK: &str = "/tmp/freshlayer";
/// What is left of the invocation when no further function is begun with: enough for an update to settle.
const SETTLING: Duration = Duration::from_mins(1);
/// What is left of the invocation when the work stops: enough to report.
const REPORTING: Duration = Duration::from_secs(5);

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
    function_arn: String,
}

impl Publisher {
    /// Reads the definitions and makes the clients. Nothing is called.
    pub(crate) async fn new(settings: Settings) -> Result<Self, Error> {
        let definitions = read_folder(&settings.layers, &read).map_err(|problems| {
            let lines = problems.iter().map(ToString::to_string);
            lines.collect::<Vec<_>>().join("; ")
        })?;
        let aws = Aws::connect(&freshlayer_aws::Settings {
            region: None,
            profile: None,
            bucket: settings.bucket,
        })
        .await?
        .paced(settings.pace);
        // One environment does one run at a time: what lies here is of a run that was cut off.
        let _nothing_there = std::fs::remove_dir_all(WORK);
        let ports = Ports {
            source: Arc::new(Upstreams::new(aws.clone(), settings.maxmind)?),
            store: Arc::new(aws.store()),
            regions: Arc::new(aws.regions(Glance::WhereNothingRolls)),
            clock: Arc::new(SystemClock::start()),
            peers: Arc::new(Strangers),
            events: Arc::new(Log),
        };
        let engine = Engine { ports, work: PathBuf::from(WORK), owner: owner(), deadline: None };
        Ok(Self { engine, definitions, onward: Onward::new(aws, settings.wake_role) })
    }

    /// Answers one event. What failed is an error of the invocation, so that Lambda tries again and the alarm
    /// sees it; data that was rejected and functions that wait for a person are answers.
    pub(crate) async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let command =
            command(&event.payload).map_err(|message| diagnostic(Exit::Usage, message))?;
        let deadline = event.context.deadline;
        let run = Run {
            publisher: self,
            engine: Engine {
                deadline: timestamp(deadline.saturating_sub(millis(SETTLING))),
                ..self.engine.clone()
            },
            function_arn: event.context.invoked_function_arn,
        };
        let now = u64::try_from(self.engine.ports.clock.now().as_millisecond()).unwrap_or(0);
        let left = deadline.saturating_sub(millis(REPORTING)).saturating_sub(now);
        let work = tokio::time::timeout(Duration::from_millis(left), run.done(command));
        work.await.unwrap_or_else(|_elapsed| {
            let message =
                "out of time; what is done is recorded, and the next run goes on from there";
            Err(diagnostic(Exit::Failed, message.to_owned()))
        })
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

impl Run<'_> {
    async fn done(&self, command: Command) -> Result<Value, Diagnostic> {
        let (publisher, engine) = (self.publisher, &self.engine);
        match command {
            Command::Refresh { layers, retry } => {
                let (share, mut account) = (Share::of(engine), Account::default());
                for definition in publisher.chosen(&layers)? {
                    // What does not fit in here gets an invocation of its own.
                    if share.is_used_up(engine) && !account.reports.is_empty() {
                        self.hand_on(&definition.layer, retry, &mut account).await;
                        continue;
                    }
                    let report = refresh(engine, definition, retry.into()).await;
                    self.tell(report, &mut account).await;
                }
                answer("refresh", &account)
            }
            Command::Advance { layers } => {
                let mut account = Account::default();
                for definition in publisher.chosen(&layers)? {
                    let report = advance(engine, definition).await;
                    self.tell(report, &mut account).await;
                }
                answer("advance", &account)
            }
            Command::Rollback { layer, to } => {
                let mut account = Account::default();
                let report = rollback(engine, publisher.one(&layer)?, to).await;
                let report = report.map_err(|error| failed(&error))?;
                self.tell(report, &mut account).await;
                answer("rollback", &account)
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
                let lines = history(engine, &layer).await.map_err(|error| failed(&error))?;
                Ok(done("history", Exit::Done, "history", json!(lines)))
            }
            Command::Verify { layer, release } => {
                let verified = verify(engine, publisher.one(&layer)?, release).await;
                let verified = verified.map_err(|error| failed(&error))?;
                Ok(done("verify", verified.exit(), "verified", json!(verified)))
            }
            Command::Pin { layer, to, reason } => {
                let pinned = pin(engine, &layer, to, reason).await;
                let pinned = pinned.map_err(|error| failed(&error))?;
                Ok(done("pin", Exit::Done, "release", json!(pinned.seq)))
            }
            Command::Unpin { layer } => {
                let unpinned = unpin(engine, &layer).await.map_err(|error| failed(&error))?;
                Ok(done("unpin", Exit::Done, "was_pinned", json!(unpinned)))
            }
        }
    }

    /// Has a layer refreshed by another invocation. Where that fails the next schedule does it.
    async fn hand_on(&self, layer: &LayerName, retry: Tried, account: &mut Account) {
        let onward = &self.publisher.onward;
        match onward.hand_on(&self.function_arn, layer, retry).await {
            Ok(()) => account.handed_on.push(layer.clone()),
            Err(fault) => {
                log::warning(layer, &fault.to_string());
                account.warnings.push(fault.to_string());
            }
        }
    }

    /// Logs a report, tells the event bus, and sees to it that what is on its way is gone on with.
    async fn tell(&self, report: Report, account: &mut Account) {
        log::report(&report, self.engine.ports.clock.now());
        let told = self.publisher.onward.tell(&report, &self.function_arn);
        account.warnings.extend(told.await);
        account.reports.push(report);
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
struct Strangers;

impl Peers for Strangers {
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
