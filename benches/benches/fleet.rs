//! The planner over a large fleet: time and peak memory of a plan, and of a whole rollout that is foreseen.
//!
//! 20 Regions and 5 accounts share the functions, every other one behind an alias. Each size is measured in a process of its
//! own, because memory that one has freed stays with it.

#![expect(clippy::disallowed_methods, reason = "a benchmark is a binary")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use freshlayer::definition::{Course, Gates, Preset, Roll};
use freshlayer::measuring::foresee;
use freshlayer::ports::{
    Alias, Configuration, Consumer, FunctionName, Look, PublishedVersion, Routing, Unqualified,
    Update,
};
use freshlayer::rollout::{Foreign, Goal, Intent, PlaceView, World, plan};
use freshlayer::{AccountId, LayerName, LayerVersionArn, Place, RegionName};
use jiff::Timestamp;
use semver::Version;

const SIZES: [usize; 3] = [1_000, 10_000, 20_000];
const REGIONS: usize = 20;
const ACCOUNTS: usize = 5;
const RUNS: usize = 5;
/// Names the size to a process of its own.
const SIZE: &str = "FLEET_FUNCTIONS";

fn main() {
    match env::var(SIZE) {
        Ok(size) => println!("{}", measured(size.parse().expect("a number"))),
        Err(_) => compare(),
    }
}

fn compare() {
    println!(
        "| functions | the world, in memory | plan: no wave is open | plan: all move | foresee | peak of all |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for size in SIZES {
        let myself = env::current_exe().expect("it runs");
        let status = Command::new(myself).env(SIZE, size.to_string()).status();
        assert!(status.expect("it starts").success(), "{size} functions");
    }
}

/// Measures one size; returns the line of the table.
fn measured(functions: usize) -> String {
    let world = world(functions);
    let seen = memory_mib("RssAnon");
    forget_peak();
    let waves = intent(Some(Preset::Standard.course()));
    let all = intent(None);
    let opened = median(|| drop(black_box(plan(&waves, &world, None, Timestamp::UNIX_EPOCH))));
    let moved = median(|| {
        let plan = plan(&all, &world, None, Timestamp::UNIX_EPOCH);
        assert_eq!(plan.steps.len(), functions, "every function has a step");
    });
    let planned = memory_mib("VmHWM");
    let foreseen = median(|| {
        let foreseen = foresee(&waves, &world, Timestamp::UNIX_EPOCH);
        assert!(foreseen.stable_at.is_some(), "it ends");
        assert_eq!(
            foreseen.changes,
            functions * 2,
            "one without an alias takes one call, one with an alias three"
        );
    });
    let peak = memory_mib("VmHWM");
    format!(
        "| {functions} | {seen:.1} MiB | {opened:.1?} | {moved:.1?} | {foreseen:.1?} | {planned:.1} MiB, {peak:.1} MiB with foresee |"
    )
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    took.sort();
    took[RUNS / 2]
}

/// Reads the kernel's own account of this process.
fn memory_mib(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(field)).expect("Linux tells");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
    kib.expect("a number") / 1024.0
}

/// Lets the kernel's peak begin anew. Source: proc(5), `/proc/pid/clear_refs`.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("a process may do that to itself");
}

fn region(number: usize) -> RegionName {
    RegionName::parse(&format!("eu-west-{}", number + 1)).expect("a Region")
}

fn arn(region: &RegionName, version: u64) -> LayerVersionArn {
    let text = format!("arn:aws:lambda:{region}:123456789012:layer:geo:{version}");
    LayerVersionArn::parse(&text).expect("an ARN")
}

fn intent(course: Option<Course>) -> Intent {
    let versions = |seq| -> BTreeMap<RegionName, LayerVersionArn> {
        let regions = (0..REGIONS).map(region);
        regions.map(|region| (region.clone(), arn(&region, seq))).collect()
    };
    Intent {
        layer: LayerName::parse("geo").expect("a name"),
        goal: Goal::Release { release: 2, version: Version::new(1, 1, 0), targets: versions(2) },
        releases: (1..=2).map(|seq| (seq, versions(seq))).collect(),
        architectures: Vec::new(),
        foreign: Foreign::Held,
        ways_back: BTreeSet::new(),
        left: BTreeSet::new(),
        frozen: None,
        frozen_functions: BTreeMap::new(),
        pinned_functions: BTreeMap::new(),
        set_back: BTreeMap::new(),
        paused: None,
        course,
        gates: Gates::default(),
        probe: None,
        roll: Roll::Functions,
        major_since: None,
    }
}

fn world(functions: usize) -> World {
    let places = (0..REGIONS * ACCOUNTS).map(|number| {
        let (region, account) = (region(number / ACCOUNTS), number % ACCOUNTS);
        let account = (account > 0)
            .then(|| AccountId::parse(&format!("{account:012}")).expect("an account's number"));
        let here = (0..functions / (REGIONS * ACCOUNTS)).map(|number| consumer(&region, number));
        PlaceView {
            version: Some(arn(&region, 2)),
            consumers: Ok(here.collect()),
            foreign: BTreeSet::new(),
            probed: BTreeMap::new(),
            place: Place { region, account },
        }
    });
    World { places: places.collect() }
}

/// A function as AWS tells of it, with digests and revision ids of their real lengths.
fn consumer(region: &RegionName, number: usize) -> Consumer {
    let latest = Configuration {
        code_sha256: "c".repeat(44),
        settings_sha256: "5".repeat(64),
        layers: vec![arn(region, 1)],
    };
    let is_aliased = number.is_multiple_of(2);
    let versions = is_aliased.then(|| PublishedVersion {
        number: 1,
        configuration: latest.clone(),
        description: "freshlayer geo version 1".to_owned(),
    });
    let aliases = is_aliased.then(|| Alias {
        name: "live".to_owned(),
        version: 1,
        revision_id: "r".repeat(36),
        routing: Routing::Whole,
    });
    Consumer {
        function: FunctionName::parse(&format!("checkout-service-{number:06}")).expect("a name"),
        latest,
        revision_id: "r".repeat(36),
        unqualified: Unqualified::Latest,
        timeout_secs: 3,
        architectures: Vec::new(),
        versions: versions.into_iter().collect(),
        look: Some(Look { update: Update::Done, aliases: aliases.into_iter().collect() }),
        tags: BTreeMap::new(),
    }
}
