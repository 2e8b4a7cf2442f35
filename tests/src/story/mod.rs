//! Stories: what a layer goes through, as a text that people read and a machine plays on the simulated AWS.
//!
//! ```text
//! text     a story as it is written: a sentence, the definition, acts with what follows from each
//! act      one thing that happens: a build, a deployment, an order, a failure, time
//! scene    where it happens: AWS, callers, an upstream, the publisher that is woken when it asked to be
//! events   what people's tools are told, one line each
//! promises what must hold after every act, whatever happens
//! seeded   a story of a seed: any acts in any order
//! ```

mod act;
mod events;
mod promises;
mod scene;
mod seeded;
mod text;

pub use act::{Act, Making, Order};
pub use scene::Scene;
pub use seeded::story_of;
pub use text::{Played, Story};
