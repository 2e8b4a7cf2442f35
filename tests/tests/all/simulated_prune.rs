//! Pruning against the strict simulation: two looks, references, readers, parameters, licences, a state that came from
//! another account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use freshlayer::faults::Faults;
use freshlayer::ports::{Key, Publication, Registry as _, Replaced, Store as _};
use freshlayer::report::Exit;
use freshlayer::state::read_release;
use freshlayer::{
    Back, FindingKind, Keep, LayerVersionArn, Mend, Named, Prune, Pruned, doctor, pin, prune,
    rollback, unpin,
};
use freshlayer_aws::Aws;
use freshlayer_tests::sandbox::layer_name;
use freshlayer_tests::simulated::{ACCOUNT, Hit, NewFunction, Simulated};
use serde_json::Value;

use crate::simulated::{World, block_on, pace, version};

const TWO_WEEKS: Duration = Duration::from_hours(14 * 24);
const TWO_DAYS: Duration = Duration::from_hours(2 * 24);

/// Makes releases whose versions no parameter named for long.
async fn releases(world: &World, count: u64) {
    new_releases(world, count).await;
    long_after().await;
}

async fn new_releases(world: &World, count: u64) {
    for day in 0..count {
        world.build(3 * day);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    }
}

async fn long_after() {
    tokio::time::sleep(2 * TWO_WEEKS + TWO_DAYS).await;
    tokio::time::sleep(TWO_DAYS).await;
}

async fn pruned(world: &World, keep: usize) -> Pruned {
    pruned_on(world, &world.aws, keep, Prune::Delete).await
}

async fn pruned_on(world: &World, aws: &Simulated, keep: impl Into<Keep>, mode: Prune) -> Pruned {
    let engine = world.engine(aws, "tester", pace());
    prune(&engine, &world.definition, keep, mode).await.expect("all can be asked")
}

fn gone(pruned: &Pruned) -> Vec<u64> {
    pruned.releases.iter().map(|release| release.seq).collect()
}

fn condemned(pruned: &Pruned) -> Vec<u64> {
    pruned.condemned.iter().map(|condemned| condemned.seq).collect()
}

fn reason(pruned: &Pruned, seq: u64) -> &str {
    pruned.kept.iter().find(|kept| kept.seq == seq).map_or("", |kept| kept.reason.as_str())
}

async fn head(world: &World) -> Value {
    let head = world.aws.aws(pace()).store().read(&Key::head(&layer_name("geo"))).await;
    let head = head.expect("readable").expect("there is one");
    serde_json::from_slice(&head.bytes).expect("JSON")
}

/// A function that stays on a version.
fn on(version: &LayerVersionArn) -> NewFunction<'_> {
    NewFunction {
        layers: std::slice::from_ref(version),
        tags: &[("freshlayer:geo", "hold")],
        ..NewFunction::default()
    }
}

async fn a_day() {
    tokio::time::sleep(TWO_DAYS / 2).await;
}

#[test]
fn pruned_at_every_call_the_zip_goes_last_and_nothing_that_is_used_goes() {
    block_on(async {
        let world = World::of("publish.storage = 'reference'");
        releases(&world, 5).await;
        world.aws.function("held", &on(&version(2)));
        for mode in [Prune::Delete, Prune::AfterRespite] {
            if mode == Prune::AfterRespite {
                assert_eq!(condemned(&pruned_on(&world, &world.aws, 1, mode).await), [1, 3]);
                a_day().await;
            }
            for hit in [Hit::SilentBefore, Hit::SilentAfter, Hit::Cut] {
                for call in 0.. {
                    let aws = world.aws.copy();
                    let struck = aws.hit_by(move |number, _| (number == call).then_some(hit));
                    let engine = world.engine(&struck, "killed", pace());
                    let run = prune(&engine, &world.definition, 1, mode);
                    let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
                    let calls = struck.calls();
                    let (versions, zips) = (aws.published("geo").len(), aws.zips());
                    assert!(zips >= versions, "{hit:?} at {call}: a version lost its zip");
                    let again = pruned_on(&world, &aws, 1, mode).await;
                    assert_eq!(again.exit(), Exit::Done, "{hit:?} at {call}: {again:#?}");
                    // The held one, the current one, and the one that a rollback leads to.
                    let left = (aws.published("geo").len(), aws.zips());
                    assert_eq!(left, (3, 3), "{mode:?}, {hit:?} at {call}");
                    if ended.is_ok() && calls <= call {
                        break;
                    }
                }
            }
        }
    });
}

