//! All tests from the outside, one module per subject.

mod contracts;
mod crash;
mod damage;
mod docs;
mod refresh;
mod tidy;
