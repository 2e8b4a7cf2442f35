//! Keeps the blocks that an upstream compressed: of a gz, a zip's entry, or a file in a tar.gz.
//!
//! A block refers to at most 32 KiB before it, so a file's blocks stand alone from there on. What lies before them and
//! behind them is compressed anew, and all three are spliced. Blocks that a sample shows to be larger than our own are
//! left, and so is a stream that ends early, is damaged, or has blocks of an unusual size: then the file is compressed
//! as any other. What is kept is inflated again before anything is published.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use freshlayer_reader::Mmap;

use super::blocks::{BlockKind, BlockStart, walk};
use super::splice::flush;
use super::{BlockEnd, Deflated, Deflater, Workshop, deflate_file};

/// Smaller files are compressed sooner than an upstream's stream is walked.
pub(crate) const KEPT_BYTES_MIN: u64 = 1024 * 1024;
/// How far back a block may refer. Source: RFC 1951, section 2.
const WINDOW_BYTES: u64 = 32 * 1024;
/// What lies before or behind the kept blocks, and each piece of the sample, is compressed in memory.
const PIECE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Compressors make a block per 20 KiB or more; each costs a walk its tables.
const BLOCKS_MAX: usize = 50_000;
/// The sample: so many pieces, each of at least so many bytes.
const SAMPLE_PIECES: usize = 8;
const SAMPLE_BYTES: u64 = 128 * 1024;
/// How much larger than our own the upstream's blocks may be, in percent.
const LARGER_MAX_PERCENT: u64 = 5;
const BUFFER_BYTES: usize = 256 * 1024;

/// An upstream's deflate stream, in a file that stays as it is.
pub(crate) struct UpstreamStream {
    map: Arc<Mmap>,
    bytes: Range<usize>,
    walk: Walk,
}

/// The search for the stream's blocks, on a thread of its own.
enum Walk {
    NotBegun,
    Begun(JoinHandle<Vec<BlockStart>>, Arc<AtomicBool>),
    Done(Vec<BlockStart>),
}

impl UpstreamStream {
    /// Names a stream. Nothing of it is read yet.
    pub(crate) fn new(map: &Arc<Mmap>, bytes: Range<usize>) -> Self {
        Self { map: Arc::clone(map), bytes, walk: Walk::NotBegun }
    }

    /// Begins to look for blocks, while others inflate the stream. Without a thread no block is found.
    pub(crate) fn begin(&mut self) {
        if let Walk::NotBegun = self.walk {
            let (map, range) = (Arc::clone(&self.map), self.bytes.clone());
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = Arc::clone(&stop);
            let walker = std::thread::Builder::new()
                .spawn(move || find_blocks(&map[range], &|| stopped.load(Ordering::Relaxed)));
            self.walk = match walker {
                Ok(walker) => Walk::Begun(walker, stop),
                Err(_refused) => Walk::Done(Vec::new()),
            };
        }
    }

    fn stream(&self) -> &[u8] {
        &self.map[self.bytes.clone()]
    }

