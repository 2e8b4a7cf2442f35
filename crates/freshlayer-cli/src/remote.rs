//! A refresh by the deployed publisher: the CLI invokes it, and shows its progress from the state.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use freshlayer::report::Report;
use freshlayer::state::Head;
use freshlayer::{Engine, LayerName};
use serde_json::{Value, json};

use crate::commands::refresh::Args;
use crate::output::{Stages, Stopped, remark, say};
use crate::references::layer_name;
use crate::wiring::Host;

/// Each look costs one read per layer.
const LOOKS_APART: Duration = Duration::from_secs(2);

/// Invokes the deployed publisher, and waits for its report.
pub(crate) async fn refresh(
    host: &Host,
    publisher: &str,
    asked: &Args,
) -> Result<Vec<Report>, Stopped> {
    let retry = match asked {
        Args { retry_rejected: true, .. } => "now",
        Args { now: true, .. } => "young",
        _ => "on-change",
    };
    let command = json!({"command": "refresh", "layers": asked.layers, "retry": retry});
    let failed = |problem: String| Stopped::failed(format!("{publisher}: {problem}"));
    let (aws, engine) = (host.aws().await?, host.engine().await?);
    let (command, watched) = (command.to_string(), watched(host, asked)?);
    let answer = tokio::select! {
        answer = aws.invoke(publisher, &command) => answer,
        never = watch(&engine, &watched, host.style.stages) => match never {},
    };
    let answer = answer.map_err(|fault| failed(fault.to_string()))?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| failed(error.to_string()))?;
    if let Some(message) = answer["errorMessage"].as_str() {
        return Err(failed(message.to_owned()));
    }
    let handed_on = answer["handed_on"].as_array().into_iter().flatten();
    let handed_on: Vec<&str> = handed_on.filter_map(Value::as_str).collect();
    if !handed_on.is_empty() {
        let layers = handed_on.join(", ");
        let line = format!(
            "the publisher handed on to other invocations: {layers}; `freshlayer status` shows how they end\n"
        );
        remark(host.style, &line);
    }
    serde_json::from_value(answer["layers"].clone()).map_err(|error| failed(error.to_string()))
}

/// The layers whose state is shown: those that are named, or all that are defined here.
fn watched(host: &Host, asked: &Args) -> Result<Vec<LayerName>, Stopped> {
    if !asked.layers.is_empty() {
        return asked.layers.iter().map(|name| layer_name(name)).collect();
    }
    let good = host.definitions(&[]).map(|definitions| definitions.good).unwrap_or_default();
    Ok(good.into_iter().map(|definition| definition.layer).collect())
}

/// Shows each change of the state, until it is dropped. A state that cannot be read is passed over.
async fn watch(engine: &Engine, layers: &[LayerName], stages: Stages) -> Infallible {
    let mut said: BTreeMap<&LayerName, String> = BTreeMap::new();
    loop {
        for layer in layers {
            let Ok(session) = engine.session(layer).await else {
                continue;
            };
            let now = standing(session.head());
            let before = said.insert(layer, now.clone());
            if before.is_some_and(|before| before != now) && stages != Stages::Silent {
                say(&format!("{layer}: {now}\n"));
            }
        }
        tokio::time::sleep(LOOKS_APART).await;
    }
}

fn standing(head: &Head) -> String {
    let release = match head.desired() {
        Some(seq) => format!("release {seq}"),
        None => "no release yet".to_owned(),
    };
    match (head.rollout(), head.lease()) {
        (Some(rollout), _) => format!("moving functions to release {}", rollout.to),
        (None, Some(_)) => format!("{release}, a publisher works on a new build"),
        (None, None) => release,
    }
}
