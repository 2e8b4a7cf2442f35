//! What `history --rollout` tells of a rollout that came to no good end, on a strict simulation of AWS in virtual time.

use freshlayer::report::Exit;
use freshlayer::state::{Cause, ConsumerNote};
use freshlayer::{RolloutJournal, abort_rollout, journal};

use crate::simulated::{World, block_on, pace, version};
use crate::waves::{STANDARD, minutes, on, ten_functions};

async fn told(world: &World, rollout: u64) -> RolloutJournal {
    let engine = world.engine(&world.aws, "a person", pace());
    journal(&engine, &world.definition.layer, rollout).await.expect("there is such a rollout")
}

fn notes(journal: &RolloutJournal, is_one: impl Fn(&ConsumerNote) -> bool) -> usize {
    let notes = journal.rollout.journal.values().flat_map(|notes| notes.values());
    notes.filter(|note| is_one(note)).count()
}

fn has_not_moved(note: &ConsumerNote) -> bool {
    !note.done && note.outcome == "it had not moved when the rollout was replaced"
}

#[test]
fn a_rollout_that_a_probe_stopped_tells_which_function_failed_and_who_had_moved() {
    block_on(async {
        let probe = "rollout.probe.payload = { ip = '192.0.2.1' }\n";
        let world = ten_functions(&format!("{STANDARD}{probe}")).await;
        world.refresh(&world.aws).await;
        assert_eq!(on(&world.aws, 2), 1);
        minutes(31).await;
        world.aws.break_layer(&version(2));
        let stopped = world.refresh(&world.aws).await;
        assert_eq!(stopped.exit(), Exit::Rejected, "{stopped:#?}");
        let told = told(&world, 2).await;
        let failed =
            |note: &ConsumerNote| note.outcome.starts_with("it fails its probe (it failed: ");
        let counts = (notes(&told, |note| note.done), notes(&told, failed));
        assert_eq!(counts, (1, 1), "{told:#?}");
        assert!(notes(&told, has_not_moved) >= 5, "{told:#?}");
        let wave = told.rollout.waves.last().expect("a wave is open");
        let said = &wave.evidence.as_ref().expect("it was judged").sentences;
        assert!(said[0].contains(" fails its probe (it failed: "), "{said:?}");
        let next = told.replaced_by.expect("functions went back");
        assert_eq!((next.number, next.cause), (3, Cause::Gate));
    });
}

#[test]
fn an_aborted_rollout_tells_who_aborted_it_and_who_had_not_moved() {
    block_on(async {
        let world = ten_functions(STANDARD).await;
        world.refresh(&world.aws).await;
        assert_eq!(told(&world, 2).await.replaced_by, None, "it is open");
        let engine = world.engine(&world.aws, "a person", pace());
        let back = abort_rollout(&engine, &world.definition, "a person", None).await;
        assert_eq!(back.expect("possible").exit(), Exit::Done);
        let aborted = told(&world, 2).await;
        assert_eq!((notes(&aborted, |note| note.done), notes(&aborted, has_not_moved)), (1, 9));
        let next = aborted.replaced_by.expect("functions went back");
        assert_eq!((next.number, next.cause, next.by.as_str()), (3, Cause::Rollback, "a person"));
        assert_eq!(told(&world, 3).await.replaced_by, None, "it came to its end");
    });
}
