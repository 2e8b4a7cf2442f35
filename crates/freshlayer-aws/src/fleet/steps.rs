use std::collections::HashMap;

use aws_sdk_lambda::types::{AliasRoutingConfiguration, ExecutionStatus};
use freshlayer::LayerVersionArn;
use freshlayer::ports::{Alias, Consumer, FleetError, FunctionName, Look, Routing, Update};

use super::consumer::{layers, number, published, routing, update};
use super::look::take_latest;
use super::{LATEST, LambdaFleet};
use crate::Fault;

/// How many of an alias's calls a version gets, in percent.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) version: u64,
    pub(super) percent: u8,
}

impl Share {
    fn is_reached(self, alias: &Alias) -> bool {
        let Self { version, percent } = self;
        match percent {
            100 => alias.version == version && alias.routing == Routing::Whole,
            _ => alias.routing == Routing::Split { version, percent },
        }
    }
}

/// The weights beside an alias's own version.
fn weights(part: Option<Share>) -> AliasRoutingConfiguration {
    let weight = |part: Share| (part.version.to_string(), f64::from(part.percent) / 100.0);
    let weights: HashMap<String, f64> = part.map(weight).into_iter().collect();
    AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights)).build()
}

/// Lambda splits no calls of an alias with provisioned concurrency.
fn is_about_provisioned(fault: &Fault) -> bool {
    fault.words().contains("alias configuration for provisioned concurrency")
}

impl LambdaFleet {
    /// Writes `$LATEST`'s layer list. A reply that was lost shows as a revision that is gone and a list that is there.
    pub(super) async fn set_layers(
        &self,
        mut known: Consumer,
        wanted: &[LayerVersionArn],
        revision_id: &str,
    ) -> Result<Consumer, FleetError> {
        let function = known.function.clone();
        let failed = known.look.as_ref().is_some_and(|look| look.update != Update::Done);
        if known.latest.layers == wanted && !failed {
            return Ok(known);
        }
        if known.revision_id != revision_id {
            return Err(changed(&function));
        }
        self.pace.turn().await;
        let asked = self.lambda.update_function_configuration().function_name(function.as_str());
        let list = wanted.iter().map(ToString::to_string).collect();
        let sent = asked.set_layers(Some(list)).revision_id(revision_id).send().await;
        if let Err(fault) = sent.map_err(Fault::of("UpdateFunctionConfiguration")) {
            if fault.is("ResourceConflictException") {
                return Err(self.changed_after_update(&function).await);
            }
            if !fault.is("PreconditionFailedException") {
                return Err(decide(&function, fault));
            }
            let found = self.get(&function, LATEST).await.map_err(|f| decide(&function, f))?;
            if layers(&found) != wanted {
                return Err(changed(&function));
            }
        }
        let found = self.wait_until_updated(&function, LATEST).await?;
        take_latest(&mut known, &found);
        let aliases = known.aliases().to_vec();
        // Without published versions there are no aliases to read.
        if known.look.is_some() || known.versions.is_empty() {
            known.look = Some(Look { update: update(&found), aliases });
        }
        Ok(known)
    }

    /// Publishes `$LATEST`. Lambda answers with the last version where nothing changed since.
    pub(super) async fn publish(
        &self,
        mut known: Consumer,
        code_sha256: &str,
        revision_id: &str,
        description: &str,
    ) -> Result<Consumer, FleetError> {
        let function = known.function.clone();
        let newest = known.versions.last();
        if newest.is_some_and(|newest| newest.configuration == known.latest) {
            return Ok(known);
        }
        self.pace.turn().await;
        let asked = self.lambda.publish_version().function_name(function.as_str());
        let asked = asked.code_sha256(code_sha256).revision_id(revision_id);
        let sent = asked.description(description).send().await;
        let made = match sent.map_err(Fault::of("PublishVersion")) {
            Ok(made) => made,
            Err(fault) if fault.words().contains("CodeSHA256") => return Err(changed(&function)),
            Err(fault) if fault.is("ResourceConflictException") => {
                return Err(self.changed_after_update(&function).await);
            }
            Err(fault) => return Err(decide(&function, fault)),
        };
        let number = number(made.version()).ok_or_else(|| {
            let words =
                format!("expected a version number, found {}", made.version().unwrap_or("none"));
            other(&function, Fault::odd("PublishVersion", words))
        })?;
        let found = self.wait_until_updated(&function, &number.to_string()).await?;
        known.versions.retain(|version| version.number != number);
        known.versions.push(published(number, &found));
        Ok(known)
    }

