//! From Lambda's answers to what a decision needs.

use aws_sdk_lambda::types::FunctionConfiguration;
use freshlayer::ports::Configuration;
use freshlayer::{Digest, LayerVersionArn};
use sha2::{Digest as _, Sha256};

/// Reduces a function's configuration. Layers in a form that is not known (an AWS-owned one) stay in the
/// settings' digest, so that they count as somebody else's.
pub(super) fn configuration(found: &FunctionConfiguration) -> Configuration {
    Configuration {
        code_sha256: found.code_sha256().unwrap_or_default().to_owned(),
        settings_sha256: settings(found),
        layers: layers(found),
    }
}

/// The layers whose ARN has the common form.
pub(super) fn layers(found: &FunctionConfiguration) -> Vec<LayerVersionArn> {
    let arns = raw_layers(found).into_iter();
    arns.filter_map(|arn| LayerVersionArn::parse(&arn).ok()).collect()
}

/// All layers, as Lambda writes them.
pub(super) fn raw_layers(found: &FunctionConfiguration) -> Vec<String> {
    let arns = found.layers().iter().filter_map(|layer| layer.arn());
    arns.map(str::to_owned).collect()
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
    for layer in found.layers() {
        if let Some(arn) = layer.arn().filter(|arn| LayerVersionArn::parse(arn).is_err()) {
            hasher.update(arn);
        }
    }
    Digest::of(hasher).to_string()
}
