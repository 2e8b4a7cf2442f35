//! A person's orders: roll back, pin, unpin.

use std::sync::atomic::{AtomicBool, Ordering};

use freshlayer::faults::Faults;
use freshlayer::ports::FunctionName;
use freshlayer::report::{ConsumerState, Exit, Outcome, Reason};
use freshlayer::{Back, Code, Retry};
use freshlayer_tests::databases::{Mmdb, sqlite};
use freshlayer_tests::sandbox::{Sandbox, block_on, layer_name};
use freshlayer_tests::upstream::Fault;

use crate::refresh::{assert_refreshed, released, versions};

#[test]
fn a_rollback_stays_back_until_the_upstream_moves_on() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    let back = block_on(freshlayer::rollback(&engine, &definition, Back::Stable, "tester", None))
        .expect("a release 1");
    assert_refreshed(&back, 1);
    assert!(
        versions(&back)
            .iter()
            .all(|(_, state, version)| { (*state, *version) == (ConsumerState::Moved, 1) })
    );
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Held, "a person's order: {report:#?}");
    assert_eq!(report.problems[0].code, Code::RolledBack);
    // Also where the upstream cannot say that nothing changed.
    sandbox.upstream.misbehave("country.mmdb", Fault::NoValidators, 1);
    assert_eq!(sandbox.refresh("geo").problems[0].code, Code::RolledBack);
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(5).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 3);
}

#[test]
fn rolled_back_data_comes_again_when_a_person_says_so() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    block_on(freshlayer::rollback(&engine, &definition, Back::Release(1), "tester", None))
        .expect("a release 1");
    let report = block_on(freshlayer::refresh(&engine, &definition, Retry::Now));
    assert_refreshed(&report, 3);
}

#[test]
fn a_pinned_layer_stays_and_asks_nobody() {
    let sandbox = released();
    let (engine, layer) = (sandbox.engine(), layer_name("geo"));
    let reason = Some("audit".to_owned());
    block_on(freshlayer::pin(&engine, &layer, None, "tester", reason, None))
        .expect("a release to pin");
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Done, "the layer is where a person wants it");
    let said = |reason: &Reason| reason.text.contains("audit");
    assert!(
        matches!(&report.outcome, Outcome::Unchanged { reason } if said(reason)),
        "{report:#?}"
    );
    assert!(sandbox.upstream.seen().is_empty());
    assert!(
        block_on(freshlayer::unpin(&engine, &layer, "tester", None))
            .expect("the head can be written")
    );
    assert_refreshed(&sandbox.refresh("geo"), 2);
}

/// Two rollbacks in a row go back twice. Code that is not released keeps no alias from going back (F3): it moves to
/// the published version that has the served code and the earlier layer, and that code stays unreleased.
#[test]
fn a_rollback_is_one_alias_move_whatever_latest_holds_and_never_goes_forward() {
    let sandbox = released();
    for days in [3, 6] {
        sandbox.upstream.publish("country.mmdb", &Mmdb::later(days).bytes());
        assert_eq!(sandbox.refresh("geo").exit(), Exit::Done);
    }
    let name = FunctionName::parse("aliased").expect("a function name");
    let deploy = |function: &mut freshlayer_local::Function| Ok(function.deploy("unreleased"));
    sandbox.fleet().edit(&name, deploy).expect("it is there");
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    for expected in [2, 1] {
        let back =
            block_on(freshlayer::rollback(&engine, &definition, Back::Stable, "tester", None))
                .expect("an earlier one");
        assert_eq!(back.exit(), Exit::Done, "{back:#?}");
        assert_eq!(sandbox.head("geo")["current"], expected);
        let functions = sandbox.fleet().list().expect("readable");
        let aliased = functions.iter().find(|f| f.name == name).expect("it is there");
        assert_eq!(aliased.aliases[0].version, expected, "an existing version");
        assert_eq!(aliased.versions.len(), 3, "none was published");
    }
}

#[test]
fn versions_go_on_behind_a_rollback() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    block_on(freshlayer::rollback(&engine, &definition, Back::Stable, "tester", None))
        .expect("a release 1");
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(5).bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.release.map(|release| release.version), Some("1.0.2".to_owned()));
}