    /// Waits for the walk; returns where the stream's blocks begin, in order.
    fn blocks(&mut self) -> Vec<BlockStart> {
        match std::mem::replace(&mut self.walk, Walk::NotBegun) {
            Walk::NotBegun => Vec::new(),
            Walk::Done(blocks) => blocks,
            Walk::Begun(walker, _stop) => {
                walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        }
    }

    /// Cuts a file's blocks out of the stream; `None` where the file is better compressed anew.
    fn cut(&mut self, file: &Plain<'_>, into: &Path) -> io::Result<Option<Deflated>> {
        self.begin();
        let all = self.blocks();
        let blocks = kept(&all, &file.place).map(<[BlockStart]>::to_vec);
        self.walk = Walk::Done(all);
        let Some(blocks) = blocks else { return Ok(None) };
        if is_larger(&blocks, file)? {
            return Ok(None);
        }
        let (first, end) = (blocks[0], blocks[blocks.len() - 1]);
        let before = file.compressed(file.place.start..first.output, BlockEnd::Open)?;
        let behind = file.compressed(end.output..file.place.end, BlockEnd::Last)?;
        let mut output = Counted { inner: BufWriter::new(File::create(into)?), bytes: 0 };
        output.write_all(&before)?;
        copy_bits(self.stream(), first.bit..end.bit, &mut output)?;
        output.write_all(&behind)?;
        output.flush()?;
        Ok(Some(Deflated {
            file: into.to_owned(),
            stream_bytes: output.bytes,
            size_bytes: file.place.end - file.place.start,
            crc32: file.crc32,
        }))
    }
}

/// A walk that no file needs any more ends at the next block.
impl Drop for UpstreamStream {
    fn drop(&mut self) {
        if let Walk::Begun(_, stop) = &self.walk {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

fn find_blocks(stream: &[u8], is_stopped: &dyn Fn() -> bool) -> Vec<BlockStart> {
    let mut blocks = Vec::new();
    // A stream that is damaged is refused by the inflater; the blocks before the damage are of no use.
    let end = walk(stream, |block| {
        blocks.push(block);
        (blocks.len() < BLOCKS_MAX && !is_stopped()).then_some(())
    });
    if end.is_some() { blocks } else { Vec::new() }
}

/// Which blocks are kept for a file, by its place in what the stream produces; the last one is where they end.
fn kept<'b>(blocks: &'b [BlockStart], place: &Range<u64>) -> Option<&'b [BlockStart]> {
    let alone_at = if place.start == 0 { 0 } else { place.start + WINDOW_BYTES };
    let first = blocks.partition_point(|block| block.output < alone_at);
    let end = blocks.partition_point(|block| block.output <= place.end);
    let mut kept = blocks.get(first..end)?;
    if kept.iter().any(|block| block.kind == BlockKind::Stored) {
        // The bytes of a stored block stay at a boundary where the whole begins at one.
        let aligned = kept.iter().position(|block| block.bit.is_multiple_of(8))?;
        kept = &kept[aligned..];
    }
    let kept = Some(kept).filter(|kept| kept.len() > 1)?;
    let before = kept[0].output - place.start;
    let behind = place.end - kept[kept.len() - 1].output;
    (before.max(behind) <= PIECE_BYTES_MAX).then_some(kept)
}

/// Tells whether our own compressor makes less of a sample, or the blocks are too large for one.
fn is_larger(blocks: &[BlockStart], file: &Plain<'_>) -> io::Result<bool> {
    let (mut theirs, mut ours) = (0, 0);
    for piece in 0..SAMPLE_PIECES {
        let rest = &blocks[blocks.len() * piece / SAMPLE_PIECES..];
        let first = rest[0];
        let enough = rest.iter().find(|block| block.output >= first.output + SAMPLE_BYTES);
        let end = *enough.unwrap_or(&rest[rest.len() - 1]);
        // No common compressor makes such blocks.
        if end.output - first.output > PIECE_BYTES_MAX {
            return Ok(true);
        }
        theirs += (end.bit - first.bit) as u64 / 8;
        ours += file.compressed(first.output..end.output, BlockEnd::Open)?.len() as u64;
    }
    Ok(theirs * 100 > ours * (100 + LARGER_MAX_PERCENT))
}

/// A file whose bytes an upstream's stream produces, too.
struct Plain<'a> {
    file: &'a Path,
    crc32: u32,
    /// Where the stream produces them.
    place: Range<u64>,
}

impl Plain<'_> {
    /// Compresses some bytes, by their place in what the stream produces.
    fn compressed(&self, range: Range<u64>, end: BlockEnd) -> io::Result<Vec<u8>> {
        if range.is_empty() && end == BlockEnd::Open {
            return Ok(Vec::new());
        }
        let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        File::open(self.file)?.read_exact_at(&mut bytes, range.start - self.place.start)?;
        Ok(Workshop::new().compress(&bytes, end)?.deflated)
    }
}

/// Copies whole blocks to a byte boundary, and ends at one with an empty stored block.
fn copy_bits(stream: &[u8], bits: Range<usize>, output: &mut impl Write) -> io::Result<()> {
    let (mut at, shift) = (bits.start / 8, bits.start % 8);
    let whole = bits.len() / 8;
    let mut left = whole;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    while left > 0 {
        buffer.clear();
        while left > 0 && buffer.len() < BUFFER_BYTES {
            let taken = left.min(8);
            buffer.extend_from_slice(&word(stream, at, shift).to_le_bytes()[..taken]);
            (at, left) = (at + taken, left - taken);
        }
        output.write_all(&buffer)?;
    }
    let mut end = Vec::new();
    let used = bits.len() % 8;
    if used != 0 {
        end.push(word(stream, at, shift).to_le_bytes()[0]);
    }
    flush(&mut end, used);
    output.write_all(&end)
}

