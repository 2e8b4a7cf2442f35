//! Tells people's tools: the version to use in Systems Manager parameters, what happened as events of EventBridge.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_ssm::types::ParameterType;
use freshlayer::ports::Announcement;
use freshlayer::report::{EVENT_SOURCE, Happening};

use crate::{Aws, Fault};

/// How many events one call takes. Source: `PutEvents` of the API reference of EventBridge.
const ENTRIES_MAX: usize = 10;
/// How large all events of one call may be: source, kind and detail. Source: the same page.
const BATCH_BYTES_MAX: usize = 256 * 1024;

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
    /// Puts what happened on the account's default bus, in its order. A call that fails keeps no other one back.
    ///
    /// # Errors
    /// The first [`Fault`], also where the bus refuses one of the entries.
    pub async fn announce(&self, happened: &[Happening]) -> Result<(), Fault> {
        let client = aws_sdk_eventbridge::Client::new(&self.sdk);
        let entries = happened.iter().map(|one| (one.detail_type(), one.detail().to_string()));
        let mut first = Ok(());
        for batch in batches(entries.collect()) {
            let told = put(&client, &batch).await;
            first = first.and(told);
        }
        first
    }
}

/// The kind and the detail of an event.
type Entry = (&'static str, String);

async fn put(client: &aws_sdk_eventbridge::Client, batch: &[Entry]) -> Result<(), Fault> {
    let entries = batch.iter().map(|(detail_type, detail)| {
        let entry = PutEventsRequestEntry::builder().source(EVENT_SOURCE);
        entry.detail_type(*detail_type).detail(detail).build()
    });
    let put = client.put_events().set_entries(Some(entries.collect())).send().await;
    let put = put.map_err(Fault::of("PutEvents"))?;
    match put.entries().iter().find_map(|entry| entry.error_message()) {
        Some(message) => Err(Fault::odd("PutEvents", message)),
        None => Ok(()),
    }
}

/// Puts together what fits into one call.
fn batches(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let own = EVENT_SOURCE.len() + entry.0.len() + entry.1.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < ENTRIES_MAX && bytes + own <= BATCH_BYTES_MAX => {
                batch.push(entry);
                bytes += own;
            }
            _ => {
                batches.push(vec![entry]);
                bytes = own;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(details: &[usize]) -> Vec<usize> {
        let entries = details.iter().map(|bytes| ("Wave opened", "x".repeat(*bytes)));
        batches(entries.collect()).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_call_takes_ten_events_of_256_kb_together() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[100; 23]), [10, 10, 3]);
        assert_eq!(sizes(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[200, BATCH_BYTES_MAX - 21, 200]), [1, 1, 1]);
    }
}