#[test]
fn a_function_that_comes_after_a_kill_keeps_its_release() {
    block_on(async {
        let world = World::of("");
        releases(&world, 4).await;
        let mut saved = 0;
        for call in 0.. {
            let aws = world.aws.copy();
            let struck = aws.hit_by(move |number, _| (number == call).then_some(Hit::SilentAfter));
            let engine = world.engine(&struck, "killed", pace());
            let run = prune(&engine, &world.definition, 1, Prune::Delete);
            let _killed = tokio::time::timeout(Duration::from_mins(1), run).await;
            if aws.published("geo").len() < 4 {
                break;
            }
            // The first release is the first to go: it is still there.
            aws.function("late", &on(&version(1)));
            let again = pruned_on(&world, &aws, 1, Prune::Delete).await;
            assert_eq!(
                (gone(&again), again.exit()),
                (vec![2], Exit::Done),
                "at {call}: {again:#?}"
            );
            assert_eq!(reason(&again, 1), "function late in eu-west-1 uses it", "at {call}");
            assert_eq!(aws.published("geo").len(), 3, "at {call}");
            saved += 1;
        }
        assert!(saved > 5, "it was killed {saved} times before the first deletion");
    });
}

#[test]
fn a_function_that_comes_between_the_looks_keeps_its_release() {
    block_on(async {
        let world = World::of("");
        releases(&world, 4).await;
        let preview = pruned_on(&world, &world.aws, 1, Prune::Preview).await;
        assert_eq!(gone(&preview), [1, 2]);
        let mut engine = world.engine(&world.aws, "tester", pace());
        let (aws, looks) = (world.aws.clone(), AtomicU32::new(0));
        let comes = Faults::new(
            move |_, call| {
                // Nothing fails here: at the second look a function has come.
                if call == "fleet.observe" && looks.fetch_add(1, Ordering::SeqCst) == 1 {
                    aws.function("late", &on(&version(1)));
                }
                None
            },
            || (),
        );
        engine.ports = Arc::clone(&comes).around(&engine.ports);
        let done = prune(&engine, &world.definition, 1, Prune::Delete).await;
        let done = done.expect("all can be asked");
        assert_eq!((gone(&done), done.exit()), (vec![2], Exit::Done));
        assert_eq!(reason(&done, 1), "function late in eu-west-1 uses it");
        assert!(condemned(&done).is_empty(), "it is pardoned");
        assert_eq!(world.aws.published("geo").len(), 3);
    });
}

#[test]
fn the_publishers_prune_condemns_on_one_day_and_deletes_on_the_next() {
    block_on(async {
        let world = World::of("");
        releases(&world, 4).await;
        let daily = async || pruned_on(&world, &world.aws, 1, Prune::AfterRespite).await;
        let first = daily().await;
        assert_eq!((gone(&first), condemned(&first)), (vec![], vec![1, 2]));
        assert_eq!(first.exit(), Exit::Done);
        tokio::time::sleep(Duration::from_hours(1)).await;
        let soon = daily().await;
        assert_eq!(soon.condemned, first.condemned, "their time goes on");
        assert_eq!(world.aws.published("geo").len(), 4);
        tokio::time::sleep(Duration::from_hours(22)).await;
        let second = daily().await;
        assert_eq!((gone(&second), condemned(&second)), (vec![1, 2], vec![]));
        assert_eq!(world.aws.published("geo").len(), 2);
        assert!(head(&world).await["condemned"].is_null());
    });
}