/// Reads 64 bits; behind the end come zeros.
#[inline]
fn word(stream: &[u8], at: usize, shift: usize) -> u64 {
    let read = |at: usize| {
        let mut bytes = [0; 8];
        let rest = stream.get(at..).unwrap_or_default();
        let length = rest.len().min(8);
        bytes[..length].copy_from_slice(&rest[..length]);
        u64::from_le_bytes(bytes)
    };
    if shift == 0 {
        return read(at);
    }
    let next = stream.get(at + 8).map_or(0, |next| u64::from(*next));
    read(at) >> shift | next << (64 - shift)
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Makes a zip's stream of a file's bytes, which it takes in order.
pub(crate) enum Packer {
    /// Compresses while it takes them.
    Compress(Deflater),
    /// Keeps what the upstream compressed.
    Keep {
        /// Where the upstream's stream produces the first of them.
        at: u64,
        crc32: crc32fast::Hasher,
        into: PathBuf,
    },
}

impl Packer {
    /// Keeps an upstream's stream where it says that the file begins in one.
    pub(crate) fn new(stream_at: Option<u64>, into: PathBuf) -> Self {
        match stream_at {
            Some(at) => Self::Keep { at, crc32: crc32fast::Hasher::new(), into },
            None => Self::Compress(Deflater::new(into)),
        }
    }

    /// Ends with the last byte. The file holds the same bytes.
    pub(crate) fn finish(
        self,
        file: &Path,
        size_bytes: u64,
        upstream: Option<&mut UpstreamStream>,
    ) -> io::Result<Deflated> {
        let (at, crc32, into) = match self {
            Self::Compress(deflater) => return deflater.finish(),
            Self::Keep { at, crc32, into } => (at, crc32.finalize(), into),
        };
        let plain = Plain { file, crc32, place: at..at + size_bytes };
        let cut = upstream.map(|upstream| upstream.cut(&plain, &into)).transpose()?.flatten();
        cut.map_or_else(|| deflate_file(file, into), Ok)
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Compress(deflater) => deflater.write(bytes),
            Self::Keep { crc32, .. } => {
                crc32.update(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::Compression;
    use flate2::read::DeflateDecoder;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;

    use super::*;

    fn deflated(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn inflated(stream: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        DeflateDecoder::new(stream).read_to_end(&mut output).expect("one stream");
        output
    }

    /// Words of a small language, at random.
    fn words(bytes: usize, seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        let word = |random: &mut fastrand::Rng| {
            (0..random.usize(2..9)).map(|_| random.lowercase() as u8).chain([b' ']).collect()
        };
        let language: Vec<Vec<u8>> = (0..3_000).map(|_| word(&mut random)).collect();
        let mut text = Vec::with_capacity(bytes + 9);
        while text.len() < bytes {
            text.extend(&language[random.usize(..language.len())]);
        }
        text.truncate(bytes);
        text
    }

    /// Cuts a file out of a stream that holds it between other bytes.
    fn cut(stream: &[u8], file: &[u8], at: u64) -> Option<Vec<u8>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("stream"), stream).expect("written");
        std::fs::write(path("file"), file).expect("written");
        let map = Arc::new(freshlayer_reader::map_file(&path("stream")).expect("mapped"));
        let mut upstream = UpstreamStream::new(&map, 0..stream.len());
        let place = at..at + file.len() as u64;
        let plain = Plain { file: &path("file"), crc32: 7, place };
        let deflated = upstream.cut(&plain, &path("deflate")).expect("files")?;
        let stream = std::fs::read(&deflated.file).expect("written");
        assert_eq!(deflated.stream_bytes, stream.len() as u64);
        assert_eq!((deflated.size_bytes, deflated.crc32), (file.len() as u64, 7));
        Some(stream)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn a_file_is_cut_out_of_any_place(
            before in 0_usize..100_000,
            size in 1_000_000_usize..2_000_000,
            behind in 0_usize..100_000,
            level in 5_u32..10,
            seed in any::<u64>(),
        ) {
            let whole = words(before + size + behind, seed);
            let file = &whole[before..before + size];
            let stream = cut(&deflated(&whole, level), file, before as u64);
            prop_assert_eq!(inflated(&stream.expect("as small as our own")), file);
        }
    }

    /// As `pigz` and `gzip --rsyncable` flush: an empty stored block behind each part, and what cannot be compressed stored.
    #[test]
    fn stored_blocks_stay_at_their_boundaries() {
        let mut random = fastrand::Rng::with_seed(4);
        let noise: Vec<u8> = (0..200_000).map(|_| random.u8(..)).collect();
        let whole = [words(800_000, 1), noise, words(800_000, 2)].concat();
        for before in [0, 7, 512, 1_536] {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(9));
            for part in whole.chunks(130_000) {
                encoder.write_all(part).expect("memory");
                encoder.flush().expect("memory");
            }
            let stream = encoder.finish().expect("memory");
            let file = &whole[before..whole.len() - 600];
            let kept = cut(&stream, file, before as u64).expect("as small as our own");
            assert_eq!(inflated(&kept), file, "from {before}");
        }
    }

    #[test]
    fn what_is_larger_than_our_own_is_left() {
        let file = words(1_500_000, 1);
        assert_eq!(cut(&deflated(&file, 0), &file, 0), None, "stored");
        assert_eq!(cut(&deflated(&file, 1), &file, 0), None, "compressed in haste");
        let sparse = [&file[..], &vec![0; 40_000_000], &file[..]].concat();
        assert_eq!(cut(&deflated(&sparse, 9), &sparse, 0), None, "in huge blocks");
    }

    #[test]
    fn what_is_no_whole_stream_is_left() {
        let file = words(1_500_000, 1);
        let stream = deflated(&file, 6);
        assert!(cut(&stream, &file, 0).is_some());
        assert_eq!(cut(&stream[..stream.len() - 9], &file, 0), None, "cut short");
        let first = deflated(&file[..200_000], 6);
        assert_eq!(
            cut(&first, &[&file[..], &vec![0; 5_000_000]].concat(), 0),
            None,
            "it ends early"
        );
        assert_eq!(cut(&vec![0xff; 2_000_000], &file, 0), None, "noise");
    }
}
