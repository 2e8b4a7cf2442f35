//! The zip format, as little of it as a layer needs: sorted entries, fixed times, Unix modes, sizes in the
//! local headers, no extra fields. Source: PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::formats::deflate::{Deflated, deflate_bytes};
use crate::names::Digest;
use crate::opt_path::Mode;
use crate::progress::Meter;

/// What becomes an entry.
pub(super) struct ZipEntry<'a> {
    pub(super) path: String,
    pub(super) mode: Mode,
    pub(super) content: Content<'a>,
}

/// Where an entry's bytes are.
pub(super) enum Content<'a> {
    File(&'a Deflated),
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
const BUFFER_BYTES: usize = 256 * 1024;

struct Written {
    name: Vec<u8>,
    mode: u32,
    crc32: u32,
    stream_bytes: u32,
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
    let mut output = Output {
        file: BufWriter::with_capacity(BUFFER_BYTES, file),
        sha256: Sha256::new(),
        size_bytes: 0,
    };
    let mut written = Vec::new();
    for entry in entries {
        written.push(write_entry(&mut output, entry, meter).map_err(Error::io("write", path))?);
    }
    write_directory(&mut output, &written).map_err(Error::io("write", path))?;
    Ok((Digest::of(output.sha256), output.size_bytes))
}

/// Hashes and counts what is written.
struct Output {
    file: BufWriter<File>,
    sha256: Sha256,
    size_bytes: u64,
}

impl Output {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sha256.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

fn write_entry(output: &mut Output, entry: &ZipEntry<'_>, meter: &Meter) -> io::Result<Written> {
    let mut written = Written {
        name: entry.path.clone().into_bytes(),
        mode: REGULAR_FILE | entry.mode.bits(),
        crc32: 0,
        stream_bytes: 0,
        size_bytes: 0,
        header_at: fits(output.size_bytes)?,
    };
    match entry.content {
        Content::Bytes(bytes) => {
            let (deflated, crc32) = deflate_bytes(bytes)?;
            written.crc32 = crc32;
            written.stream_bytes = fits(deflated.len() as u64)?;
            written.size_bytes = fits(bytes.len() as u64)?;
            output.put(&local_header(&written))?;
            output.put(&deflated)?;
        }
        Content::File(deflated) => {
            written.crc32 = deflated.crc32;
            written.stream_bytes = fits(deflated.stream_bytes)?;
            written.size_bytes = fits(deflated.size_bytes)?;
            output.put(&local_header(&written))?;
            copy(output, &deflated.file, meter)?;
        }
    }
    Ok(written)
}

fn copy(output: &mut Output, file: &Path, meter: &Meter) -> io::Result<()> {
    let mut file = File::open(file)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => {
                output.put(&buffer[..read])?;
                meter.add(read);
            }
        }
    }
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
#[expect(clippy::cast_possible_truncation, reason = "a path is at most 1,024 bytes long")]
fn shared_fields(header: &mut Vec<u8>, entry: &Written) {
    for field in [NAMES_ARE_UTF8, DEFLATED, DOS_TIME, DOS_DATE] {
        header.extend(field.to_le_bytes());
    }
    for field in [entry.crc32, entry.stream_bytes, entry.size_bytes] {
        header.extend(field.to_le_bytes());
    }
    header.extend((entry.name.len() as u16).to_le_bytes());
}

fn write_directory(output: &mut Output, written: &[Written]) -> io::Result<()> {
    let start = output.size_bytes;
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
        output.put(&header)?;
    }
    let end = output.size_bytes;
    let count = u16::try_from(written.len()).map_err(io::Error::other)?;
    output.put(b"PK\x05\x06\0\0\0\0")?;
    output.put(&count.to_le_bytes())?;
    output.put(&count.to_le_bytes())?;
    output.put(&fits(end - start)?.to_le_bytes())?;
    output.put(&fits(start)?.to_le_bytes())?;
    output.put(&[0, 0])?;
    output.file.flush()
}

/// A layer is far below 4 GiB: its size was checked before.
fn fits(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(io::Error::other)
}
