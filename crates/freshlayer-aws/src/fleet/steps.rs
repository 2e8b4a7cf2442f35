use std::time::Duration;

use aws_sdk_lambda::types::{FunctionConfiguration, LastUpdateStatus, State};
use freshlayer::LayerVersionArn;
use freshlayer::ports::{FleetError, FunctionName, PublishedVersion};

use super::consumer::{configuration, layers, raw_layers};
use super::{LATEST, LambdaFleet, Seen, Unqualified};
use crate::Fault;

/// Lambda's own waiter asks every second; small functions settle sooner.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LOOKS_APART_MAX: Duration = Duration::from_secs(2);
/// An update that takes longer than this is left to the next run.
const SETTLES_WITHIN: Duration = Duration::from_mins(5);

const ON_INSTANCES: &str = "it runs on Managed Instances, where callers get $LATEST.PUBLISHED and not $LATEST; \
     give it an alias, and the alias moves";

impl LambdaFleet {
    /// Swaps our layer's entry in place. A reply that was lost shows as a revision that is gone and a layer that
    /// is there.
    pub(super) async fn set_layer(
        &self,
        known: Seen,
        layer: &LayerVersionArn,
        revision_id: &str,
    ) -> Result<Seen, FleetError> {
        let consumer = &known.consumer;
        let function = consumer.function.clone();
        if consumer.latest.layers.contains(layer) {
            return Ok(known);
        }
        if consumer.revision_id != revision_id {
            return Err(changed(&function));
        }
        if known.unqualified == Unqualified::LatestPublished && consumer.aliases.is_empty() {
            return Err(FleetError::Refused { function, reason: ON_INSTANCES.to_owned() });
        }
        let wanted = with_layer(&known.layers, layer);
        self.pace.turn().await;
        let asked = self.lambda.update_function_configuration().function_name(function.as_str());
        let sent = asked.set_layers(Some(wanted)).revision_id(revision_id).send().await;
        if let Err(fault) = sent.map_err(Fault::of("UpdateFunctionConfiguration")) {
            if !fault.is("PreconditionFailedException") {
                return Err(decide(&function, fault));
            }
            let found = self.get(&function, LATEST).await.map_err(|f| decide(&function, f))?;
            if !layers(&found).contains(layer) {
                return Err(changed(&function));
            }
        }
        let found = self.settled(&function, LATEST).await?;
        Ok(with_latest(known, &found))
    }

    /// Publishes `$LATEST`. Lambda answers with the last version where nothing changed since.
    pub(super) async fn publish(
        &self,
        mut known: Seen,
        code_sha256: &str,
        revision_id: &str,
    ) -> Result<Seen, FleetError> {
        let consumer = &mut known.consumer;
        let function = consumer.function.clone();
        let newest = consumer.versions.last();
        if newest.is_some_and(|newest| newest.configuration == consumer.latest) {
            return Ok(known);
        }
        self.pace.turn().await;
        let asked = self.lambda.publish_version().function_name(function.as_str());
        let published = asked.code_sha256(code_sha256).revision_id(revision_id).send().await;
        let published = match published.map_err(Fault::of("PublishVersion")) {
            Ok(published) => published,
            Err(fault) if fault.words().contains("CodeSHA256") => return Err(changed(&function)),
            Err(fault) => return Err(decide(&function, fault)),
        };
        let number = published.version().and_then(|version| version.parse().ok());
        let number: u64 = number.ok_or_else(|| {
            let words = format!("the version is {:?}", published.version());
            other(&function, Fault::odd("PublishVersion", words))
        })?;
        let found = self.settled(&function, &number.to_string()).await?;
        consumer.versions.push(PublishedVersion { number, configuration: configuration(&found) });
        Ok(known)
    }

    /// Points an alias to another version.
    pub(super) async fn move_alias(
        &self,
        mut known: Seen,
        name: &str,
        version: u64,
        revision_id: &str,
    ) -> Result<Seen, FleetError> {
        let function = known.consumer.function.clone();
        let mut aliases = known.consumer.aliases.iter_mut();
        let found = aliases.find(|alias| alias.name == name);
        let alias_seen = found.ok_or_else(|| changed(&function))?;
        if alias_seen.version == version {
            return Ok(known);
        }
        if known.split.iter().any(|split| split == name) {
            let reason =
                format!("alias {name} splits its traffic between two versions; finish that first");
            return Err(FleetError::Refused { function, reason });
        }
        // A version whose snapshot failed is listed as any other.
        self.settled(&function, &version.to_string()).await?;
        self.pace.turn().await;
        let asked = self.lambda.update_alias().function_name(function.as_str()).name(name);
        let asked = asked.function_version(version.to_string()).revision_id(revision_id);
        let moved = match asked.send().await.map_err(Fault::of("UpdateAlias")) {
            Ok(moved) => Some((version, moved.revision_id().unwrap_or_default().to_owned())),
            Err(fault) if fault.is("PreconditionFailedException") => {
                // Somebody else moved it, or our own try whose reply was lost did.
                let now = self.alias_now(&function, name).await?;
                Some(now).filter(|(number, _)| *number == version)
            }
            Err(fault) => return Err(decide(&function, fault)),
        };
        let (number, revision_id) = moved.ok_or_else(|| changed(&function))?;
        (alias_seen.version, alias_seen.revision_id) = (number, revision_id);
        Ok(known)
    }

