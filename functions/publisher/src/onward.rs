//! What goes on outside this invocation: events for people's tools, a wake-up for what is on its way, an
//! invocation of its own for what does not fit.

use freshlayer::LayerName;
use freshlayer::report::Report;
use freshlayer_aws::{Aws, Fault, Wake};
use serde_json::{Value, json};

use crate::event::{AskedBy, Tried};
use crate::log;
use crate::settings::Waking;

pub(crate) struct Onward {
    aws: Aws,
    waking: Option<Waking>,
}

impl Onward {
    pub(crate) fn new(aws: Aws, waking: Option<Waking>) -> Self {
        Self { aws, waking }
    }

    /// Has a layer refreshed by another invocation of this function.
    pub(crate) async fn hand_on(
        &self,
        function_arn: &str,
        layer: &LayerName,
        retry: Tried,
        asked_by: AskedBy,
    ) -> Result<(), Fault> {
        let event =
            json!({"command": "refresh", "layers": [layer], "retry": retry, "asked_by": asked_by});
        self.aws.invoke_later(function_arn, &event.to_string()).await
    }

    /// Tells what happened, and has what is on its way gone on with. What fails here changes nothing about how the
    /// run ended, because the next schedule goes on, too; it comes back as warnings.
    pub(crate) async fn tell(&self, report: &Report, function_arn: &str) -> Vec<String> {
        let announced = self.aws.announce(&report.happened).await;
        let mut warnings = Vec::from_iter(announced.err().map(|fault| fault.to_string()));
        if let (Some(at), Some(waking)) = (report.wake_at, &self.waking) {
            let event = continuation(report).to_string();
            let wake = Wake {
                layer: &report.layer,
                at,
                function_arn,
                role_arn: &waking.role_arn,
                dead_letters_arn: &waking.dead_letters_arn,
                event: &event,
            };
            let asked = self.aws.wake(wake).await;
            warnings.extend(asked.err().map(|fault| fault.to_string()));
        }
        for warning in &warnings {
            log::warning(&report.layer, warning);
        }
        warnings
    }
}

/// A rollout that is on its way needs no look at the upstream.
fn continuation(report: &Report) -> Value {
    let command = if report.is_on_its_way() { "advance" } else { "refresh" };
    json!({"command": command, "layers": [report.layer]})
}
