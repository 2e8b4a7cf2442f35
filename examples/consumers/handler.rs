//! A consumer in Rust: the country of an address, and its currency.
//!
//! Both databases are opened once, at init: an execution environment keeps its layer for life, and a new layer version
//! comes with new environments.

use std::net::IpAddr;

use freshlayer_reader::rusqlite::{Connection, OptionalExtension};
use freshlayer_reader::{Layer, MmdbReader};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[derive(serde::Deserialize)]
struct Request {
    ip: IpAddr,
}

struct Places {
    layer: Layer,
    addresses: MmdbReader,
    countries: Connection,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let layer = Layer::open("places")?;
    let (addresses, countries) = (layer.mmdb("country")?, layer.sqlite("countries")?);
    let places = &Places { layer, addresses, countries };
    let answer = |event: LambdaEvent<Request>| async move { places.answer(&event.payload) };
    run(service_fn(answer)).await
}

impl Places {
    fn answer(&self, request: &Request) -> Result<Value, Error> {
        let record: Option<Value> = self.addresses.lookup(request.ip)?.decode()?;
        let code =
            record.and_then(|record| Some(record["country"]["iso_code"].as_str()?.to_owned()));
        let mut by_code = self
            .countries
            .prepare_cached("SELECT name, currency FROM countries WHERE iso2 = ?1")?;
        let found: Option<(String, Option<String>)> =
            by_code.query_row([&code], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let (name, currency) = found.unzip();
        Ok(json!({
            "code": code, "name": name, "currency": currency,
            "release": self.layer.release(), "version": self.layer.version(),
        }))
    }
}
