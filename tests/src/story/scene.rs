use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use freshlayer::definition::{Definition, read_file};
use freshlayer::ports::{Clock, FunctionName, Peers, Ports, Unsigned};
use freshlayer::report::{Happening, Outcome, Report};
use freshlayer::state::{Head, Owner, Session};
use freshlayer::{
    Attention, Back, Engine, Error, FunctionsOrder, Keep, Named, Prune, Retry, RolloutOrder,
    abort_rollout, advance, freeze, freeze_functions, order_rollout, pin, prune, refresh,
    roll_back_functions, rollback, unfreeze, unfreeze_functions, unpin, unpin_functions,
};
use freshlayer_aws::Pace;
use freshlayer_local::FileSource;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::act::{Act, Order};
use super::events::line;
use super::local::{Hears, Local, Rings};
use super::places::{Everywhere, layer_version};
use super::promises::{Promises, holds_no_other_back};
use crate::callers::Watched;
use crate::clock::{EPOCH, VirtualClock};
use crate::databases::Mmdb;
use crate::hook::ScriptedHook;
use crate::sandbox::Deaf;
use crate::simulated::{Hit, Simulated, Updates};

const DATASET: &str = "
[[dataset]]
name = 'country'
format = 'mmdb'
source.file = 'country.mmdb'
";
/// How long a publisher that hears nothing any more lives on: less than its calls wait for an answer.
const DIES_AFTER: Duration = Duration::from_mins(1);
/// How often a run may ask to be woken at the same moment.
const WAKES_MAX: usize = 500;

/// One layer, its functions and their callers on an AWS of their own.
pub struct Scene {
    aws: Simulated,
    everywhere: Everywhere,
    definition: Definition,
    hook: Arc<ScriptedHook>,
    folder: TempDir,
    /// Connected once: a client takes longer to make than many calls.
    engine: Engine,
    wake_at: Option<Timestamp>,
    /// By how many minutes the publisher's clock is behind.
    behind: Arc<AtomicU32>,
    promises: Promises,
    /// What the runs told, and how much of it the story has shown.
    happened: Vec<Happening>,
    shown: usize,
}

/// What becomes of a rollout that waits for a person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undecided {
    IsPromoted,
    Waits,
}

/// The clock of the publisher's machine: it may go back.
struct MachineClock {
    aws: VirtualClock,
    behind: Arc<AtomicU32>,
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        self.aws.now() - minutes(&self.behind)
    }

    fn elapsed(&self) -> Duration {
        self.aws.elapsed()
    }
}

fn minutes(count: &AtomicU32) -> SignedDuration {
    SignedDuration::from_mins(i64::from(count.load(Ordering::Relaxed)))
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

/// Whether a build has the field that may go away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Continents {
    AreThere,
    AreGone,
}

