//! What `plan` and `refresh --dry-run` say of the next refresh: what really happens then, and nothing happens before.

use std::time::Duration;

use freshlayer::report::Exit;
use freshlayer::state::Members;
use freshlayer::{Retry, plan, rollout_status};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::Sandbox;
use freshlayer_tests::simulated::NewFunction;
use freshlayer_tests::upstream::Fault;

use crate::simulated::{World, block_on, pace, version};

const CHANGES: [&str; 4] =
    ["UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias", "DeleteFunction"];

/// How many calls of some names there were since the last look at the names.
fn count(world: &World, names: &[&str]) -> usize {
    let counts = world.aws.called_counts();
    names.iter().filter_map(|name| counts.get(*name)).sum()
}

fn functions(world: &World) {
    for number in 0..10 {
        let aliases: &[&str] = if number % 2 == 0 { &["live"] } else { &[] };
        let new = NewFunction { layers: &[version(1)], aliases, ..NewFunction::default() };
        world.aws.function(&format!("f{number}"), &new);
    }
    world.aws.tag("f3", "freshlayer:geo", "hold");
    world.aws.tag("f5", "freshlayer:geo", "1");
    world.aws.tag("f5", "freshlayer:wave", "canary");
}

#[test]
fn what_is_foreseen_is_what_happens() {
    for preset in ["standard", "fast", "all-at-once", "codedeploy-linear-10-percent-every-1-minute"]
    {
        block_on(async {
            let probe = "rollout.probe.payload = { ip = '192.0.2.1' }\n";
            let world = World::of(&format!("rollout.preset = '{preset}'\n{probe}"));
            assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
            functions(&world);
            world.build(3);
            let engine = world.engine(&world.aws, "a person", pace());
            world.aws.called();
            let planned = plan(&engine, &world.definition, Retry::OnChange).await.expect("planned");
            let writes =
                ["PutObject", "PublishLayerVersionWithCode", "PublishLayerVersion", "Invoke"];
            assert_eq!(count(&world, &CHANGES) + count(&world, &writes), 0);
            let next = planned.release.as_ref().expect("there is a newer build");
            assert_eq!(next.release, 2);
            let stay: Vec<&str> = planned.stay.iter().map(|one| one.function.as_str()).collect();
            assert_eq!(stay, ["f3"], "{planned:#?}");
            let foreseen = planned.rollout.expect("functions use the layer");

            world.aws.called();
            let mut waves: Vec<Members> = Vec::new();
            for _ in 0..60 {
                world.refresh(&world.aws).await;
                let engine = world.engine(&world.aws, "a person", pace());
                let status = rollout_status(&engine, &world.definition).await.expect("readable");
                let open = status.open.map(|open| open.waves).unwrap_or_default();
                let now: Vec<Members> = open.into_iter().map(|wave| wave.members).collect();
                waves = if now.len() > waves.len() { now } else { waves };
                tokio::time::sleep(Duration::from_mins(31)).await;
            }
            assert_eq!(world.status().await.stable, Some(2));
            let told: Vec<Members> =
                foreseen.waves.iter().map(|wave| wave.members.clone()).collect();
            if preset == "all-at-once" {
                let all: usize = told[0].values().map(std::collections::BTreeSet::len).sum();
                assert_eq!((told.len(), all), (1, 9));
            } else {
                // A last wave that is not watched is over with the run that opens it.
                let seen = told.starts_with(&waves) && told.len() - waves.len() <= 1;
                assert!(seen, "{preset}: {told:?}, then {waves:?}");
            }
            assert_eq!(count(&world, &CHANGES), foreseen.changes, "{preset}");
            assert_eq!(count(&world, &["Invoke"]), foreseen.probes, "{preset}");
        });
    }
}

/// A release is stable without the functions that are held, unless all are.
#[test]
fn a_release_is_foreseen_as_stable_unless_every_function_is_held() {
    for preset in ["standard", "all-at-once"] {
        block_on(async {
            let world = World::of(&format!("rollout.preset = '{preset}'\n"));
            assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
            for name in ["one", "two"] {
                let aliases: &[&str] = &["live"];
                let new = NewFunction { layers: &[version(1)], aliases, ..NewFunction::default() };
                world.aws.function(name, &new);
            }
            world.build(3);
            let engine = world.engine(&world.aws, "a person", pace());
            for (name, stable) in [("one", true), ("two", false)] {
                world.aws.deploy(name);
                let planned = plan(&engine, &world.definition, Retry::OnChange).await;
                let planned = planned.expect("planned");
                let held = planned.stay.iter().any(|one| one.function.as_str() == name);
                let foreseen = planned.rollout.expect("functions use the layer");
                assert!(held, "its code is not released");
                assert_eq!(foreseen.stable_at.is_some(), stable, "{preset}: {foreseen:#?}");
            }
        });
    }
}

