//! Whole runs against the strict simulation: what Lambda refuses in its words, a run that is killed at every
//! call, and a thousand functions, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use freshlayer::definition::{Definition, read_file};
use freshlayer::ports::{Peers, Ports};
use freshlayer::report::{ConsumerState, Exit, Report};
use freshlayer::state::Owner;
use freshlayer::{
    Attention, Back, Engine, Finding, FindingKind, LayerVersionArn, Mend, Retry, doctor, pin,
    refresh, rollback, status,
};
use freshlayer_aws::Pace;
use freshlayer_local::FileSource;
use freshlayer_tests::clock::VirtualClock;
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Deaf, layer_name};
use freshlayer_tests::simulated::{
    ACCOUNT, CALLS_PER_SEC, Hit, NewFunction, REGION, RunsOn, Signing, Simulated,
};
use tempfile::TempDir;
use tokio::time::Instant;

const TERMS: &str = "
publish.readers = ['210987654321', 'o-abcdefghij']
publish.license = 'CC-BY-SA-4.0'
publish.runtimes = ['provided.al2023']
";
const DATASET: &str = "
[[dataset]]
name = 'country'
format = 'mmdb'
source.file = 'country.mmdb'
";

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

pub(crate) fn pace() -> Pace {
    Pace::per_sec(8)
}

/// A publisher with its upstream, on an AWS of its own.
pub(crate) struct World {
    pub(crate) aws: Simulated,
    clock: VirtualClock,
    folder: TempDir,
    pub(crate) definition: Definition,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(TERMS)
    }

    /// Its layer versions are signed.
    pub(crate) fn signed() -> Self {
        let world = Self::of(&format!("{TERMS}publish.signing_profile = 'ours'"));
        world.aws.signing_profile("ours");
        world
    }

    pub(crate) fn of(terms: &str) -> Self {
        Self::with(terms, "")
    }

    /// `terms` stand at the begin of its layer's definition, `keys` in its dataset.
    pub(crate) fn with(terms: &str, keys: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("geo.toml");
        std::fs::write(&file, format!("{terms}\n{DATASET}{keys}")).expect("writable");
        let definition = read_file(&file, &|_| None).expect("it holds");
        let world =
            Self { aws: Simulated::new(), clock: VirtualClock::start(), folder, definition };
        world.build(0);
        world
    }

    pub(crate) fn build(&self, day: u64) {
        let file = self.folder.path().join("country.mmdb");
        std::fs::write(file, Mmdb::later(day).bytes()).expect("writable");
    }

    pub(crate) fn engine(&self, aws: &Simulated, owner: &str, pace: Pace) -> Engine {
        self.engine_among(aws, owner, pace, Arc::new(AllGone))
    }

    /// An engine that knows nothing of other publishers, as the deployed one.
    pub(crate) fn engine_with(
        &self,
        aws: &Simulated,
        owner: &str,
        peers: impl Peers + 'static,
    ) -> Engine {
        self.engine_among(aws, owner, pace(), Arc::new(peers))
    }

    fn engine_among(
        &self,
        aws: &Simulated,
        owner: &str,
        pace: Pace,
        peers: Arc<dyn Peers>,
    ) -> Engine {
        let aws = aws.aws(pace);
        Engine {
            ports: Ports {
                source: Arc::new(FileSource),
                scanner: Arc::new(aws.scanner()),
                hook: Arc::new(aws.hook()),
                notary: Arc::new(freshlayer::ports::Unsigned),
                store: Arc::new(aws.store()),
                regions: Arc::new(aws.regions()),
                clock: Arc::new(self.clock),
                peers,
                events: Arc::new(Deaf),
            },
            work: self.folder.path().join("work"),
            owner: Owner { name: owner.to_owned(), lease: Duration::from_mins(16) },
            deadline: None,
            attention: Attention::Whole,
            patience: Duration::ZERO,
            retry_pauses: [1, 4, 15].map(Duration::from_secs).to_vec(),
            variable: |_| None,
        }
    }

    pub(crate) async fn status(&self) -> freshlayer::LayerStatus {
        let engine = self.engine(&self.aws, "tester", pace());
        freshlayer::status(&engine, &self.definition).await.expect("readable")
    }

    pub(crate) async fn refresh(&self, aws: &Simulated) -> Report {
        let engine = self.engine(aws, "tester", pace());
        refresh(&engine, &self.definition, Retry::OnChange).await
    }

    /// A first release, then functions of every kind, then a new build.
    async fn before_a_new_build() -> Self {
        Self::new().with_functions_before_a_new_build().await
    }

    async fn with_functions_before_a_new_build(self) -> Self {
        let world = self;
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        let layers = [version(1)];
        let plain = NewFunction { layers: &layers, ..NewFunction::default() };
        let aliased = NewFunction { aliases: &["live"], layers: &layers, ..NewFunction::default() };
        world.aws.function("plain", &plain);
        world.aws.function("aliased", &aliased);
        world.build(3);
        world
    }
}

