//! One file or folder per thing that a person or a schedule asks for.

mod accept;
mod adopt;
mod can_roll;
mod diff;
mod doctor;
mod dossier;
mod freeze;
mod glance;
mod history;
mod inspect;
mod judge;
mod overdue;
mod pin;
mod pin_functions;
mod plan;
mod provenance;
mod prune;
mod pull;
mod refresh;
mod rollback;
mod rollout;
mod status;
mod tell;
mod verify;

pub use accept::accept;
pub use adopt::adopt;
pub use can_roll::{Ahead, CanRoll, can_roll};
#[cfg(feature = "fuzzing")]
pub(crate) use diff::databases as diff_databases;
pub use diff::{
    ColumnDiff, Compared, DatasetChange, DatasetDiff, Diff, EntryChange, EntryDiff, FieldDiff,
    MmdbDiff, MovementDiff, TableDiff, Traffic, ValuesDiff, diff,
};
pub use doctor::{Examined, Finding, FindingKind, Mend, doctor};
pub use dossier::{
    AgeWord, ChangeDossier, CondemnedRelease, CountChange, CountriesDossier, DatasetCounts,
    DatasetDossier, Dossier, Group, KeptRelease, LayerDossier, LayerWord, OpenDossier,
    PruneDossier, RejectedDossier, ReleaseDataset, ReleaseDossier, RolloutDossier, RoomDossier,
    ServedDossier, WaitDossier, WaveDossier, dossier, dossier_after, shelve,
};
pub use freeze::{
    break_lease, freeze, freeze_functions, give_lease_back, unfreeze, unfreeze_functions,
};
pub use glance::{Coming, RolloutGlance, rollout_glance};
pub use history::{
    History, HistoryLine, RolloutJournal, RolloutLine, RolloutState, history, journal,
};
pub use inspect::{Against, Inspection, inspect, suggest_contract};
pub use judge::{Fate, PastGates, PastRollout, StoppedOf, judge_past};
pub use pin::{Pinned, pin, unpin};
pub use pin_functions::{FunctionsOrder, pin_functions, roll_back_functions, unpin_functions};
pub use plan::{Because, DatasetPlan, LayerPlan, NextRelease, UpstreamState, Waits, plan};
pub use provenance::{Proof, provenance};
pub use prune::{
    Condemned, Keep, Kept, KeptTooLong, Named, Prune, Pruned, PrunedRelease, Stays, prune,
};
pub use pull::{Pulled, Which, pull, pull_version};
pub use refresh::{advance, refresh};
pub use rollback::{Back, WayBack, rollback, way_back};
pub use rollout::{
    OrderedRollout, Progress, RolloutOrder, RolloutStatus, abort_rollout, order_rollout,
    rollout_status,
};
pub use status::{DatasetAge, LayerStatus, StorageLine, status};
pub use verify::{Check, DatasetGates, Verified, gates, verify};
