//! All tests from the outside, one module per subject.

mod aws;
mod aws_contracts;
mod aws_deployed;
mod aws_faults;
mod aws_regions;
mod cli;
mod containers;
mod contracts;
mod crash;
mod damage;
mod definitions;
mod docs;
mod download;
mod lambda;
mod orders;
mod package;
mod plan;
mod prune;
mod refresh;
mod simulated;
mod simulated_contracts;
mod simulated_prune;
mod simulated_signing;
mod simulation;
mod simulation_places;
mod tidy;
