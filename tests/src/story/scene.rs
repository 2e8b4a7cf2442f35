use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use freshlayer::definition::{Definition, read_file};
use freshlayer::ports::{AlarmState, Clock as _, FunctionName, Peers, Ports, Unsigned};
use freshlayer::report::{Happening, Outcome, Report};
use freshlayer::state::{Head, Owner, Session};
use freshlayer::{
    Attention, Back, Engine, Error, FunctionsOrder, LayerVersionArn, Prune, Retry, RolloutOrder,
    abort_rollout, advance, freeze, freeze_functions, order_rollout, pin, prune, refresh,
    roll_back_functions, rollback, unfreeze, unfreeze_functions, unpin, unpin_functions,
};
use freshlayer_aws::Pace;
use freshlayer_local::FileSource;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::act::{Act, Making, Order, Rings};
use super::events::line;
use super::promises::Promises;
use crate::callers::{Called, Callers, Watched};
use crate::clock::EPOCH;
use crate::databases::Mmdb;
use crate::hook::ScriptedHook;
use crate::sandbox::Deaf;
use crate::simulated::{ACCOUNT, Hit, NewFunction, REGION, Settings, Simulated, SnapStart};

const DATASET: &str = "
[[dataset]]
name = 'country'
format = 'mmdb'
source.file = 'country.mmdb'
";
const CALLS_PER_MINUTE: u64 = 5;
/// How long a publisher that hears nothing any more lives on: less than its calls wait for an answer.
const DIES_AFTER: Duration = Duration::from_mins(1);
/// How often a run may ask to be woken at the same moment.
const WAKES_MAX: usize = 500;

/// One layer, its functions and their callers on an AWS of their own.
pub struct Scene {
    pub(super) aws: Simulated,
    pub(super) definition: Definition,
    callers: Arc<Callers>,
    hook: Arc<ScriptedHook>,
    trouble: Arc<Mutex<Option<Trouble>>>,
    folder: TempDir,
    /// Connected once: a client takes longer to make than many calls.
    engine: Engine,
    wake_at: Option<Timestamp>,
    promises: Promises,
    /// What the runs told, and how much of it the story has shown.
    happened: Vec<Happening>,
    shown: usize,
}

/// Which calls fail.
#[derive(Clone)]
struct Trouble {
    one_in: u64,
    with: Option<String>,
}

/// Every other publisher is known to be dead: two of them live in one story only where it says so.
struct AllGone;

impl Peers for AllGone {
    fn is_gone(&self, _owner: &str) -> bool {
        true
    }
}

struct NobodyIsGone;

impl Peers for NobodyIsGone {
    fn is_gone(&self, _owner: &str) -> bool {
        false
    }
}

pub(super) fn layer_version(number: u64) -> LayerVersionArn {
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:layer:geo:{number}");
    LayerVersionArn::parse(&arn).expect("an ARN")
}

fn build(day: u64) -> Vec<u8> {
    static BUILDS: OnceLock<Mutex<BTreeMap<u64, Vec<u8>>>> = OnceLock::new();
    let builds = BUILDS.get_or_init(Mutex::default);
    let mut builds = builds.lock().unwrap_or_else(PoisonError::into_inner);
    builds.entry(day).or_insert_with(|| Mmdb::later(day).bytes()).clone()
}