#[test]
fn a_rolled_back_database_in_wal_mode_stays_back() {
    let sandbox = Sandbox::new();
    sandbox.layer(
        "geo",
        "[[dataset]]\nname = 'z'\nformat = 'sqlite'\nsource.https = 'UPSTREAM/files/z'",
    );
    let wal = |rows| {
        let mut bytes = sqlite(rows);
        bytes[18..20].copy_from_slice(&[2, 2]);
        bytes
    };
    sandbox.upstream.publish("z", &wal(100));
    let first = sandbox.refresh("geo");
    assert_refreshed(&first, 1);
    assert_eq!(first.problems[0].code, Code::SqliteWal);
    sandbox.cli(&["exec", "geo", "--", "true"]);
    let layer = freshlayer_reader::Layer::open_in(sandbox.path("host/layers/geo/1/opt"), "geo");
    layer.expect("the layer opens").sqlite("z").expect("it needs no journal");
    sandbox.upstream.publish("z", &wal(110));
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    block_on(freshlayer::rollback(&engine, &definition, Back::Stable, "tester", None))
        .expect("a release 1");
    sandbox.upstream.publish("z", &wal(110));
    assert_eq!(sandbox.refresh("geo").problems[0].code, Code::RolledBack);
}

#[test]
fn going_forward_again_lifts_the_mark() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    for to in [1, 2] {
        block_on(freshlayer::rollback(&engine, &definition, Back::Release(to), "tester", None))
            .expect("it is published");
    }
    assert!(matches!(sandbox.refresh("geo").outcome, Outcome::Unchanged { .. }));
}

#[test]
fn a_pin_without_a_release_keeps_the_one_that_is_pinned() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let (engine, layer) = (sandbox.engine(), layer_name("geo"));
    let reason = Some("bad data".to_owned());
    block_on(freshlayer::pin(&engine, &layer, Some(1), "tester", reason, None))
        .expect("it is published");
    let status = block_on(freshlayer::status(&engine, &sandbox.definition("geo")));
    let status = status.expect("readable");
    assert!(status.consumers.iter().all(|c| c.state == ConsumerState::Behind), "{status:#?}");
    let pinned = block_on(freshlayer::pin(&engine, &layer, None, "tester", None, None))
        .expect("it is published");
    assert_eq!(pinned.seq, 1);
    let report = sandbox.refresh("geo");
    assert!(
        matches!(&report.outcome, Outcome::Refreshed { reason } if reason.text.contains("bad data"))
    );
    assert!(versions(&report).iter().all(|(_, _, version)| *version == 1), "{report:#?}");
}

#[test]
fn a_pin_stops_a_rollout_in_the_middle_and_the_next_run_carries_it_out() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let person = sandbox.engine();
    let pinned = AtomicBool::new(false);
    let pin_once = move |_: u64, call: &str| {
        if call == "fleet.apply" && !pinned.swap(true, Ordering::SeqCst) {
            let pin = || {
                block_on(freshlayer::pin(
                    &person,
                    &layer_name("geo"),
                    Some(1),
                    "tester",
                    None,
                    None,
                ))
            };
            let done = std::thread::scope(|scope| scope.spawn(pin).join().expect("no panic"));
            done.expect("release 1 can be pinned");
        }
        None
    };
    let mut engine = sandbox.engine();
    engine.ports = Faults::new(pin_once, || {}).around(&engine.ports);
    let stopped = sandbox.refresh_with(&engine, "geo");
    assert_eq!(stopped.exit(), Exit::Done, "{stopped:#?}");
    let aliases = |function: &str| {
        let functions = sandbox.fleet().list().expect("readable");
        let mut functions = functions.into_iter().filter(|f| f.name.as_str() == function);
        functions.next().expect("it is there").aliases[0].version
    };
    assert_eq!(aliases("aliased"), 1, "the alias was not moved behind the pin");
    let next = sandbox.refresh("geo");
    let on_one = |(_, _, version): &(String, ConsumerState, u64)| *version == 1;
    assert!(versions(&next).iter().all(on_one), "{next:#?}");
}
