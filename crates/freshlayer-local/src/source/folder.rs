//! A folder as a tar: the same files give the same bytes, whenever and wherever they were written.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use freshlayer::Digest;
use freshlayer::ports::SourceError;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::{CHUNK_BYTES, fault};

const BLOCK_BYTES: u64 = 512;
/// A tar ends with two zero blocks.
const END: [u8; 1024] = [0; 1024];

/// What lies in a folder and the folders below it, sorted by path. Folders themselves are not listed.
pub(super) struct Folder {
    root: PathBuf,
    entries: Vec<Entry>,
}

struct Entry {
    /// The path below the root.
    path: PathBuf,
    kind: EntryType,
    mode: u32,
    size_bytes: u64,
    modified_nanos: i128,
}

impl Folder {
    /// Lists a folder. Where it holds more than so many entries the list ends behind the first one too many.
    pub(super) fn list(root: &Path, entries_max: u64) -> Result<Self, SourceError> {
        let mut entries = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            let folder = root.join(&below);
            for entry in fs::read_dir(&folder).map_err(fault(&folder))? {
                let entry = entry.map_err(fault(&folder))?;
                let path = below.join(entry.file_name());
                let metadata = entry.metadata().map_err(fault(&root.join(&path)))?;
                if metadata.is_dir() {
                    open.push(path);
                } else {
                    entries.push(Entry::new(path, &metadata));
                }
                if entries.len() as u64 > entries_max {
                    open.clear();
                    break;
                }
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root: root.to_owned(), entries })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names the state of the folder by names, modes, sizes and times; no file is opened for it.
    pub(super) fn state(&self) -> String {
        let mut hasher = Sha256::new();
        for Entry { path, kind, mode, size_bytes, modified_nanos } in &self.entries {
            let kind = kind.as_byte();
            hasher.update(format!("{kind} {mode:o} {size_bytes} {modified_nanos} "));
            hasher.update(path.as_os_str().as_bytes());
            hasher.update([0]);
        }
        format!("folder {}", Digest::of(hasher))
    }

    /// Returns the tar's length in bytes.
    pub(super) fn tar_bytes(&self) -> Result<u64, SourceError> {
        let mut total = END.len() as u64;
        for entry in &self.entries {
            let header = entry.header().map_err(fault(&self.root.join(&entry.path)))?;
            total += header.len() as u64 + entry.size_bytes + padding(entry.size_bytes);
        }
        Ok(total)
    }

    /// Reads all files as one tar.
    pub(super) fn into_tar(self) -> impl Iterator<Item = Result<Bytes, SourceError>> {
        Tar { root: self.root, entries: self.entries.into_iter(), open: None, rest: Rest::Entries }
    }
}

impl Entry {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        // What is no plain file is named and not read: the extraction says what is wrong with it.
        let kind = if metadata.is_file() {
            EntryType::Regular
        } else if metadata.is_symlink() {
            EntryType::Symlink
        } else {
            EntryType::Fifo
        };
        Self {
            path,
            kind,
            mode: metadata.mode() & 0o7777,
            size_bytes: if metadata.is_file() { metadata.len() } else { 0 },
            modified_nanos: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }

    fn header(&self) -> io::Result<Vec<u8>> {
        let mut header = Header::new_gnu();
        header.set_entry_type(self.kind);
        header.set_size(self.size_bytes);
        header.set_mode(if self.mode & 0o100 == 0 { 0o644 } else { 0o755 });
        header.set_mtime(0);
        // Without its content: that is read when its turn comes.
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header, &self.path, io::empty())?;
        Ok(std::mem::take(builder.get_mut()))
    }
}

fn padding(size_bytes: u64) -> u64 {
    size_bytes.wrapping_neg() % BLOCK_BYTES
}

/// What is left of a tar.
#[derive(PartialEq, Eq)]
enum Rest {
    Entries,
    Nothing,
}

struct Tar {
    root: PathBuf,
    entries: std::vec::IntoIter<Entry>,
    open: Option<Open>,
    rest: Rest,
}

/// The file that is read now.
struct Open {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    left_bytes: u64,
}

impl Tar {
    /// Adds the next bytes to a chunk.
    fn step(&mut self, chunk: &mut Vec<u8>) -> Result<(), SourceError> {
        if let Some(open) = &mut self.open {
            open.read(chunk)?;
            if open.left_bytes == 0 {
                chunk.extend(std::iter::repeat_n(0, usize_of(padding(open.size_bytes))));
                self.open = None;
            }
            return Ok(());
        }
        let Some(entry) = self.entries.next() else {
            chunk.extend(END);
            self.rest = Rest::Nothing;
            return Ok(());
        };
        let path = self.root.join(&entry.path);
        chunk.extend(entry.header().map_err(fault(&path))?);
        if entry.size_bytes > 0 {
            let file = File::open(&path).map_err(fault(&path))?;
            let size_bytes = entry.size_bytes;
            self.open = Some(Open { path, file, size_bytes, left_bytes: size_bytes });
        }
        Ok(())
    }
}

impl Open {
    fn read(&mut self, chunk: &mut Vec<u8>) -> Result<(), SourceError> {
        let room = CHUNK_BYTES.saturating_sub(chunk.len()).max(1) as u64;
        let part = self.file.by_ref().take(self.left_bytes.min(room));
        let read = { part }.read_to_end(chunk).map_err(fault(&self.path))?;
        if read == 0 {
            let shrunk = io::Error::other("it became shorter while it was read");
            return Err(fault(&self.path)(shrunk));
        }
        self.left_bytes -= read as u64;
        Ok(())
    }
}

impl Iterator for Tar {
    type Item = Result<Bytes, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        while chunk.len() < CHUNK_BYTES && self.rest == Rest::Entries {
            if let Err(error) = self.step(&mut chunk) {
                self.rest = Rest::Nothing;
                return Some(Err(error));
            }
        }
        (!chunk.is_empty()).then(|| Ok(Bytes::from(chunk)))
    }
}

/// Less than a block, on every machine.
fn usize_of(padding: u64) -> usize {
    usize::try_from(padding).unwrap_or_default()
}
