//! All tests from the outside, one module per subject.
