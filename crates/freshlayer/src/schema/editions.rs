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

/// The fields of the built-in contract, each with its type and the kinds of edition that have it.
/// Source: MaxMind's documentation of its databases.
const DOCUMENTED: [(&str, &str, &[Subject]); 13] = [
    ("autonomous_system_number", "uint32", &[Subject::Network]),
    ("autonomous_system_organization", "string", &[Subject::Network]),
    ("city.names.en", "string", &[Subject::City]),
    ("continent.code", "string", &[Subject::City, Subject::Country]),
    ("country.iso_code", "string", &[Subject::City, Subject::Country]),
    ("location.accuracy_radius", "uint16", &[Subject::City]),
    ("location.latitude", "double", &[Subject::City]),
    ("location.longitude", "double", &[Subject::City]),
    ("location.time_zone", "string", &[Subject::City]),
    ("postal.code", "string", &[Subject::City]),
    ("registered_country.iso_code", "string", &[Subject::City, Subject::Country]),
    ("represented_country.iso_code", "string", &[Subject::City, Subject::Country]),
    ("subdivisions[].iso_code", "string", &[Subject::City]),
];

/// Databases whose types MaxMind documents. Others that follow its schema may have other ones.
const DOCUMENTING: [&str; 2] = ["GeoLite2-", "GeoIP2-"];

/// What the records of an edition tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    City,
    Country,
    Network,
}

impl Subject {
    fn of(database_type: &str) -> Option<Self> {
        let edition = DOCUMENTING.iter().find_map(|family| database_type.strip_prefix(family))?;
        let begins = |words: &[&str]| words.iter().any(|word| edition.starts_with(word));
        if begins(&["City", "Enterprise", "Precision"]) {
            Some(Self::City)
        } else if begins(&["Country"]) {
            Some(Self::Country)
        } else {
            begins(&["ASN", "ISP"]).then_some(Self::Network)
        }
    }
}

/// Returns the fields of the built-in contract that an edition has, each with its type; empty for an unknown one.
///
/// Inspection does not ask for these types: it is for what is written before there is data.
pub(crate) fn documented(database_type: &str) -> Contract {
    let Some(subject) = Subject::of(database_type) else { return Contract::new() };
    let promised = built_in(database_type);
    let fields = DOCUMENTED.iter().filter(|(.., subjects)| subjects.contains(&subject));
    let typed = fields.map(|(path, kind, _)| {
        let promise = promised.get(*path).cloned().unwrap_or_default();
        ((*path).to_owned(), FieldContract { kind: Some((*kind).to_owned()), ..promise })
    });
    typed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_of_an_edition_has_a_documented_type() {
        for (edition, own, foreign) in [
            ("GeoLite2-City", "city.names.en", "autonomous_system_number"),
            ("GeoIP2-Country", "country.iso_code", "postal.code"),
            ("GeoLite2-ASN", "autonomous_system_organization", "country.iso_code"),
        ] {
            let documented = documented(edition);
            assert!(documented.contains_key(own) && !documented.contains_key(foreign), "{edition}");
            for (path, share) in shares(edition) {
                assert_eq!(documented[*path].null_share_max, Some(*share), "{edition} {path}");
            }
        }
        let known: Vec<&str> = DOCUMENTED.iter().map(|(path, ..)| *path).collect();
        let promised = built_in("GeoLite2-City");
        assert!(promised.keys().all(|path| known.contains(&path.as_str())), "{promised:?}");
        assert_eq!(documented("GeoIP2-Anonymous-IP"), Contract::new());
        assert_eq!(documented("DBIP-City"), Contract::new());
    }
}
