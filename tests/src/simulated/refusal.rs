use freshlayer::{LAYER_BYTES_MAX, LayerVersionArn};

use super::layers::{Layers, denied};
use super::rules::Rules;
use super::settings::Signing;
use super::{Answer, Place};

const LAYERS_MAX: usize = 5;

/// Says what Lambda has against a list of layers, in its words.
pub(super) fn refusal(
    code_bytes: u64,
    signing: Signing,
    wanted: &[String],
    place: &Place,
    layers: &Layers,
    rules: &Rules,
) -> Option<Answer> {
    if wanted.len() > LAYERS_MAX {
        let text = format!("Cannot reference more than {LAYERS_MAX} layers.");
        return Some(Answer::invalid(&text));
    }
    let mut total = 0;
    for (at, text) in wanted.iter().enumerate() {
        let Ok(arn) = LayerVersionArn::parse(text) else {
            let words = format!(
                "1 validation error detected: Value '[{text}]' at 'layers' failed to satisfy constraint"
            );
            return Some(Answer::fault(400, "ValidationException", &words));
        };
        let parsed = wanted[..at].iter().filter_map(|other| LayerVersionArn::parse(other).ok());
        if let Some(other) = parsed.into_iter().find(|other| other.layer() == arn.layer()) {
            return Some(Answer::invalid(&format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. \
                 {other} and {arn} are versions of the same layer."
            )));
        }
        if arn.region() != place.region {
            return Some(Answer::invalid(&format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                place.region
            )));
        }
        if !layers.readable(place, &arn, rules) {
            return Some(denied(place, "lambda:GetLayerVersion", arn.as_str()));
        }
        let Some((bytes, signed)) = layers.facts(&arn) else {
            return Some(Answer::invalid(&format!("Layer version {arn} does not exist.")));
        };
        if signing == Signing::Enforced && !signed {
            let words = "Lambda cannot deploy the function. The function or layer might be signed using a signature that \
                         the client is not configured to accept. Check the provided signature for unsigned.";
            return Some(Answer::fault(400, "CodeVerificationFailedException", words));
        }
        total += bytes;
    }
    let total = total + code_bytes;
    (total > LAYER_BYTES_MAX).then(|| {
        Answer::invalid(&format!(
            "Function code combined with layers exceeds the maximum allowed size of {LAYER_BYTES_MAX} bytes. The actual \
             size is {total} bytes."
        ))
    })
}
