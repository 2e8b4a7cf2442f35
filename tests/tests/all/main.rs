//! All tests from the outside, one module per subject.

mod contracts;
mod crash;
mod refresh;