    async fn alias_now(
        &self,
        function: &FunctionName,
        name: &str,
    ) -> Result<(u64, String), FleetError> {
        self.pace.turn().await;
        let asked = self.lambda.get_alias().function_name(function.as_str()).name(name);
        let found = asked.send().await.map_err(Fault::of("GetAlias"));
        let found = found.map_err(|fault| decide(function, fault))?;
        let number = found.function_version().and_then(|version| version.parse().ok());
        let revision_id = found.revision_id().unwrap_or_default().to_owned();
        Ok((number.unwrap_or_default(), revision_id))
    }

    /// Waits until an update is over. The revision id changes once more when it ends, so the one to go on with
    /// stands in this answer and not in the update's.
    async fn settled(
        &self,
        function: &FunctionName,
        qualifier: &str,
    ) -> Result<FunctionConfiguration, FleetError> {
        let started = tokio::time::Instant::now();
        let mut apart = FIRST_LOOK;
        loop {
            let found = self.get(function, qualifier).await.map_err(|f| decide(function, f))?;
            let working = found.last_update_status() == Some(&LastUpdateStatus::InProgress)
                || found.state() == Some(&State::Pending);
            let failed = found.last_update_status() == Some(&LastUpdateStatus::Failed)
                || found.state() == Some(&State::Failed);
            if failed {
                let reason = found.last_update_status_reason().or(found.state_reason());
                return Err(FleetError::Refused {
                    function: function.clone(),
                    reason: reason.unwrap_or("the update failed, without a reason").to_owned(),
                });
            }
            if !working {
                return Ok(found);
            }
            if started.elapsed() > SETTLES_WITHIN {
                let words = format!("the update still runs after {} s", SETTLES_WITHIN.as_secs());
                return Err(other(function, Fault::odd("GetFunction", words)));
            }
            tokio::time::sleep(apart).await;
            apart = (apart * 2).min(LOOKS_APART_MAX);
        }
    }
}

/// Puts our layer's version in its place, or behind the others.
fn with_layer(layers: &[String], layer: &LayerVersionArn) -> Vec<String> {
    let mut wanted = layers.to_vec();
    let is_ours = |arn: &String| {
        let arn = LayerVersionArn::parse(arn);
        arn.is_ok_and(|arn| arn.layer() == layer.layer())
    };
    match wanted.iter_mut().find(|arn| is_ours(arn)) {
        Some(ours) => *ours = layer.to_string(),
        None => wanted.push(layer.to_string()),
    }
    wanted
}

fn with_latest(mut known: Seen, found: &FunctionConfiguration) -> Seen {
    known.consumer.latest = configuration(found);
    known.layers = raw_layers(found);
    let revision_id = found.revision_id().unwrap_or_default();
    revision_id.clone_into(&mut known.consumer.revision_id);
    known
}

fn changed(function: &FunctionName) -> FleetError {
    FleetError::Changed { function: function.clone() }
}

fn other(function: &FunctionName, fault: Fault) -> FleetError {
    FleetError::Other { function: function.clone(), source: fault.into() }
}

/// What each of AWS's errors means for a step.
fn decide(function: &FunctionName, fault: Fault) -> FleetError {
    const ELSEWHERE: [&str; 3] =
        ["PreconditionFailedException", "ResourceConflictException", "ResourceNotFoundException"];
    const REFUSALS: [&str; 6] = [
        "AccessDeniedException",
        "CodeStorageExceededException",
        "CodeVerificationFailedException",
        "InvalidCodeSignatureException",
        "InvalidParameterValueException",
        "RequestEntityTooLargeException",
    ];
    if ELSEWHERE.iter().any(|code| fault.is(code)) {
        return changed(function);
    }
    // Leave to read a layer of another account may have been given a moment ago.
    if fault.is("AccessDeniedException") && fault.words().contains("lambda:GetLayerVersion") {
        return other(function, fault);
    }
    if REFUSALS.iter().any(|code| fault.is(code)) {
        return FleetError::Refused {
            function: function.clone(),
            reason: fault.words().to_owned(),
        };
    }
    other(function, fault)
}
