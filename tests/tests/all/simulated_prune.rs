//! Pruning against the strict simulation: references, readers, a state that came from another account.

use std::time::Duration;

use freshlayer::ports::{Key, Publication, Registry as _, Replaced, Store as _};
use freshlayer::report::Exit;
use freshlayer::state::read_release;
use freshlayer::{LayerVersionArn, Prune, Pruned, prune};
use freshlayer_aws::Aws;
use freshlayer_tests::sandbox::layer_name;
use freshlayer_tests::simulated::{ACCOUNT, Hit, NewFunction};

use crate::simulated::{World, block_on, pace, version};

async fn releases(world: &World, count: u64) {
    for day in 0..count {
        world.build(3 * day);
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
    }
}

async fn pruned(world: &World, keep: usize) -> Pruned {
    let engine = world.engine(&world.aws, "tester", pace());
    let pruned = prune(&engine, &world.definition, keep, Prune::Delete).await;
    pruned.expect("all can be asked")
}

#[test]
fn pruned_at_every_call_the_zip_goes_last_and_nothing_that_is_used_goes() {
    block_on(async {
        let world = World::of("publish.storage = 'reference'");
        for day in 0..5 {
            world.build(3 * day);
            assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        }
        let held = NewFunction {
            layers: &[version(2)],
            tags: &[("freshlayer:geo", "hold")],
            ..NewFunction::default()
        };
        world.aws.function("held", &held);
        for hit in [Hit::SilentBefore, Hit::SilentAfter, Hit::Cut] {
            for call in 0.. {
                let aws = world.aws.copy();
                let struck = aws.hit_by(move |number, _| (number == call).then_some(hit));
                let engine = world.engine(&struck, "killed", pace());
                let run = prune(&engine, &world.definition, 1, Prune::Delete);
                let ended = tokio::time::timeout(Duration::from_mins(1), run).await;
                let calls = struck.calls();
                let (versions, zips) = (aws.published("geo").len(), aws.zips());
                assert!(zips >= versions, "{hit:?} at {call}: a version lost its zip");
                let engine = world.engine(&aws, "tester", pace());
                let again = prune(&engine, &world.definition, 1, Prune::Delete).await;
                assert_eq!(again.expect("it goes on").exit(), Exit::Done);
                // The held one, the current one, and the one that a rollback leads to.
                assert_eq!((aws.published("geo").len(), aws.zips()), (3, 3), "{hit:?} at {call}");
                if ended.is_ok() && calls <= call {
                    break;
                }
            }
        }
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
