//! Looks addresses up in an mmdb dataset: `lookup LAYER DATASET ADDRESS…`.

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    let causes = std::iter::successors(Some(&*error), |error| (*error).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    eprintln!("lookup: {}", causes.join(": "));
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: lookup LAYER DATASET ADDRESS…";
    let layer = freshlayer_reader::Layer::open(&arguments.next().ok_or(usage)?)?;
    let reader = layer.mmdb(&arguments.next().ok_or(usage)?)?;
    println!("release {} version {}", layer.release(), layer.version());
    for address in arguments {
        let found = reader.lookup(address.parse::<IpAddr>()?)?.decode::<serde_json::Value>()?;
        println!("{address} {}", found.unwrap_or_default());
    }
    Ok(())
}
