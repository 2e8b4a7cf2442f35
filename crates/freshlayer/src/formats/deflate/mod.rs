//! Compresses files while they are written, before anyone decided on a layer: by the time data is proved
//! good, the most expensive part of packaging it is done.
//!
//! A file is cut into pieces at fixed places, so the output does not depend on the number of cores; the
//! pieces are compressed on all cores, and spliced into one stream. Memory does not grow with the file.

mod blocks;
mod inflated;
mod kept;
mod splice;

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use libdeflater::{CompressionLvl, Compressor};

pub(crate) use inflated::Inflated;
pub(crate) use kept::{KEPT_BYTES_MIN, Packer, UpstreamStream};
use splice::open_ended;

/// Larger pieces compress a little better and need more memory: at 512 KiB the loss against one piece is
/// 0.1 %.
const PIECE_BYTES: usize = 512 * 1024;
/// Pieces that may wait on either side of each core, whatever the file's size.
const PIECES_WAITING_MAX: usize = 2;
/// `libdeflate`'s level 5: smaller than zlib's level 6 on databases, at a quarter of its time.
const LEVEL: i32 = 5;

/// A raw deflate stream on disk, with what a zip says of it.
#[derive(Debug, Clone)]
pub(crate) struct Deflated {
    pub(crate) file: PathBuf,
    pub(crate) stream_bytes: u64,
    pub(crate) size_bytes: u64,
    pub(crate) crc32: u32,
}

/// Compresses a file into another one.
pub(crate) fn deflate_file(from: &Path, into: PathBuf) -> io::Result<Deflated> {
    let mut source = File::open(from)?;
    let mut deflater = Deflater::new(into);
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match source.read(&mut buffer)? {
            0 => return deflater.finish(),
            read => deflater.write_all(&buffer[..read])?,
        }
    }
}

/// Compresses bytes in memory that fit one piece; gives the stream and its CRC.
pub(crate) fn deflate_bytes(bytes: &[u8]) -> io::Result<(Vec<u8>, u32)> {
    let piece = Workshop::new().compress(bytes, BlockEnd::Last)?;
    Ok((piece.deflated, piece.crc32.finalize()))
}

/// Takes a file's bytes in order.
pub(crate) struct Deflater {
    file: PathBuf,
    piece: Vec<u8>,
    crew: Option<Crew>,
}

impl Deflater {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, piece: Vec::new(), crew: None }
    }

    /// Waits for the last piece.
    pub(crate) fn finish(mut self) -> io::Result<Deflated> {
        let piece = std::mem::take(&mut self.piece);
        let Some(mut crew) = self.crew.take() else {
            // Archives hold many small files: one piece is not worth a thread.
            let mut written = Written::create(&self.file)?;
            written.take(&Workshop::new().compress(&piece, BlockEnd::Last)?)?;
            return Ok(written.deflated(self.file));
        };
        crew.give(piece, BlockEnd::Last)?;
        crew.join().map(|written| written.deflated(self.file))
    }
}

impl Write for Deflater {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE_BYTES {
            let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
            let crew = match &mut self.crew {
                Some(crew) => crew,
                none => none.insert(Crew::start(Written::create(&self.file)?)),
            };
            crew.give(piece, BlockEnd::Open)?;
        }
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One thread per core that compresses, and one that writes.
///
/// Of n cores the first one makes pieces 0, n, 2n…: taking from them in turn gives the pieces in order.
struct Crew {
    workers: Vec<SyncSender<(Vec<u8>, BlockEnd)>>,
    given: usize,
    writer: Option<JoinHandle<io::Result<Written>>>,
}

impl Crew {
    fn start(written: Written) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let (workers, pieces): (Vec<_>, Vec<_>) = (0..cores)
            .map(|_| {
                let (worker, given) = sync_channel(PIECES_WAITING_MAX);
                let (sender, pieces) = sync_channel(PIECES_WAITING_MAX);
                std::thread::spawn(move || work(&given, &sender));
                (worker, pieces)
            })
            .unzip();
        let writer = std::thread::spawn(move || collect(written, &pieces));
        Self { workers, given: 0, writer: Some(writer) }
    }

