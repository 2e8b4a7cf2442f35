use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use freshlayer::{Digest, LayerName};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
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
    /// Makes a schedule that fires once and removes itself, at the next whole minute. One that is there already for this layer
    /// and minute is left as it is.
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
        let at = whole_minute(wake.at);
        let client = aws_sdk_scheduler::Client::new(&self.sdk);
        let made = client
            .create_schedule()
            .name(name(wake.layer, at))
            .schedule_expression(at.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string())
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

/// The Scheduler fires at any second of the minute, also before the one that was asked for. A run that it woke too early would
/// ask for the same minute again, and find the schedule that has fired already.
fn whole_minute(at: Timestamp) -> Timestamp {
    let up = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
    at.round(up).unwrap_or(at)
}

fn name(layer: &LayerName, at: Timestamp) -> String {
    // Long names are cut, and must not meet.
    let mark = Digest::of(Sha256::new_with_prefix(layer.as_str()));
    let tail = format!("-{}{}", mark.short(), at.strftime("-%Y%m%d-%H%M"));
    let room = NAME_CHARS_MAX - "freshlayer-".len() - tail.len();
    let layer: String = layer.as_str().chars().take(room).collect();
    format!("freshlayer-{layer}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_woken_early_in_its_minute_asks_for_a_later_one() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let asked = whole_minute(at("2026-09-17T12:30:00.4Z"));
        assert_eq!(asked, at("2026-09-17T12:31:00Z"));
        assert_eq!(whole_minute(asked), asked);
        let layer = LayerName::parse("geo").expect("a name");
        assert_ne!(name(&layer, asked), name(&layer, whole_minute(at("2026-09-17T12:31:00.1Z"))));
    }
}
