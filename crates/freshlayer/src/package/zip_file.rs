//! The zip format, as little of it as a layer needs: sorted entries, fixed times, Unix modes, sizes in the
//! local headers, no extra fields. Source: PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::deflate::{Piece, deflate, deflate_bytes};
use crate::engine::Meter;
use crate::error::Error;
use crate::hashing::sha256_of;
use crate::names::Digest;

/// What becomes an entry.
pub(super) struct ZipEntry<'a> {
    pub(super) path: String,
    pub(super) executable: bool,
    pub(super) content: Content<'a>,
}

/// Where an entry's bytes are.
pub(super) enum Content<'a> {
    File { path: &'a Path, size_bytes: u64 },
    Bytes(&'a [u8]),
}

/// 1980-01-01 00:00:00, the zip format's first moment.
const DOS_DATE: u16 = 0x21;
const DOS_TIME: u16 = 0;
const VERSION_NEEDED: u16 = 20;
const MADE_ON_UNIX: u16 = 3 << 8 | VERSION_NEEDED;
const NAMES_ARE_UTF8: u16 = 1 << 11;
const DEFLATED: u16 = 8;
const REGULAR_FILE: u32 = 0o100_000;
/// From the start of a local header to the CRC that is filled in once it is known.
const CRC_AT: usize = 14;

struct Written {
    name: Vec<u8>,
    mode: u32,
    crc32: u32,
    deflated_bytes: u32,
    size_bytes: u32,
    header_at: u32,
}

/// Writes a zip file; returns its SHA-256 and its size.
pub(super) fn write(
    path: &Path,
    entries: &[ZipEntry<'_>],
    meter: &Meter,
) -> Result<(Digest, u64), Error> {
    let file = File::create(path).map_err(Error::io("write", path))?;
    let mut output = BufWriter::with_capacity(256 * 1024, file);
    let mut written = Vec::new();
    for entry in entries {
        written.push(write_entry(&mut output, entry, meter).map_err(Error::io("write", path))?);
    }
    let size_bytes = write_directory(&mut output, &written).map_err(Error::io("write", path))?;
    drop(output);
    let sha256 = sha256_of(path).map_err(Error::io("read", path))?;
    Ok((sha256, size_bytes))
}

fn write_entry(
    output: &mut BufWriter<File>,
    entry: &ZipEntry<'_>,
    meter: &Meter,
) -> io::Result<Written> {
    let header_at = output.stream_position()?;
    let mut written = Written {
        name: entry.path.clone().into_bytes(),
        mode: REGULAR_FILE | if entry.executable { 0o755 } else { 0o644 },
        crc32: 0,
        deflated_bytes: 0,
        size_bytes: 0,
        header_at: fits(header_at)?,
    };
    output.write_all(&local_header(&written))?;
    let (mut crc32, mut deflated_bytes, mut size_bytes) = (crc32fast::Hasher::new(), 0, 0);
    let mut take = |piece: Piece| {
        crc32.combine(&piece.crc32);
        deflated_bytes += piece.deflated.len() as u64;
        size_bytes += piece.size_bytes;
        meter.add(usize::try_from(piece.size_bytes).unwrap_or(usize::MAX));
        output.write_all(&piece.deflated)
    };
    match entry.content {
        Content::Bytes(bytes) => take(deflate_bytes(bytes)?)?,
        Content::File { size_bytes: 0, .. } => take(deflate_bytes(b"")?)?,
        Content::File { path, size_bytes } => {
            let file = File::open(path)?;
            deflate(&file, size_bytes, take)?;
        }
    }
    written.crc32 = crc32.finalize();
    written.deflated_bytes = fits(deflated_bytes)?;
    written.size_bytes = fits(size_bytes)?;
    output.seek(SeekFrom::Start(header_at + CRC_AT as u64))?;
    output.write_all(&local_header(&written)[CRC_AT..])?;
    output.seek(SeekFrom::End(0))?;
    Ok(written)
}

fn local_header(entry: &Written) -> Vec<u8> {
    let mut header = Vec::with_capacity(30 + entry.name.len());
    header.extend(b"PK\x03\x04");
    header.extend(VERSION_NEEDED.to_le_bytes());
    shared_fields(&mut header, entry);
    header.extend(0_u16.to_le_bytes());
    header.extend(&entry.name);
    header
}

/// The fields that a local header and the directory have in common, up to the name's length.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a path is at most 1,024 bytes long"
)]
fn shared_fields(header: &mut Vec<u8>, entry: &Written) {
    for field in [NAMES_ARE_UTF8, DEFLATED, DOS_TIME, DOS_DATE] {
        header.extend(field.to_le_bytes());
    }
    for field in [entry.crc32, entry.deflated_bytes, entry.size_bytes] {
        header.extend(field.to_le_bytes());
    }
    header.extend((entry.name.len() as u16).to_le_bytes());
}

fn write_directory(output: &mut BufWriter<File>, written: &[Written]) -> io::Result<u64> {
    let start = output.stream_position()?;
    for entry in written {
        let mut header = Vec::with_capacity(46 + entry.name.len());
        header.extend(b"PK\x01\x02");
        header.extend(MADE_ON_UNIX.to_le_bytes());
        header.extend(VERSION_NEEDED.to_le_bytes());
        shared_fields(&mut header, entry);
        // Extra field, comment, disk number, internal attributes: none.
        header.extend([0; 8]);
        header.extend((entry.mode << 16).to_le_bytes());
        header.extend(entry.header_at.to_le_bytes());
        header.extend(&entry.name);
        output.write_all(&header)?;
    }
    let end = output.stream_position()?;
    let count = u16::try_from(written.len()).map_err(io::Error::other)?;
    output.write_all(b"PK\x05\x06\0\0\0\0")?;
    output.write_all(&count.to_le_bytes())?;
    output.write_all(&count.to_le_bytes())?;
    output.write_all(&fits(end - start)?.to_le_bytes())?;
    output.write_all(&fits(start)?.to_le_bytes())?;
    output.write_all(&[0, 0])?;
    output.flush()?;
    output.stream_position()
}

/// A layer is far below 4 GiB: its size was checked before.
fn fits(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(io::Error::other)
}
