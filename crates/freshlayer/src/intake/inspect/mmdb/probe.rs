use maxminddb::Reader;
use serde_json::Value;

use super::maxminddb;
use crate::definition::MmdbProbe;
use crate::problem::{Code, Problem};

/// Asks known questions the way a consumer does.
pub(super) fn judge(reader: &Reader<&[u8]>, probes: &[MmdbProbe]) -> Vec<Problem> {
    probes.iter().filter_map(|probe| ask(reader, probe).err()).collect()
}

fn ask(reader: &Reader<&[u8]>, probe: &MmdbProbe) -> Result<(), Problem> {
    let wanted = match &probe.equals {
        Some(value) => value.to_string(),
        None => "an answer".to_owned(),
    };
    let fault = |found: String| {
        let location = format!("{} {}", probe.ip, probe.path);
        Problem::fail(Code::Probe, wanted.clone(), found).at(location.trim_end())
    };
    let record = reader
        .lookup(probe.ip)
        .and_then(|found| found.decode::<Value>())
        .map_err(|error| fault(error.to_string()))?;
    let record = record.ok_or_else(|| fault("no record".to_owned()))?;
    let found = probe.path.follow(&record).ok_or_else(|| fault("no such field".to_owned()))?;
    match &probe.equals {
        Some(expected) if expected != found => Err(fault(found.to_string())),
        _ => Ok(()),
    }
}
