//! Joins independently compressed pieces into one deflate stream.
//!
//! `libdeflate` compresses better and faster than any streaming compressor, but each of its outputs is a
//! whole stream: the last block says that it is the last. To go on behind a piece, that one bit is cleared
//! and an empty stored block brings the next piece to a byte boundary (what zlib calls a sync flush). To
//! find the bit, the blocks are walked as an inflater would (RFC 1951), without producing anything.

#![expect(clippy::cast_possible_truncation, reason = "every number here has at most 16 bits")]
#![expect(clippy::naive_bytecount, reason = "300 code lengths, a few times per piece")]

/// Where a stream's last block begins, and where its last bit lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastBlock {
    header_bit: usize,
    end_bit: usize,
}

/// Turns a whole stream into one that others can follow.
///
/// `None` where the bytes are not one whole deflate stream.
pub(super) fn open_ended(mut stream: Vec<u8>) -> Option<Vec<u8>> {
    let last = last_block(&stream)?;
    stream[last.header_bit / 8] &= !(1 << (last.header_bit % 8));
    let used = last.end_bit % 8;
    stream.truncate(last.end_bit.div_ceil(8));
    if used != 0 {
        let end = stream.len() - 1;
        stream[end] &= (1 << used) - 1;
    }
    // The three header bits of a stored block that is not the last are zeros; so is the padding.
    if used == 0 || used > 5 {
        stream.push(0);
    }
    stream.extend([0, 0, 0xff, 0xff]);
    Some(stream)
}

fn last_block(stream: &[u8]) -> Option<LastBlock> {
    let mut bits = Bits { bytes: stream, at: 0, buffer: 0, count: 0 };
    loop {
        let header_bit = bits.position();
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits)?,
            1 => symbols(&mut bits, &fixed_literals()?, &Distances::new(&[5; 30])?)?,
            2 => {
                let (literals, distances) = dynamic_tables(&mut bits)?;
                symbols(&mut bits, &literals, &distances)?;
            }
            _ => return None,
        }
        if is_last {
            let end_bit = bits.position();
            return (end_bit <= stream.len() * 8).then_some(LastBlock { header_bit, end_bit });
        }
    }
}

/// Reads bits, least significant first. Behind the end come zeros; the caller compares positions.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    fn position(&self) -> usize {
        self.at * 8 - self.count as usize
    }

    /// Fills the buffer to at least 56 bits.
    #[inline]
    fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..self.at + 8) {
            let word = u64::from_le_bytes(next.try_into().unwrap_or_default());
            self.buffer |= word << self.count;
            let taken = (63 - self.count) / 8;
            self.at += taken as usize;
            self.count += taken * 8;
        } else {
            while self.count < 56 {
                let byte = self.bytes.get(self.at).copied().unwrap_or(0);
                self.buffer |= u64::from(byte) << self.count;
                self.at += 1;
                self.count += 8;
            }
        }
    }

    #[inline]
    fn skip(&mut self, count: u32) {
        self.buffer >>= count;
        self.count -= count;
    }

    /// Takes at most 16 bits; `None` well behind the end.
    fn take(&mut self, count: u32) -> Option<u32> {
        self.refill();
        let value = (self.buffer & ((1 << count) - 1)) as u32;
        self.skip(count);
        (self.position() <= self.bytes.len() * 8).then_some(value)
    }
}

fn stored(bits: &mut Bits<'_>) -> Option<()> {
    let start = bits.position().div_ceil(8);
    let header = bits.bytes.get(start..start + 4)?;
    let length = u16::from_le_bytes([header[0], header[1]]);
    let complement = u16::from_le_bytes([header[2], header[3]]);
    let end = start + 4 + usize::from(length);
    *bits = Bits { bytes: bits.bytes, at: end, buffer: 0, count: 0 };
    (length == !complement && end <= bits.bytes.len()).then_some(())
}

