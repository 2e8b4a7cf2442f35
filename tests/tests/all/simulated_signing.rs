//! Signing against the strict simulation: what is signed, and what is said where it cannot be.

use freshlayer::report::{ConsumerState, Exit};
use freshlayer::verify;
use freshlayer_tests::simulated::{NewFunction, Signing};

use crate::simulated::{World, block_on, pace, version};

#[test]
fn a_layer_is_signed_before_it_is_published_for_functions_that_ask_for_it() {
    block_on(async {
        let world = World::signed();
        assert_eq!(world.refresh(&world.aws).await.exit(), Exit::Done);
        let new = NewFunction {
            layers: &[version(1)],
            signing: Signing::Enforced,
            ..NewFunction::default()
        };
        world.aws.function("signed-only", &new);
        world.build(3);
        let report = world.refresh(&world.aws).await;
        assert_eq!(report.exit(), Exit::Done, "{report:#?}");
        assert_eq!(report.consumers[0].state, ConsumerState::Moved);
        let engine = world.engine(&world.aws, "tester", pace());
        let verified = verify(&engine, &world.definition, None).await;
        let verified = verified.expect("it is released");
        assert_eq!(verified.exit(), Exit::Done, "{verified:#?}");
    });
}

#[test]
fn what_cannot_be_signed_is_not_published() {
    block_on(async {
        let world = World::signed();
        let fails = [
            (Some("no more signatures"), "the signing job failed: no more signatures"),
            (None, ""),
        ];
        for (reason, words) in fails {
            world.aws.fail_signing(reason);
            let report = world.refresh(&world.aws).await;
            let said = format!("{:?}", report.outcome);
            assert!(said.contains(words), "{said}");
            assert_eq!(world.aws.published("geo").len(), usize::from(reason.is_none()));
        }
        let nobody = World::of("publish.signing_profile = 'nobodys'");
        let report = nobody.refresh(&nobody.aws).await;
        let said = format!("{:?}", report.outcome);
        assert!(said.contains("profile with name nobodys does not exist"), "{said}");
    });
}
