use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Reads every frame of a zstd file, one behind the other, and holds each to its checksum.
pub(super) struct ZstdFrames<R> {
    source: R,
    decoder: FrameDecoder,
    frame: Frame,
}

#[derive(PartialEq, Eq)]
enum Frame {
    Open,
    Between,
}

impl<R: BufRead> ZstdFrames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), frame: Frame::Between }
    }

    /// Opens the next frame; `false` at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.frame = Frame::Open;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        Ok(false)
    }

    fn close_frame(&mut self) -> io::Result<()> {
        self.frame = Frame::Between;
        let expected = self.decoder.get_checksum_from_data();
        match expected {
            Some(_) if expected != self.decoder.get_calculated_checksum() => {
                Err(io::Error::other("the checksum of a zstd frame differs"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame == Frame::Between && !self.next_frame()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| io::Error::other(error.to_string()))?;
            }
            match self.decoder.read(buffer)? {
                0 if !buffer.is_empty() => self.close_frame()?,
                read => return Ok(read),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        ZstdFrames::new(bytes).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn all_frames_are_read_and_checked() {
        let frame = |text: &[u8]| compress_to_vec(text, CompressionLevel::Fastest);
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let file = [frame(b"first, "), skipped, frame(b"second")].concat();
        assert_eq!(read(&file).expect("two sound frames"), b"first, second");
        assert!(read(&file[..file.len() - 1]).is_err(), "a cut frame");
        assert!(read(&[&file[..], b"noise"].concat()).is_err(), "noise behind the last frame");
        let mut flipped = frame(&b"some words that are long enough ".repeat(20));
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        assert!(read(&flipped).is_err(), "a flipped bit");
    }
}