/// Extra bits behind each length symbol, 257 first. Source: RFC 1951, section 3.2.5.
const LENGTH_EXTRA: [u32; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// The order in which the code lengths of the code lengths stand. Source: section 3.2.7.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END_OF_BLOCK: u32 = 256;

/// The most bits that one match takes: two codes of 15, and 5 and 13 extra bits.
const MATCH_BITS_MAX: u32 = 48;

fn symbols(bits: &mut Bits<'_>, literals: &Literals, distances: &Distances) -> Option<()> {
    loop {
        if bits.count < MATCH_BITS_MAX {
            bits.refill();
            if bits.at > bits.bytes.len() + 8 {
                return None;
            }
        }
        let step = literals.step(bits.buffer)?;
        bits.skip(step.bits);
        match step.ends {
            Ends::InLiterals => {}
            Ends::WithLength => bits.skip(distances.bits(bits.buffer)?),
            Ends::Block => return Some(()),
        }
    }
}

/// How far one look into the table leads: over all literals that the looked-up bits hold whole, and over the
/// length or the end of the block behind them, if that is whole, too.
#[derive(Clone, Copy)]
struct Step {
    /// Extra bits of a length included.
    bits: u32,
    ends: Ends,
}

#[derive(Clone, Copy)]
enum Ends {
    InLiterals,
    WithLength,
    Block,
}

impl Step {
    /// Steps over one symbol.
    fn over(symbol: u32, bits: u32) -> Option<Self> {
        let (bits, ends) = match symbol {
            0..END_OF_BLOCK => (bits, Ends::InLiterals),
            END_OF_BLOCK => (bits, Ends::Block),
            _ => {
                let extra = *LENGTH_EXTRA.get(symbol as usize - 257)?;
                (bits + extra, Ends::WithLength)
            }
        };
        Some(Self { bits, ends })
    }
}

/// The bits of one look. Wider tables hold more literals per step and take longer to fill, for every block.
const LOOK_BITS: u32 = 10;

struct Literals {
    table: Table,
    /// Nothing where the first code is longer than the look.
    steps: Vec<Option<Step>>,
}

impl Literals {
    fn new(lengths: &[u8]) -> Option<Self> {
        let table = Table::new(lengths)?;
        let steps = (0..1 << LOOK_BITS).map(|look| Self::farthest(&table, look));
        let steps = steps.collect();
        Some(Self { table, steps })
    }

    fn farthest(table: &Table, look: u64) -> Option<Step> {
        let mut farthest: Option<Step> = None;
        let mut used = 0;
        loop {
            let next = table
                .find(look >> used)
                .filter(|(_, bits)| used + bits <= LOOK_BITS)
                .and_then(|(symbol, bits)| Step::over(symbol, used + bits));
            let Some(next) = next else { return farthest };
            farthest = Some(next);
            match next.ends {
                Ends::InLiterals => used = next.bits,
                Ends::WithLength | Ends::Block => return farthest,
            }
        }
    }

    #[inline]
    fn step(&self, buffer: u64) -> Option<Step> {
        if let Some(step) = self.steps[(buffer & ((1 << LOOK_BITS) - 1)) as usize] {
            return Some(step);
        }
        let (symbol, bits) = self.table.find(buffer)?;
        Step::over(symbol, bits)
    }
}

/// Per distance code, how many bits it takes with its extra bits.
struct Distances {
    bits: Vec<u8>,
    mask: u64,
}

impl Distances {
    fn new(lengths: &[u8]) -> Option<Self> {
        let table = Table::new(lengths)?;
        let bits = table.cells.iter().map(|&cell| match cell {
            0 => 0,
            // Two symbols share each number of extra bits, but for the first four.
            cell => (cell & 0xff) as u8 + ((cell >> 8) / 2).saturating_sub(1) as u8,
        });
        Some(Self { bits: bits.collect(), mask: table.mask })
    }

    #[inline]
    fn bits(&self, buffer: u64) -> Option<u32> {
        let bits = self.bits[(buffer & self.mask) as usize];
        (bits != 0).then_some(u32::from(bits))
    }
}

fn fixed_literals() -> Option<Literals> {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Literals::new(&lengths)
}

fn dynamic_tables(bits: &mut Bits<'_>) -> Option<(Literals, Distances)> {
    let literal_count = bits.take(5)? as usize + 257;
    let distance_count = bits.take(5)? as usize + 1;
    let code_count = bits.take(4)? as usize + 4;
    let mut code_lengths = [0_u8; 19];
    for place in &ORDER[..code_count] {
        code_lengths[*place] = bits.take(3)? as u8;
    }
    let codes = Table::new(&code_lengths)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(literal_count + distance_count);
    while lengths.len() < literal_count + distance_count {
        bits.refill();
        let (code, length) = codes.find(bits.buffer)?;
        bits.skip(length);
        let (value, times) = match code {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times as usize));
    }
    let distance_lengths = lengths.get(literal_count..literal_count + distance_count)?;
    Some((Literals::new(&lengths[..literal_count])?, Distances::new(distance_lengths)?))
}

/// A Huffman code as a table over the longest code's bits: each cell holds a symbol and its code's length.
struct Table {
    cells: Vec<u32>,
    mask: u64,
}

impl Table {
    fn new(lengths: &[u8]) -> Option<Self> {
        let longest = u32::from(*lengths.iter().max()?).max(1);
        let mut next = [0_u32; 17];
        for bits in 1..=15 {
            let count = lengths.iter().filter(|&&length| length == bits).count() as u32;
            next[usize::from(bits) + 1] = (next[usize::from(bits)] + count) << 1;
        }
        let size = 1_u32 << longest;
        let mut cells = vec![0; size as usize];
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let code = next[usize::from(length)];
            next[usize::from(length)] += 1;
            let length = u32::from(length);
            if code >> length != 0 {
                return None;
            }
            let reversed = code.reverse_bits() >> (32 - length);
            for cell in (reversed..size).step_by(1 << length) {
                cells[cell as usize] = (symbol as u32) << 8 | length;
            }
        }
        Some(Self { cells, mask: u64::from(size) - 1 })
    }

    /// Finds the first symbol of some bits, and how many it takes.
    #[inline]
    fn find(&self, buffer: u64) -> Option<(u32, u32)> {
        let cell = self.cells[(buffer & self.mask) as usize];
        (cell != 0).then_some((cell >> 8, cell & 0xff))
    }
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
