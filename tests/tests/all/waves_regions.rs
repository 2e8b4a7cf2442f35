//! The Region is the outermost wave: one Region has the new data, whole and watched, before any function of another one.

use std::time::Duration;

use freshlayer::LayerVersionArn;
use freshlayer::report::{Exit, Report};
use freshlayer_tests::simulated::{ACCOUNT, NewFunction, Outage, REGION, Simulated};

use crate::simulated::{World, block_on};

const FAR: &str = "us-east-1";
const NEAR_FUNCTIONS: usize = 6;
const FAR_FUNCTIONS: usize = 4;

fn arn(region: &str, version: u64) -> LayerVersionArn {
    let text = format!("arn:aws:lambda:{region}:{ACCOUNT}:layer:geo:{version}");
    LayerVersionArn::parse(&text).expect("an ARN")
}

/// Functions in two Regions on release 1, and a new build.
async fn two_regions(terms: &str) -> World {
    let regions = format!("{terms}regions = ['{REGION}', '{FAR}']\n");
    let world = World::of(&regions);
    assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    for (region, count) in [(REGION, NEAR_FUNCTIONS), (FAR, FAR_FUNCTIONS)] {
        for number in 0..count {
            let new = NewFunction { layers: &[arn(region, 1)], ..NewFunction::default() };
            world.aws.at(ACCOUNT, region).function(&format!("f{number}"), &new);
        }
    }
    world.build(3);
    world
}

/// How many functions of each Region have the new data.
fn on_new(aws: &Simulated) -> (usize, usize) {
    let count = |region| {
        let new = arn(region, 2).to_string();
        let got = aws.at(ACCOUNT, region).callers_get();
        got.values().filter(|layers| layers.contains(&new)).count()
    };
    (count(REGION), count(FAR))
}

/// Goes on whenever the last report says so; tells how many had the data after each run, and after how many minutes.
async fn all_waves(world: &World) -> Vec<(i64, (usize, usize))> {
    let now = || freshlayer::ports::Clock::now(&world.aws.clock());
    let (began, mut told) = (now(), Vec::new());
    loop {
        let report: Report = world.refresh(&world.aws).await;
        told.push((now().duration_since(began).as_mins(), on_new(&world.aws)));
        let Some(wake_at) = report.wake_at else { return told };
        let pause = wake_at.duration_since(now()).max(jiff::SignedDuration::ZERO);
        tokio::time::sleep(Duration::try_from(pause).expect("not past")).await;
    }
}

#[test]
fn the_smallest_region_is_whole_and_watched_before_another_one_begins() {
    block_on(async {
        let world = two_regions("rollout.preset = 'standard'\n").await;
        let told = all_waves(&world).await;
        let there: Vec<(usize, usize)> = told.iter().map(|(_, there)| *there).collect();
        assert_eq!(there, [(0, 1), (0, 2), (0, 4), (1, 4), (3, 4), (6, 4), (6, 4)], "{told:?}");
        // 30 for the one box, 15 for the half, 120 for the Region; then 15, 15, and 30 at the end.
        let minutes: Vec<i64> = told.iter().map(|(minutes, _)| *minutes).collect();
        assert_eq!(minutes, [0, 30, 45, 165, 180, 195, 225], "{told:?}");
        assert_eq!(world.status().await.stable, Some(2));
    });
}

#[test]
fn a_region_whose_functions_are_all_held_is_not_the_first_one() {
    block_on(async {
        let world = two_regions("rollout.preset = 'standard'\n").await;
        let far = world.aws.at(ACCOUNT, FAR);
        for number in 0..FAR_FUNCTIONS {
            far.tag(&format!("f{number}"), "freshlayer:geo", "hold");
        }
        world.refresh(&world.aws).await;
        assert_eq!(on_new(&world.aws), (1, 0), "the other one begins with its one box");
    });
}

#[test]
fn the_definition_names_the_first_region_or_lets_all_go_together() {
    block_on(async {
        let first = format!("rollout.preset = 'standard'\nrollout.regions_order = ['{REGION}']\n");
        let world = two_regions(&first).await;
        let told = all_waves(&world).await;
        let there: Vec<(usize, usize)> = told.iter().map(|(_, there)| *there).collect();
        let expected = [(1, 0), (3, 0), (6, 0), (6, 1), (6, 2), (6, 4), (6, 4)];
        assert_eq!(there, expected, "{told:?}");
    });
    block_on(async {
        let together = "rollout.preset = 'standard'\nrollout.region_gap_minutes = 0\n";
        let world = two_regions(together).await;
        let told = all_waves(&world).await;
        assert_eq!(told.last().map(|(minutes, _)| *minutes), Some(75), "{told:?}");
    });
}

#[test]
fn a_region_that_is_sick_holds_no_other_back_and_is_caught_up_later() {
    block_on(async {
        let world = two_regions("rollout.preset = 'standard'\n").await;
        let far = world.aws.at(ACCOUNT, FAR);
        far.fail_place(Some(Outage::Denied));
        for _ in 0..8 {
            world.refresh(&world.aws).await;
            tokio::time::sleep(Duration::from_mins(31)).await;
        }
        assert_eq!(on_new(&world.aws), (NEAR_FUNCTIONS, 0));
        far.fail_place(None);
        for _ in 0..10 {
            world.refresh(&world.aws).await;
            tokio::time::sleep(Duration::from_mins(31)).await;
        }
        assert_eq!(on_new(&world.aws), (NEAR_FUNCTIONS, FAR_FUNCTIONS));
        assert_eq!(world.status().await.stable, Some(2));
    });
}

const FURTHER: &str = "eu-central-1";

#[test]
fn careful_brings_one_region_after_the_other() {
    block_on(async {
        let terms = format!(
            "rollout.preset = 'careful'\nrollout.bake_minutes = 10\nrollout.waves = [100]\nrollout.one_box_bake_minutes = 0\nrollout.regions_order = ['{FAR}']\nregions = ['{REGION}', '{FAR}', '{FURTHER}']\n"
        );
        let world = World::of(&terms);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        for (region, count) in [(REGION, 2), (FAR, 3), (FURTHER, 1)] {
            for number in 0..count {
                let new = NewFunction { layers: &[arn(region, 1)], ..NewFunction::default() };
                world.aws.at(ACCOUNT, region).function(&format!("f{number}"), &new);
            }
        }
        world.build(3);
        let now = || freshlayer::ports::Clock::now(&world.aws.clock());
        let (began, mut told) = (now(), Vec::new());
        loop {
            let report: Report = world.refresh(&world.aws).await;
            let (new, got) = (arn(FURTHER, 2).to_string(), world.aws.at(ACCOUNT, FURTHER));
            let got = got.callers_get();
            let further = got.values().filter(|layers| layers.contains(&new)).count();
            let (near, far) = on_new(&world.aws);
            told.push((now().duration_since(began).as_hours(), far, further, near));
            let Some(wake_at) = report.wake_at else { break };
            let pause = wake_at.duration_since(now()).max(jiff::SignedDuration::ZERO);
            tokio::time::sleep(Duration::try_from(pause).expect("not past")).await;
        }
        // The named Region, 12 hours later the one with the fewest functions, 2 hours later the last one; 12 at the end.
        let expected = [(0, 3, 0, 0), (12, 3, 1, 0), (14, 3, 1, 2), (26, 3, 1, 2)];
        assert_eq!(told, expected);
    });
}
