//! A function's layer list with our entry in it (I5): the one place that makes such lists.

use crate::names::LayerVersionArn;
use crate::ports::Configuration;

/// Puts our layer's version in its place, or behind the others.
pub(super) fn with(layers: &[LayerVersionArn], target: &LayerVersionArn) -> Vec<LayerVersionArn> {
    let mut wanted = layers.to_vec();
    match wanted.iter_mut().find(|arn| arn.layer() == target.layer()) {
        Some(ours) => *ours = target.clone(),
        None => wanted.push(target.clone()),
    }
    wanted
}

/// Returns our layer's entry.
pub(super) fn ours<'c>(
    configuration: &'c Configuration,
    target: &LayerVersionArn,
) -> Option<&'c LayerVersionArn> {
    configuration.layers.iter().find(|arn| arn.layer() == target.layer())
}

/// Returns the layers in their order, with a blank where ours is.
pub(super) fn positions<'c>(
    configuration: &'c Configuration,
    target: &LayerVersionArn,
) -> Vec<Option<&'c LayerVersionArn>> {
    let layers = configuration.layers.iter();
    layers.map(|arn| Some(arn).filter(|arn| arn.layer() != target.layer())).collect()
}

/// Returns the layers beside ours, in their order.
pub(super) fn others<'c>(
    configuration: &'c Configuration,
    target: &LayerVersionArn,
) -> Vec<&'c LayerVersionArn> {
    positions(configuration, target).into_iter().flatten().collect()
}
