//! The test world of freshlayer: real parts, and fakes that misbehave on demand.
//!
//! ```text
//! upstream   an HTTP server: ETag, Range, MaxMind's protocol, and every way to break them
//! databases  mmdb and SQLite files, sound and damaged
//! contracts  one suite per port, for every implementation
//! emulator   AWS over its wire protocol, on loopback
//! simulated  AWS in memory, with the rules that no emulator has, in virtual time
//! al2023     the functions, built as they are deployed
//! rie        AWS's own emulator of the runtime interface
//! consumer_python  the Python packages of a consumer
//! story      what a layer goes through, as a text that a machine plays; one of any seed
//! clock      virtual time as the engine's clock
//! sandbox    a local host in a temporary folder, and the real binary run on it
//! secrecy    a look for secrets in all that is said and kept
//! validator  the libraries of CycloneDX and in-toto, which judge provenance documents
//! ```

#[cfg(feature = "aws")]
pub mod al2023;
#[cfg(feature = "aws")]
pub mod callers;
pub mod clock;
#[cfg(feature = "aws")]
pub mod consumer_python;
pub mod contracts;
pub mod damage;
pub mod databases;
#[cfg(feature = "aws")]
pub mod emulator;
/// A hook that says what a story wants it to.
pub mod hook;
pub mod places;
#[cfg(feature = "aws")]
pub mod rie;
pub mod sandbox;
pub mod secrecy;
pub mod seeds;
#[cfg(feature = "aws")]
pub mod simulated;
#[cfg(feature = "aws")]
pub mod story;
pub mod upstream;
#[cfg(feature = "aws")]
pub mod validator;
