//! From an upstream to proven snapshots: download, extract, inspect, and what the layer gathers of them.

pub(crate) mod download;
pub(crate) mod extract;
pub(crate) mod gather;
pub(crate) mod inspect;
pub(crate) mod recognise;
pub(crate) mod suggest;
