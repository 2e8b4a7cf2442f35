//! I2 by seed: an upstream that answers every other request badly. Each run ends in "released, and byte for byte right"
//! or in "nothing moved, and the report says why"; once the upstream is kind again, so is the layer fresh again.
//!
//! `CHAOS_SEED=17` runs one seed alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use fastrand::Rng;
use freshlayer::definition::{Definition, read_file};
use freshlayer::ports::FunctionName;
use freshlayer::report::{DatasetState, Exit, Report};
use freshlayer::{Engine, LayerVersionArn, Retry, refresh};
use freshlayer_local::{FolderFleet, FolderRegistry, NewFunction, merged_opt};
use freshlayer_reader::Layer;
use freshlayer_tests::databases::sqlite_of;
use freshlayer_tests::places::{self, Place};
use freshlayer_tests::sandbox::{block_on, engine, layer_name};
use freshlayer_tests::seeds;
use freshlayer_tests::upstream::chaos::{Chaos, Mood, Naming, Proof, Trouble};
use tempfile::TempDir;

const SEEDS: u64 = 240;
/// Most of a seed's time is waiting.
const AT_ONCE: usize = 12;
const ROUNDS: u64 = 3;
const FILES: [&str; 2] = ["places.mmdb", "zones.sqlite"];
const LAYER: &str = "data";
/// How long a run may take: its tries and pauses are bounded.
const RUN_MAX: Duration = Duration::from_mins(1);

/// The bytes of each file, by its name.
type Contents = BTreeMap<&'static str, Vec<u8>>;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Released,
    NothingMoved,
}

/// What the runs of one seed have shown.
#[derive(Default)]
struct Shown {
    endings: BTreeSet<Ending>,
    exits: BTreeSet<Exit>,
    troubles: BTreeSet<Trouble>,
    resumed: BTreeSet<Trouble>,
}

impl Shown {
    fn join(&mut self, other: Self) {
        self.endings.extend(other.endings);
        self.exits.extend(other.exits);
        self.troubles.extend(other.troubles);
        self.resumed.extend(other.resumed);
    }
}

