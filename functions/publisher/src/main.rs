//! The scheduled publisher: one event in, one report out.
//!
//! ```text
//! environment ── settings ── Publisher (clients, once) ── event ── engine ── report: answer, log lines, metrics
//!                                                                         └─ onward: event bus, wake-up, hand-on
//! ```

mod answer;
mod event;
mod hooks;
mod log;
mod onward;
mod page;
mod publisher;
mod settings;
mod source;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

use publisher::Publisher;
use settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let publisher = &Publisher::new(Settings::from_environment()?).await?;
    let answer = |event: LambdaEvent<Value>| publisher.answer(event);
    run(service_fn(answer)).await
}
