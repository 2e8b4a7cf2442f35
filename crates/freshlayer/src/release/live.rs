//! The data that serves, on this machine, for new data to be compared with.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use freshlayer_reader::Format;
use zip::ZipArchive;

use super::make::base_zip;
use crate::engine::Run;
use crate::error::{Error, chain};
use crate::formats::pipe::{INPUT_BYTES, blocking};
use crate::intake::download::Candidate;
use crate::intake::gather::Served;
use crate::names::DatasetName;
use crate::state::{Head, Snapshot};

/// The file of each dataset that new data is compared with, or why it cannot be read. That holds back no new data: it
/// would be held for ever.
pub(crate) type LiveFiles = BTreeMap<DatasetName, Result<PathBuf, String>>;

/// Brings the files that new data of the same format is compared with.
pub(crate) async fn live_files(
    run: &Run<'_>,
    head: &Head,
    served: Served<'_>,
    candidates: &[&Candidate],
    folder: &Path,
) -> LiveFiles {
    let mut files = LiveFiles::new();
    for candidate in candidates {
        let dataset = &candidate.dataset;
        let Some((live, snapshot)) = served.compared(candidate) else { continue };
        let is_compared = matches!(dataset.format(), Format::Mmdb | Format::Sqlite)
            && dataset.format() == snapshot.format;
        if !is_compared || candidate.digest == snapshot.digest {
            continue;
        }
        let into = folder.join(format!("live-{}", dataset.name));
        let file = match base_zip(run, head, live, folder).await {
            Ok(zip) => unpacked(zip, snapshot.clone(), into).await,
            Err(error) => Err(error),
        };
        files.insert(dataset.name.clone(), file.map_err(|error| chain(&error)));
    }
    files
}

async fn unpacked(zip: PathBuf, snapshot: Snapshot, into: PathBuf) -> Result<PathBuf, Error> {
    blocking(move || unpack(&zip, &snapshot, into)).await
}

fn unpack(zip: &Path, snapshot: &Snapshot, into: PathBuf) -> Result<PathBuf, Error> {
    let fault = |problem: String| Error::Proof {
        what: format!("dataset `{}` of the last release", snapshot.dataset),
        problem,
    };
    let [recorded] = &snapshot.files[..] else {
        return Err(fault(format!("expected one file, found {}", snapshot.files.len())));
    };
    let file = File::open(zip).map_err(Error::io("open", zip))?;
    let mut archive = ZipArchive::new(BufReader::with_capacity(INPUT_BYTES, file))
        .map_err(|error| fault(error.to_string()))?;
    let mut entry = archive.by_name(&recorded.path).map_err(|error| fault(error.to_string()))?;
    let mut output = File::create(&into).map_err(Error::io("write", &into))?;
    std::io::copy(&mut entry, &mut output).map_err(Error::io("write", &into))?;
    Ok(into)
}
