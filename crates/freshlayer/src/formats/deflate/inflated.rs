//! Inflates a stream before the zip is made that will hold it, while the data is still inspected.
//!
//! The zip's own proof then compares the stream in the zip with the one that was inflated, byte for byte by its hash,
//! and needs to inflate it no second time.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;
use sha2::{Digest as _, Sha256};

use super::Deflated;
use crate::formats::hashing::{Hashed, hash_through};
use crate::formats::pipe::{INPUT_BYTES, piped};
use crate::names::Digest;

/// A file whose stream gave its bytes back.
#[derive(Debug, Clone)]
pub(crate) struct Inflated {
    /// The file, as it was before.
    pub(crate) plain: PathBuf,
    /// Its hash: what the stream gave has it, too.
    pub(crate) sha256: Digest,
    pub(crate) stream: PathBuf,
    /// The hash of the stream as it is compressed.
    pub(crate) stream_sha256: Digest,
}

impl Inflated {
    /// Inflates a stream with a common inflater. `None` where it gives other bytes than the file's: the zip's proof will
    /// say what is wrong.
    pub(crate) fn of(
        deflated: &Deflated,
        plain: &Path,
        sha256: &Digest,
    ) -> io::Result<Option<Self>> {
        let stream =
            Hashing { inner: File::open(&deflated.file)?, sha256: Sha256::new(), bytes: 0 };
        let mut stream = DeflateDecoder::new(BufReader::with_capacity(INPUT_BYTES, stream));
        let mut crc32 = crc32fast::Hasher::new();
        let Hashed { sha256: given, size_bytes } = piped(&mut stream, |pieces| {
            hash_through(pieces, |error| error, |piece| Ok(crc32.update(piece)))
        })?;
        let used = stream.total_in();
        let mut rest = stream.into_inner();
        io::copy(&mut rest, &mut io::sink())?;
        let Hashing { sha256: of_stream, bytes: stream_bytes, .. } = rest.into_inner();
        let is_whole = used == deflated.stream_bytes && stream_bytes == deflated.stream_bytes;
        let is_same = size_bytes == deflated.size_bytes
            && crc32.finalize() == deflated.crc32
            && given == *sha256;
        Ok((is_whole && is_same).then(|| Self {
            plain: plain.to_owned(),
            sha256: given,
            stream: deflated.file.clone(),
            stream_sha256: Digest::of(of_stream),
        }))
    }
}

/// Hashes and counts what is read.
struct Hashing<R> {
    inner: R,
    sha256: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::deflate_file;
    use super::*;
    use crate::formats::hashing::sha256_of;

    #[test]
    fn a_stream_is_inflated_only_where_it_is_the_files_own_and_nothing_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let bytes: Vec<u8> = (0..900_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        fs::write(path("plain"), &bytes).expect("written");
        let plain = path("plain");
        let sha256 = sha256_of(&plain).expect("read");
        let good = deflate_file(&plain, path("stream")).expect("compressed");
        let of = |deflated: &Deflated, sha256: &Digest| {
            Inflated::of(deflated, &plain, sha256).is_ok_and(|inflated| inflated.is_some())
        };
        let inflated = Inflated::of(&good, &plain, &sha256).expect("read").expect("its own");
        assert_eq!(inflated.stream_sha256, sha256_of(&good.file).expect("read"));

        let other = sha256_of(&good.file).expect("read");
        assert!(!of(&good, &other), "another file");
        assert!(!of(&Deflated { crc32: good.crc32 ^ 1, ..good.clone() }, &sha256), "its CRC");
        assert!(!of(&Deflated { size_bytes: 1, ..good.clone() }, &sha256), "its size");
        let stream = fs::read(&good.file).expect("read");
        let with = |name: &str, bytes: &[u8]| {
            fs::write(path(name), bytes).expect("written");
            let stream_bytes = bytes.len() as u64;
            Deflated { file: path(name), stream_bytes, ..good.clone() }
        };
        let mut flipped = stream.clone();
        flipped[stream.len() / 2] ^= 4;
        assert!(!of(&with("flipped", &flipped), &sha256), "a bit of it");
        assert!(!of(&with("longer", &[&stream[..], b"more"].concat()), &sha256), "bytes behind it");
        assert!(!of(&with("cut", &stream[..stream.len() - 9]), &sha256), "its end");
        assert!(of(&with("same", &stream), &sha256));
    }
}
