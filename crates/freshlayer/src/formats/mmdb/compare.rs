//! What differs between two builds, address by address: one walk of both trees in lock-step.
//!
//! IPv4 and IPv6 are counted apart: a difference weighs as much as the addresses that it is for, of IPv6 the networks of 64
//! bits. The memory does not grow with the files.

mod fields;
mod records;
mod walk;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZero;

use self::walk::{Pair, Walk};
use super::Fault;
use super::comparison::Comparison;
use super::network::Network;
use super::paths::{Branch, Paths};

/// Of which part one in so many is compared, where a tree is so large.
const SAMPLE: u64 = 8;
const SAMPLED_NODES_MIN: usize = 500_000;
/// Fewer parts of one kind of addresses are all compared.
const SAMPLED_PARTS_MIN: usize = 8_192;

/// Which addresses are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All; but of large builds one in eight parts, always the same ones.
    Sample,
    /// All.
    Whole,
}

/// Which kind of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    fn roots(self, before: Paths<'_>, after: Paths<'_>) -> Pair {
        match self {
            Self::Ipv4 => (before.ipv4(), after.ipv4()),
            Self::Ipv6 => (before.ipv6(), after.ipv6()),
        }
    }

    /// How many bits of an address are looked at.
    fn bits(self) -> u32 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 64,
        }
    }

    /// The trees are cut into parts by so many bits: each is what one registry hands out.
    fn cut_bits(self) -> u32 {
        self.bits() / 2
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// Compares two builds, on all cores; each kind of address that one of them has. The bound on decoded values holds per core
/// and kind.
pub(crate) fn compare(
    before: Paths<'_>,
    after: Paths<'_>,
    extent: Extent,
    values_max: u64,
) -> Result<Vec<(Family, Comparison)>, Fault> {
    let mut found = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        if family.roots(before, after) != (Branch::Nothing, Branch::Nothing) {
            found.push((family, compare_family(before, after, family, extent, values_max)?));
        }
    }
    let has_records = |found: &Comparison| found.before > 0 || found.after > 0;
    let holds = found.iter().position(|(_, found)| has_records(found)).unwrap_or(0);
    let kept = found.into_iter().enumerate();
    let kept = kept.filter(|(at, (_, found))| *at == holds || has_records(found));
    Ok(kept.map(|(_, found)| found).collect())
}

fn compare_family(
    before: Paths<'_>,
    after: Paths<'_>,
    family: Family,
    extent: Extent,
    values_max: u64,
) -> Result<Comparison, Fault> {
    let pair = family.roots(before, after);
    let whole = Network { bits: family.bits(), prefix: 0, left: family.bits() };
    let is_large = || {
        let walk = Walk::new(before, after, family, 0);
        walk.count_parts(pair, whole, family.cut_bits()) >= SAMPLED_PARTS_MIN
    };
    let sample = match extent {
        Extent::Sample if after.nodes.count > SAMPLED_NODES_MIN && is_large() => SAMPLE,
        Extent::Sample | Extent::Whole => 1,
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let shares = (0..cores).map(|core| {
            scope.spawn(move || {
                let mut walk = Walk::new(before, after, family, values_max);
                walk.share(pair, whole, Share { family, sample, core, cores })?;
                Ok(walk.into_comparison())
            })
        });
        let shares: Vec<_> = shares.collect();
        let mut whole = Comparison::default();
        for share in shares {
            whole.join(share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(whole)
    })
}

/// What one core compares: each so many-th of the parts, of one in so many where a sample is enough.
#[derive(Clone, Copy)]
struct Share {
    family: Family,
    sample: u64,
    core: usize,
    cores: usize,
}

impl Share {
    fn takes(self, part: &Part, number: usize) -> bool {
        let is_sampled = self.sample == 1 || part.is_wide || is_sampled(part.network.prefix);
        is_sampled && number % self.cores == self.core
    }
}

/// Neighbours of each row of 256 parts differ, so that no stride of an allocation is left out.
fn is_sampled(at: u64) -> bool {
    (at / 256 + at).is_multiple_of(SAMPLE)
}

/// A part of both trees.
struct Part {
    network: Network,
    /// It is one network of several parts' size in both.
    is_wide: bool,
}

/// Compares two builds at some addresses only, each as heavy as its number says.
pub(crate) fn compare_at(
    before: Paths<'_>,
    after: Paths<'_>,
    addresses: &[(IpAddr, u64)],
    values_max: u64,
) -> Result<Comparison, Fault> {
    let mut walk = Walk::new(before, after, Family::Ipv4, values_max);
    for (address, weight) in addresses {
        let (family, bits, decided) = match address.to_canonical() {
            IpAddr::V4(address) => (Family::Ipv4, 32, u128::from(address.to_bits())),
            IpAddr::V6(address) => (Family::Ipv6, 128, address.to_bits()),
        };
        let mut pair = family.roots(before, after);
        for at in (0..bits).rev() {
            pair = walk.halves(pair)[usize::from(decided >> at & 1 == 1)];
        }
        walk.network(pair, *weight, None)?;
    }
    Ok(walk.into_comparison())
}