#[test]
fn what_something_leads_to_again_is_pardoned() {
    block_on(async {
        let world = World::of("");
        releases(&world, 5).await;
        let daily = async || pruned_on(&world, &world.aws, 1, Prune::AfterRespite).await;
        assert_eq!(condemned(&daily().await), [1, 2, 3]);
        let engine = world.engine(&world.aws, "tester", pace());
        let layer = layer_name("geo");
        pin(&engine, &layer, Some(1), "ops", None, None).await.expect("it has a version");
        unpin(&engine, &layer, "ops", None).await.expect("it is pinned");
        let left = head(&world).await["condemned"].clone();
        let left: Vec<&String> = left.as_object().expect("a map").keys().collect();
        assert_eq!(left, ["2", "3"], "an order that came and went counts");
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        world.aws.function("late", &on(&version(2)));
        a_day().await;
        let second = daily().await;
        assert_eq!((gone(&second), condemned(&second)), (vec![3], vec![1]));
        assert_eq!(reason(&second, 2), "function late in eu-west-1 uses it");
        a_day().await;
        assert_eq!(gone(&daily().await), [1]);
        assert_eq!(world.aws.published("geo").len(), 3);
    });
}

#[test]
fn a_version_that_the_parameter_named_stays_for_thirty_days() {
    block_on(async {
        let world = World::of("");
        new_releases(&world, 4).await;
        let early = pruned(&world, 1).await;
        assert!(early.releases.is_empty(), "{early:#?}");
        let words = "the parameter of eu-west-1 named it, and a deployment may go back to it: it stays until 2026-12-01 ";
        assert!(reason(&early, 1).starts_with(words), "{early:#?}");
        let forced = Keep { newest: 1, named: Named::Goes };
        let preview = pruned_on(&world, &world.aws, forced, Prune::Preview).await;
        assert_eq!(gone(&preview), [1, 2]);
        tokio::time::sleep(2 * TWO_WEEKS).await;
        assert!(pruned(&world, 1).await.releases.is_empty());
        tokio::time::sleep(TWO_DAYS + TWO_DAYS / 2).await;
        assert_eq!(gone(&pruned(&world, 1).await), [1, 2]);
        world.build(12);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        let named = head(&world).await["named"].clone();
        let named: Vec<&String> = named.as_object().expect("a map").keys().collect();
        assert_eq!(named, [version(4).as_str()], "what was named long ago is forgotten");
    });
}

#[test]
fn a_person_can_delete_what_a_parameter_named() {
    block_on(async {
        let world = World::of("");
        new_releases(&world, 4).await;
        let forced = Keep { newest: 0, named: Named::Goes };
        let done = pruned_on(&world, &world.aws, forced, Prune::Delete).await;
        assert_eq!((gone(&done), done.exit()), (vec![1, 2], Exit::Done));
        let told = world.aws.parameter("/freshlayer/geo/arn");
        assert_eq!(told, Some(version(4).to_string()));
        assert_eq!(world.aws.published("geo").len(), 2, "what it names now stays");
    });
}

#[test]
fn a_write_of_the_parameter_that_failed_may_have_named_the_version() {
    block_on(async {
        let world = World::of("");
        new_releases(&world, 2).await;
        world.build(6);
        // The second parameter of the two fails: the first one names release 3 already.
        let puts = AtomicU32::new(0);
        let struck = world.aws.hit_by(move |_, call| {
            let is_second = call == "PutParameter" && puts.fetch_add(1, Ordering::SeqCst) > 0;
            is_second.then_some(Hit::Cut)
        });
        assert_eq!(world.refresh(&struck).await.exit(), Exit::Failed);
        let told = world.aws.parameter("/freshlayer/geo/arn");
        assert_eq!(told, Some(version(3).to_string()));
        let named = head(&world).await["named"].clone();
        assert!(named[version(3).as_str()].is_string(), "{named}");
    });
}