/// Builds differ in a few bytes, and have the same length: halves of two of them look like a whole one.
fn build(file: &'static str, number: u64) -> &'static [u8] {
    static BUILDS: OnceLock<BTreeMap<(&str, u64), Vec<u8>>> = OnceLock::new();
    let builds = BUILDS.get_or_init(|| {
        let made = (0..=ROUNDS + 1).flat_map(|number| {
            [((FILES[0], number), mmdb(number)), ((FILES[1], number), sqlite(number))]
        });
        made.collect()
    });
    &builds[&(file, number)]
}

fn mmdb(number: u64) -> Vec<u8> {
    places::build(number, |network| {
        let sound = Place::sound(network);
        let moved = u64::from(network % 10) == number;
        let north = if moved { 0.5 } else { 0.0 };
        let location = sound.location.map(|(latitude, longitude)| (latitude + north, longitude));
        (network < 80).then_some(Place { location, ..sound })
    })
}

fn sqlite(number: u64) -> Vec<u8> {
    sqlite_of(&format!(
        "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT NOT NULL, build TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
         INSERT INTO zones SELECT i, 'Zone/' || i, 'build {number}' FROM n;"
    ))
}

/// A layer on a host of its own, fed by an upstream of its own.
struct World {
    folder: TempDir,
    upstream: Chaos,
    engine: Engine,
    definition: Definition,
    /// What the upstream has.
    offered: Contents,
    shown: Shown,
}

impl World {
    async fn new(seed: u64, random: &mut Rng) -> Self {
        let naming = [Naming::Strong, Naming::Strong, Naming::Weak, Naming::Nothing];
        let naming = naming[random.usize(..naming.len())];
        let proof = [Proof::Checksum, Proof::Content][random.usize(..2)];
        let folder = tempfile::tempdir().expect("a temporary folder");
        let upstream = Chaos::start(seed, naming, proof).await;
        let file = folder.path().join(format!("{LAYER}.toml"));
        std::fs::write(&file, toml(&upstream, proof)).expect("writable");
        let definition = read_file(&file, &|_| None).expect("the definition holds");
        let engine = engine(&folder.path().join("host"));
        let (offered, shown) = (Contents::new(), Shown::default());
        Self { folder, upstream, engine, definition, offered, shown }
    }

    fn offer_all(&mut self, number: u64) {
        for file in FILES {
            self.offer(file, number);
        }
    }

    fn offer(&mut self, file: &'static str, number: u64) {
        self.upstream.publish(file, build(file, number));
        self.offered.insert(file, build(file, number).to_owned());
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("host").join(below)
    }

    fn registry(&self) -> FolderRegistry {
        FolderRegistry::new(self.path("layers"))
    }

    fn fleet(&self) -> FolderFleet {
        FolderFleet::new(self.path("functions"), self.registry())
    }

    /// Returns the layer version that the function uses.
    fn used(&self) -> Option<LayerVersionArn> {
        let function = self.fleet().list().expect("readable").pop()?;
        function.latest.layers.first().cloned()
    }

    /// Returns what the function reads from `/opt`.
    fn served(&self) -> Contents {
        let Some(arn) = self.used() else { return Contents::new() };
        let merged = self.folder.path().join("opt");
        let opt = merged_opt(&self.registry(), &[arn], &merged).expect("it can be unpacked");
        read(&opt)
    }

    fn add_function(&self) {
        let newest = self.registry().newest(LAYER).expect("readable").expect("a release");
        let new = NewFunction {
            name: FunctionName::parse("consumer").expect("a name"),
            layers: vec![FolderRegistry::arn(&layer_name(LAYER), newest)],
            aliases: vec!["live".to_owned()],
            tags: [].into(),
            program: Vec::new(),
        };
        self.fleet().add(new).expect("the function is new");
    }

    async fn refresh(&self) -> Report {
        let run = refresh(&self.engine, &self.definition, Retry::OnChange);
        let report = tokio::time::timeout(RUN_MAX, run).await;
        let report = report.unwrap_or_else(|_| panic!("a run takes longer than {RUN_MAX:?}"));
        let left = std::fs::read_dir(self.path("work")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "temporary files are gone");
        report
    }

    /// Refreshes once, and holds what serves then against what served before.
    async fn round(&mut self) {
        let before = (self.used(), self.served());
        let report = self.refresh().await;
        let after = (self.used(), self.served());
        let newest = self.registry().newest(LAYER).expect("readable");
        for file in FILES {
            let now = after.1.get(file);
            let allowed = [before.1.get(file), self.offered.get(file)];
            let is_one = now.is_none() || allowed.contains(&now);
            assert!(is_one, "{file} is neither the last good build nor the new one: {report:#?}");
            assert!(now.is_some() || before.1.is_empty(), "{file} is gone: {report:#?}");
        }
        let moved = before.0 != after.0;
        assert_eq!(moved, before.1 != after.1, "a release has new data: {report:#?}");
        let first = before.0.is_none() && newest.is_some();
        let released = moved || first;
        self.shown.endings.insert(if released { Ending::Released } else { Ending::NothingMoved });
        self.shown.exits.insert(report.exit());
        self.explained(&report, &after.1);
    }

    /// Where something of the upstream is not served, the report says which dataset, and why.
    fn explained(&self, report: &Report, served: &Contents) {
        let behind = FILES.iter().filter(|file| served.get(*file) != self.offered.get(*file));
        let behind: Vec<_> = behind.collect();
        if self.used().is_none() {
            return;
        }
        assert!(behind.is_empty() || report.exit() != Exit::Done, "{behind:?}: {report:#?}");
        for file in behind {
            let name = file.split('.').next().expect("a first part");
            let of = report.datasets.iter().find(|dataset| dataset.name.as_str() == name);
            let state = of.map(|dataset| dataset.state);
            let said = match state {
                Some(DatasetState::Failed) => {
                    report.outcome.reason().text.contains(&self.upstream.url(file))
                }
                Some(DatasetState::Rejected) => report
                    .problems
                    .iter()
                    .any(|p| p.dataset.as_ref().is_some_and(|dataset| dataset.as_str() == name)),
                _ => false,
            };
            assert!(said, "the report does not say why {file} is not fresh: {report:#?}");
        }
    }
}

fn toml(upstream: &Chaos, proof: Proof) -> String {
    let dataset = |file: &str| {
        let (name, format) = file.split_once('.').expect("a name and a format");
        let url = upstream.url(file);
        let checksum = match proof {
            Proof::Checksum => format!("source.sha256_url = '{url}.sha256'\n"),
            Proof::Content => String::new(),
        };
        format!(
            "[[dataset]]\nname = '{name}'\nformat = '{format}'\nsource.https = '{url}'\n{checksum}"
        )
    };
    format!("{}[limits]\nstall_secs_max = 1\ntries_max = 3\n", FILES.map(dataset).concat())
}

fn read(opt: &Path) -> Contents {
    let layer = Layer::open_in(opt, LAYER).expect("the layer opens");
    layer.verify().expect("every digest holds");
    let bytes = |file: &'static str| {
        let name = file.split('.').next().expect("a first part");
        (file, layer.bytes(name).expect("the dataset opens").to_vec())
    };
    FILES.map(bytes).into()
}

