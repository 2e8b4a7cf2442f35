//! Tells people's tools: the version to use in Systems Manager parameters, what happened as events of EventBridge.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_ssm::types::ParameterType;
use freshlayer::ports::Announcement;

use crate::{Aws, Fault};

/// The source by which rules find our events.
const SOURCE: &str = "freshlayer";

/// Writes `/freshlayer/<layer>/arn` and `/version`, for templates that look their layer up when they deploy.
pub(crate) async fn parameters(
    client: &aws_sdk_ssm::Client,
    announcement: &Announcement<'_>,
) -> Result<(), Fault> {
    let values =
        [("arn", announcement.arn.to_string()), ("version", announcement.version.to_string())];
    for (name, value) in values {
        let put = client
            .put_parameter()
            .name(format!("/freshlayer/{}/{name}", announcement.layer))
            .value(value)
            .r#type(ParameterType::String)
            .overwrite(true);
        put.send().await.map_err(Fault::of("PutParameter"))?;
    }
    Ok(())
}

impl Aws {
    /// Puts an event on the account's default bus: source `freshlayer`, the detail as JSON of at most 256 KB.
    ///
    /// # Errors
    /// [`Fault`], also where the bus refuses the one entry.
    pub async fn announce(&self, detail_type: &str, detail: &str) -> Result<(), Fault> {
        let entry = PutEventsRequestEntry::builder()
            .source(SOURCE)
            .detail_type(detail_type)
            .detail(detail)
            .build();
        let client = aws_sdk_eventbridge::Client::new(&self.sdk);
        let put = client.put_events().entries(entry).send().await;
        let put = put.map_err(Fault::of("PutEvents"))?;
        match put.entries().iter().find_map(|entry| entry.error_message()) {
            Some(message) => Err(Fault::odd("PutEvents", message)),
            None => Ok(()),
        }
    }
}
