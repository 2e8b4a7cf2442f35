//! A reader on a thread of its own: decompression on one core, hashing and writing on another.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Compressed files are read in pieces of this size: an inflater that gets 8 KiB at a time takes half as
/// long again.
pub(crate) const INPUT_BYTES: usize = 256 * 1024;
/// Bytes pass from thread to thread in pieces of this size…
const PIECE_BYTES: usize = 256 * 1024;
/// …and at most this many wait, so that a slow disk does not fill memory.
const PIECES_WAITING_MAX: usize = 8;

/// Reads ahead on another thread while `consume` takes the bytes on this one.
pub(crate) fn piped<T>(reader: impl Read + Send, consume: impl FnOnce(&mut Pieces) -> T) -> T {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(PIECES_WAITING_MAX);
        scope.spawn(move || send_pieces(reader, &sender));
        // Dropped at the end of this closure, which tells the other side that enough was seen.
        let mut pieces = Pieces { receiver, piece: Vec::new(), at: 0 };
        consume(&mut pieces)
    })
}

fn send_pieces(mut reader: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = reader.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
        let last = piece.len() < PIECE_BYTES;
        if !piece.is_empty() && sender.send(Ok(piece)).is_err() {
            return;
        }
        if let Err(error) = read {
            let _closed = sender.send(Err(error));
            return;
        }
        if last {
            return;
        }
    }
}

/// The pieces that the other thread sends.
pub(crate) struct Pieces {
    receiver: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Pieces {
    /// Returns the first bytes without taking them; fewer where there are fewer.
    pub(crate) fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        if self.at == self.piece.len()
            && let Ok(piece) = self.receiver.recv()
        {
            (self.piece, self.at) = (piece?, 0);
        }
        let rest = &self.piece[self.at..];
        Ok(&rest[..bytes.min(rest.len())])
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.peek(buffer.len())?;
        let read = rest.len();
        buffer[..read].copy_from_slice(rest);
        self.at += read;
        Ok(read)
    }
}

/// Runs CPU-bound or file-bound work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