/// Every other publisher is known to be dead.
struct AllGone;

impl Peers for AllGone {
    fn is_gone(&self, _owner: &str) -> bool {
        true
    }
}

/// Nothing is known of other publishers: their leases run out.
pub(crate) struct NobodyIsGone;

impl Peers for NobodyIsGone {
    fn is_gone(&self, _owner: &str) -> bool {
        false
    }
}

pub(crate) fn version(number: u64) -> LayerVersionArn {
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:layer:geo:{number}");
    LayerVersionArn::parse(&arn).expect("an ARN")
}

#[test]
fn what_lambda_refuses_is_told_in_its_words_and_moves_nobody_else_off_course() {
    block_on(async {
        let world = World::before_a_new_build().await;
        let foreign = "arn:aws:lambda:eu-west-1:999999999999:layer:theirs:1";
        let foreign = LayerVersionArn::parse(foreign).expect("an ARN");
        let full: Vec<LayerVersionArn> = (1..=5)
            .map(|number| {
                let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:layer:l{number}:1");
                LayerVersionArn::parse(&arn).expect("an ARN")
            })
            .collect();
        let ours = version(1);
        let opted_in: &[(&str, &str)] = &[("freshlayer:geo", "1")];
        let cases = [
            (
                "too-large",
                NewFunction {
                    layers: std::slice::from_ref(&ours),
                    code_bytes: freshlayer::LAYER_BYTES_MAX,
                    ..NewFunction::default()
                },
                "Function code combined with layers exceeds the maximum allowed size",
            ),
            (
                "signed-only",
                NewFunction {
                    layers: std::slice::from_ref(&ours),
                    signing: Signing::Enforced,
                    ..NewFunction::default()
                },
                "Lambda cannot deploy the function",
            ),
            (
                "denied",
                NewFunction { layers: &[foreign, ours.clone()], ..NewFunction::default() },
                "no resource-based policy allows the lambda:GetLayerVersion action",
            ),
            (
                "on-instances",
                NewFunction {
                    layers: std::slice::from_ref(&ours),
                    host: RunsOn::ManagedInstances,
                    ..NewFunction::default()
                },
                "callers get $LATEST.PUBLISHED",
            ),
            (
                "full",
                NewFunction { layers: &full, tags: opted_in, ..NewFunction::default() },
                "Cannot reference more than 5 layers.",
            ),
        ];
        for (name, new, _) in &cases {
            world.aws.function(name, new);
        }
        let report = world.refresh(&world.aws).await;
        assert_eq!(report.exit(), Exit::Held, "{report:#?}");
        let consumer = |name: &str| {
            let mut consumers = report.consumers.iter();
            let found = consumers.find(|consumer| consumer.function.as_str() == name);
            found.unwrap_or_else(|| panic!("{name} is told of"))
        };
        for (name, _, words) in &cases {
            let told = consumer(name);
            let state = match *name {
                "on-instances" => ConsumerState::Held,
                _ => ConsumerState::Failed,
            };
            assert_eq!(told.state, state, "{told:?}");
            let reason = told.reason.as_ref().map_or("", |reason| reason.text.as_str());
            assert!(reason.contains(words), "{name}: {reason}");
        }
        for name in ["plain", "aliased"] {
            assert_eq!(consumer(name).state, ConsumerState::Moved, "{report:#?}");
        }
        let readers = ["freshlayer-210987654321", "freshlayer-o-abcdefghij"];
        assert_eq!(world.aws.readers("geo"), readers);
        let told = world.aws.parameter("/freshlayer/geo/arn");
        assert_eq!(told, Some(version(2).to_string()));
    });
}

