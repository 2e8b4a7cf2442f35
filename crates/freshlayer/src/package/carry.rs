//! Takes unchanged datasets out of the last release, without a download.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use super::own_path;
use crate::error::Error;
use crate::extract::StagedFile;
use crate::hashing::hash_through;
use crate::inspect::Proven;
use crate::names::Digest;
use crate::opt_path::OptPath;
use crate::pipe::{INPUT_BYTES, piped};
use crate::state::Snapshot;

/// Unpacks one dataset's files from a release's zip, proving each against the record, and places it where
/// the definition wants it now.
pub(crate) fn carry(
    zip: &Path,
    snapshot: &Snapshot,
    path: &OptPath,
    folder: &Path,
) -> Result<Proven, Error> {
    let fault = |problem: String| Error::Proof {
        what: format!("dataset `{}` of the last release", snapshot.dataset),
        problem,
    };
    std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let file = File::open(zip).map_err(Error::io("open", zip))?;
    let mut archive = zip::ZipArchive::new(BufReader::with_capacity(INPUT_BYTES, file))
        .map_err(|error| fault(error.to_string()))?;
    let mut files = Vec::new();
    let mut carried = Snapshot {
        path: path.clone(),
        files: Vec::new(),
        ..snapshot.clone()
    };
    for (number, recorded) in snapshot.files.iter().enumerate() {
        let target = folder.join(number.to_string());
        let entry = archive
            .by_name(&recorded.path)
            .map_err(|error| fault(error.to_string()))?;
        let sha256 = piped(entry, |pieces| write(pieces, &target))?;
        if sha256.as_str() != recorded.sha256 {
            let problem = format!(
                "expected {} for {}, found {sha256}",
                recorded.sha256, recorded.path
            );
            return Err(fault(problem));
        }
        let path = own_path(&moved(
            &recorded.path,
            snapshot.path.as_str(),
            path.as_str(),
        ))?;
        carried.files.push(freshlayer_reader::File {
            path: path.to_string(),
            ..recorded.clone()
        });
        files.push(StagedFile {
            path,
            mode: if recorded.mode == "0755" {
                "0755"
            } else {
                "0644"
            },
            size_bytes: recorded.size_bytes,
            sha256,
            md5: None,
            file: target,
        });
    }
    Ok(Proven {
        snapshot: carried,
        files,
    })
}

fn moved(file: &str, from: &str, to: &str) -> String {
    format!("{to}{}", file.strip_prefix(from).unwrap_or_default())
}

fn write(reader: &mut impl std::io::Read, target: &Path) -> Result<Digest, Error> {
    let mut output = File::create(target).map_err(Error::io("write", target))?;
    let unreadable = Error::io("read the live release's zip for", target);
    let write = |piece: &[u8]| output.write_all(piece).map_err(Error::io("write", target));
    Ok(hash_through(reader, unreadable, write)?.sha256)
}
