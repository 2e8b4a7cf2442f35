//! Which addresses went from one country to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::Digest;

/// The addresses that are in another country than in the data that served, of those with a record in it. Of a large
/// database one block of 65,536 addresses in eight is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountriesMoved {
    /// SHA-256 of the data that served.
    pub since: Digest,
    /// The field that says the country: `country.iso_code`.
    pub field: String,
    /// How many moved, in parts per million.
    pub all_ppm: u32,
    /// From which country to which: the largest movements, the largest one first.
    pub largest: Vec<CountryMovement>,
}

/// The addresses that went from one country to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountryMovement {
    /// The country before.
    pub from: String,
    /// The country after.
    pub to: String,
    /// How many, in parts per million of the addresses that had a record.
    pub ppm: u32,
}
