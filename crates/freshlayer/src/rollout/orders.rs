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

/// Reads a function's order for a layer, and whether it has one.
pub fn order(consumer: &Consumer, layer: &LayerName) -> Option<Order> {
    let text = consumer.tags.get(&tag(layer))?.trim();
    Some(match text {
        "hold" => Order::Hold,
        "" | "*" => Order::Follow(VersionReq::STAR),
        _ => match text.strip_prefix("pin=") {
            Some(seq) => seq
                .parse()
                .map_or_else(|_| Order::Unclear(text.to_owned()), Order::Pin),
            None => match VersionReq::parse(text) {
                Ok(requirement) => Order::Follow(requirement),
                Err(_) => Order::Unclear(text.to_owned()),
            },
        },
    })
}

/// Returns the key of the tag by which a function gives orders about a layer.
pub(crate) fn tag(layer: &LayerName) -> String {
    format!("freshlayer:{layer}")
}
