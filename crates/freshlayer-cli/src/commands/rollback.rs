use freshlayer::rollback;

use super::refresh::of_reports;
use crate::output::{Done, Stopped};
use crate::wiring::Host;

pub(crate) async fn run(host: &Host, layer: &str, to: Option<u64>) -> Result<Done, Stopped> {
    let engine = host.engine().await?;
    let mut reports = Vec::new();
    for definition in host.definitions(&[layer.to_owned()])? {
        reports.push(rollback(&engine, &definition, to).await?);
    }
    Ok(of_reports(reports))
}