#[test]
fn a_release_that_nobody_takes_is_never_gone_back_to() {
    block_on(async {
        let world = World::new();
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        let new = NewFunction {
            layers: &[version(1)],
            signing: Signing::Enforced,
            ..NewFunction::default()
        };
        world.aws.function("signed-only", &new);
        world.build(3);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Held);
        world.build(4);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Held);
        let engine = world.engine(&world.aws, "tester", pace());
        let back = rollback(&engine, &world.definition, Back::Stable, "tester", None).await;
        let back = back.expect("there is a release to go back to");
        let said = format!("{:?}", back.outcome);
        assert!(said.contains("rolled back to release 1"), "{said}");
    });
}

#[test]
fn a_pin_that_comes_while_functions_are_looked_at_is_kept() {
    block_on(async {
        let world = World::before_a_new_build().await;
        let before = world.aws.serving();
        let slow = world.aws.hit_by(|_, name| {
            (name == "ListFunctions").then_some(Hit::Slow(Duration::from_secs(10)))
        });
        let refresh = world.refresh(&slow);
        let pinning = async {
            // The release is published by then, and its functions are being listed.
            tokio::time::sleep(Duration::from_secs(5)).await;
            let engine = world.engine(&world.aws, "a person", pace());
            pin(&engine, &layer_name("geo"), Some(1), "a person", None, None).await
        };
        let (report, pinned) = tokio::join!(refresh, pinning);
        assert_eq!(pinned.expect("it is published").seq, 1);
        assert_eq!(world.aws.serving(), before, "{report:#?}");
        let said = report.outcome.reason().to_string();
        assert!(said.starts_with("pinned to release 1"), "{said}");
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        assert_eq!(world.aws.serving(), before);
    });
}

#[test]
fn a_full_code_storage_keeps_the_last_release() {
    block_on(async {
        let world = World::before_a_new_build().await;
        let before = world.aws.serving();
        world.aws.leave_room(0);
        let report = world.refresh(&world.aws).await;
        assert_eq!(report.exit(), Exit::Failed);
        let said = format!("{:?}", report.outcome);
        assert!(said.contains("Code storage limit exceeded."), "{said}");
        assert_eq!(world.aws.serving(), before);
        world.aws.leave_room(u64::MAX);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        assert_eq!(world.aws.published("geo").len(), 2);
    });
}

#[test]
fn a_code_storage_that_fills_up_is_told_of_before_it_is_full() {
    block_on(async {
        let world = World::before_a_new_build().await;
        world.refresh(&world.aws).await;
        world.aws.leave_room(100);
        let report = world.refresh(&world.aws).await;
        let measured = report.places[0].storage.expect("it was asked");
        assert!(measured.percent() >= 80 && measured.percent() < 100, "{measured:?}");
        let engine = world.engine(&world.aws, "a person", pace());
        let status = status(&engine, &world.definition).await.expect("it can be asked");
        assert_eq!(status.storage[0].storage, measured);
        let found = doctor(&engine, &world.definition, Mend::Look).await.expect("it can be asked");
        let full = |finding: &Finding| finding.kind == FindingKind::FullStorage;
        assert!(found.findings.iter().any(full), "{found:#?}");
        world.aws.leave_room(u64::MAX);
        let found = doctor(&engine, &world.definition, Mend::Look).await.expect("it can be asked");
        assert!(!found.findings.iter().any(full), "{found:#?}");
    });
}