/// The run dies between the parameter and the head, and a person goes back: no parameter names the version any more by then.
#[test]
fn a_parameter_that_a_dead_run_wrote_may_have_named_the_version() {
    block_on(async {
        let world = World::of("");
        new_releases(&world, 2).await;
        world.build(6);
        let puts = AtomicU32::new(0);
        let struck = world.aws.hit_by(move |_, call| {
            let is_second = call == "PutParameter" && puts.fetch_add(1, Ordering::SeqCst) > 0;
            is_second.then_some(Hit::SilentAfter)
        });
        let dies = tokio::time::timeout(Duration::from_mins(1), world.refresh(&struck)).await;
        assert!(dies.is_err(), "{dies:#?}");
        let told = || world.aws.parameter("/freshlayer/geo/arn");
        let third = version(3).to_string();
        assert_eq!(told(), Some(third.clone()));
        tokio::time::sleep(TWO_DAYS).await;
        let engine = world.engine(&world.aws, "a person", pace());
        let back = rollback(&engine, &world.definition, Back::Stable, "a person", None).await;
        assert_eq!(back.expect("it can go back").exit(), Exit::Done);
        assert_eq!(told(), Some(version(2).to_string()));
        let named = head(&world).await["named"].clone();
        assert!(named[third.as_str()].is_string(), "{named}");
    });
}

#[test]
fn a_release_that_its_licence_wants_gone_is_named_with_its_functions() {
    block_on(async {
        let world = World::with("", "replaced_days_max = 30");
        let first = version(1);
        new_releases(&world, 3).await;
        world.aws.function("held", &on(&first));
        world.aws.function("kept", &NewFunction { aliases: &["live"], ..on(&first) });
        tokio::time::sleep(2 * TWO_WEEKS).await;
        let early = pruned(&world, 1).await;
        assert!(early.kept_too_long.is_empty(), "{early:#?}");
        tokio::time::sleep(2 * TWO_DAYS).await;
        let late = pruned(&world, 1).await;
        assert_eq!(late.exit(), Exit::Held);
        let texts: Vec<&str> = late.kept_too_long.iter().map(|late| late.text.as_str()).collect();
        let words = |seq: u64, why: &str| {
            format!(
                "release {seq} carries a build of country that a newer one replaced at 2026-11-01 00:00 UTC, more than \
                 30 days ago (`replaced_days_max`); {why}"
            )
        };
        let functions = "function held in eu-west-1, function kept in eu-west-1 use it";
        assert_eq!(texts, [words(1, functions), words(2, "a rollback leads to it")]);
        assert_eq!(world.aws.published("geo").len(), 3, "nothing is deleted for it");

        let engine = world.engine(&world.aws, "tester", pace());
        let examined = doctor(&engine, &world.definition, Mend::Look).await.expect("readable");
        let kinds: Vec<FindingKind> = examined.findings.iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [FindingKind::KeptTooLong; 2], "{examined:#?}");
        assert!(examined.findings[0].text.contains("in eu-west-1 uses it"), "{examined:#?}");
    });
}

#[test]
fn who_was_let_in_and_is_not_seen_keeps_a_version() {
    block_on(async {
        // The definition lets in an organisation, and an account that is none of its own.
        let world = World::new();
        releases(&world, 4).await;
        let done = pruned(&world, 1).await;
        assert!(done.releases.is_empty(), "{done:#?}");
        let words = "its policy admits 210987654321, whose functions freshlayer cannot list";
        assert_eq!(done.kept[0].reason, words);
        assert_eq!(world.aws.published("geo").len(), 4);
    });
}