    fn give(&mut self, piece: Vec<u8>, end: BlockEnd) -> io::Result<()> {
        let worker = self.given % self.workers.len();
        self.given += 1;
        match self.workers[worker].send((piece, end)) {
            Ok(()) => Ok(()),
            // The writer gave up, and knows why.
            Err(_closed) => Err(self.join().err().unwrap_or_else(ended_early)),
        }
    }

    fn join(&mut self) -> io::Result<Written> {
        self.workers.clear();
        let writer = self.writer.take().ok_or_else(ended_early)?;
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        if written.pieces == self.given { Ok(written) } else { Err(ended_early()) }
    }
}

fn ended_early() -> io::Error {
    io::Error::other("a compressor ended early")
}

fn work(given: &Receiver<(Vec<u8>, BlockEnd)>, sender: &SyncSender<io::Result<Piece>>) {
    let mut workshop = Workshop::new();
    for (piece, end) in given {
        // A closed channel means that the writer gave up; it says why itself.
        if sender.send(workshop.compress(&piece, end)).is_err() {
            return;
        }
    }
}

fn collect(mut written: Written, workers: &[Receiver<io::Result<Piece>>]) -> io::Result<Written> {
    for worker in workers.iter().cycle() {
        let Ok(piece) = worker.recv() else { break };
        written.take(&piece?)?;
    }
    Ok(written)
}

/// What was written so far.
struct Written {
    output: File,
    pieces: usize,
    stream_bytes: u64,
    size_bytes: u64,
    crc32: crc32fast::Hasher,
}

impl Written {
    fn create(file: &Path) -> io::Result<Self> {
        Ok(Self {
            output: File::create(file)?,
            pieces: 0,
            stream_bytes: 0,
            size_bytes: 0,
            crc32: crc32fast::Hasher::new(),
        })
    }

    fn take(&mut self, piece: &Piece) -> io::Result<()> {
        self.pieces += 1;
        self.stream_bytes += piece.deflated.len() as u64;
        self.size_bytes += piece.size_bytes;
        self.crc32.combine(&piece.crc32);
        self.output.write_all(&piece.deflated)
    }

    fn deflated(self, file: PathBuf) -> Deflated {
        Deflated {
            file,
            stream_bytes: self.stream_bytes,
            size_bytes: self.size_bytes,
            crc32: self.crc32.finalize(),
        }
    }
}

/// One piece, compressed.
struct Piece {
    deflated: Vec<u8>,
    size_bytes: u64,
    crc32: crc32fast::Hasher,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockEnd {
    Open,
    Last,
}

/// What one thread keeps from piece to piece.
struct Workshop {
    compressor: Compressor,
    output: Vec<u8>,
}

impl Workshop {
    fn new() -> Self {
        let level = CompressionLvl::new(LEVEL).expect("libdeflate has levels 0 to 12");
        Self { compressor: Compressor::new(level), output: Vec::new() }
    }

    fn compress(&mut self, input: &[u8], end: BlockEnd) -> io::Result<Piece> {
        let mut crc32 = crc32fast::Hasher::new();
        crc32.update(input);
        let bound = self.compressor.deflate_compress_bound(input.len());
        self.output.resize(self.output.len().max(bound), 0);
        let length = self
            .compressor
            .deflate_compress(input, &mut self.output)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let deflated = self.output[..length].to_vec();
        let deflated = match end {
            BlockEnd::Last => deflated,
            BlockEnd::Open => open_ended(deflated)
                .ok_or_else(|| io::Error::other("the compressor's stream has no last block"))?,
        };
        Ok(Piece { deflated, size_bytes: input.len() as u64, crc32 })
    }
}
