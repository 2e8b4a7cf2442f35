//! The refresh from the outside: what is asked of the upstream, what is published, who moves.

use freshlayer::Code;
use freshlayer::ports::FunctionName;
use freshlayer::report::{ConsumerState, DatasetState, Exit, Outcome, Report, Why};
use freshlayer_local::{FolderRegistry, NewFunction};
use freshlayer_tests::databases::{DAY, FIRST_BUILD, KNOWN_ADDRESS, Mmdb, sqlite};
use freshlayer_tests::sandbox::{Sandbox, block_on, layer_name};
use freshlayer_tests::upstream::Fault;

pub(crate) const GEO: &str = "
[[dataset]]
name = 'country'
format = 'mmdb'
source.https = 'UPSTREAM/files/country.mmdb'
expect.probes = [{ ip = '16.0.1.7', path = 'country.iso_code', equals = 'BR' }]
";

pub(crate) const BUNDLE: &str = "
[[dataset]]
name = 'country'
format = 'mmdb'
source.maxmind = 'GeoLite2-Country'
source.host = 'UPSTREAM'

[[dataset]]
name = 'zones'
format = 'sqlite'
source.https = 'UPSTREAM/files/zones.sqlite'
expect.tables.zones = ['id', 'name']
expect.rows_min.zones = 10
";

/// A sandbox with a first release of one mmdb, and functions that use it.
pub(crate) fn released() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    assert_refreshed(&sandbox.refresh("geo"), 1);
    add_function(&sandbox, "plain", &[]);
    add_function(&sandbox, "aliased", &["live"]);
    sandbox.upstream.seen();
    sandbox
}

pub(crate) fn add_function(sandbox: &Sandbox, name: &str, aliases: &[&str]) {
    let new = NewFunction {
        name: FunctionName::parse(name).expect("a function name"),
        layers: vec![FolderRegistry::arn(&layer_name("geo"), 1)],
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        tags: [].into(),
        program: Vec::new(),
    };
    sandbox.fleet().add(new).expect("the function is new");
}

pub(crate) fn assert_refreshed(report: &Report, seq: u64) {
    assert!(matches!(report.outcome, Outcome::Refreshed { .. }), "{report:#?}");
    assert_eq!(report.release.as_ref().map(|release| release.seq), Some(seq), "{report:#?}");
}

pub(crate) fn versions(report: &Report) -> Vec<(String, ConsumerState, u64)> {
    let consumers = report.consumers.iter();
    let line = consumers.map(|c| {
        let version = c.layer_version.as_ref().map_or(0, freshlayer::LayerVersionArn::version);
        (c.function.to_string(), c.state, version)
    });
    line.collect()
}

#[test]
fn a_new_build_reaches_every_function() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let report = sandbox.refresh("geo");
    assert_refreshed(&report, 2);
    let moved = ConsumerState::Moved;
    let expected = [("aliased".to_owned(), moved, 2), ("plain".to_owned(), moved, 2)];
    assert_eq!(versions(&report), expected);
    assert_eq!(report.release.expect("released").version, "1.0.1");
    let head = sandbox.head("geo");
    assert_eq!((&head["current"], &head["stable"]), (&2.into(), &2.into()));
    assert!(head["lease"].is_null() && head["rollout"].is_null());
}

#[test]
fn nothing_new_costs_one_request_and_writes_nothing() {
    let sandbox = released();
    assert!(matches!(sandbox.refresh("geo").outcome, Outcome::Unchanged { .. }));
    let before = sandbox.head("geo");
    sandbox.upstream.seen();
    let report = sandbox.refresh("geo");
    assert_eq!(report.outcome, Outcome::Unchanged { reason: Why::NothingNew.into() });
    let seen = sandbox.upstream.seen();
    assert!(seen.len() == 1 && seen[0].conditional, "{seen:?}");
    assert_eq!(sandbox.head("geo"), before);
}

#[test]
fn the_same_content_under_a_new_etag_is_no_release() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::default().bytes());
    let report = sandbox.refresh("geo");
    assert!(matches!(report.outcome, Outcome::Unchanged { .. }), "{report:#?}");
    assert_eq!(report.datasets[0].state, DatasetState::SameContent);
    sandbox.upstream.seen();
    sandbox.refresh("geo");
    assert!(sandbox.upstream.seen()[0].conditional, "the new ETag is remembered");
    assert_eq!(sandbox.upstream.seen().len(), 0);
}

#[test]
fn bad_data_is_rejected_once_and_not_downloaded_again() {
    let sandbox = released();
    let good = Mmdb::later(3).bytes();
    sandbox.upstream.publish("country.mmdb", &good[..good.len() / 2]);
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Rejected);
    assert_eq!(report.problems[0].code, Code::WrongType);
    assert_eq!(versions(&report)[0].2, 1, "nobody moves");
    sandbox.upstream.seen();
    let again = sandbox.refresh("geo");
    assert_eq!((again.exit(), &again.problems), (Exit::Rejected, &report.problems));
    let seen = sandbox.upstream.seen();
    assert!(seen.len() == 1 && seen[0].conditional, "asked, not downloaded: {seen:?}");
    sandbox.upstream.publish("country.mmdb", &good);
    assert_refreshed(&sandbox.refresh("geo"), 2);
}

