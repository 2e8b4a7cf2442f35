//! From Lambda's answers to what a decision needs.

use aws_sdk_lambda::types::{
    self, AliasConfiguration, AliasRoutingConfiguration, FunctionConfiguration, LastUpdateStatus,
};
use freshlayer::ports::{Alias, Configuration, PublishedVersion, Routing, Unqualified, Update};
use freshlayer::{Digest, LayerVersionArn, definition};
use sha2::{Digest as _, Sha256};

/// Reduces a function's configuration.
pub(super) fn configuration(found: &FunctionConfiguration) -> Configuration {
    Configuration {
        code_sha256: found.code_sha256().unwrap_or_default().to_owned(),
        settings_sha256: settings(found),
        layers: layers(found),
    }
}

/// All layers, in their order.
pub(super) fn layers(found: &FunctionConfiguration) -> Vec<LayerVersionArn> {
    let arns = found.layers().iter().filter_map(|layer| layer.arn());
    arns.map(LayerVersionArn::listed).collect()
}

/// The processor architectures; Lambda's default is `x86_64`.
pub(super) fn architectures(found: &FunctionConfiguration) -> Vec<definition::Architecture> {
    let known = found.architectures().iter().filter_map(|one| match one {
        types::Architecture::X8664 => Some(definition::Architecture::X86),
        types::Architecture::Arm64 => Some(definition::Architecture::Arm),
        _ => None,
    });
    known.collect()
}

/// What a caller without a qualifier gets.
pub(super) fn unqualified(found: &FunctionConfiguration) -> Unqualified {
    match found.capacity_provider_config() {
        Some(_) => Unqualified::LatestPublished,
        None => Unqualified::Latest,
    }
}

/// How the last update of `$LATEST` ended.
pub(super) fn update(found: &FunctionConfiguration) -> Update {
    match found.last_update_status() {
        Some(LastUpdateStatus::Failed) => {
            let reason = found.last_update_status_reason();
            Update::Failed(reason.unwrap_or("the update failed, without a reason").to_owned())
        }
        Some(LastUpdateStatus::InProgress) => Update::Running,
        _ => Update::Done,
    }
}

/// A published version.
pub(super) fn published(number: u64, found: &FunctionConfiguration) -> PublishedVersion {
    let description = found.description().unwrap_or_default().to_owned();
    PublishedVersion { number, configuration: configuration(found), description }
}

/// An alias; one on `$LATEST` follows by itself.
pub(super) fn alias(found: &AliasConfiguration) -> Option<Alias> {
    Some(Alias {
        name: found.name()?.to_owned(),
        version: number(found.function_version())?,
        revision_id: found.revision_id().unwrap_or_default().to_owned(),
        routing: routing(found.routing_config()),
    })
}

pub(super) fn routing(found: Option<&AliasRoutingConfiguration>) -> Routing {
    let weights = found.and_then(AliasRoutingConfiguration::additional_version_weights);
    let first = weights.into_iter().flatten().next();
    let split = first.and_then(|(version, weight)| Some((version.parse().ok()?, *weight)));
    match split {
        Some((version, weight)) => Routing::Split { version, percent: percent(weight) },
        None => Routing::Whole,
    }
}

/// Only a weight of 1.0 is 100 %.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the weight is clamped to 0 to 100 first"
)]
fn percent(weight: f64) -> u8 {
    let most = if weight < 1.0 { 99.0 } else { 100.0 };
    (weight * 100.0).round().clamp(0.0, most) as u8
}

pub(super) fn number(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

/// Variables under a key that we may not use are unknown, and no two unknown ones are equal: the function is
/// held, and never gets variables that nobody released.
fn unreadable(found: &FunctionConfiguration) -> String {
    let error = found.environment().and_then(|environment| environment.error());
    error.map_or_else(String::new, |_| format!("{:?} {:?}", found.version(), found.revision_id()))
}

/// A digest over all that a published version freezes, but its code and its layers. What Lambda changes by
/// itself (state, times, revision) and what belongs to a version alone (its description) stays out.
fn settings(found: &FunctionConfiguration) -> String {
    let mut variables: Vec<(&String, &String)> = found
        .environment()
        .and_then(|environment| environment.variables())
        .into_iter()
        .flatten()
        .collect();
    variables.sort();
    let snap_start = found.snap_start().and_then(|snap_start| snap_start.apply_on());
    let parts = [
        format!("{:?} {:?} {:?}", found.runtime(), found.role(), found.handler()),
        format!("{:?} {:?}", found.timeout(), found.memory_size()),
        format!("{:?} {:?}", found.vpc_config(), found.dead_letter_config()),
        format!("{:?} {:?}", found.kms_key_arn(), found.tracing_config()),
        format!("{:?}", found.file_system_configs()),
        format!("{:?} {:?}", found.package_type(), found.image_config_response()),
        format!("{:?} {:?}", found.architectures(), found.ephemeral_storage()),
        format!("{snap_start:?} {:?}", found.logging_config()),
        format!("{variables:?}"),
        format!("{:?} {:?}", found.capacity_provider_config(), found.durable_config()),
        format!("{:?}", found.tenancy_config()),
        unreadable(found),
    ];
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update(b"\n");
    }
    Digest::of(hasher).to_string()
}
