use semver::VersionReq;

use crate::names::LayerName;
use crate::ports::Consumer;

/// What a function's tag `freshlayer:<layer>` orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Follow every release, or those whose data version matches.
    Follow(VersionReq),
    /// Stay on what is there.
    Hold,
    /// Be on this release.
    Pin(u64),
    /// The tag says something else.
    Unclear(String),
}

impl Order {
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
}

/// Reads a function's order for a layer, if it has one.
pub fn order(consumer: &Consumer, layer: &LayerName) -> Option<Order> {
    consumer.tags.get(&tag(layer)).map(|text| Order::parse(text))
}

/// Returns the key of the tag by which a function gives orders about a layer.
pub(crate) fn tag(layer: &LayerName) -> String {
    format!("freshlayer:{layer}")
}
