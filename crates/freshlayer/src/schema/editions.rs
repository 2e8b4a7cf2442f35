//! Contracts of well-known databases, which hold without a word in the definition.

use super::{Contract, FieldContract};

/// Databases whose fields follow MaxMind's schema.
pub(crate) const FAMILIES: [&str; 4] = ["GeoLite2-", "GeoIP2-", "GeoIP-", "DBIP-"];

const TWO_LETTERS: &str = "^[A-Z]{2}$";
/// Source: MaxMind's documentation of its databases, `continent.code`.
const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// Returns what every reader of a database relies on, by its `database_type`; empty for an unknown one.
///
/// Real builds from 2017 to 2026 keep it with room to spare.
pub(crate) fn built_in(database_type: &str) -> Contract {
    if !FAMILIES.iter().any(|family| database_type.starts_with(family)) {
        return Contract::new();
    }
    let pattern =
        |text: &str| FieldContract { pattern: Some(text.to_owned()), ..FieldContract::default() };
    let range = |min: f64, max: f64| FieldContract {
        min: Some(min),
        max: Some(max),
        ..FieldContract::default()
    };
    let continents = FieldContract {
        values: CONTINENTS.map(str::to_owned).to_vec(),
        ..FieldContract::default()
    };
    let fields = [
        ("continent.code", continents),
        ("country.iso_code", pattern(TWO_LETTERS)),
        ("registered_country.iso_code", pattern(TWO_LETTERS)),
        ("represented_country.iso_code", pattern(TWO_LETTERS)),
        ("subdivisions[].iso_code", pattern("^[A-Z0-9]{1,3}$")),
        ("location.latitude", range(-90.0, 90.0)),
        ("location.longitude", range(-180.0, 180.0)),
        ("location.accuracy_radius", range(1.0, 20_040.0)),
        ("location.time_zone", pattern("^[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)*$")),
        ("postal.code", pattern("^[A-Za-z0-9][A-Za-z0-9 -]{0,11}$")),
        ("autonomous_system_number", range(0.0, 4_294_967_295.0)),
    ];
    let shares = shares(database_type);
    let mut contract: Contract =
        fields.into_iter().map(|(path, field)| (path.to_owned(), field)).collect();
    for (path, share) in shares {
        contract.entry((*path).to_owned()).or_default().null_share_max = Some(*share);
    }
    contract
}

/// The largest share of networks without a value.
fn shares(database_type: &str) -> &'static [(&'static str, f64)] {
    match database_type {
        "GeoLite2-City" | "GeoIP2-City" => &[
            ("country.iso_code", 0.05),
            ("location.latitude", 0.05),
            ("location.longitude", 0.05),
            ("city.names.en", 0.5),
        ],
        "GeoLite2-Country" | "GeoIP2-Country" => &[("country.iso_code", 0.05)],
        "GeoLite2-ASN" => {
            &[("autonomous_system_number", 0.01), ("autonomous_system_organization", 0.05)]
        }
        _ => &[],
    }
}
