//! One zip per layer: the same files give the same bytes, whatever the number of cores.

mod carry;
mod prove;
mod zip_file;

use std::path::Path;

pub(crate) use carry::carry;
pub use prove::prove;
pub(crate) use prove::prove_made;

use crate::error::Error;
use crate::intake::extract::{Names, reserved};
use crate::intake::inspect::{LayerFile, Proven};
use crate::limits::LAYER_BYTES_MAX;
use crate::names::Digest;
use crate::opt_path::{Mode, OptPath};
use crate::problem::{Code, Problem};
use crate::progress::Meter;
use crate::state::{LayerZip, Release, Snapshot, content_digest};
use zip_file::{Content, ZipEntry};

/// A complete set of proven snapshots with their files, ready to become a release.
pub(crate) struct Assembled {
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) files: Vec<LayerFile>,
    pub(crate) content: Digest,
}

/// Puts proven snapshots together; says what keeps them from being one layer.
pub(crate) fn assemble(proven: Vec<Proven>) -> Result<Assembled, Vec<Problem>> {
    let mut snapshots = Vec::new();
    let mut files = Vec::new();
    for part in proven {
        let (snapshot, its_files) = part.into_parts();
        snapshots.push(snapshot);
        files.extend(its_files);
    }
    files.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    let mut names = Names::default();
    let mut problems: Vec<Problem> = files
        .iter()
        .filter_map(|file| {
            if file.path.is_reserved() {
                Some(reserved(&file.path))
            } else {
                names.take(&file.path).err()
            }
        })
        .collect();
    problems.extend(too_many(files.len()));
    problems.extend(too_large(&files));
    if !problems.is_empty() {
        return Err(problems);
    }
    let content = content_digest(&snapshots);
    Ok(Assembled { snapshots, files, content })
}

/// Holds the layer to what a zip without 64-bit extensions counts, the manifest included.
fn too_many(files: usize) -> Option<Problem> {
    let most = usize::from(u16::MAX) - 1;
    (files > most).then(|| {
        let expected = format!("at most {most} files in all datasets of a layer");
        Problem::fail(Code::EntryLimit, expected, format!("{files} files"))
    })
}

/// Leaves room for the manifest, so that the refusal comes before the work.
fn too_large(files: &[LayerFile]) -> Option<Problem> {
    let manifest = 256_u64.saturating_mul(files.len() as u64).saturating_add(1024);
    let most = LAYER_BYTES_MAX.saturating_sub(manifest);
    let size_bytes: u64 = files.iter().map(|file| file.deflated.size_bytes).sum();
    (size_bytes > most).then(|| {
        let expected = format!("at most {most} bytes unzipped, Lambda's limit less the manifest");
        Problem::fail(Code::LayerTooLarge, expected, format!("{size_bytes} bytes"))
    })
}

/// Writes the zip of a release. Its bytes follow from the record and the files alone.
pub(crate) fn package(
    release: &Release,
    files: &[LayerFile],
    folder: &Path,
    meter: &Meter,
) -> Result<LayerZip, Error> {
    let path = folder.join("layer.zip");
    let mut manifest = serde_json::to_vec_pretty(&release.manifest())
        .expect("a manifest holds no map with odd keys");
    manifest.push(b'\n');
    let mut entries: Vec<ZipEntry<'_>> = files
        .iter()
        .map(|file| ZipEntry {
            path: file.path.as_str().to_owned(),
            mode: file.mode,
            content: Content::File(&file.deflated),
        })
        .collect();
    let manifest_path = freshlayer_reader::manifest_path(release.layer.as_str());
    entries.push(ZipEntry {
        path: manifest_path.to_string_lossy().into_owned(),
        mode: Mode::Plain,
        content: Content::Bytes(&manifest),
    });
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let (sha256, size_bytes) = zip_file::write(&path, &entries, meter)?;
    Ok(LayerZip { path, sha256, size_bytes })
}

/// Checks a path that comes from a record of our own before it is used on this machine.
fn own_path(text: &str) -> Result<OptPath, Error> {
    OptPath::parse(text)
        .map_err(|problem| Error::Proof { what: "a file's path".to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::formats::deflate::Deflated;
    use crate::names::DatasetName;
    use crate::ports::UpstreamFacts;
    use crate::state::Profile;

    fn archive(name: &str, files: &[String]) -> Proven {
        let snapshot = Snapshot {
            contract: crate::schema::Contract::new(),
            dataset: DatasetName::parse(name).expect("valid"),
            format: freshlayer_reader::Format::Archive,
            path: OptPath::parse_dataset(".").expect("valid"),
            digest: Digest::of(<sha2::Sha256 as sha2::Digest>::new()),
            files: Vec::new(),
            upstream: UpstreamFacts { url: String::new(), etag: None, last_modified: None },
            built: None,
            fetched: Timestamp::UNIX_EPOCH,
            profile: Profile::default(),
            gates: crate::problem::GateReport::default(),
            countries_moved: None,
        };
        let deflated = Deflated { file: "x".into(), stream_bytes: 2, size_bytes: 0, crc32: 0 };
        let files = files.iter().map(|path| LayerFile {
            path: OptPath::parse(path).expect("valid"),
            mode: Mode::Plain,
            deflated: deflated.clone(),
            inflated: None,
        });
        Proven::carried(snapshot, files.collect())
    }

    fn numbered(folder: &str, count: u32) -> Vec<String> {
        (0..count).map(|number| format!("{folder}/{number}")).collect()
    }

    fn codes(parts: Vec<Proven>) -> Vec<Code> {
        let problems = assemble(parts).err().unwrap_or_default();
        problems.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn all_archives_together_hold_no_more_files_than_a_zip_counts() {
        let half = || archive("a", &numbered("a", 32_767));
        assert_eq!(codes(vec![half(), archive("b", &numbered("b", 32_767))]), []);
        let most = archive("b", &numbered("b", 32_768));
        assert_eq!(codes(vec![half(), most]), [Code::EntryLimit]);
    }

    #[test]
    fn more_than_a_million_files_are_a_problem_and_no_panic() {
        let many = archive("a", &numbered("a", 1_050_000));
        assert_eq!(codes(vec![many]), [Code::EntryLimit]);
    }

    #[test]
    fn what_fills_the_root_collides_with_neither_data_nor_manifest() {
        let path = |path: &str| vec![path.to_owned()];
        let geo = || archive("geo", &path("geo/city.mmdb"));
        let with = |other: &str| codes(vec![geo(), archive("all", &path(other))]);
        assert_eq!(with("bootstrap"), []);
        assert_eq!(with("geo/city.mmdb"), [Code::EntryDuplicate]);
        assert_eq!(with("geo"), [Code::EntryFolder]);
        assert_eq!(with("freshlayer/geo.json"), [Code::EntryPath]);
        assert_eq!(with("FreshLayer"), [Code::EntryPath]);
    }
}