#[test]
fn a_state_that_came_from_another_account_deletes_nothing_of_this_one() {
    block_on(async {
        let world = World::of("");
        releases(&world, 4).await;
        let store = world.aws.aws(pace()).store();
        let key = Key::head(&layer_name("geo"));
        let head = store.read(&key).await.expect("readable");
        let head = head.expect("there is one");
        // Release 1 is another account's version 3: the number of what this account may still need.
        let text = String::from_utf8(head.bytes).expect("JSON");
        let theirs = version(3).to_string().replace(ACCOUNT, "999999999999");
        let text = text.replacen(version(1).as_str(), &theirs, 1);
        let replaced = store.replace(&key, &head.etag, text.as_bytes()).await;
        assert!(matches!(replaced, Ok(Replaced::Replaced(_))));
        let done = pruned(&world, 3).await;
        assert_eq!(done.exit(), Exit::Done, "{done:#?}");
        let reason = &done.kept[0].reason;
        assert!(reason.contains("cannot be read: GetLayerVersionPolicy: AccessDenied"), "{reason}");
        assert_eq!(world.aws.published("geo").len(), 4, "nothing is deleted");
        assert_eq!(world.aws.zips(), 4);
    });
}

#[test]
fn a_version_that_the_head_does_not_know_goes_with_its_zip() {
    block_on(async {
        let world = World::of("publish.storage = 'reference'");
        releases(&world, 1).await;
        let aws = world.aws.aws(pace());
        let twin = twin(&world, &aws).await;
        releases(&world, 4).await;
        let new = NewFunction {
            layers: std::slice::from_ref(&twin),
            tags: &[("freshlayer:geo", "hold")],
            ..NewFunction::default()
        };
        let nobody_yet = world.aws.copy();
        world.aws.function("on-the-twin", &new);
        let used = pruned(&world, 1).await;
        assert_eq!(used.exit(), Exit::Failed, "{used:#?}");
        let words = "function on-the-twin in eu-west-1 uses it";
        assert!(used.failures[0].contains(words), "{used:#?}");
        assert!(world.aws.zips() >= world.aws.published("geo").len());

        let engine = world.engine(&nobody_yet, "tester", pace());
        let done = prune(&engine, &world.definition, 1, Prune::Delete).await;
        assert_eq!(done.expect("all can be asked").exit(), Exit::Done);
        assert_eq!((nobody_yet.published("geo").len(), nobody_yet.zips()), (2, 2));
    });
}

/// Publishes release 1 once more, as a run does whose reply is lost.
async fn twin(world: &World, aws: &Aws) -> LayerVersionArn {
    let release = read_release(&aws.store(), &layer_name("geo"), 1).await;
    let release = release.expect("readable").expect("it is released");
    let publication = Publication {
        layer: &release.layer,
        description: &world.aws.published("geo")[0],
        // It is in the bucket already.
        zip: std::path::Path::new("none"),
        sha256: &release.zip_sha256,
        terms: &world.definition.terms,
    };
    let twin = aws.registry().publish(publication).await;
    twin.expect("publishable").arn
}

#[test]
fn a_function_whose_last_update_failed_keeps_everything() {
    block_on(async {
        let world = World::of("");
        releases(&world, 4).await;
        let new = NewFunction { layers: &[version(4)], ..NewFunction::default() };
        world.aws.function("stuck", &new);
        world.aws.fail_last_update("stuck");
        let engine = world.engine(&world.aws, "tester", pace());
        let refused = prune(&engine, &world.definition, 0, Prune::Delete).await;
        let said = freshlayer::chain(&refused.expect_err("nobody can say what it serves"));
        assert!(said.contains("the last update of stuck failed"), "{said}");
        assert_eq!(world.aws.published("geo").len(), 4);
    });
}

#[test]
fn a_function_that_holds_the_only_use_is_told_of() {
    block_on(async {
        let world = World::of("");
        releases(&world, 3).await;
        let new = NewFunction {
            layers: &[version(1)],
            tags: &[("freshlayer:geo", "hold")],
            ..NewFunction::default()
        };
        world.aws.function("held", &new);
        let done = pruned(&world, 0).await;
        let reason = &done.kept[0].reason;
        assert!(reason.starts_with("function held in eu-west-1"), "{reason}");
    });
}
