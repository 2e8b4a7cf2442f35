use std::fs::File;
use std::io::Read;

use super::Findings;
use crate::definition::Dataset;
use crate::error::Error;
use crate::intake::extract::StagedFile;
use crate::names::hex;
use crate::problem::{Code, Problem};

/// Opaque bytes: the first of them, where the definition names any. The size is judged for every format.
pub(super) fn inspect(dataset: &Dataset, file: &StagedFile) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let Some(magic) = &dataset.expect.magic else {
        return Ok(findings);
    };
    let mut start = Vec::with_capacity(magic.len());
    File::open(&file.file)
        .and_then(|file| file.take(magic.len() as u64).read_to_end(&mut start))
        .map_err(Error::io("read", &file.file))?;
    if start != *magic {
        let expected = format!("a start of {}", hex(magic));
        findings.problems.push(Problem::fail(Code::Magic, expected, hex(&start)));
    }
    Ok(findings)
}
