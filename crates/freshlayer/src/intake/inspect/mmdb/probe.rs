use std::net::IpAddr;

use maxminddb::Reader;
use serde_json::Value;

use super::maxminddb;
use crate::definition::Probe;
use crate::problem::{Code, Problem};

/// Asks known questions the way a consumer does.
pub(super) fn judge(reader: &Reader<&[u8]>, probes: &[Probe]) -> Vec<Problem> {
    probes.iter().filter_map(|probe| ask(reader, probe).err()).collect()
}

fn ask(reader: &Reader<&[u8]>, probe: &Probe) -> Result<(), Problem> {
    let ip = probe.ip.as_deref().unwrap_or_default();
    let path = probe.path.as_deref().unwrap_or_default();
    let wanted = match &probe.equals {
        Some(value) => value.to_string(),
        None => "an answer".to_owned(),
    };
    let fault = |found: String| {
        let location = format!("{ip} {path}");
        Problem::fail(Code::Probe, wanted.clone(), found).at(location.trim_end())
    };
    let address: IpAddr = ip.parse().map_err(|_| fault(format!("{ip} is no address")))?;
    let record = reader
        .lookup(address)
        .and_then(|found| found.decode::<Value>())
        .map_err(|error| fault(error.to_string()))?;
    let record = record.ok_or_else(|| fault("no record".to_owned()))?;
    let found = follow(&record, path).ok_or_else(|| fault("no such field".to_owned()))?;
    match &probe.equals {
        Some(expected) if expected != found => Err(fault(found.to_string())),
        _ => Ok(()),
    }
}

fn follow<'a>(record: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(record, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => value.get(part),
    })
}
