//! kill -9 at every call of the ports and at the start of every stage, then a run that is left alone: the
//! end is always the same (I3).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use freshlayer::Retry;
use freshlayer::definition::read_file;
use freshlayer::faults::{Faults, Strike};
use freshlayer::ports::FunctionName;
use freshlayer_local::{FolderFleet, FolderRegistry};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, binary, block_on, engine};
use serde_json::Value;

use crate::refresh::released;

/// What must be equal in the end, whatever happened on the way.
#[derive(Debug, PartialEq, Eq)]
struct End {
    current: Value,
    stable: Value,
    idle: bool,
    /// The content of each published layer version.
    layer_versions: Vec<String>,
    releases: BTreeSet<String>,
    /// The layers behind each function and alias.
    functions: Vec<String>,
}

fn end(host: &Path) -> End {
    let head = std::fs::read(host.join("state/layers/geo/head.json")).expect("there is a head");
    let head: Value = serde_json::from_slice(&head).expect("the head is JSON");
    let registry = FolderRegistry::new(host.join("layers"));
    let newest = registry.newest("geo").expect("readable").unwrap_or(0);
    let contents = (1..=newest).map(|number| {
        let path = host.join(format!("layers/geo/{number}/version.json"));
        let record: Value =
            serde_json::from_slice(&std::fs::read(path).expect("whole")).expect("JSON");
        let text = record["description"].as_str().expect("a description");
        text.rsplit(' ').next().unwrap_or_default().to_owned()
    });
    let functions = FolderFleet::new(host.join("functions"), registry.clone()).list();
    let functions = functions.expect("readable").into_iter().map(|function| {
        let serving: Vec<u64> = function
            .aliases
            .iter()
            .map(|alias| {
                let mut versions = function.versions.iter();
                let version = versions.find(|version| version.number == alias.version);
                version.expect("an alias points to a version").configuration.layers[0].version()
            })
            .collect();
        format!("{} {} {serving:?}", function.name, function.latest.layers[0].version())
    });
    let releases = std::fs::read_dir(host.join("state/layers/geo/releases")).expect("readable");
    let releases = releases.map(|entry| entry.expect("readable").file_name());
    End {
        current: head["current"].clone(),
        stable: head["stable"].clone(),
        idle: head["rollout"].is_null() && head["lease"].is_null(),
        layer_versions: contents.collect(),
        releases: releases
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| !name.starts_with(".unfinished"))
            .collect(),
        functions: functions.collect(),
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(copied.expect("cp starts").success());
}

/// A host with a first release and two functions, and an upstream with a new build.
fn before_a_new_build() -> (Sandbox, PathBuf) {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let start = sandbox.path("start");
    copy(&sandbox.path("host"), &start);
    (sandbox, start)
}

fn undisturbed(sandbox: &Sandbox, start: &Path) -> End {
    let host = sandbox.path("undisturbed");
    copy(start, &host);
    run_again(sandbox, &host);
    end(&host)
}

fn run_again(sandbox: &Sandbox, host: &Path) {
    let definition = read_file(&sandbox.path("layers/geo.toml"), &|_| None).expect("it holds");
    let report = block_on(freshlayer::refresh(&engine(host), &definition, Retry::OnChange));
    assert_eq!(report.exit().code(), 0, "{report:#?}");
}

#[test]
fn killed_at_every_call_it_ends_the_same() {
    let (sandbox, start) = before_a_new_build();
    let expected = undisturbed(&sandbox, &start);
    assert_eq!(expected.layer_versions.len(), 2);
    let mut killed = 0;
    for when in ["before", "after"] {
        for call in 0.. {
            let host = sandbox.path(&format!("killed-{when}-{call}"));
            copy(&start, &host);
            let output = Command::new(binary("crash_run"))
                .arg(&host)
                .arg(sandbox.path("layers/geo.toml"))
                .args([&call.to_string(), when])
                .output()
                .expect("the run starts");
            if output.status.success() {
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(text.contains("Refreshed"), "{text}");
                let calls: u64 = text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                assert_eq!(calls, call, "every call before had its turn");
                break;
            }
            killed += 1;
            run_again(&sandbox, &host);
            assert_eq!(end(&host), expected, "killed {when} call {call}");
            std::fs::remove_dir_all(&host).expect("removable");
        }
    }
    assert!(killed > 40, "only {killed} runs were killed");
}

