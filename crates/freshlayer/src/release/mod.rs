//! From proven snapshots to layer versions: make the release and its zip, publish it, bring every Region to it.

pub(crate) mod announce;
pub(crate) mod catch_up;
pub(crate) mod foreign;
pub(crate) mod live;
pub(crate) mod make;
pub(crate) mod package;
pub(crate) mod provenance;
pub(crate) mod publish;
pub(crate) mod recover;
pub(crate) mod scan;
