//! Walks the blocks of a deflate stream as an inflater would (RFC 1951), without producing anything.

#![expect(clippy::cast_possible_truncation, reason = "every number here has at most 16 bits")]
#![expect(clippy::naive_bytecount, reason = "300 code lengths, a few times per piece")]

/// Where a block begins, and which kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockStart {
    pub(super) kind: BlockKind,
    /// Of its header, from the stream's first bit.
    pub(super) bit: usize,
    /// How many bytes the blocks before it produce.
    pub(super) output: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// Its bytes begin at a byte's boundary, wherever its header ends.
    Stored,
    Compressed,
}

/// Tells of each block of a stream, in order; returns where its last bit ends.
///
/// `None` where the bytes are no deflate stream, or as soon as `each` wants no more.
pub(super) fn walk(stream: &[u8], mut each: impl FnMut(BlockStart) -> Option<()>) -> Option<usize> {
    let mut bits = Bits { bytes: stream, at: 0, buffer: 0, count: 0 };
    let mut output = 0;
    loop {
        let bit = bits.position();
        let (is_last, code) = (bits.take(1)? == 1, bits.take(2)?);
        let kind = if code == 0 { BlockKind::Stored } else { BlockKind::Compressed };
        each(BlockStart { kind, bit, output })?;
        output += match code {
            0 => stored(&mut bits)?,
            1 => symbols(&mut bits, &fixed_literals()?, &Distances::new(&[5; 30])?)?,
            2 => {
                let (literals, distances) = dynamic_tables(&mut bits)?;
                symbols(&mut bits, &literals, &distances)?
            }
            _ => return None,
        };
        if is_last {
            let end_bit = bits.position();
            return (end_bit <= stream.len() * 8).then_some(end_bit);
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

/// Passes over a stored block; returns how many bytes it produces.
fn stored(bits: &mut Bits<'_>) -> Option<u64> {
    let start = bits.position().div_ceil(8);
    let header = bits.bytes.get(start..start + 4)?;
    let length = u16::from_le_bytes([header[0], header[1]]);
    let complement = u16::from_le_bytes([header[2], header[3]]);
    let end = start + 4 + usize::from(length);
    *bits = Bits { bytes: bits.bytes, at: end, buffer: 0, count: 0 };
    (length == !complement && end <= bits.bytes.len()).then_some(u64::from(length))
}

/// The shortest length of each length symbol, 257 first. Source: RFC 1951, section 3.2.5.
const LENGTH_BASE: [u32; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
/// Extra bits behind each length symbol, 257 first. Source: the same section.
const LENGTH_EXTRA: [u32; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// The order in which the code lengths of the code lengths stand. Source: section 3.2.7.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END_OF_BLOCK: u32 = 256;
/// Codes above are never used. Source: sections 3.2.5 and 3.2.6.
const LITERAL_CODES: usize = 286;
const DISTANCE_CODES: u32 = 30;

/// The most bits that one match takes: two codes of 15, and 5 and 13 extra bits.
const MATCH_BITS_MAX: u32 = 48;

/// Passes over a block's symbols; returns how many bytes they produce.
fn symbols(bits: &mut Bits<'_>, literals: &Literals, distances: &Distances) -> Option<u64> {
    let mut output = 0;
    loop {
        if bits.count < MATCH_BITS_MAX {
            bits.refill();
            if bits.at > bits.bytes.len() + 8 {
                return None;
            }
        }
        let step = literals.step(bits.buffer)?;
        let extra = bits.buffer >> (step.bits - step.extra_bits) & ((1 << step.extra_bits) - 1);
        output += u64::from(step.output) + extra;
        bits.skip(step.bits);
        match step.ends {
            Ends::InLiterals => {}
            Ends::WithLength => bits.skip(distances.bits(bits.buffer)?),
            Ends::Block => return Some(output),
        }
    }
}

/// How far one look into the table leads: over all literals that the looked-up bits hold whole, and over the
/// length or the end of the block behind them, if that is whole, too.
#[derive(Clone, Copy)]
struct Step {
    /// Extra bits of a length included.
    bits: u32,
    /// How many of them are extra bits: they stand last.
    extra_bits: u32,
    /// Bytes that it produces at least; the extra bits say how many more.
    output: u32,
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
        Some(match symbol {
            0..END_OF_BLOCK => Self { bits, extra_bits: 0, output: 1, ends: Ends::InLiterals },
            END_OF_BLOCK => Self { bits, extra_bits: 0, output: 0, ends: Ends::Block },
            _ => {
                let length = symbol as usize - 257;
                let (extra_bits, output) = (*LENGTH_EXTRA.get(length)?, LENGTH_BASE[length]);
                Self { bits: bits + extra_bits, extra_bits, output, ends: Ends::WithLength }
            }
        })
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
        let (mut used, mut output) = (0, 0);
        loop {
            let next = table
                .find(look >> used)
                .filter(|(_, bits)| used + bits <= LOOK_BITS)
                .and_then(|(symbol, bits)| Step::over(symbol, used + bits));
            let Some(next) = next else { return farthest };
            output += next.output;
            farthest = Some(Step { output, ..next });
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
            cell if cell >> 8 >= DISTANCE_CODES => 0,
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
    if literal_count > LITERAL_CODES || distance_count > DISTANCE_CODES as usize {
        return None;
    }
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
    use super::*;

    /// With them a match would take more bits than [`MATCH_BITS_MAX`].
    #[test]
    fn distance_codes_that_the_format_leaves_out_are_refused() {
        let distances = Distances::new(&[5; 32]).expect("a whole code");
        for code in 0..32_u32 {
            let bits = distances.bits(u64::from(code.reverse_bits() >> 27));
            assert_eq!(bits.is_some(), code < DISTANCE_CODES, "code {code}");
        }
    }
}