impl Scene {
    /// Sets the scene: no release, no function, and a first build.
    ///
    /// # Panics
    /// Where the definition is wrong.
    pub fn set(terms: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("geo.toml");
        std::fs::write(&file, format!("{}\n{DATASET}", terms.join("\n"))).expect("writable");
        let definition = read_file(&file, &|_| None).expect("the definition holds").on_aws();
        let aws = Simulated::new();
        let trouble = Arc::new(Mutex::new(None::<Trouble>));
        let known = Arc::clone(&trouble);
        let callers = Callers::begin(&aws, CALLS_PER_MINUTE, move |called: Called<'_>| {
            let trouble = known.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.as_ref().is_some_and(|trouble| {
                let with = trouble.with.as_ref().is_none_or(|arn| called.layers.contains(arn));
                with && called.number.is_multiple_of(trouble.one_in)
            })
        });
        let hook = Arc::new(ScriptedHook::default());
        let engine = connected(&aws, &callers, &hook, &folder);
        let (promises, wake_at) = (Promises::default(), None);
        let (happened, shown) = (Vec::new(), 0);
        let scene = Self {
            aws,
            definition,
            callers,
            hook,
            trouble,
            folder,
            engine,
            wake_at,
            promises,
            happened,
            shown,
        };
        scene.offer(&build(0));
        scene
    }

    fn offer(&self, bytes: &[u8]) {
        std::fs::write(self.folder.path().join("country.mmdb"), bytes).expect("writable");
    }

    pub(super) fn now(&self) -> Timestamp {
        self.aws.clock().now()
    }

    /// When it is, in hours and minutes since the story began.
    fn time(&self) -> String {
        written(self.now())
    }

    fn publisher(&self) -> Engine {
        let owner = Owner { name: "publisher-1".to_owned(), ..self.engine.owner.clone() };
        Engine { owner, ..self.engine.clone() }
    }

    /// Lets one thing happen, holds what follows against the promises, and tells of it.
    ///
    /// # Panics
    /// Where a promise is broken.
    pub async fn perform(&mut self, act: &Act) -> Vec<String> {
        match act {
            Act::Build(day) => self.offer(&build(*day)),
            Act::DamagedBuild => {
                let whole = build(90);
                self.offer(&whole[..whole.len() / 2]);
            }
            Act::Function(making) => self.make(making),
            Act::Deploy(name) => self.aws.deploy(name),
            Act::Release(name) => {
                let version = self.aws.release(name);
                self.aws.point(name, "live", version);
                self.promises.touched(name);
            }
            Act::SetBack(name, version) => {
                self.aws.put_layer(name, &layer_version(*version));
                self.promises.touched(name);
            }
            Act::Tag(name, key, value) => self.aws.tag(name, key, value),
            Act::Untag(name, key) => self.aws.untag(name, key),
            Act::CallsFail(one_in, version) => {
                let with = version.map(|version| layer_version(version).to_string());
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Trouble { one_in: *one_in, with });
            }
            Act::CallsAreWell => {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Act::Alarm(name, rings) => {
                let state = match rings {
                    Rings::Yes => AlarmState::Rings,
                    Rings::No => AlarmState::Quiet,
                };
                self.callers.alarm(name, state);
            }
            Act::Hook(script) => self.hook.say(script),
            Act::Breaks(version) => self.aws.break_layer(&layer_version(*version)),
            Act::Lambda(outage) => self.aws.fail_place(*outage),
            Act::Order(order) => return vec![self.order(order).await],
            Act::Schedule => return vec![self.run(Attention::Glance).await],
            Act::Refresh => return vec![self.run(Attention::Whole).await],
            Act::RefreshTwice => return self.run_twice().await,
            Act::RefreshKilled(call) => return vec![self.run_killed(*call).await],
            Act::Pass(minutes) => return self.pass(*minutes).await,
            Act::CallersGet => {
                let got = self.aws.callers_get().into_iter();
                let line = |(name, layers): (String, Vec<String>)| {
                    let ours = layers.iter().find(|arn| arn.contains(":layer:geo:"));
                    let number = ours.and_then(|arn| arn.rsplit(':').next());
                    format!("{name}: {}", number.unwrap_or("no version of the layer"))
                };
                return got.map(line).collect();
            }
            Act::DeploymentsGet => {
                let named = self.aws.parameter("/freshlayer/geo/arn");
                let number = named.as_ref().and_then(|arn| arn.rsplit(':').next());
                return vec![format!("version {}", number.unwrap_or("none"))];
            }
            Act::Events => {
                let since = std::mem::replace(&mut self.shown, self.happened.len());
                return self.happened[since..].iter().map(|one| line(one, written)).collect();
            }
        }
        Vec::new()
    }

    /// Returns what people's tools were told.
    pub fn happened(&self) -> &[Happening] {
        &self.happened
    }

    fn make(&self, making: &Making) {
        let [before, behind] = ["before", "behind"].map(|name| self.aws.other_layer(name));
        let layers = match making.on {
            Some(version) => vec![before, layer_version(version), behind],
            None => vec![before, behind],
        };
        let snapshot = if making.snapshot { SnapStart::PublishedVersions } else { SnapStart::Off };
        let tag = making.tag.as_ref().map(|(key, value)| (key.as_str(), value.as_str()));
        self.aws.function(
            &making.name,
            &NewFunction {
                layers: &layers,
                aliases: if making.alias { &["live"] } else { &[] },
                tags: tag.as_slice(),
                settings: Settings { snap_start: snapshot, ..Settings::default() },
                ..NewFunction::default()
            },
        );
        if making.provisioned {
            self.aws.provision(&making.name, "live", 2);
        }
    }

    async fn run(&mut self, attention: Attention) -> String {
        let engine = Engine { attention, ..self.publisher() };
        let before = self.promises.before(&self.aws, &engine, &self.definition).await;
        let report = refresh(&engine, &self.definition, Retry::OnChange).await;
        self.promises.after(before, &self.aws, &engine, &self.definition, Some(&report)).await;
        self.told(&report)
    }

    async fn run_killed(&mut self, call: u64) -> String {
        let whole = self.engine.clone();
        let before = self.promises.before(&self.aws, &whole, &self.definition).await;
        let dying = self.aws.hit_by(move |number, _| {
            let after = if call.is_multiple_of(2) { Hit::SilentBefore } else { Hit::SilentAfter };
            (number == call).then_some(after)
        });
        let engine = connected(&dying, &self.callers, &self.hook, &self.folder);
        let run = refresh(&engine, &self.definition, Retry::OnChange);
        let ended = tokio::time::timeout(DIES_AFTER, run).await;
        let report = ended.as_ref().ok();
        if report.is_none() {
            self.promises.cut_off(&whole, &self.definition).await;
        }
        self.promises.after(before, &self.aws, &whole, &self.definition, report).await;
        match report {
            Some(report) => self.told(report),
            None => format!("{} the publisher died", self.time()),
        }
    }

    async fn run_twice(&mut self) -> Vec<String> {
        let engines = ["publisher-1", "publisher-2"].map(|owner| {
            let mut engine = self.publisher();
            owner.clone_into(&mut engine.owner.name);
            engine.ports.peers = Arc::new(NobodyIsGone);
            engine
        });
        let before = self.promises.before(&self.aws, &engines[0], &self.definition).await;
        let runs = engines.iter().map(|one| refresh(one, &self.definition, Retry::OnChange));
        let reports = join_all(runs).await;
        self.promises.after(before, &self.aws, &engines[0], &self.definition, None).await;
        reports.iter().map(|report| self.told(report)).collect()
    }

    /// Tells how a run ended, and remembers when the publisher wants to be woken.
    fn told(&mut self, report: &Report) -> String {
        self.wake_at = report.wake_at;
        self.happened.extend(report.happened.iter().cloned());
        let wakes = report.wake_at.map(|at| format!("; looks again at {}", written(at)));
        let (word, reason) = (report.outcome.word(), report.outcome.reason());
        format!("{} {word}: {reason}{}", self.time(), wakes.unwrap_or_default())
    }

    async fn pass(&mut self, minutes: u64) -> Vec<String> {
        let minutes = SignedDuration::from_mins(i64::try_from(minutes).expect("not so long"));
        let until = self.now() + minutes;
        let (mut told, mut looks): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for _ in 0..WAKES_MAX {
            let Some(at) = self.wake_at.take_if(|at| *at <= until) else { break };
            self.sleep_until(at).await;
            let engine = self.publisher();
            let before = self.promises.before(&self.aws, &engine, &self.definition).await;
            let report = advance(&engine, &self.definition).await;
            self.promises.after(before, &self.aws, &engine, &self.definition, Some(&report)).await;
            let line = self.told(&report);
            if matches!(report.outcome, Outcome::Unchanged { .. }) {
                looks.push(line);
            } else {
                told.extend(in_one(&std::mem::take(&mut looks)));
                told.push(line);
            }
        }
        told.extend(in_one(&looks));
        self.sleep_until(until).await;
        told
    }

    async fn head(&self) -> Head {
        let Engine { ports, owner, .. } = &self.engine;
        let session = Session::open(ports, owner, &self.definition.layer).await;
        session.expect("the head is readable").head().clone()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let pause = at.duration_since(self.now()).max(SignedDuration::ZERO);
        tokio::time::sleep(Duration::try_from(pause).expect("not past")).await;
    }

    async fn order(&mut self, order: &Order) -> String {
        let (engine, by, layer) = (self.engine.clone(), "a person", self.definition.layer.clone());
        let before = self.promises.before(&self.aws, &engine, &self.definition).await;
        let named = |name: &String| [FunctionName::parse(name).expect("a name")];
        let rolling = async |what| order_rollout(&engine, &layer, what, by, None).await.map(drop);
        let (mut report, mut done_words) = (None, "ordered".to_owned());
        let done: Result<(), Error> = match order {
            Order::Rollback(Some(name)) => {
                let (functions, to) = (named(name).to_vec(), Back::Stable);
                let order = FunctionsOrder { functions, to, until: None, reason: None };
                let back = roll_back_functions(&engine, &self.definition, &order, by);
                Box::pin(back).await.map(|told| report = Some(told))
            }
            Order::Rollback(None) => {
                let back = rollback(&engine, &self.definition, Back::Stable, by).await;
                back.map(|told| report = Some(told))
            }
            Order::Abort => {
                let back = abort_rollout(&engine, &self.definition, by).await;
                back.map(|told| report = Some(told))
            }
            Order::Pin(hours) => {
                let hours = hours.map(|hours| i64::try_from(hours).expect("not so long"));
                let until = hours.map(|hours| self.now() + SignedDuration::from_hours(hours));
                pin(&engine, &layer, None, by, None, until).await.map(drop)
            }
            Order::Unpin(None) => unpin(&engine, &layer, by).await.map(drop),
            Order::Unpin(Some(name)) => {
                unpin_functions(&engine, &layer, &named(name)).await.map(drop)
            }
            Order::Freeze(None) => freeze(&engine, &layer, by, None).await,
            Order::Freeze(Some(name)) => {
                freeze_functions(&engine, &self.definition, &named(name), by, None).await
            }
            Order::Unfreeze(None) => unfreeze(&engine, &layer).await.map(drop),
            Order::Unfreeze(Some(name)) => {
                unfreeze_functions(&engine, &layer, &named(name)).await.map(drop)
            }
            Order::Pause => rolling(RolloutOrder::Pause).await,
            Order::Resume => rolling(RolloutOrder::Resume).await,
            Order::Promote => rolling(RolloutOrder::Promote).await,
            Order::Prune => {
                let pruned = prune(&engine, &self.definition, 1, Prune::Delete).await;
                pruned.map(|pruned| {
                    let gone = pruned.releases.iter().map(|release| release.seq.to_string());
                    let gone: Vec<String> = gone.collect();
                    done_words = format!(
                        "deleted: {}",
                        if gone.is_empty() {
                            "nothing".to_owned()
                        } else {
                            format!("release {}", gone.join(", "))
                        }
                    );
                })
            }
        };
        self.promises.after(before, &self.aws, &engine, &self.definition, report.as_ref()).await;
        match (done, report) {
            (Err(error), _) => {
                format!("{} not possible: {}", self.time(), freshlayer::chain(&error))
            }
            (Ok(()), Some(report)) => self.told(&report),
            (Ok(()), None) => format!("{} {done_words}", self.time()),
        }
    }

    /// Ends every trouble and every order, as people do in the end, and holds what the publisher makes of it against the
    /// promise that every function comes where it belongs.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn settle(&mut self) {
        let alarms = ["geo-errors"].map(|name| Act::Alarm(name.to_owned(), Rings::No));
        let ends = [Act::Lambda(None), Act::CallsAreWell, Act::Order(Order::Unfreeze(None))];
        let ends = ends
            .into_iter()
            .chain(alarms)
            .chain([Act::Order(Order::Unpin(None)), Act::Order(Order::Resume)]);
        for act in ends {
            self.perform(&act).await;
        }
        for name in self.head().await.frozen_functions().keys() {
            self.perform(&Act::Order(Order::Unfreeze(Some(name.to_string())))).await;
        }
        for name in self.head().await.pinned_functions().keys() {
            self.perform(&Act::Order(Order::Unpin(Some(name.to_string())))).await;
        }
        let mut last = String::new();
        for round in 0..12 {
            last = self.run(Attention::Whole).await;
            println!("  {last}");
            self.pass(60).await;
            for wakes in 0.. {
                let Some(at) = self.wake_at else { break };
                assert!(wakes < WAKES_MAX, "the publisher is woken for ever: {last}");
                let minutes = at.duration_since(self.now()).as_mins() + 1;
                let told = self.pass(u64::try_from(minutes).unwrap_or_default()).await;
                last = told.last().cloned().unwrap_or(last);
            }
            if self.head().await.rollout().is_none() && round > 0 {
                break;
            }
            if round % 3 == 2 {
                // Whoever finds a rollout that waits for a person decides.
                self.perform(&Act::Order(Order::Promote)).await;
            }
        }
        let engine = self.engine.clone();
        self.promises.at_the_end(&self.aws, &engine, &self.definition, &last).await;
    }
}

