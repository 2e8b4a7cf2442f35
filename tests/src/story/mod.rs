//! Stories: what a layer goes through, as a text that people read and a machine plays on the simulated AWS.
//!
//! ```text
//! text     a story as it is written: a sentence, the definition, acts with what follows from each
//! act      one thing that happens: a build, an order, a run, time
//! local    what happens in one place: a deployment, a failure
//! scene    where it happens: AWS, an upstream, the publisher that is woken when it asked to be
//! places   the accounts and Regions of a scene, with functions and their callers
//! events   what people's tools are told, one line each
//! promises what must hold after every act, whatever happens
//! regions  the one of them that is about the order of Regions
//! seeded   a story of a seed: any acts in any order
//! ```

mod act;
mod events;
mod local;
mod places;
mod promises;
mod regions;
mod scene;
mod seeded;
mod text;

pub use act::{Act, Order};
pub use local::{Local, Making};
pub use scene::Scene;
pub use seeded::story_of;
pub use text::{Played, Story};