#[test]
fn an_open_rollout_is_foreseen_from_where_it_stands() {
    block_on(async {
        let world = World::of("rollout.preset = 'standard'\n");
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        functions(&world);
        world.build(3);
        let engine = world.engine(&world.aws, "a person", pace());
        let before = plan(&engine, &world.definition, Retry::OnChange).await.expect("planned");
        world.refresh(&world.aws).await;
        let after = plan(&engine, &world.definition, Retry::OnChange).await.expect("planned");
        assert_eq!(after.release, None, "nothing is newer: {after:#?}");
        let [before, after] =
            [before, after].map(|planned| planned.rollout.expect("functions use it"));
        let members = |at: usize| (&before.waves[at].members, &after.waves[at].members);
        for at in 0..before.waves.len() {
            let (then, now) = members(at);
            assert_eq!(then, now, "wave {at}");
        }
        assert!(after.changes < before.changes, "{after:#?}");
        let late = after.stable_at.zip(before.stable_at).expect("it ends");
        assert!(late.0.duration_since(late.1).as_mins() < 2, "{late:?}");
        tokio::time::sleep(Duration::from_mins(31)).await;
        world.refresh(&world.aws).await;
        let later = plan(&engine, &world.definition, Retry::OnChange).await.expect("planned");
        let later = later.rollout.expect("functions use it").waves;
        let told: Vec<_> = later.iter().map(|wave| (wave.number, &wave.members)).collect();
        let before: Vec<_> = before.waves.iter().map(|wave| (wave.number, &wave.members)).collect();
        assert_eq!((before[0].0, &told[..]), (1, &before[1..]), "wave 2 is open");
    });
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "geo",
        "rollout.preset = 'fast'\n\n[[dataset]]\nname = 'country'\nformat = 'mmdb'\n\
         source.https = 'UPSTREAM/files/country.mmdb'\n",
    );
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(0).bytes());
    sandbox
}

#[test]
fn a_person_reads_what_the_next_refresh_would_do() {
    let sandbox = sandbox();
    let first = sandbox.cli(&["plan"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(
        first.stdout.starts_with(
            "geo: a refresh would make release 1 of the newer data, if it passes every check, and publish it in local\n  \
             dataset country: would be downloaded, "
        ),
        "{first:?}"
    );
    assert!(!sandbox.path("host/state").exists(), "nothing is written");
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    for (name, more) in
        [("a", &[][..]), ("b", &["--alias", "live"]), ("c", &["--tag", "freshlayer:geo=hold"])]
    {
        let words = [&["functions", "add", name, "--layer", "geo"][..], more].concat();
        assert_eq!(sandbox.cli(&words).code, 0);
    }
    let same = sandbox.cli(&["plan", "geo"]);
    assert!(
        same.stdout
            .starts_with("geo: a refresh would change nothing\n  dataset country: unchanged\n"),
        "{same:?}"
    );
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let told = sandbox.cli(&["refresh", "--dry-run"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(sandbox.cli(&["plan"]).stdout.len(), told.stdout.len(), "both say the same");
    for says in [
        "release 2 of the newer data",
        "  wave 1, ",
        ": 1 function, watched until ",
        ": a\n",
        ": b\n",
        "  4 changes to functions, 0 probe calls; stable at ",
        "function c: stays, on layer version 1: ",
    ] {
        assert!(told.stdout.contains(says), "{says}: {}", told.stdout);
    }
    let json = sandbox.cli(&["plan", "--json"]).json();
    assert_eq!(json["plans"][0]["datasets"][0]["state"], "newer");
    assert_eq!(json["plans"][0]["rollout"]["waves"][0]["members"]["local"][0], "a");
    assert_eq!(sandbox.cli(&["freeze", "geo"]).code, 0);
    let frozen = sandbox.cli(&["plan"]);
    assert!(frozen.stdout.contains("geo: a refresh would ask no upstream\n"), "{frozen:?}");
    assert_eq!(sandbox.cli(&["unfreeze", "geo"]).code, 0);
    sandbox.upstream.misbehave("country", Fault::Status(403, "no"), 9);
    let unknown = sandbox.cli(&["plan"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stdout.contains("  dataset country: not known: "), "{unknown:?}");
    assert_eq!(sandbox.cli(&["plan", "no-such-layer"]).code, 2);
}

#[test]
fn maxminds_quota_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", "[[dataset]]\nname = 'country'\nformat = 'mmdb'\nsource.maxmind = 'GeoLite2-Country'\nsource.host = 'UPSTREAM'\nexpect.min_age_hours = 0\n");
    sandbox.upstream.publish_edition("GeoLite2-Country", "20261120", &Mmdb::later(0).bytes());
    let told = sandbox.cli(&["plan"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stdout.contains("would be downloaded, changed 2026-11-20 00:00 UTC"), "{told:?}");
    let seen = sandbox.upstream.seen();
    assert!(!seen.iter().any(|one| one.path.contains("download")), "{seen:?}");
}
