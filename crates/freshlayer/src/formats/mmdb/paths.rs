//! From the root of the search tree to the records. Nothing is proved: a walk bounds itself, and a record that lies
//! nowhere is a fault where it is decoded.

use freshlayer_reader::maxminddb::Metadata;

use super::Fault;

/// Sixteen zero bytes stand between tree and data. Source: the format specification.
pub(super) const SEPARATOR_BYTES: usize = 16;
/// IPv4 addresses stand below `::/96` in a tree of IPv6 addresses. Source: the same.
const IPV4_PREFIX_BITS: usize = 96;

/// The tree and the data section, as walks need them.
#[derive(Clone, Copy)]
pub(crate) struct Paths<'a> {
    /// The data section.
    pub(crate) data: &'a [u8],
    pub(super) nodes: Nodes<'a>,
    /// How many bits an address has.
    pub(super) depth_max: usize,
}

/// What one bit of an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    /// A node: the next bit decides.
    Node(usize),
    /// A record, by its offset in the data section.
    Record(usize),
    /// No record.
    Nothing,
}

impl<'a> Paths<'a> {
    const ROOT: Branch = Branch::Node(0);

    /// Finds tree and data in a file.
    pub(crate) fn of(bytes: &'a [u8], metadata: &Metadata, data_end: usize) -> Result<Self, Fault> {
        let count = metadata.node_count as usize;
        let node_bytes = usize::from(metadata.record_size) / 4;
        let data_start = count * node_bytes + SEPARATOR_BYTES;
        if data_start > data_end || count == 0 {
            let expected = "a tree with nodes, and data behind it";
            let found = format!("{count} nodes in {data_end} bytes");
            return Err(Fault::Tree { node: None, expected: expected.to_owned(), found });
        }
        let nodes = Nodes { bytes: &bytes[..count * node_bytes], node_bytes, count };
        let depth_max = if metadata.ip_version == 4 { 32 } else { 128 };
        Ok(Self { data: &bytes[data_start..data_end], nodes, depth_max })
    }

    /// Returns what the two values of the next bit lead to. Where no bit is left to decide both lead to the same.
    pub(super) fn below(&self, branch: Branch) -> [Branch; 2] {
        let Branch::Node(node) = branch else { return [branch; 2] };
        self.nodes.records(node).map(|record| match record.checked_sub(self.nodes.count) {
            None => Branch::Node(record),
            Some(0) => Branch::Nothing,
            Some(behind) => Branch::Record(behind.wrapping_sub(SEPARATOR_BYTES)),
        })
    }

    /// Returns where the IPv4 addresses are.
    pub(super) fn ipv4(&self) -> Branch {
        let bits = if self.depth_max == 32 { 0 } else { IPV4_PREFIX_BITS };
        (0..bits).fold(Self::ROOT, |branch, _| self.below(branch)[0])
    }

    /// Returns the node that all IPv4 addresses are below, in a tree of IPv6 addresses.
    pub(super) fn ipv4_root(&self) -> Option<usize> {
        match self.ipv4() {
            Branch::Node(node) if self.depth_max == 128 => Some(node),
            _ => None,
        }
    }

    /// Returns where the IPv6 addresses are; nowhere in a tree of IPv4.
    pub(super) fn ipv6(&self) -> Branch {
        if self.depth_max == 32 { Branch::Nothing } else { Self::ROOT }
    }
}

/// The nodes as they lie in the file: two records each, of 24, 28 or 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Nodes<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) node_bytes: usize,
    pub(super) count: usize,
}

impl Nodes<'_> {
    #[inline]
    #[expect(
        clippy::many_single_char_names,
        reason = "the bytes of a node, as the format names them"
    )]
    pub(super) fn records(self, node: usize) -> [usize; 2] {
        let b = &self.bytes[node * self.node_bytes..][..self.node_bytes];
        let number = |bytes: [u8; 4]| u32::from_be_bytes(bytes) as usize;
        match *b {
            [a, b, c, d, e, f] => [number([0, a, b, c]), number([0, d, e, f])],
            [a, b, c, mid, d, e, f] => [number([mid >> 4, a, b, c]), number([mid & 15, d, e, f])],
            [a, b, c, d, e, f, g, h] => [number([a, b, c, d]), number([e, f, g, h])],
            _ => [0, 0],
        }
    }
}