#[test]
fn failing_and_lost_replies_at_every_call_end_the_same() {
    let (sandbox, start) = before_a_new_build();
    let expected = undisturbed(&sandbox, &start);
    let definition = sandbox.definition("geo");
    for strike in [Strike::Fail, Strike::LoseReply] {
        for call in 0.. {
            let host = sandbox.path(&format!("{strike:?}-{call}"));
            copy(&start, &host);
            let faults = Faults::new(move |number, _| (number == call).then_some(strike), || {});
            let mut struck = engine(&host);
            struck.ports = faults.around(&struck.ports);
            block_on(freshlayer::refresh(&struck, &definition, Retry::OnChange));
            run_again(&sandbox, &host);
            assert_eq!(end(&host), expected, "{strike:?} at call {call}");
            std::fs::remove_dir_all(&host).expect("removable");
            if faults.calls() <= call {
                break;
            }
        }
    }
}

/// Random faults over many runs, from seeds that the failure names.
#[test]
fn chaos_ends_the_same() {
    let (sandbox, start) = before_a_new_build();
    let expected = undisturbed(&sandbox, &start);
    let definition = sandbox.definition("geo");
    for seed in 0..30_u64 {
        let host = sandbox.path(&format!("chaos-{seed}"));
        copy(&start, &host);
        for run in 0..4 {
            let decide = move |number: u64, _: &str| {
                let dice = hash(seed * 1_000_003 + run * 1_009 + number);
                match dice % 10 {
                    0 => Some(Strike::Fail),
                    1 => Some(Strike::LoseReply),
                    _ => None,
                }
            };
            let mut struck = engine(&host);
            struck.ports = Faults::new(decide, || {}).around(&struck.ports);
            block_on(freshlayer::refresh(&struck, &definition, Retry::OnChange));
        }
        run_again(&sandbox, &host);
        assert_eq!(end(&host), expected, "seed {seed}");
        std::fs::remove_dir_all(&host).expect("removable");
    }
}

/// `SplitMix64`: a well-mixed number for each input.
fn hash(input: u64) -> u64 {
    let mut mixed = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn two_publishers_at_once_publish_once() {
    let (sandbox, start) = before_a_new_build();
    let expected = undisturbed(&sandbox, &start);
    for _ in 0..5 {
        std::fs::remove_dir_all(sandbox.path("host")).expect("removable");
        copy(&start, &sandbox.path("host"));
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = sandbox.command(&["refresh", "--json"]);
                command.stdout(std::process::Stdio::piped()).spawn().expect("it starts")
            })
            .collect();
        let codes: Vec<Option<i32>> = children
            .into_iter()
            .map(|child| child.wait_with_output().expect("it ends").status.code())
            .collect();
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 4))), "done or held: {codes:?}");
        assert!(codes.contains(&Some(0)), "one of them did it: {codes:?}");
        run_again(&sandbox, &sandbox.path("host"));
        assert_eq!(end(&sandbox.path("host")), expected);
    }
}

/// A person deploys at every moment of a rollout: what they wrote stays, and is not shipped (I5, I7).
#[test]
fn a_deployment_in_the_middle_is_never_overwritten() {
    let (sandbox, start) = before_a_new_build();
    let definition = sandbox.definition("geo");
    let name = FunctionName::parse("aliased").expect("a function name");
    for call in 0.. {
        let host = sandbox.path(&format!("deploy-{call}"));
        copy(&start, &host);
        let fleet =
            FolderFleet::new(host.join("functions"), FolderRegistry::new(host.join("layers")));
        let (person, function) = (fleet.clone(), name.clone());
        let faults = Faults::new(
            move |number, _| {
                if number == call {
                    let deploy = |f: &mut freshlayer_local::Function| Ok(f.deploy("a person's"));
                    person.edit(&function, deploy).expect("it is there");
                }
                None
            },
            || {},
        );
        let mut disturbed = engine(&host);
        disturbed.ports = faults.around(&disturbed.ports);
        block_on(freshlayer::refresh(&disturbed, &definition, Retry::OnChange));
        let functions = fleet.list().expect("readable");
        let aliased = functions.iter().find(|f| f.name == name).expect("it is there");
        let live = &aliased.aliases[0];
        let served = aliased.versions.iter().find(|v| v.number == live.version).expect("published");
        let deployed = &aliased.latest.code_sha256;
        if faults.calls() > call {
            assert_ne!(*deployed, served.configuration.code_sha256, "deployed at call {call}");
        } else {
            break;
        }
        std::fs::remove_dir_all(&host).expect("removable");
    }
}