#[test]
fn a_person_may_ask_for_rejected_data_again() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb { networks: 5_000, ..Mmdb::later(1) }.bytes());
    let report = sandbox.refresh("geo");
    assert!(report.problems.iter().all(|problem| problem.code == Code::Drift), "{report:#?}");
    assert_eq!(report.exit(), Exit::Rejected);
    sandbox.layer("geo", &format!("{GEO}expect.drift_percent_max = 10_000"));
    assert_refreshed(&sandbox.refresh("geo"), 2);
}

#[test]
fn an_older_build_is_rejected() {
    let sandbox = released();
    let older = Mmdb { build_epoch: FIRST_BUILD - DAY, ..Mmdb::default() };
    sandbox.upstream.publish("country.mmdb", &older.bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.problems[0].code, Code::OlderBuild, "{report:#?}");
    assert_eq!(report.exit(), Exit::Rejected);
}

#[test]
fn one_dataset_of_a_bundle_changes_and_the_other_is_carried() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", BUNDLE);
    sandbox.upstream.publish_edition("GeoLite2-Country", "20260915", &Mmdb::default().bytes());
    sandbox.upstream.publish("zones.sqlite", &sqlite(100));
    assert_refreshed(&sandbox.refresh("geo"), 1);
    sandbox.upstream.seen();
    sandbox.upstream.publish("zones.sqlite", &sqlite(110));
    let report = sandbox.refresh("geo");
    assert_refreshed(&report, 2);
    let states: Vec<DatasetState> = report.datasets.iter().map(|dataset| dataset.state).collect();
    assert_eq!(states, [DatasetState::Unchanged, DatasetState::New]);
    let downloads = sandbox.upstream.seen().iter().filter(|s| s.path.contains("/download")).count();
    assert_eq!(downloads, 0, "the mmdb comes from the last release");
    let opt = sandbox.cli(&["exec", "geo", "--", "sh", "-c", "ls /opt/geo; ls /opt/freshlayer"]);
    assert_eq!(opt.stdout, "country.mmdb\nzones.sqlite\ngeo.json\n", "{opt:?}");
}

#[test]
fn a_bad_dataset_does_not_hold_back_a_good_one() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", BUNDLE);
    sandbox.upstream.publish_edition("GeoLite2-Country", "20260915", &Mmdb::default().bytes());
    sandbox.upstream.publish("zones.sqlite", &sqlite(100));
    assert_refreshed(&sandbox.refresh("geo"), 1);
    sandbox.upstream.publish("zones.sqlite", b"<html>this is no database</html>");
    sandbox.upstream.publish_edition("GeoLite2-Country", "20260918", &Mmdb::later(3).bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Rejected);
    assert_eq!(report.release.as_ref().map(|release| release.seq), Some(2), "{report:#?}");
    let failing = sandbox.upstream.seen().len();
    assert!(failing > 0);
    sandbox.upstream.misbehave("zones.sqlite", Fault::Status(503, "down"), 100);
    sandbox.upstream.publish_edition("GeoLite2-Country", "20260922", &Mmdb::later(7).bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Failed, "{report:#?}");
    assert_eq!(report.release.map(|release| release.seq), Some(3));
}

#[test]
fn a_first_release_needs_every_dataset() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", BUNDLE);
    sandbox.upstream.publish_edition("GeoLite2-Country", "20260915", &Mmdb::default().bytes());
    sandbox.upstream.publish("zones.sqlite", b"");
    let report = sandbox.refresh("geo");
    assert_eq!((report.exit(), report.release.is_none()), (Exit::Rejected, true), "{report:#?}");
    sandbox.upstream.publish("zones.sqlite", &sqlite(100));
    assert_refreshed(&sandbox.refresh("geo"), 1);
}

#[test]
fn a_changed_definition_makes_a_release_without_a_download() {
    let sandbox = released();
    let moved = GEO.replace("source.https", "path = 'elsewhere/c.mmdb'\nsource.https");
    sandbox.layer("geo", &format!("rollout.roll_major = 'roll'\n{moved}"));
    let report = sandbox.refresh("geo");
    assert_refreshed(&report, 2);
    assert_eq!(report.release.as_ref().map(|release| release.version.as_str()), Some("2.0.0"));
    let seen = sandbox.upstream.seen();
    assert!(seen.len() == 1 && seen[0].conditional, "{seen:?}");
    let opt = sandbox.cli(&["exec", "geo", "--", "ls", "/opt/elsewhere"]);
    assert_eq!(opt.stdout, "c.mmdb\n", "{opt:?}");
}

