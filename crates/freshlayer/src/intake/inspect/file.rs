use std::fs::File;
use std::io::Read;

use super::Findings;
use crate::error::Error;
use crate::intake::extract::StagedFile;
use crate::names::hex;
use crate::problem::{Code, GateReport, Problem};

/// Opaque bytes: the first of them. The size is judged for every format.
pub(super) fn inspect(
    magic: &[u8],
    file: &StagedFile,
    gates: &mut GateReport,
) -> Result<Findings, Error> {
    let mut start = Vec::with_capacity(magic.len());
    File::open(&file.file)
        .and_then(|file| file.take(magic.len() as u64).read_to_end(&mut start))
        .map_err(Error::io("read", &file.file))?;
    let problem = (start != magic)
        .then(|| Problem::fail(Code::Magic, format!("a start of {}", hex(magic)), hex(&start)));
    gates.judge(Code::Magic, problem);
    Ok(Findings::default())
}