    /// Points an alias to another version, or sends a part of its calls there.
    pub(super) async fn move_alias(
        &self,
        mut known: Consumer,
        name: &str,
        wanted: Share,
        revision_id: &str,
    ) -> Result<Consumer, FleetError> {
        let function = known.function.clone();
        let look = known.look.as_mut();
        let aliases = look.map(|look| &mut look.aliases).into_iter().flatten();
        let mut found = aliases.filter(|alias| alias.name == name);
        let alias = found.next().ok_or_else(|| changed(&function))?;
        if wanted.is_reached(alias) {
            return Ok(known);
        }
        // A version whose snapshot failed is listed as any other.
        self.wait_until_updated(&function, &wanted.version.to_string()).await?;
        self.pace.turn().await;
        let asked = self.lambda.update_alias().function_name(function.as_str()).name(name);
        let asked = asked.revision_id(revision_id);
        let asked = match wanted.percent {
            // Weights stay where they are left out.
            100 => asked
                .function_version(wanted.version.to_string())
                .set_routing_config((alias.routing != Routing::Whole).then(|| weights(None))),
            _ => asked.routing_config(weights(Some(wanted))),
        };
        *alias = match asked.send().await.map_err(Fault::of("UpdateAlias")) {
            Ok(moved) => Alias {
                name: name.to_owned(),
                version: number(moved.function_version()).unwrap_or(wanted.version),
                revision_id: moved.revision_id().unwrap_or_default().to_owned(),
                routing: routing(moved.routing_config()),
            },
            Err(fault) if fault.is("PreconditionFailedException") => {
                // Other hands moved it, or our own try whose reply was lost did.
                let now = self.alias_now(&function, name).await?;
                Some(now).filter(|now| wanted.is_reached(now)).ok_or_else(|| changed(&function))?
            }
            Err(fault) if wanted.percent < 100 && is_about_provisioned(&fault) => {
                let whole = Share { percent: 100, ..wanted };
                return Box::pin(self.move_alias(known, name, whole, revision_id)).await;
            }
            Err(fault) => return Err(decide(&function, fault)),
        };
        Ok(known)
    }

    async fn alias_now(&self, function: &FunctionName, name: &str) -> Result<Alias, FleetError> {
        self.pace.turn().await;
        let asked = self.lambda.get_alias().function_name(function.as_str()).name(name);
        let found = asked.send().await.map_err(Fault::of("GetAlias"));
        let found = found.map_err(|fault| decide(function, fault))?;
        Ok(Alias {
            name: name.to_owned(),
            version: number(found.function_version()).unwrap_or_default(),
            revision_id: found.revision_id().unwrap_or_default().to_owned(),
            routing: found.routing_config().map_or(Routing::Whole, |found| routing(Some(found))),
        })
    }

    /// Deletes one published version, by its number: never the function. One with durable executions in flight stays.
    pub(super) async fn retire(
        &self,
        mut known: Consumer,
        version: u64,
    ) -> Result<Consumer, FleetError> {
        let function = known.function.clone();
        let decided = |fault| decide(&function, fault);
        if version == 0 {
            let words = "a version of a function is numbered from 1";
            return Err(other(&function, Fault::odd("DeleteFunction", words)));
        }
        if self.has_executions(&function, version).await.map_err(decided)? {
            let reason = format!("version {version} has durable executions in flight");
            return Err(FleetError::Refused { function, reason });
        }
        self.pace.turn().await;
        let asked = self.lambda.delete_function().function_name(function.as_str());
        let deleted = asked.qualifier(version.to_string()).send().await;
        match deleted.map_err(Fault::of("DeleteFunction")) {
            Err(fault) if fault.is("ResourceNotFoundException") => {}
            deleted => drop(deleted.map_err(decided)?),
        }
        known.versions.retain(|known| known.number != version);
        Ok(known)
    }

    /// Tells whether durable executions of a version have not ended.
    async fn has_executions(&self, function: &FunctionName, version: u64) -> Result<bool, Fault> {
        let qualifier = version.to_string();
        let found = match self.get(function, &qualifier).await {
            Err(fault) if fault.is("ResourceNotFoundException") => return Ok(false),
            found => found?,
        };
        if found.durable_config().is_none() {
            return Ok(false);
        }
        self.pace.turn().await;
        let asked = self.lambda.list_durable_executions_by_function();
        let asked = asked.function_name(function.as_str()).qualifier(qualifier);
        let running = asked.statuses(ExecutionStatus::Running).send().await;
        let running = running.map_err(Fault::of("ListDurableExecutionsByFunction"))?;
        Ok(!running.durable_executions().is_empty())
    }
}

pub(super) fn changed(function: &FunctionName) -> FleetError {
    FleetError::Changed { function: function.clone() }
}

pub(super) fn other(function: &FunctionName, fault: Fault) -> FleetError {
    FleetError::Other { function: function.clone(), source: fault.into() }
}

/// What each of AWS's errors means for a step.
pub(super) fn decide(function: &FunctionName, fault: Fault) -> FleetError {
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
