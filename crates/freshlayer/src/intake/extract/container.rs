//! Containers are recognised by content, never by name.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use freshlayer_reader::{Format, Mmap};
use zip::CompressionMethod;
use zip::read::ZipFile;

use super::budget::{Bounded, problem_of};
use super::files::{Entry, Kind, Taker};
use super::tarball::{Tar, TarKind};
use super::zstd::ZstdFrames;
use crate::error::Error;
use crate::formats::deflate::{KEPT_BYTES_MIN, UpstreamStream};
use crate::formats::pipe::{INPUT_BYTES, piped};
use crate::problem::{Code, Problem};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Gzip,
    Zstd,
    Xz,
    Tar,
    Zip,
    None,
}

/// A tar ends with zero blocks; one is the least that any writer leaves.
const TAR_END_BYTES: u64 = 512;
/// Where a tar header says `ustar`, and where that ends.
const USTAR: std::ops::Range<usize> = 257..262;

/// The dictionary that `xz -9` asks for is half of this; a header may ask for 4 GiB.
const XZ_MEMORY_KIB_MAX: u32 = 131_072;

fn sniff(start: &[u8]) -> Container {
    match start {
        [0x1f, 0x8b, ..] => Container::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Container::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Container::Xz,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Container::Zip,
        _ if start.get(USTAR) == Some(b"ustar") => Container::Tar,
        _ => Container::None,
    }
}

/// Returns the format to unpack a body as, judged by its first bytes; it may be cut off.
pub(crate) fn begun(start: &[u8]) -> Option<Format> {
    match sniff(start) {
        Container::Gzip | Container::Zstd | Container::Xz => Some(Format::Mmdb),
        Container::Tar | Container::Zip => Some(Format::Archive),
        Container::None => None,
    }
}

pub(super) fn recognise(file: &mut File) -> io::Result<Container> {
    let mut start = Vec::with_capacity(512);
    file.by_ref().take(512).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(sniff(&start))
}

/// Hands every file of a container to the taker.
pub(super) fn unpack(
    container: Container,
    file: File,
    body: &Path,
    taker: &mut Taker<'_>,
) -> Result<(), Error> {
    match container {
        Container::Zip => unzip(file, body, taker),
        Container::Tar | Container::None => untar(file, taker),
        Container::Gzip => {
            keep_gzip(body, taker)?;
            let decoder =
                flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(INPUT_BYTES, file));
            decompressed(decoder, taker)
        }
        Container::Xz => {
            let file = BufReader::with_capacity(INPUT_BYTES, file);
            let decoder = lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB_MAX);
            decompressed(decoder, taker)
        }
        Container::Zstd => {
            decompressed(ZstdFrames::new(BufReader::with_capacity(INPUT_BYTES, file)), taker)
        }
    }
}

/// Names the stream of a gz's first member as one that may be kept.
fn keep_gzip(body: &Path, taker: &mut Taker<'_>) -> Result<(), Error> {
    let map = mapped(body)?;
    if map.len() as u64 >= KEPT_BYTES_MIN {
        // The header is read at once, and its end is where the stream begins.
        let rest = flate2::bufread::GzDecoder::new(&map[..]).into_inner().len();
        let stream = map.len() - rest..map.len();
        taker.comes_from(UpstreamStream::new(&map, stream));
    }
    Ok(())
}

fn mapped(body: &Path) -> Result<Arc<Mmap>, Error> {
    let map = freshlayer_reader::map_file(body);
    map.map(Arc::new).map_err(|error| Error::io("read", body)(io::Error::other(error)))
}

/// Inflates on a thread of its own, while this one hashes and writes.
fn decompressed(decoder: impl Read + Send, taker: &mut Taker<'_>) -> Result<(), Error> {
    piped(decoder, |pieces| match pieces.peek(512) {
        Ok(start) if sniff(start) == Container::Tar => untar(pieces, taker),
        Ok(_) => taker.entry(&Entry { name: "", kind: Kind::Only, stream_at: Some(0) }, pieces),
        Err(error) => Ok(taker.refuse(problem_of(&error))),
    })
}

fn untar(reader: impl Read, taker: &mut Taker<'_>) -> Result<(), Error> {
    let mut tar = Tar::new(Bounded::new(reader, taker.budget()));
    loop {
        let entry = match tar.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) => return Ok(taker.refuse(problem_of(&error))),
        };
        if !taker.count_entry() {
            return Ok(());
        }
        let kind = match entry.kind {
            TarKind::File => Kind::File { mode: entry.mode },
            TarKind::Folder => Kind::Folder,
            TarKind::Link => Kind::Link,
            TarKind::Special => Kind::Special,
        };
        let stream_at = (entry.size_bytes >= KEPT_BYTES_MIN).then_some(tar.get_ref().bytes);
        taker.entry(&Entry { name: &entry.name, kind, stream_at }, &mut tar)?;
    }
    // The checksum of a compressed stream stands behind its last byte: a cut one is found there.
    let mut rest = tar.into_inner();
    match io::copy(&mut rest, &mut io::sink()) {
        Err(error) => taker.refuse(problem_of(&error)),
        Ok(_) if rest.zeros_at_end < TAR_END_BYTES => {
            let expected = "a tar with its end marker";
            let found = "none: the file is cut short";
            taker.refuse(Problem::fail(Code::ContainerCorrupt, expected, found));
        }
        Ok(_) => {}
    }
    Ok(())
}

fn unzip(file: File, body: &Path, taker: &mut Taker<'_>) -> Result<(), Error> {
    let corrupt = |error: zip::result::ZipError| {
        let expected = "a zip that can be read to its end";
        Problem::fail(Code::ContainerCorrupt, expected, error.to_string())
    };
    let mut archive = match zip::ZipArchive::new(BufReader::with_capacity(INPUT_BYTES, file)) {
        Ok(archive) => archive,
        Err(error) => return Ok(taker.refuse(corrupt(error))),
    };
    let map = mapped(body)?;
    for index in 0..archive.len() {
        if !taker.count_entry() {
            return Ok(());
        }
        let mut entry = match archive.by_index(index) {
            Ok(entry) => entry,
            Err(error) => {
                taker.refuse(corrupt(error).at(format!("entry {index}")));
                continue;
            }
        };
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let kind = if entry.is_symlink() {
            Kind::Link
        } else if entry.is_dir() {
            Kind::Folder
        } else {
            file_kind(entry.unix_mode().unwrap_or(0o644))
        };
        let stream = kept_of_zip(&entry, &map);
        let stream_at = stream.as_ref().map(|_| 0);
        if let Some(stream) = stream {
            taker.comes_from(stream);
        }
        taker.entry(&Entry { name: &name, kind, stream_at }, &mut entry)?;
    }
    Ok(())
}

fn kept_of_zip(entry: &ZipFile<'_, impl Read>, map: &Arc<Mmap>) -> Option<UpstreamStream> {
    let is_worth_it = entry.compressed_size().min(entry.size()) >= KEPT_BYTES_MIN;
    let start = usize::try_from(entry.data_start()?).ok()?;
    let length = usize::try_from(entry.compressed_size()).ok()?;
    let end = start.checked_add(length).filter(|end| *end <= map.len())?;
    let keeps = is_worth_it && entry.compression() == CompressionMethod::Deflated;
    keeps.then(|| UpstreamStream::new(map, start..end))
}

/// A zip made on Unix may carry any file type in its mode.
fn file_kind(mode: u32) -> Kind {
    const TYPE_BITS: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    match mode & TYPE_BITS {
        0 | REGULAR => Kind::File { mode },
        _ => Kind::Special,
    }
}
