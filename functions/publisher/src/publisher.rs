use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freshlayer::definition::{Definition, Origin, read_folder};
use freshlayer::ports::{Clock, Peers, Ports};
use freshlayer::report::{Exit, Outcome, Report};
use freshlayer::{Engine, LayerName, refresh, rollback, status};
use freshlayer_aws::Aws;
use freshlayer_http::{Credentials, HttpSource, Secret};
use freshlayer_local::SystemClock;
use lambda_runtime::{Diagnostic, Error, LambdaEvent};
use serde_json::{Value, json};

use crate::event::{Command, command};
use crate::log::{self, Log};
use crate::settings::{MaxmindAccount, Settings, read};

/// Longer than Lambda lets any function run, so that two publishers never work on one layer.
const LEASE: Duration = Duration::from_mins(16);
const WORK: &str = "/tmp/freshlayer";
/// What is left of the invocation when the work stops: enough to report.
const REPORTING: Duration = Duration::from_secs(5);

/// Everything that lives as long as the execution environment.
pub(crate) struct Publisher {
    engine: Engine,
    clock: Arc<SystemClock>,
    definitions: Vec<Definition>,
}

impl Publisher {
    /// Reads the definitions and makes the clients. Nothing is called, but for a secret where one is needed.
    pub(crate) async fn new(settings: Settings) -> Result<Self, Error> {
        let definitions = read_folder(&settings.layers, &read).map_err(|problems| {
            let lines = problems.iter().map(ToString::to_string);
            lines.collect::<Vec<_>>().join("; ")
        })?;
        let aws = freshlayer_aws::Settings {
            region: None,
            profile: None,
            bucket: settings.bucket,
        };
        let aws = Aws::connect(&aws).await?;
        let needs_account = definitions
            .iter()
            .flat_map(|definition| &definition.datasets);
        let needs_account = needs_account
            .into_iter()
            .any(|dataset| matches!(dataset.source.origin, Origin::Maxmind { .. }));
        let maxmind = match settings.maxmind {
            Some(account) if needs_account => credentials(&aws, account).await,
            _ => Err(
                "a maxmind source needs MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY_SECRET"
                    .to_owned(),
            ),
        };
        let http = freshlayer_http::Settings {
            maxmind,
            ..freshlayer_http::Settings::default()
        };
        // One environment does one run at a time: what lies here is of a run that was cut off.
        let _nothing_there = std::fs::remove_dir_all(WORK);
        let clock = Arc::new(SystemClock::start());
        let ports = Ports {
            source: Arc::new(HttpSource::new(http)?),
            store: Arc::new(aws.store()),
            registry: Arc::new(aws.registry()),
            fleet: Arc::new(aws.fleet().glancing()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            peers: Arc::new(Strangers),
            events: Arc::new(Log),
        };
        let engine = Engine {
            ports,
            work: PathBuf::from(WORK),
            owner: owner(),
            lease: LEASE,
        };
        Ok(Self {
            engine,
            clock,
            definitions,
        })
    }

    /// Answers one event. What failed is an error of the invocation, so that Lambda tries again and the alarm
    /// sees it; data that was rejected and functions that wait for a person are answers.
    pub(crate) async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let command =
            command(&event.payload).map_err(|message| diagnostic(Exit::Usage, message))?;
        let until = event.context.deadline.saturating_sub(millis(REPORTING));
        let left =
            until.saturating_sub(u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0));
        let work = tokio::time::timeout(Duration::from_millis(left), self.run(command));
        work.await.unwrap_or_else(|_elapsed| {
            let message =
                "out of time; what is done is recorded, and the next run goes on from there";
            Err(diagnostic(Exit::Failed, message.to_owned()))
        })
    }

    async fn run(&self, command: Command) -> Result<Value, Diagnostic> {
        match command {
            Command::Refresh { layers, retry } => {
                let mut reports = Vec::new();
                for definition in self.chosen(&layers)? {
                    let report = refresh(&self.engine, definition, retry.into()).await;
                    log::report(&report, self.clock.now());
                    reports.push(report);
                }
                answer("refresh", &reports)
            }
            Command::Status { layers } => {
                let mut statuses = Vec::new();
                for definition in self.chosen(&layers)? {
                    let status = status(&self.engine, &definition.layer).await;
                    statuses.push(status.map_err(|error| failed(&error))?);
                }
                Ok(
                    json!({"command": "status", "exit_code": Exit::Done.code(), "statuses": statuses}),
                )
            }
            Command::Rollback { layer, to } => {
                let [definition] = self.chosen(std::slice::from_ref(&layer))?[..] else {
                    return Err(diagnostic(
                        Exit::Usage,
                        format!("there is no layer `{layer}`"),
                    ));
                };
                let report = rollback(&self.engine, definition, to).await;
                let report = report.map_err(|error| failed(&error))?;
                log::report(&report, self.clock.now());
                answer("rollback", &[report])
            }
        }
    }

    /// Returns the definitions of some layers, or of all.
    fn chosen(&self, layers: &[LayerName]) -> Result<Vec<&Definition>, Diagnostic> {
        if layers.is_empty() {
            return Ok(self.definitions.iter().collect());
        }
        let find = |layer: &LayerName| {
            let mut definitions = self.definitions.iter();
            let found = definitions.find(|definition| definition.layer == *layer);
            found.ok_or_else(|| diagnostic(Exit::Usage, format!("there is no layer `{layer}`")))
        };
        layers.iter().map(find).collect()
    }
}

async fn credentials(aws: &Aws, account: MaxmindAccount) -> Result<Credentials, String> {
    let key = aws.secret(&account.key_secret).await;
    let key = key.map_err(|fault| format!("a maxmind source needs its licence key: {fault}"))?;
    Ok(Credentials {
        account_id: account.id,
        license_key: Secret::new(key.trim()),
    })
}

/// Names this execution environment: its next event takes up the lease of an event that ran out of time.
fn owner() -> String {
    let part = |name| read(name).unwrap_or_default();
    format!(
        "{} {}",
        part("AWS_LAMBDA_FUNCTION_NAME"),
        part("AWS_LAMBDA_LOG_STREAM_NAME")
    )
}

/// Nothing is known of other execution environments: their leases run out.
struct Strangers;

impl Peers for Strangers {
    fn is_gone(&self, _owner: &str) -> bool {
        false
    }
}

fn answer(command: &str, reports: &[Report]) -> Result<Value, Diagnostic> {
    let exit = reports
        .iter()
        .map(Report::exit)
        .fold(Exit::Done, Exit::worst);
    if exit == Exit::Failed {
        let failed = reports
            .iter()
            .filter(|report| matches!(report.outcome, Outcome::Failed { .. }));
        let lines =
            failed.map(|report| format!("{}: {}", report.layer, log::words(&report.outcome).1));
        return Err(diagnostic(exit, lines.collect::<Vec<_>>().join("; ")));
    }
    Ok(json!({"command": command, "exit_code": exit.code(), "layers": reports}))
}

fn failed(error: &freshlayer::Error) -> Diagnostic {
    diagnostic(Exit::Failed, freshlayer::chain(error))
}

/// The error's type is the exit class, as the CLI counts them.
fn diagnostic(exit: Exit, message: String) -> Diagnostic {
    Diagnostic {
        error_type: format!("{exit:?}"),
        error_message: message,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
