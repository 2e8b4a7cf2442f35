//! Every check that exists, by format. A new check is added here, or it is missing from the reports in which it did
//! not run.

use freshlayer_reader::Format;

use crate::problem::Code;

const OF_DOWNLOAD: &[Code] = &[
    Code::DownloadTooLarge,
    Code::ChecksumMismatch,
    Code::Signature,
    Code::ContainerCorrupt,
    Code::ExpansionLimit,
    Code::EntryLimit,
    Code::EntryPath,
    Code::EntryLink,
    Code::EntrySpecial,
    Code::EntryDuplicate,
    Code::EntryFolder,
    Code::SelectNone,
    Code::SelectMany,
];
const OF_ALL: &[Code] = &[
    Code::Empty,
    Code::SizeBand,
    Code::FutureBuild,
    Code::OlderBuild,
    Code::BuildTooOld,
    Code::Drift,
    Code::Unusual,
];
const OF_MMDB: &[Code] = &[
    Code::WrongType,
    Code::MmdbMetadata,
    Code::MmdbDatabaseType,
    Code::MmdbNodes,
    Code::MmdbMetadataCosmetic,
    Code::MmdbTree,
    Code::MmdbLayout,
    Code::MmdbWork,
    Code::MmdbRecord,
    Code::MmdbFieldType,
    Code::ContractField,
    Code::ContractType,
    Code::ContractNull,
    Code::ContractValue,
    Code::LiveUnread,
    Code::CoverageLost,
    Code::CountryChanged,
    Code::CountryShares,
    Code::ValuesLost,
    Code::ValuesChanged,
    Code::ShapeNew,
    Code::Probe,
];
const OF_SQLITE: &[Code] = &[
    Code::WrongType,
    Code::SqliteWal,
    Code::SqliteCorrupt,
    Code::SqliteTime,
    Code::SqliteMemory,
    Code::SqliteObject,
    Code::SqliteForeignKey,
    Code::SqliteTable,
    Code::SqliteColumn,
    Code::SqliteRows,
    Code::LiveUnread,
    Code::RowsRemoved,
    Code::ValuesLost,
    Code::ValuesChanged,
    Code::ShapeNew,
    Code::TypeNew,
    Code::ContractField,
    Code::ContractType,
    Code::ContractNull,
    Code::ContractValue,
    Code::Probe,
];
const OF_FILE: &[Code] = &[Code::Magic];
const OF_ARCHIVE: &[Code] = &[Code::EntryMissing, Code::EntryMode];

/// Lists every check of a dataset.
pub(super) fn of(format: Format) -> impl Iterator<Item = Code> {
    let own = match format {
        Format::Mmdb => OF_MMDB,
        Format::Sqlite => OF_SQLITE,
        Format::File => OF_FILE,
        Format::Archive => OF_ARCHIVE,
    };
    OF_DOWNLOAD.iter().chain(OF_ALL).chain(own).copied()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;

    use crate::definition::read_file;
    use crate::formats::deflate::deflate_file;
    use crate::formats::hashing::sha256_of;
    use crate::intake::download::Candidate;
    use crate::intake::extract::StagedFile;
    use crate::intake::inspect::{Differences, Inspected, inspect};
    use crate::limits::Limits;
    use crate::opt_path::Mode;
    use crate::ports::{UpstreamFacts, Validators};
    use crate::problem::{Code, GateReport, Verdict};
    use crate::state::SeenUpstream;

    use super::*;

    fn candidate(folder: &Path, toml: &str, bytes: &[u8]) -> Candidate {
        let definition = folder.join("data.toml");
        let name = "[[dataset]]\nname = 'a'\nsource.file = 'x'\n";
        std::fs::write(&definition, format!("{name}{toml}")).expect("writable");
        let mut definition = read_file(&definition, &|_| None).expect("it holds");
        let dataset = definition.datasets.remove(0);
        let file = folder.join("bytes");
        std::fs::write(&file, bytes).expect("writable");
        let sha256 = sha256_of(&file).expect("readable");
        let staged = StagedFile {
            path: dataset.path.clone(),
            mode: Mode::Plain,
            size_bytes: bytes.len() as u64,
            sha256: sha256.clone(),
            md5: None,
            deflated: deflate_file(&file, folder.join("deflated")).expect("readable"),
            file,
        };
        let validators = Validators::default();
        let fingerprint = String::new();
        Candidate {
            dataset,
            files: vec![staged],
            seen: SeenUpstream {
                fingerprint,
                validators,
                digest: sha256.clone(),
                young_since: None,
            },
            digest: sha256,
            upstream: UpstreamFacts { url: String::new(), etag: None, last_modified: None },
            fetched: Timestamp::UNIX_EPOCH,
            gates: GateReport::default(),
        }
    }

    fn inspected(toml: &str, bytes: &[u8]) -> Inspected {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let candidate = candidate(folder.path(), toml, bytes);
        let limits = Limits::default();
        inspect(candidate, None, Differences::Judged, &limits, Timestamp::UNIX_EPOCH)
            .expect("readable")
    }

    fn verdict(inspected: &Inspected, id: Code) -> Verdict {
        let check = inspected.gates.checks().iter().find(|check| check.id == id);
        check.expect("every check is listed").verdict
    }

    #[test]
    fn an_inspection_that_ends_early_lists_every_check() {
        for (toml, format) in [
            ("format = 'mmdb'", Format::Mmdb),
            ("format = 'sqlite'", Format::Sqlite),
            ("format = 'file'", Format::File),
        ] {
            for bytes in [&b""[..], b"neither of them"] {
                let inspected = inspected(toml, bytes);
                for id in of(format) {
                    verdict(&inspected, id);
                }
                assert!(inspected.proven.is_none() || inspected.gates.problems().count() == 0);
            }
        }
    }

    #[test]
    fn each_check_has_its_verdict() {
        let inspected = inspected("format = 'file'\nexpect.magic = '7f'", b"text");
        for (id, expected) in [
            (Code::Empty, Verdict::Passed),
            (Code::SizeBand, Verdict::Passed),
            (Code::Magic, Verdict::Failed),
            (Code::Drift, Verdict::NotApplicable),
            (Code::BuildTooOld, Verdict::NotApplicable),
        ] {
            assert_eq!(verdict(&inspected, id), expected, "{id}");
        }
        assert!(inspected.proven.is_none());
    }
}
