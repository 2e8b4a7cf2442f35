//! The walk over a part of the addresses, in both builds.

use super::records::Records;
use super::{Family, Part, Share};
use crate::formats::mmdb::Fault;
use crate::formats::mmdb::comparison::Comparison;
use crate::formats::mmdb::network::Network;
use crate::formats::mmdb::paths::{Branch, Paths};

/// The same place of both trees.
pub(super) type Pair = (Branch, Branch);

pub(super) struct Walk<'a> {
    before: Paths<'a>,
    after: Paths<'a>,
    /// Where the IPv4 addresses are in trees of IPv6: they are walked by themselves.
    left_out: [Option<usize>; 2],
    records: Records<'a>,
    whole: Comparison,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        before: Paths<'a>,
        after: Paths<'a>,
        family: Family,
        values_max: u64,
    ) -> Self {
        let left_out = match family {
            Family::Ipv4 => [None, None],
            Family::Ipv6 => [before.ipv4_root(), after.ipv4_root()],
        };
        let records = Records::new(before.data, after.data, values_max);
        Self { before, after, left_out, records, whole: Comparison::default() }
    }

    /// Counts the parts of so many bits below a place of both trees that have more than one network.
    pub(super) fn count_parts(&self, pair: Pair, network: Network, bits: u32) -> usize {
        if !has_node(pair) {
            return 0;
        }
        if network.bits - network.left == bits {
            return 1;
        }
        let ([left, right], [low, high]) = (self.halves(pair), network.halves());
        self.count_parts(left, low, bits) + self.count_parts(right, high, bits)
    }

    /// Walks every part that belongs to a share of the addresses below a place of both trees.
    pub(super) fn share(
        &mut self,
        pair: Pair,
        network: Network,
        share: Share,
    ) -> Result<(), Fault> {
        let mut number = 0;
        self.share_below(pair, network, share, &mut number)
    }

    fn share_below(
        &mut self,
        pair: Pair,
        network: Network,
        share: Share,
        number: &mut usize,
    ) -> Result<(), Fault> {
        let decided = network.bits - network.left;
        let is_wide = !has_node(pair) && decided < share.family.cut_bits();
        if !is_wide && decided < share.family.cut_bits() {
            let [left, right] = self.halves(pair);
            let [low, high] = network.halves();
            self.share_below(left, low, share, number)?;
            return self.share_below(right, high, share, number);
        }
        let is_ours = share.takes(&Part { network, is_wide }, *number);
        *number += 1;
        match (is_ours, is_wide) {
            (false, _) => Ok(()),
            (true, true) => self.network(pair, network.size() / share.sample, Some(network)),
            (true, false) => self.part(pair, network),
        }
    }

    /// Returns what the two values of the next bit lead to.
    pub(super) fn halves(&self, pair: Pair) -> [Pair; 2] {
        let ([a, b], [c, d]) = (self.before.below(pair.0), self.after.below(pair.1));
        [(a, c), (b, d)].map(|(old, new)| {
            let kept = |branch: Branch, left_out: Option<usize>| match branch {
                Branch::Node(node) if Some(node) == left_out => Branch::Nothing,
                branch => branch,
            };
            (kept(old, self.left_out[0]), kept(new, self.left_out[1]))
        })
    }

    /// Walks the addresses below a place of both trees. Of networks smaller than the unit the first one stands for all.
    pub(super) fn part(&mut self, pair: Pair, network: Network) -> Result<(), Fault> {
        if !has_node(pair) {
            return self.network(pair, network.size(), Some(network));
        }
        if network.left == 0 {
            let first = self.first_below(pair)?;
            return self.network(first, 1, Some(network));
        }
        let [left, right] = self.halves(pair);
        let [low, high] = network.halves();
        self.part(left, low)?;
        self.part(right, high)
    }

    /// Finds the first network below a place of both trees.
    fn first_below(&self, mut pair: Pair) -> Result<Pair, Fault> {
        let depth_max = self.before.depth_max.max(self.after.depth_max);
        for _ in 0..=depth_max {
            if !has_node(pair) {
                return Ok(pair);
            }
            pair = self.halves(pair)[0];
        }
        let expected = format!("at most {depth_max} bits to a record");
        Err(Fault::Tree { node: None, expected, found: "more".to_owned() })
    }

    /// Compares what both builds say of a network.
    pub(super) fn network(
        &mut self,
        pair: Pair,
        weight: u64,
        network: Option<Network>,
    ) -> Result<(), Fault> {
        let add = |sum: &mut u64| *sum = sum.saturating_add(weight);
        let is_record = |branch| matches!(branch, Branch::Record(_));
        if is_record(pair.0) {
            add(&mut self.whole.before);
        }
        if is_record(pair.1) {
            add(&mut self.whole.after);
        }
        let (from, to) = match pair {
            (Branch::Record(from), Branch::Record(to)) => (from, to),
            (Branch::Record(_), _) => {
                add(&mut self.whole.removed);
                return Ok(());
            }
            (_, Branch::Record(_)) => {
                add(&mut self.whole.added);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let deltas = self.records.compare(from, to)?;
        if !deltas.is_empty() {
            add(&mut self.whole.changed);
        }
        self.records.count(&deltas, weight, network);
        Ok(())
    }

    pub(super) fn into_comparison(self) -> Comparison {
        Comparison { fields: self.records.into_changes(), ..self.whole }
    }
}

fn has_node(pair: Pair) -> bool {
    let is_node = |branch| matches!(branch, Branch::Node(_));
    is_node(pair.0) || is_node(pair.1)
}
