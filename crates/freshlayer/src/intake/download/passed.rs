use freshlayer_reader::Format;

use crate::definition::Dataset;
use crate::intake::extract::{Staged, StagedFile};
use crate::ports::ExpectedChecksum;
use crate::problem::{Code, GateReport};

/// Lists the checks that a download and its unpacking passed: what fails one of them becomes no candidate.
pub(super) fn passed(
    dataset: &Dataset,
    checksums: &[ExpectedChecksum],
    body: &Staged,
    files: &[StagedFile],
) -> GateReport {
    let mut passed = vec![Code::DownloadTooLarge];
    passed.extend(checksums.iter().map(|checksum| match checksum {
        ExpectedChecksum::TransferSha256(_) | ExpectedChecksum::ExtractedMd5(_) => {
            Code::ChecksumMismatch
        }
        ExpectedChecksum::Minisign { .. } => Code::Signature,
    }));
    passed.push(Code::ExpansionLimit);
    let is_plain = matches!(files, [file] if file.sha256 == body.sha256);
    if !is_plain {
        passed.extend([
            Code::ContainerCorrupt,
            Code::EntryLimit,
            Code::EntryPath,
            Code::EntryLink,
            Code::EntrySpecial,
            Code::EntryDuplicate,
            Code::EntryFolder,
            Code::SelectNone,
        ]);
        passed.extend((dataset.format() != Format::Archive).then_some(Code::SelectMany));
    }
    let mut gates = GateReport::default();
    for check in passed {
        gates.judge(check, None);
    }
    gates
}
