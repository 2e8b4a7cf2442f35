//! An example consumer: `{"ip": "…"}` in, the record of that address out.
//!
//! The layer is opened once, at init: a memory map, whatever its size. An execution environment keeps its
//! layer for life, so nothing has to be opened again.

use std::error::Error as Cause;
use std::net::IpAddr;
use std::process::ExitCode;

use freshlayer_reader::{Layer, MmdbReader};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};

/// The layer and the dataset; a template sets them.
const LAYER: (&str, &str) = ("LOOKUP_LAYER", "geo");
const DATASET: (&str, &str) = ("LOOKUP_DATASET", "country");

#[derive(Deserialize)]
struct Request {
    ip: IpAddr,
}

#[derive(Serialize)]
struct Answer {
    ip: IpAddr,
    record: Option<serde_json::Value>,
    release: u64,
    version: String,
    age_secs: Option<u64>,
}

struct Lookup {
    layer: Layer,
    reader: MmdbReader,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = serve().await else { return ExitCode::SUCCESS };
    let causes = std::iter::successors(Some(&*error as &dyn Cause), |error| (*error).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    eprintln!("geo-lookup: {}", causes.join(": "));
    ExitCode::FAILURE
}

#[expect(clippy::disallowed_methods, reason = "a binary reads its environment")]
async fn serve() -> Result<(), Error> {
    let setting =
        |(name, default): (&str, &str)| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let layer = Layer::open(&setting(LAYER))?;
    let reader = layer.mmdb(&setting(DATASET))?;
    let lookup = &Lookup { layer, reader };
    let answer = |event: LambdaEvent<Request>| async move { lookup.answer(&event.payload) };
    run(service_fn(answer)).await
}

impl Lookup {
    fn answer(&self, request: &Request) -> Result<Answer, Error> {
        Ok(Answer {
            ip: request.ip,
            record: self.reader.lookup(request.ip)?.decode()?,
            release: self.layer.release(),
            version: self.layer.version().to_owned(),
            age_secs: self.layer.age().map(|age| age.as_secs()),
        })
    }
}