/// Connects a person's engine.
fn connected(
    aws: &Simulated,
    callers: &Arc<Callers>,
    hook: &Arc<ScriptedHook>,
    folder: &TempDir,
) -> Engine {
    let clock = aws.clock();
    let aws = aws.aws(Pace::per_sec(8));
    let regions = Watched { regions: Arc::new(aws.regions()), callers: callers.clone() };
    Engine {
        ports: Ports {
            source: Arc::new(FileSource),
            scanner: Arc::new(aws.scanner()),
            hook: hook.clone(),
            notary: Arc::new(Unsigned),
            store: Arc::new(aws.store()),
            regions: Arc::new(regions),
            clock: Arc::new(clock),
            peers: Arc::new(AllGone),
            events: Arc::new(Deaf),
        },
        work: folder.path().join("work"),
        owner: Owner { name: "a person".to_owned(), lease: Duration::from_mins(16) },
        deadline: None,
        attention: Attention::Whole,
        patience: Duration::ZERO,
        retry_pauses: [1, 4, 15].map(Duration::from_secs).to_vec(),
    }
}

/// Looks that changed nothing, one after the other: the last one says it all.
fn in_one(looks: &[String]) -> Option<String> {
    match looks {
        [] => None,
        [look] => Some(look.clone()),
        [first, .., last] => {
            let since = first.split(' ').next().unwrap_or_default();
            Some(format!("{since} to {last} ({} looks)", looks.len()))
        }
    }
}

fn written(at: Timestamp) -> String {
    let minutes = at.duration_since(EPOCH).as_mins();
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
