use semver::VersionReq;

use crate::names::LayerName;
use crate::ports::Consumer;

/// What a function's tag `freshlayer:<layer>` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagRule {
    /// Follow every release, or those whose data version matches.
    Follow(VersionReq),
    /// Stay on what is there.
    Hold,
    /// Be on this release.
    Pin(u64),
    /// The tag says something else.
    Unclear(String),
}

impl TagRule {
    /// Reads a tag's value.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let unclear = || Self::Unclear(text.to_owned());
        match (text, text.strip_prefix("pin=")) {
            ("hold", _) => Self::Hold,
            ("" | "*", _) => Self::Follow(VersionReq::STAR),
            (_, Some(seq)) => seq.parse().map_or_else(|_| unclear(), Self::Pin),
            (_, None) => VersionReq::parse(text).map_or_else(|_| unclear(), Self::Follow),
        }
    }

    /// Reads what a function's tag asks for, if it has one for the layer.
    pub fn of(consumer: &Consumer, layer: &LayerName) -> Option<Self> {
        consumer.tags.get(&tag(layer)).map(|text| Self::parse(text))
    }
}

/// Returns the key of the tag by which a function says what it wants of a layer.
pub(crate) fn tag(layer: &LayerName) -> String {
    format!("freshlayer:{layer}")
}