#[test]
fn a_lost_reply_and_a_list_that_lags_make_no_second_version() {
    block_on(async {
        let world = World::before_a_new_build().await;
        world.aws.list_layers_after(Duration::from_secs(5));
        let cut = world.aws.hit_by(|_, name| (name == "PublishLayerVersion").then_some(Hit::Cut));
        let report = world.refresh(&cut).await;
        assert_eq!(report.exit(), Exit::Failed, "{report:#?}");
        tokio::time::sleep(Duration::from_secs(6)).await;
        let report = world.refresh(&world.aws).await;
        assert_eq!(report.exit(), Exit::Done, "{report:#?}");
        assert_eq!(world.aws.published("geo").len(), 2, "found and adopted");
    });
}

/// What must be equal in the end, whatever happened on the way.
fn end(aws: &Simulated) -> (Vec<String>, Vec<String>) {
    let contents = aws.published("geo").into_iter();
    let contents = contents.map(|text| text.rsplit(' ').next().unwrap_or_default().to_owned());
    (contents.collect(), aws.serving())
}

#[test]
fn killed_at_every_call_it_ends_the_same() {
    block_on(async {
        ends_the_same(&World::before_a_new_build().await, 60).await;
        let signed = World::signed().with_functions_before_a_new_build().await;
        ends_the_same(&signed, 70).await;
    });
}

async fn ends_the_same(world: &World, at_least: u32) {
    let undisturbed = world.aws.copy();
    assert_eq!(world.refresh(&undisturbed).await.exit(), Exit::Done);
    let expected = end(&undisturbed);
    assert_eq!(expected.0.len(), 2);
    let mut killed = 0;
    for hit in [Hit::SilentBefore, Hit::SilentAfter, Hit::Cut] {
        for call in 0.. {
            let aws = world.aws.copy();
            let struck = aws.hit_by(move |number, _| (number == call).then_some(hit));
            let engine = world.engine(&struck, "killed", pace());
            let run = refresh(&engine, &world.definition, Retry::OnChange);
            // A caller that hears nothing is dropped: as good as killed, because nothing else is running.
            let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
            let calls = struck.calls();
            let again = world.refresh(&aws).await;
            assert_eq!(again.exit(), Exit::Done, "{hit:?} {call}: {again:#?}");
            assert_eq!(end(&aws), expected, "{hit:?} at call {call}");
            if ended.is_ok() && calls <= call {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > at_least, "only {killed} runs were killed");
}

#[test]
fn a_thousand_functions_keep_to_the_limit_and_come_close_to_it() {
    const FUNCTIONS: u32 = 1_000;
    block_on(async {
        for (aliases, calls_each) in [(&[][..], 1), (&["live"][..], 4)] {
            let world = World::new();
            assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
            for number in 0..FUNCTIONS {
                let new = NewFunction { layers: &[version(1)], aliases, ..NewFunction::default() };
                world.aws.function(&format!("f{number}"), &new);
            }
            world.build(3);
            world.aws.called();
            let engine = world.engine(&world.aws, "tester", Pace::per_sec(CALLS_PER_SEC));
            let started = Instant::now();
            let report = refresh(&engine, &world.definition, Retry::OnChange).await;
            let took = started.elapsed().as_secs_f64();
            assert_eq!(report.exit(), Exit::Done, "{:?}", report.outcome);
            assert_eq!(world.aws.throttled(), 0, "the pace keeps to the limit");
            let moved = |consumer: &&freshlayer::report::ConsumerReport| {
                consumer.state == ConsumerState::Moved
            };
            assert_eq!(report.consumers.iter().filter(moved).count(), 1_000);
            let called = world.aws.called();
            let control = called.iter().filter(|name| counts(name)).count();
            let limit = f64::from(FUNCTIONS * calls_each) / f64::from(CALLS_PER_SEC);
            println!(
                "{FUNCTIONS} functions, aliases {aliases:?}: {control} calls in {took:.1} s, limit {limit:.1} s"
            );
            assert!(took < limit * 1.1, "{took} s, the limit is {limit} s");
        }
    });
}

/// The calls that share 15 a second.
fn counts(name: &str) -> bool {
    ["ListFunctions", "ListAliases", "UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias"]
        .contains(&name)
}
