use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A network: the bits of its addresses that are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    /// How many bits count: 32 of IPv4, or the first 64 of IPv6.
    pub(super) bits: u32,
    pub(super) prefix: u64,
    /// How many are not decided.
    pub(super) left: u32,
}

impl Network {
    pub(super) fn halves(self) -> [Self; 2] {
        let left = self.left - 1;
        [self.prefix << 1, self.prefix << 1 | 1].map(|prefix| Self { prefix, left, ..self })
    }

    /// Its first address, or network of 64 bits.
    pub(super) fn start(self) -> u64 {
        self.prefix.checked_shl(self.left).unwrap_or(0)
    }

    /// How many addresses it has, or networks of 64 bits.
    pub(super) fn size(self) -> u64 {
        1_u64.checked_shl(self.left).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start();
        let length = self.bits - self.left;
        match u32::try_from(start).ok().filter(|_| self.bits == 32) {
            Some(start) => write!(f, "{}/{length}", Ipv4Addr::from_bits(start)),
            None => write!(f, "{}/{length}", Ipv6Addr::from_bits(u128::from(start) << 64)),
        }
    }
}
