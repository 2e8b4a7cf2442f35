//! The types that every typed reader of a well-known database decodes.

use crate::formats::mmdb::{Kind, Shape};
use crate::problem::{Code, Problem};
use crate::schema::FAMILIES;

/// A field's last parts and its type. Source: the structs of `maxminddb::geoip2`, which are MaxMind's
/// documented schema; a value of another type fails to decode there.
const TYPES: [(&str, Kind); 24] = [
    ("accuracy_radius", Kind::Uint16),
    ("autonomous_system_number", Kind::Uint32),
    ("autonomous_system_organization", Kind::Text),
    ("average_income", Kind::Uint32),
    ("city.confidence", Kind::Uint16),
    ("connection_type", Kind::Text),
    ("continent.code", Kind::Text),
    ("country.confidence", Kind::Uint16),
    ("domain", Kind::Text),
    ("geoname_id", Kind::Uint32),
    ("is_in_european_union", Kind::Boolean),
    ("iso_code", Kind::Text),
    ("isp", Kind::Text),
    ("latitude", Kind::Double),
    ("longitude", Kind::Double),
    ("metro_code", Kind::Uint16),
    ("mobile_country_code", Kind::Text),
    ("mobile_network_code", Kind::Text),
    ("names", Kind::Map),
    ("organization", Kind::Text),
    ("population_density", Kind::Uint32),
    ("postal.code", Kind::Text),
    ("subdivisions", Kind::Array),
    ("time_zone", Kind::Text),
];

/// Finds fields of another type; `None` for a database that follows nobody's schema.
pub(super) fn judge(database_type: &str, shape: &Shape) -> Option<Vec<Problem>> {
    if !FAMILIES.iter().any(|family| database_type.starts_with(family)) {
        return None;
    }
    let wrong = shape.fields.iter().filter_map(|((path, kind), offset)| {
        let (_, expected) = TYPES.iter().find(|(field, _)| ends_with_field(path, field))?;
        (kind != expected).then(|| {
            Problem::fail(Code::MmdbFieldType, expected.to_string(), kind.to_string())
                .at(format!("field {path}, first at data offset {offset}"))
        })
    });
    Some(wrong.collect())
}

fn ends_with_field(path: &str, field: &str) -> bool {
    path.strip_suffix(field).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