fn build(day: u64, continents: Continents) -> Vec<u8> {
    type Builds = Mutex<BTreeMap<(u64, bool), Vec<u8>>>;
    static BUILDS: OnceLock<Builds> = OnceLock::new();
    let builds = BUILDS.get_or_init(Mutex::default);
    let mut builds = builds.lock().unwrap_or_else(PoisonError::into_inner);
    let continents = continents == Continents::AreThere;
    let build = || Mmdb { continents, ..Mmdb::later(day) }.bytes();
    builds.entry((day, continents)).or_insert_with(build).clone()
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
        let everywhere = Everywhere::of(&aws, &definition.destinations);
        let hook = Arc::new(ScriptedHook::default());
        let behind = Arc::default();
        let engine = connected(&aws, &everywhere, &hook, &folder, &behind);
        let (promises, wake_at) = (Promises::default(), None);
        let (happened, shown) = (Vec::new(), 0);
        let scene = Self {
            aws,
            everywhere,
            definition,
            hook,
            folder,
            engine,
            wake_at,
            behind,
            promises,
            happened,
            shown,
        };
        scene.offer(&build(0, Continents::AreThere));
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
            Act::Build(day) => self.offer(&build(*day, Continents::AreThere)),
            Act::LesserBuild(day) => self.offer(&build(*day, Continents::AreGone)),
            Act::ClockGoesBack(minutes) => {
                self.behind.fetch_add(*minutes, Ordering::Relaxed);
                let by = SignedDuration::from_mins(i64::from(*minutes));
                self.wake_at = self.wake_at.map(|at| at + by);
            }
            Act::DamagedBuild => {
                let whole = build(90, Continents::AreThere);
                self.offer(&whole[..whole.len() / 2]);
            }
            Act::In(place, local) => {
                self.everywhere.perform(place, local);
                match local {
                    Local::Release(name)
                    | Local::ReleaseBesideWeight(name)
                    | Local::Point(name, _)
                        if self.everywhere.has_alias(place, name) =>
                    {
                        self.promises.touched(place, name);
                    }
                    Local::SetBack(name, _) => self.promises.touched(place, name),
                    Local::Foreign => self.promises.knows_foreign(&self.everywhere),
                    Local::Breaks(number) => {
                        self.promises.breaks(&layer_version(&place.region, *number));
                    }
                    _ => {}
                }
            }
            Act::Hook(script) => self.hook.say(script),
            Act::Order(order) => return vec![Box::pin(self.order(order)).await],
            Act::Schedule => return vec![self.run(Attention::Glance).await],
            Act::Refresh => return vec![self.run(Attention::Whole).await],
            Act::RefreshTwice => return self.run_twice().await,
            Act::RefreshKilled(call) => return vec![self.run_killed(*call).await],
            Act::Pass(minutes) => return self.pass(*minutes).await,
            Act::CallersGet => return self.everywhere.callers_get(),
            Act::DeploymentsGet => return self.everywhere.deployments_get(),
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

    async fn run(&mut self, attention: Attention) -> String {
        let engine = Engine { attention, ..self.publisher() };
        let before = self.promises.before(&self.everywhere, &engine, &self.definition).await;
        let report = Box::pin(refresh(&engine, &self.definition, Retry::OnChange)).await;
        self.promises
            .after(before, &self.everywhere, &engine, &self.definition, Some(&report))
            .await;
        holds_no_other_back(&report, &self.everywhere.sick());
        self.told(&report)
    }

    async fn run_killed(&mut self, call: u64) -> String {
        let whole = self.engine.clone();
        let before = self.promises.before(&self.everywhere, &whole, &self.definition).await;
        let dying = self.aws.hit_by(move |number, _| {
            let after = if call.is_multiple_of(2) { Hit::SilentBefore } else { Hit::SilentAfter };
            (number == call).then_some(after)
        });
        let engine = connected(&dying, &self.everywhere, &self.hook, &self.folder, &self.behind);
        let run = Box::pin(refresh(&engine, &self.definition, Retry::OnChange));
        let ended = tokio::time::timeout(DIES_AFTER, run).await;
        let report = ended.as_ref().ok();
        if report.is_none() {
            self.promises.cut_off(&whole, &self.definition).await;
        }
        self.promises.after(before, &self.everywhere, &whole, &self.definition, report).await;
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
        let before = self.promises.before(&self.everywhere, &engines[0], &self.definition).await;
        let runs = engines.iter().map(|one| refresh(one, &self.definition, Retry::OnChange));
        let reports = join_all(runs).await;
        self.promises.after(before, &self.everywhere, &engines[0], &self.definition, None).await;
        reports.iter().map(|report| self.told(report)).collect()
    }

    /// Tells how a run ended, and remembers when the publisher wants to be woken.
    fn told(&mut self, report: &Report) -> String {
        self.wake_at = report.wake_at.map(|at| at + minutes(&self.behind));
        self.happened.extend(report.happened.iter().cloned());
        let wakes = self.wake_at.map(|at| format!("; looks again at {}", written(at)));
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
            let before = self.promises.before(&self.everywhere, &engine, &self.definition).await;
            let report = Box::pin(advance(&engine, &self.definition)).await;
            self.promises
                .after(before, &self.everywhere, &engine, &self.definition, Some(&report))
                .await;
            holds_no_other_back(&report, &self.everywhere.sick());
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
        let before = self.promises.before(&self.everywhere, &engine, &self.definition).await;
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
                let back = rollback(&engine, &self.definition, Back::Stable, by, None).await;
                back.map(|told| report = Some(told))
            }
            Order::Abort => {
                let back = abort_rollout(&engine, &self.definition, by, None).await;
                back.map(|told| report = Some(told))
            }
            Order::Pin(hours) => {
                let hours = hours.map(|hours| i64::try_from(hours).expect("not so long"));
                let until = hours.map(|hours| self.now() + SignedDuration::from_hours(hours));
                pin(&engine, &layer, None, by, None, until).await.map(drop)
            }
            Order::Unpin(None) => unpin(&engine, &layer, by, None).await.map(drop),
            Order::Unpin(Some(name)) => {
                unpin_functions(&engine, &layer, &named(name), by, None).await.map(drop)
            }
            Order::Freeze(None) => freeze(&engine, &layer, by, None).await,
            Order::Freeze(Some(name)) => {
                freeze_functions(&engine, &self.definition, &named(name), by, None).await
            }
            Order::Unfreeze(None) => unfreeze(&engine, &layer, by, None).await.map(drop),
            Order::Unfreeze(Some(name)) => {
                unfreeze_functions(&engine, &layer, &named(name), by, None).await.map(drop)
            }
            Order::Pause => rolling(RolloutOrder::Pause).await,
            Order::Resume => rolling(RolloutOrder::Resume).await,
            Order::Promote => rolling(RolloutOrder::Promote).await,
            Order::Prune => {
                let keep = Keep { newest: 1, named: Named::Goes };
                let pruned = Box::pin(prune(&engine, &self.definition, keep, Prune::Delete)).await;
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
        self.promises
            .after(before, &self.everywhere, &engine, &self.definition, report.as_ref())
            .await;
        match (done, report) {
            (Err(error), _) => {
                format!("{} not possible: {}", self.time(), freshlayer::chain(&error))
            }
            (Ok(()), Some(report)) => self.told(&report),
            (Ok(()), None) => format!("{} {done_words}", self.time()),
        }
    }

    /// Ends every trouble and every order, as people do in the end, and holds what the publisher makes of it against the
    /// promise that every function comes where it belongs. Where some places are sick, the others come there first.
    ///
    /// # Panics
    /// Where one does not.
    pub async fn settle(&mut self) {
        let sick = self.everywhere.sick();
        if !sick.is_empty() && sick.len() < self.everywhere.places().count() {
            for place in &sick {
                println!("> settle beside {place}");
            }
            self.end_troubles(|local| !matches!(local, Local::Lambda(None)));
            Box::pin(self.end_orders()).await;
            let last = self.come_to_rest(Undecided::Waits).await;
            let engine = self.engine.clone();
            let (places, layer) = (&self.everywhere, &self.definition);
            self.promises.beside_the_sick(places, &engine, layer, &last).await;
        }
        self.end_troubles(|_| true);
        Box::pin(self.end_orders()).await;
        let last = self.come_to_rest(Undecided::IsPromoted).await;
        let engine = self.engine.clone();
        self.promises.at_the_end(&self.everywhere, &engine, &self.definition, &last).await;
    }

    /// Ends troubles of every place.
    fn end_troubles(&self, ends: impl Fn(&Local) -> bool) {
        let quiet = Local::Alarm("geo-errors".to_owned(), Rings::No);
        let heard = Local::CloudWatch(Hears::Yes);
        for local in [Local::Lambda(None), Local::CallsAreWell, quiet, heard] {
            for place in self.everywhere.places().filter(|_| ends(&local)) {
                self.everywhere.perform(place, &local);
            }
        }
        for (place, function) in self.everywhere.met().into_keys() {
            self.everywhere.perform(&place, &Local::Updates(function, Updates::Taken));
        }
    }

    /// Ends every order.
    async fn end_orders(&mut self) {
        for order in [Order::Unfreeze(None), Order::Unpin(None), Order::Resume] {
            self.perform(&Act::Order(order)).await;
        }
        for name in self.head().await.frozen_functions().keys() {
            self.perform(&Act::Order(Order::Unfreeze(Some(name.to_string())))).await;
        }
        for name in self.head().await.pinned_functions().keys() {
            self.perform(&Act::Order(Order::Unpin(Some(name.to_string())))).await;
        }
    }

    /// Lets the publisher run until its rollout is over; tells what it said last.
    async fn come_to_rest(&mut self, undecided: Undecided) -> String {
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
            if round % 3 == 2 && undecided == Undecided::IsPromoted {
                self.perform(&Act::Order(Order::Promote)).await;
            }
        }
        last
    }
}

/// Connects a person's engine.
fn connected(
    aws: &Simulated,
    everywhere: &Everywhere,
    hook: &Arc<ScriptedHook>,
    folder: &TempDir,
    behind: &Arc<AtomicU32>,
) -> Engine {
    let clock = MachineClock { aws: aws.clock(), behind: behind.clone() };
    let aws = aws.aws(Pace::per_sec(8));
    let regions = Watched { regions: Arc::new(aws.regions()), callers: everywhere.callers() };
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
        variable: |_| None,
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
