use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use freshlayer::{Digest, LayerName};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{Aws, Fault};

/// Scheduler's limit of a name.
const NAME_CHARS_MAX: usize = 64;

/// A call at a later time: what is called, as whom, with what.
#[derive(Debug, Clone, Copy)]
pub struct Wake<'a> {
    /// The layer that has to go on.
    pub layer: &'a LayerName,
    /// When.
    pub at: Timestamp,
    /// The function that is invoked.
    pub function_arn: &'a str,
    /// The role as which the Scheduler invokes it.
    pub role_arn: &'a str,
    /// The queue that takes the event where the function cannot be invoked.
    pub dead_letters_arn: &'a str,
    /// The event.
    pub event: &'a str,
}

impl Aws {
    /// Makes a schedule that fires once and removes itself. One that is there already for this layer and minute is
    /// left as it is.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn wake(&self, wake: Wake<'_>) -> Result<(), Fault> {
        let odd = |error: aws_sdk_scheduler::error::BuildError| {
            Fault::odd("CreateSchedule", error.to_string())
        };
        let target = Target::builder()
            .arn(wake.function_arn)
            .role_arn(wake.role_arn)
            .input(wake.event)
            .dead_letter_config(DeadLetterConfig::builder().arn(wake.dead_letters_arn).build())
            .build()
            .map_err(odd)?;
        let window =
            FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(odd)?;
        let client = aws_sdk_scheduler::Client::new(&self.sdk);
        let made = client
            .create_schedule()
            .name(name(wake.layer, wake.at))
            .schedule_expression(wake.at.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string())
            .flexible_time_window(window)
            .target(target)
            .action_after_completion(ActionAfterCompletion::Delete)
            .send()
            .await;
        match made.map_err(Fault::of("CreateSchedule")) {
            Err(fault) if fault.is("ConflictException") => Ok(()),
            made => made.map(drop),
        }
    }
}

fn name(layer: &LayerName, at: Timestamp) -> String {
    // Long names are cut, and must not meet.
    let mark = Digest::of(Sha256::new_with_prefix(layer.as_str()));
    let tail = format!("-{}{}", mark.short(), at.strftime("-%Y%m%d-%H%M"));
    let room = NAME_CHARS_MAX - "freshlayer-".len() - tail.len();
    let layer: String = layer.as_str().chars().take(room).collect();
    format!("freshlayer-{layer}{tail}")
}
