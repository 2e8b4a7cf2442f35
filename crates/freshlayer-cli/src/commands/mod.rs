//! One file per subcommand: its arguments, what it does, its answer, its lines.

pub(crate) mod accept;
pub(crate) mod break_lease;
pub(crate) mod can_roll;
pub(crate) mod check;
pub(crate) mod codegen;
pub(crate) mod completions;
pub(crate) mod contract;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod freeze;
pub(crate) mod functions;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod pin;
pub(crate) mod provenance;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod refresh;
pub(crate) mod rollback;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod unfreeze;
pub(crate) mod unpin;
pub(crate) mod verify;
