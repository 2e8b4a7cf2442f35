//! The engine of freshlayer: decisions and ports. It names no AWS service, no HTTP client, no environment
//! variable and no wall clock; adapters bring those in through [`ports`].
//!
//! ```text
//! operations ── refresh, roll back, pin, prune, verify …: one file per thing that is asked for
//!   rollout  ── observe, plan (pure), act, until every function is where it belongs      Fleet
//!   release  ── make the zip, prove it, publish it, bring every Region to it             Registry
//!   intake   ── download, extract, inspect: from an upstream to proven snapshots         Source
//!   ground   ── definition, formats, ports, state, report, progress                      Store
//! ```
//!
//! Each wing uses only the ones below it. [`refresh()`] is the whole of it: each stage takes what the stage before it
//! made, so a stage that is left out does not compile.

// What is wanted.
pub mod definition;

// The ground: names and bounds, seams, bytes, records, words.
mod engine;
mod error;
mod formats;
mod limits;
mod names;
mod opt_path;
pub mod ports;
mod problem;
mod progress;
pub mod report;
pub mod schema;
pub mod state;

// From an upstream to proven snapshots.
mod intake;

// From snapshots to layer versions.
mod release;

// From layer versions to functions.
pub mod rollout;

// What is asked for.
pub mod codegen;
mod operations;

#[cfg(feature = "faults")]
pub mod faults;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "measuring")]
#[doc(hidden)]
pub mod measuring;

pub use engine::{Attention, Engine, RUN_FOLDER_PREFIX, Retry};
pub use error::{Error, chain};
pub use formats::hashing::sha256_of;
pub use freshlayer_reader::manifest_path;
pub use intake::recognise::Plain;
pub use limits::{LAYER_BYTES_MAX, Limits};
pub use names::{AccountId, DatasetName, Digest, LayerName, LayerVersionArn, Place, RegionName};
pub use operations::{
    Against, AgeWord, Ahead, Back, Because, CanRoll, ChangeDossier, Check, ColumnDiff, Coming,
    Compared, Condemned, CondemnedRelease, CountChange, CountriesDossier, DatasetAge,
    DatasetChange, DatasetCounts, DatasetDiff, DatasetDossier, DatasetGates, DatasetPlan, Diff,
    Dossier, EntryChange, EntryDiff, Examined, Fate, FieldDiff, Finding, FindingKind,
    FunctionsOrder, Group, History, HistoryLine, Inspection, Keep, Kept, KeptRelease, KeptTooLong,
    LayerDossier, LayerPlan, LayerStatus, LayerWord, Mend, MmdbDiff, MovementDiff, Named,
    NextRelease, OpenDossier, OrderedRollout, PastGates, PastRollout, Pinned, Progress, Proof,
    Prune, PruneDossier, Pruned, PrunedRelease, Pulled, RejectedDossier, ReleaseDataset,
    ReleaseDossier, RolloutDossier, RolloutGlance, RolloutJournal, RolloutLine, RolloutOrder,
    RolloutState, RolloutStatus, RoomDossier, ServedDossier, Stays, StoppedOf, StorageLine,
    TableDiff, Traffic, UpstreamState, ValuesDiff, Verified, WaitDossier, Waits, WaveDossier,
    WayBack, Which, abort_rollout, accept, adopt, advance, break_lease, can_roll, diff, doctor,
    dossier, dossier_after, freeze, freeze_functions, gates, give_lease_back, history, inspect,
    journal, judge_past, order_rollout, pin, pin_functions, plan, provenance, prune, pull,
    pull_version, refresh, roll_back_functions, rollback, rollout_glance, rollout_status, shelve,
    status, suggest_contract, unfreeze, unfreeze_functions, unpin, unpin_functions, verify,
    way_back,
};
pub use opt_path::OptPath;
pub use problem::{Code, GateCheck, GateReport, Level, Problem, Verdict, check_table};
pub use release::package::prove;
pub use release::provenance::{Evidence, Wrapping};
pub use rollout::Would;
