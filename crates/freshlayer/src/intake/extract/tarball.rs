//! The entries of a tar, one behind the other, in memory that does not grow with what the tar claims.
//!
//! Threats: a long name or extended header of hundreds of megabytes in a small compressed file; two sizes for one
//! entry, so that two readers see two archives; an entry cut short. Defence: what describes an entry is read up to
//! [`EXTENSION_BYTES_MAX`] and no further, one rule says which size counts, and an end in the middle is an error.
//!
//! Source: POSIX.1-2017, `pax`, for ustar and extended headers; the GNU tar manual, "Basic Tar Format", for `L`,
//! `K` and `S`.

use std::io::{self, ErrorKind, Read};

use tar::{EntryType, Header};

use super::budget::Refusal;
use crate::problem::{Code, Problem};

const BLOCK_BYTES: u64 = 512;
/// All that may describe one entry: real paths have at most 4 KiB, and access control lists a few more.
const EXTENSION_BYTES_MAX: u64 = 64 * 1024;
/// Where a GNU sparse header says that a block of the same kind follows: in the entry's header and in each block.
const SPARSE_MORE_AT: usize = 482;
const SPARSE_BLOCK_MORE_AT: usize = 504;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TarKind {
    File,
    Folder,
    Link,
    Special,
}

/// One entry; its bytes are read from the [`Tar`] until the next one is asked for.
pub(super) struct TarEntry {
    pub(super) name: String,
    pub(super) kind: TarKind,
    pub(super) mode: u32,
    pub(super) size_bytes: u64,
}

/// Reads a tar from its start to its end marker.
pub(super) struct Tar<R> {
    reader: R,
    /// How many bytes of the current entry are not read.
    entry_bytes: u64,
    /// How many bytes fill up its last block.
    padding_bytes: u64,
}

/// What stands in front of an entry and describes it.
#[derive(Default)]
struct Extensions {
    bytes: u64,
    gnu_name: Option<Vec<u8>>,
    pax_name: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl<R: Read> Tar<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, entry_bytes: 0, padding_bytes: 0 }
    }

    /// Returns what the tar is read from. Behind a header it stands at the entry's first byte.
    pub(super) fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Gives back what the tar was read from, at the end marker.
    pub(super) fn into_inner(self) -> R {
        self.reader
    }

    /// Passes over the rest of the current entry and reads on to the next; `None` at the end.
    pub(super) fn next_entry(&mut self) -> io::Result<Option<TarEntry>> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return if extensions.bytes == 0 {
                    Ok(None)
                } else {
                    Err(broken("its last entry is missing"))
                };
            };
            let size = header.entry_size()?;
            match header.entry_type() {
                EntryType::GNULongName => {
                    let name = self.extension(size, &mut extensions)?;
                    extensions.gnu_name = Some(until_zero(name));
                }
                EntryType::XHeader => {
                    let records = self.extension(size, &mut extensions)?;
                    extensions.take_pax(&records)?;
                }
                EntryType::GNULongLink => drop(self.extension(size, &mut extensions)?),
                kind => return self.entry(&header, kind, size, extensions).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extensions: Extensions,
    ) -> io::Result<TarEntry> {
        if kind == EntryType::GNUSparse && header.as_bytes()[SPARSE_MORE_AT] != 0 {
            self.skip_sparse_blocks()?;
        }
        let size_bytes = extensions.size.unwrap_or(size);
        self.begin(size_bytes)?;
        let name = extensions.pax_name.or(extensions.gnu_name);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = match kind {
            _ if extensions.sparse => TarKind::Special,
            EntryType::Regular | EntryType::Continuous => TarKind::File,
            EntryType::Directory | EntryType::XGlobalHeader => TarKind::Folder,
            EntryType::Symlink | EntryType::Link => TarKind::Link,
            _ => TarKind::Special,
        };
        let name = String::from_utf8_lossy(&name).into_owned();
        Ok(TarEntry { name, kind, mode: header.mode().unwrap_or(0), size_bytes })
    }

    /// Reads the next header; `None` at the end marker, or where the file ends in its place.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < block.len() {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        // The checksum is that of the header with spaces in the checksum's own eight bytes.
        let expected = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
        if header.cksum()? != expected {
            return Err(broken("the checksum of a header differs"));
        }
        Ok(Some(header))
    }

    fn begin(&mut self, size: u64) -> io::Result<()> {
        self.entry_bytes = size;
        self.padding_bytes = size.wrapping_neg() % BLOCK_BYTES;
        match size.checked_add(self.padding_bytes) {
            Some(_) => Ok(()),
            None => Err(broken("an entry's size is out of range")),
        }
    }

    /// Reads what describes the next entry.
    fn extension(&mut self, size: u64, extensions: &mut Extensions) -> io::Result<Vec<u8>> {
        extensions.bytes = extensions.bytes.saturating_add(size.max(1));
        if extensions.bytes > EXTENSION_BYTES_MAX {
            let expected =
                format!("at most {EXTENSION_BYTES_MAX} bytes of names and attributes per entry");
            let problem = Problem::fail(Code::ExpansionLimit, expected, format!("{size} bytes"));
            return Err(io::Error::other(Refusal(problem)));
        }
        self.begin(size)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over the blocks that list the parts of a sparse file.
    fn skip_sparse_blocks(&mut self) -> io::Result<()> {
        let mut block = *Header::new_old().as_bytes();
        loop {
            self.reader.read_exact(&mut block)?;
            if block[SPARSE_BLOCK_MORE_AT] == 0 {
                return Ok(());
            }
        }
    }

    fn skip(&mut self) -> io::Result<()> {
        let left = self.entry_bytes.saturating_add(self.padding_bytes);
        let skipped = io::copy(&mut self.reader.by_ref().take(left), &mut io::sink())?;
        (self.entry_bytes, self.padding_bytes) = (0, 0);
        if skipped < left { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Reads the current entry.
impl<R: Read> Read for Tar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.by_ref().take(self.entry_bytes).read(buffer)?;
        if read == 0 && self.entry_bytes > 0 && !buffer.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.entry_bytes -= read as u64;
        Ok(read)
    }
}

impl Extensions {
    /// Takes the records of an extended header: `<length> <key>=<value>\n`, the length being the whole record's.
    fn take_pax(&mut self, mut records: &[u8]) -> io::Result<()> {
        let fault = || broken("an extended header is malformed");
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(fault)?;
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|l| l.parse().ok());
            let length: usize = length.ok_or_else(fault)?;
            let record = records.get(space + 1..length).ok_or_else(fault)?;
            let record = record.strip_suffix(b"\n").ok_or_else(fault)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(fault)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.pax_name = Some(value.to_owned()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                    self.size = Some(size.ok_or_else(fault)?);
                }
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
            records = &records[length..];
        }
        Ok(())
    }
}

fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

fn broken(what: &str) -> io::Error {
    io::Error::other(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::extract::budget::problem_of;

    fn header(kind: EntryType, size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.set_path("short").expect("a short name");
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_cksum();
        header
    }

    fn block(content: &[u8]) -> Vec<u8> {
        let mut block = content.to_vec();
        block.resize(content.len().next_multiple_of(512), 0);
        block
    }

    fn entry(kind: EntryType, content: &[u8]) -> Vec<u8> {
        [header(kind, content.len()).as_bytes(), &block(content)[..]].concat()
    }

    fn read(parts: &[Vec<u8>]) -> io::Result<Vec<(String, TarKind, Vec<u8>)>> {
        let bytes = [parts.concat(), vec![0; 1024]].concat();
        let mut tar = Tar::new(&bytes[..]);
        let mut found = Vec::new();
        while let Some(entry) = tar.next_entry()? {
            let mut content = Vec::new();
            tar.read_to_end(&mut content)?;
            found.push((entry.name, entry.kind, content));
        }
        Ok(found)
    }

    fn file(name: &str, content: &[u8]) -> (String, TarKind, Vec<u8>) {
        (name.to_owned(), TarKind::File, content.to_vec())
    }

    #[test]
    fn names_and_sizes_come_from_what_stands_in_front() {
        let long = entry(EntryType::GNULongName, b"a/long/name\0");
        let pax = entry(EntryType::XHeader, b"16 path=pax/name\n");
        let plain = entry(EntryType::Regular, b"one");
        assert_eq!(read(std::slice::from_ref(&plain)).expect("sound"), [file("short", b"one")]);
        assert_eq!(read(&[long, plain.clone()]).expect("sound"), [file("a/long/name", b"one")]);
        assert!(read(&[pax, plain.clone()]).is_err(), "a record that is longer than it says");
        let pax = entry(EntryType::XHeader, b"17 path=pax/name\n9 size=7\n");
        let other = [header(EntryType::Regular, 0).as_bytes(), &block(b"seven b")[..]].concat();
        assert_eq!(read(&[pax, other]).expect("sound"), [file("pax/name", b"seven b")]);
    }

    #[test]
    fn sparse_files_are_special_and_what_follows_is_found() {
        let mut sparse = header(EntryType::GNUSparse, 3);
        sparse.as_mut_bytes()[SPARSE_MORE_AT] = 1;
        sparse.set_cksum();
        let mut more = vec![0; 512];
        more[SPARSE_BLOCK_MORE_AT] = 1;
        let sparse = [sparse.as_bytes(), &more[..], &[0; 512], &block(b"abc")[..]].concat();
        let found = read(&[sparse, entry(EntryType::Regular, b"one")]).expect("sound");
        assert_eq!(found[0].1, TarKind::Special);
        assert_eq!(found[1], file("short", b"one"));
        let pax = entry(EntryType::XHeader, b"22 GNU.sparse.major=1\n");
        let found = read(&[pax, entry(EntryType::Regular, b"a map")]).expect("sound");
        assert_eq!(found[0].1, TarKind::Special);
    }

    #[test]
    fn what_describes_an_entry_is_bounded_over_all_its_headers() {
        let name = vec![b'x'; 40_000];
        let one = entry(EntryType::GNULongName, &name);
        let plain = entry(EntryType::Regular, b"one");
        assert!(read(&[one.clone(), plain.clone()]).is_ok());
        let error = read(&[one.clone(), one, plain]).expect_err("too much");
        assert_eq!(problem_of(&error).code, Code::ExpansionLimit);
    }

    #[test]
    fn a_tar_that_is_cut_or_changed_is_an_error() {
        let whole = entry(EntryType::Regular, &[b'x'; 700]);
        let read = |bytes: &[u8]| {
            let mut tar = Tar::new(bytes);
            while tar.next_entry()?.is_some() {
                io::copy(&mut tar, &mut io::sink())?;
            }
            Ok::<(), io::Error>(())
        };
        assert!(read(&whole).is_ok());
        for cut in [100, 512, 600, 1_100] {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let mut flipped = whole.clone();
        flipped[3] ^= 1;
        assert!(read(&flipped).is_err(), "a header's checksum");
        let alone = entry(EntryType::GNULongName, b"a name of nothing");
        assert!(read(&alone).is_err(), "a name without its entry");
    }
}
