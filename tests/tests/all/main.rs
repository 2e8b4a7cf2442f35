//! All tests from the outside, one module per subject.

mod cli;
mod contracts;
mod crash;
mod damage;
mod definitions;
mod docs;
mod download;
mod package;
mod plan;
mod refresh;
mod tidy;