#[test]
fn unreleased_code_is_held_and_everyone_else_moves() {
    let sandbox = released();
    let name = FunctionName::parse("aliased").expect("a function name");
    let deploy = |code: &'static str| {
        sandbox.fleet().edit(&name, |function| Ok(function.deploy(code))).expect("it is there");
    };
    deploy("not released");
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Held, "{report:#?}");
    let states: Vec<ConsumerState> = report.consumers.iter().map(|c| c.state).collect();
    assert_eq!(states, [ConsumerState::Held, ConsumerState::Moved]);
    assert!(
        report.consumers[0].reason.as_ref().is_some_and(|r| r.text.contains("behind alias live"))
    );
    deploy("code of aliased");
    let report = sandbox.refresh("geo");
    assert_eq!(versions(&report)[0], ("aliased".to_owned(), ConsumerState::Moved, 2));
    assert_eq!(sandbox.head("geo")["stable"], 2);
}

#[test]
fn the_reader_sees_what_was_published() {
    let sandbox = released();
    sandbox.cli(&["exec", "geo", "--", "true"]);
    let root = sandbox.path("host/layers/geo/1/opt");
    let layer = freshlayer_reader::Layer::open_in(&root, "geo").expect("the layer opens");
    layer.verify().expect("every digest holds");
    let reader = layer.mmdb("country").expect("the dataset opens");
    let found = reader.lookup(KNOWN_ADDRESS).expect("an address");
    let record: serde_json::Value = found.decode().expect("decodable").expect("a record");
    assert_eq!(record["country"]["iso_code"], "BR");
    assert!(layer.age().is_some_and(|age| age.as_secs() > DAY));
}

#[test]
fn a_new_dataset_that_is_bad_does_not_hold_back_the_others() {
    let sandbox = released();
    let more =
        "\n[[dataset]]\nname = 'zones'\nformat = 'sqlite'\nsource.https = 'UPSTREAM/files/z'";
    sandbox.layer("geo", &format!("{GEO}{more}"));
    sandbox.upstream.publish("z", b"no database");
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    let report = sandbox.refresh("geo");
    assert_eq!(report.exit(), Exit::Rejected);
    assert_eq!(report.release.map(|release| release.seq), Some(2));
    sandbox.upstream.publish("z", &sqlite(100));
    assert_refreshed(&sandbox.refresh("geo"), 3);
}

/// The definition of the sandbox, with its dataset under another name.
fn renamed(path: &str) -> String {
    let renamed = GEO.replace("name = 'country'", "name = 'lands'");
    let renamed = renamed.replace("files/country.mmdb", path);
    format!("rollout.roll_major = 'roll'\n{renamed}")
}

#[test]
fn what_serves_is_not_taken_away_before_something_good_stands_in_its_place() {
    let sandbox = released();
    sandbox.upstream.publish("empty.mmdb", b"");
    sandbox.layer("geo", &renamed("files/empty.mmdb"));
    let rejected = sandbox.refresh("geo");
    assert_eq!(rejected.exit(), Exit::Rejected, "{rejected:#?}");
    sandbox.layer("geo", &renamed("files/nowhere.mmdb"));
    let missing = sandbox.refresh("geo");
    assert_eq!(missing.exit(), Exit::Failed, "{missing:#?}");
    // Another format is another dataset: its data was never proved as that.
    let format = GEO.replace("format = 'mmdb'", "format = 'sqlite'");
    let expect = format.find("expect.").expect("it expects something");
    sandbox.layer("geo", &format[..expect]);
    let format = sandbox.refresh("geo");
    assert_eq!(format.exit(), Exit::Rejected, "{format:#?}");
    for report in [rejected, missing, format] {
        let seq = report.release.as_ref().map(|release| release.seq);
        assert_eq!(seq, Some(1), "{report:#?}");
    }
    sandbox.layer("geo", &renamed("files/country.mmdb"));
    assert_refreshed(&sandbox.refresh("geo"), 2);
    let (engine, definition) = (sandbox.engine(), sandbox.definition("geo"));
    let back = block_on(freshlayer::rollback(
        &engine,
        &definition,
        freshlayer::Back::Stable,
        "tester",
        None,
    ));
    assert_refreshed(&back.expect("a release 1"), 1);
    let held = sandbox.refresh("geo");
    assert_eq!(held.exit(), Exit::Held, "{held:#?}");
    assert_eq!(held.release.map(|release| release.seq), Some(1));
}

#[test]
fn a_build_from_the_future_is_rejected() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(40_000).bytes());
    assert_eq!(sandbox.refresh("geo").problems[0].code, Code::FutureBuild);
}

/// The work folder may be anyone's: only leftovers of our own runs are removed, and of dead ones.
#[test]
fn only_leftovers_of_dead_runs_are_swept_away() {
    let sandbox = released();
    let work = sandbox.path("shared");
    let living = freshlayer_local::ProcessPeers::of_this_machine().own_name();
    let own_id = format!(":{}:", std::process::id());
    let dead = living.replace(&own_id, ":4194305:");
    let folders = ["thesis".to_owned()]
        .into_iter()
        .chain([living, dead].map(|owner| format!("freshlayer-run-{owner}-abcdef")));
    let folders: Vec<_> = folders.map(|name| work.join(name)).collect();
    for folder in &folders {
        std::fs::create_dir_all(folder).expect("writable");
    }
    assert_eq!(sandbox.cli(&["status", "--work", "shared"]).code, 0);
    let left: Vec<bool> = folders.iter().map(|folder| folder.exists()).collect();
    assert_eq!(left, [true, true, false]);
}
