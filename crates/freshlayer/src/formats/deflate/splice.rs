//! Joins independently compressed pieces into one deflate stream.
//!
//! `libdeflate` compresses better and faster than any streaming compressor, but each of its outputs is a
//! whole stream: the last block says that it is the last. To go on behind a piece, that one bit is cleared
//! and an empty stored block brings the next piece to a byte boundary (what zlib calls a sync flush). To
//! find the bit, the blocks are walked as an inflater would (RFC 1951), without producing anything.

use super::blocks::walk;

/// Turns a whole stream into one that others can follow.
///
/// `None` where the bytes are not one whole deflate stream.
pub(super) fn open_ended(mut stream: Vec<u8>) -> Option<Vec<u8>> {
    let last = last_block(&stream)?;
    stream[last.header_bit / 8] &= !(1 << (last.header_bit % 8));
    stream.truncate(last.end_bit.div_ceil(8));
    flush(&mut stream, last.end_bit % 8);
    Some(stream)
}

/// Fills up the last byte of a stream, of which some bits are used (0: all), with an empty stored block.
pub(super) fn flush(stream: &mut Vec<u8>, used: usize) {
    if let Some(last) = stream.last_mut().filter(|_| used != 0) {
        *last &= (1 << used) - 1;
    }
    // The three header bits of a stored block that is not the last are zeros; so is the padding.
    if used == 0 || used > 5 {
        stream.push(0);
    }
    stream.extend([0, 0, 0xff, 0xff]);
}

/// Where a stream's last block begins, and where its last bit lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastBlock {
    header_bit: usize,
    end_bit: usize,
}

fn last_block(stream: &[u8]) -> Option<LastBlock> {
    let mut header_bit = 0;
    let end_bit = walk(stream, |block| {
        header_bit = block.bit;
        Some(())
    })?;
    Some(LastBlock { header_bit, end_bit })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn compress(piece: &[u8]) -> Vec<u8> {
        let mut compressor =
            libdeflater::Compressor::new(libdeflater::CompressionLvl::new(5).expect("a level"));
        let mut output = vec![0; compressor.deflate_compress_bound(piece.len())];
        let length = compressor.deflate_compress(piece, &mut output).expect("it fits the bound");
        output.truncate(length);
        output
    }

    fn joined(pieces: &[Vec<u8>]) -> Vec<u8> {
        let (last, before) = pieces.split_last().expect("at least one");
        let open = before.iter().flat_map(|p| open_ended(compress(p)).expect("a whole stream"));
        open.chain(compress(last)).collect()
    }

    fn inflated(stream: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        flate2::read::DeflateDecoder::new(stream).read_to_end(&mut output).expect("one stream");
        output
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2_000),
            prop::collection::vec(0_u8..4, 0..40_000),
            (any::<u8>(), 0_usize..200_000).prop_map(|(byte, count)| vec![byte; count]),
            prop::collection::vec("[a-z]{1,8} ", 0..4_000).prop_map(|w| w.concat().into_bytes()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn joined_pieces_inflate_to_the_whole(pieces in prop::collection::vec(piece(), 1..5)) {
            prop_assert_eq!(inflated(&joined(&pieces)), pieces.concat());
        }

        #[test]
        fn noise_is_refused_or_walked_but_never_panics(
            noise in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            let _ = open_ended(noise);
        }
    }

    #[test]
    fn a_cut_stream_is_refused() {
        let whole = compress(&b"some words, some words, other words ".repeat(100));
        for length in 0..whole.len() {
            assert_eq!(last_block(&whole[..length]), None, "cut to {length}");
        }
        assert!(last_block(&whole).is_some());
    }
}