/// A first release, in chaos or without; then rounds in chaos; and peace at last.
async fn live(world: &mut World, random: &mut Rng) {
    world.offer_all(0);
    if random.bool() {
        world.upstream.be(Mood::Chaotic);
        world.round().await;
        world.upstream.be(Mood::Kind);
    }
    if world.registry().newest(LAYER).expect("readable").is_none() {
        // What was refused under an ETag is not asked for again before that changes.
        world.offer_all(0);
        let report = world.refresh().await;
        assert_eq!(report.exit(), Exit::Done, "good data makes the first release: {report:#?}");
    }
    world.add_function();
    world.upstream.be(Mood::Chaotic);
    for number in 1..=ROUNDS {
        for file in FILES {
            if random.u8(..4) > 0 {
                world.offer(file, number);
            }
        }
        world.round().await;
    }
    world.upstream.be(Mood::Kind);
    world.offer_all(ROUNDS + 1);
    let report = world.refresh().await;
    assert_eq!(report.exit(), Exit::Done, "a kind upstream heals everything: {report:#?}");
    assert_eq!(world.served(), world.offered, "{report:#?}");
}

/// Runs one seed; returns what it has shown.
fn run(seed: u64) -> Shown {
    block_on(async {
        let mut random = Rng::with_seed(seed);
        let mut world = World::new(seed, &mut random).await;
        live(&mut world, &mut random).await;
        for told in world.upstream.told() {
            world.shown.troubles.insert(told.trouble);
            if told.from.is_some() {
                world.shown.resumed.insert(told.trouble);
            }
        }
        world.shown
    })
}

#[expect(clippy::disallowed_methods, reason = "a person chooses the seed")]
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    }
}

#[test]
fn every_seed_ends_in_a_right_release_or_in_the_last_good_one() {
    let seeds = seeds();
    let shown = Mutex::new(Shown::default());
    let failed = seeds::play(seeds.clone(), AT_ONCE, |seed| {
        let more = run(seed);
        shown.lock().expect("no panic").join(more);
    });
    let told: Vec<String> =
        failed.iter().map(|(seed, text)| format!("CHAOS_SEED={seed}: {text}")).collect();
    assert!(told.is_empty(), "{} seeds fail:\n{}", told.len(), told.join("\n\n"));
    if seeds.end - seeds.start == SEEDS {
        assert_shown(&shown.into_inner().expect("no panic"));
    }
}

/// Seeds that never meet a trouble, or never survive one, prove nothing.
fn assert_shown(shown: &Shown) {
    assert_eq!(shown.troubles, Trouble::ALL.into(), "each trouble happens");
    assert_eq!(shown.endings, [Ending::Released, Ending::NothingMoved].into());
    assert_eq!(shown.exits, [Exit::Done, Exit::Failed, Exit::Rejected].into());
    for trouble in [Trouble::WrongRange, Trouble::OtherBuild, Trouble::SameEtag] {
        assert!(shown.resumed.contains(&trouble), "{trouble:?} happens to a resumption");
    }
}
