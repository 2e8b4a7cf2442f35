//! The search tree: every pointer of every node is checked; circles, over-long paths, and nodes that are reached twice or
//! never are found.
//!
//! In real databases every node is reached, and none twice but the root of the IPv4 addresses, which writers put under
//! several prefixes. A page of the tree that was overwritten or repeated breaks that.

use freshlayer_reader::maxminddb::Metadata;

use super::Fault;
use super::layout::{self, Marks};
use super::paths::{Nodes, Paths, SEPARATOR_BYTES};

/// A tree whose pointers all lead somewhere.
pub(crate) struct Tree<'a> {
    pub(crate) paths: Paths<'a>,
    /// Where records begin in the data section.
    starts: Marks,
    order: Topology,
    /// The node that all IPv4 addresses are below, in a tree of IPv6 addresses.
    ipv4_root: Option<usize>,
}

/// More edges back than this, and the order of the nodes says nothing.
const BACK_MAX: usize = 1_024;

/// What the order of the nodes in the file says about their depth. Writers put a node before those that it
/// leads to, but for a few that IPv4 addresses are reached by a second time.
struct Topology {
    nodes: Vec<Reached>,
    /// Edges to an earlier node.
    back: Vec<(usize, usize)>,
}

/// How one node is reached.
#[derive(Debug, Clone, Copy, Default)]
struct Reached {
    /// The most bits from the root over edges that lead forward.
    depth: u8,
    /// How many edges lead here, at most 255.
    edges: u8,
}

impl Topology {
    fn new(count: usize) -> Self {
        Self { nodes: vec![Reached::default(); count], back: Vec::new() }
    }

    #[inline]
    fn edge(&mut self, from: usize, to: usize) {
        if to >= self.nodes.len() {
            return;
        }
        let below = self.nodes[from].depth.saturating_add(1);
        let node = &mut self.nodes[to];
        node.edges = node.edges.saturating_add(1);
        if to > from {
            node.depth = node.depth.max(below);
        } else if self.back.len() < BACK_MAX {
            self.back.push((from, to));
        }
    }

    /// Tells whether no path is longer than an address. Where every edge leads to a greater depth there is
    /// no circle either. `false` says nothing.
    fn is_sound(&self, depth_max: usize) -> bool {
        let deeper = |&(from, to): &(usize, usize)| self.nodes[to].depth > self.nodes[from].depth;
        self.back.len() < BACK_MAX
            && self.back.iter().all(deeper)
            && self.nodes.iter().all(|node| usize::from(node.depth) < depth_max)
    }

    /// Finds a node that nothing leads to, or that several do though it is not the IPv4 root.
    fn check_edges(&self, ipv4_root: Option<usize>) -> Result<(), Fault> {
        let wrong = |(node, reached): &(usize, &Reached)| match reached.edges {
            0 => true,
            1 => false,
            _ => Some(*node) != ipv4_root,
        };
        let Some((node, reached)) = self.nodes.iter().enumerate().skip(1).find(wrong) else {
            return Ok(());
        };
        let count = self.nodes.len();
        Err(match reached.edges {
            0 => alone(node, count),
            edges => broken(node, count, ONE_EDGE, &format!("one that {edges} lead to")),
        })
    }
}

/// Reads every node, in the order of the file.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    metadata: &Metadata,
    data_end: usize,
) -> Result<Tree<'a>, Fault> {
    let paths = Paths::of(bytes, metadata, data_end)?;
    let Paths { data, nodes, .. } = paths;
    let count = nodes.count;
    let mut starts = Marks::new(data.len());
    let mut order = Topology::new(count);
    for node in 0..count {
        for record in nodes.records(node) {
            order.edge(node, record);
            if record <= count {
                continue;
            }
            let offset = record.checked_sub(count + SEPARATOR_BYTES);
            let Some(offset) = offset.filter(|offset| *offset < data.len()) else {
                let expected = format!("a pointer into {} bytes of data", data.len());
                return Err(broken(node, count, &expected, &format!("record {record}")));
            };
            starts.set(offset);
        }
    }
    Ok(Tree { paths, starts, order, ipv4_root: paths.ipv4_root() })
}

impl Tree<'_> {
    /// Cuts the records into parts; each lists the offset of each of its records once, in order.
    pub(crate) fn records(
        &self,
        parts: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = usize> + Send> {
        let starts = self.starts.words();
        let words = starts.len().div_ceil(parts.max(1));
        starts.chunks(words.max(1)).enumerate().map(move |(part, starts)| {
            let first = part * words;
            starts.iter().enumerate().flat_map(move |(at, &bits)| {
                let word = first + at;
                set_bits(bits).map(move |bit| word * 64 + bit)
            })
        })
    }

    /// Visits every network, and says which record it has, by the record's number in the order of the offsets.
    pub(super) fn each_network(&self, mut visit: impl FnMut(usize)) {
        let ranks = self.starts.ranks();
        for node in 0..self.paths.nodes.count {
            for record in self.paths.nodes.records(node) {
                if let Some(offset) = record.checked_sub(self.paths.nodes.count + SEPARATOR_BYTES) {
                    visit(self.starts.rank(&ranks, offset));
                }
            }
        }
    }

    /// Finds circles, paths with more bits than an address has, and nodes that are reached twice or never.
    pub(crate) fn check_paths(&self) -> Result<(), Fault> {
        if !self.order.is_sound(self.paths.depth_max) {
            TreeWalk::new(self.paths.nodes, self.paths.depth_max).run()?;
        }
        self.order.check_edges(self.ipv4_root)
    }

    /// Checks the paths, and forgets what only that needs: two bytes per node.
    pub(crate) fn with_sound_paths(mut self) -> Result<Self, Fault> {
        self.check_paths()?;
        self.order = Topology::new(0);
        Ok(self)
    }

    /// Finds what does not lie as it should in the data section.
    pub(crate) fn check_layout(&self) -> Result<(), Fault> {
        layout::check(self.paths.data, &self.starts)
    }
}

fn set_bits(bits: u64) -> impl Iterator<Item = usize> {
    let present = |bits: u64| (bits != 0).then_some(bits);
    std::iter::successors(present(bits), move |bits| present(bits & (bits - 1)))
        .map(|bits| bits.trailing_zeros() as usize)
}

fn broken(node: usize, count: usize, expected: &str, found: &str) -> Fault {
    Fault::Tree {
        node: Some((node, count)),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

const ONE_EDGE: &str = "a node that one other leads to";
const ALONE: &str = "one that the root does not lead to";

fn alone(node: usize, count: usize) -> Fault {
    broken(node, count, ONE_EDGE, ALONE)
}

const UNSEEN: u8 = 0;
const ON_PATH: u8 = u8::MAX;

struct TreeWalk<'a> {
    nodes: Nodes<'a>,
    depth_max: usize,
    /// Per node: unseen, on the path from the root, or the number of bits below it (at most 129).
    heights: Vec<u8>,
}

/// A node on the path from the root.
struct Frame {
    node: usize,
    records: [usize; 2],
    next: u8,
    height: u8,
}

impl<'a> TreeWalk<'a> {
    fn new(nodes: Nodes<'a>, depth_max: usize) -> Self {
        Self { nodes, depth_max, heights: vec![UNSEEN; nodes.count] }
    }

    /// Visits every node that the root leads to, depth first and without recursion. A node that several
    /// lead to (IPv4 addresses under several prefixes) is visited once; its height is known after that.
    fn run(mut self) -> Result<(), Fault> {
        let mut path = vec![self.enter(0)];
        loop {
            let depth = path.len();
            let Some(frame) = path.last_mut() else {
                return self.none_unseen();
            };
            if frame.next == 2 {
                let height = frame.height + 1;
                self.heights[frame.node] = height;
                path.pop();
                if let Some(parent) = path.last_mut() {
                    parent.height = parent.height.max(height);
                }
                continue;
            }
            let record = frame.records[usize::from(frame.next)];
            frame.next += 1;
            if record >= self.nodes.count {
                continue;
            }
            match self.heights[record] {
                UNSEEN if depth < self.depth_max => path.push(self.enter(record)),
                ON_PATH => {
                    let found = format!("one through node {record}");
                    return Err(broken(frame.node, self.nodes.count, "no circle", &found));
                }
                height => {
                    frame.height = frame.height.max(height);
                    if height == UNSEEN || depth + usize::from(height) > self.depth_max {
                        let expected = format!("at most {} bits to a leaf", self.depth_max);
                        return Err(broken(record, self.nodes.count, &expected, "more"));
                    }
                }
            }
        }
    }

    fn none_unseen(&self) -> Result<(), Fault> {
        match self.heights.iter().position(|height| *height == UNSEEN) {
            Some(node) => Err(alone(node, self.nodes.count)),
            None => Ok(()),
        }
    }

    fn enter(&mut self, node: usize) -> Frame {
        self.heights[node] = ON_PATH;
        Frame { node, records: self.nodes.records(node), next: 0, height: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEPTH_MAX: usize = 8;

    fn tree(edges: &[[usize; 2]]) -> (Topology, Result<(), Fault>) {
        let mut order = Topology::new(edges.len());
        let mut bytes = Vec::new();
        for (node, edges) in edges.iter().enumerate() {
            for &to in edges {
                order.edge(node, to);
                bytes.extend(u32::try_from(to).expect("small").to_be_bytes());
            }
        }
        let nodes = Nodes { bytes: &bytes, node_bytes: 8, count: edges.len() };
        (order, TreeWalk::new(nodes, DEPTH_MAX).run())
    }

    /// Nodes whose edges lead forward mostly, as writers make them, and anywhere at times.
    fn edges() -> impl Strategy<Value = Vec<[usize; 2]>> {
        (2_usize..40).prop_flat_map(|count| {
            let forward = 1_isize..4;
            let to = prop_oneof![20 => forward, 1 => -3_isize..1];
            prop::collection::vec([to.clone(), to], count).prop_map(move |steps| {
                let place = |node: usize, step: isize| node.saturating_add_signed(step);
                let nodes = steps.into_iter().enumerate();
                nodes
                    .map(|(node, steps)| steps.map(|step| place(node * 3 / 2, step)))
                    .map(|edges| {
                        edges.map(|to| if to < count { to } else { usize::from(u16::MAX) })
                    })
                    .collect()
            })
        })
    }

    fn is_alone(walked: &Result<(), Fault>) -> bool {
        matches!(walked, Err(Fault::Tree { found, .. }) if found == ALONE)
    }

    proptest! {
        #[test]
        fn an_order_that_is_sound_never_hides_a_circle_or_a_long_path(edges in edges()) {
            let (order, walked) = tree(&edges);
            let is_whole = order.check_edges(None).is_ok();
            if order.is_sound(DEPTH_MAX) {
                let is_fine = walked.is_ok() || (!is_whole && is_alone(&walked));
                prop_assert!(is_fine, "{walked:?}");
            }
        }
    }

    #[test]
    fn a_node_is_reached_once_but_the_ipv4_root() {
        let leaf = usize::from(u16::MAX);
        let shared = [[1, 2], [3, 3], [leaf, leaf], [leaf, leaf]];
        let (order, _) = tree(&shared);
        assert!(order.check_edges(None).is_err());
        assert!(order.check_edges(Some(3)).is_ok());
        let (order, walked) = tree(&[[leaf, leaf], [leaf, leaf]]);
        assert!(order.check_edges(None).is_err() && is_alone(&walked));
    }

    #[test]
    fn back_edges_to_deeper_nodes_are_sound_and_circles_are_not() {
        let leaf = usize::from(u16::MAX);
        let shared = [[1, 3], [2, leaf], [leaf, leaf], [2, leaf]];
        let (order, walked) = tree(&shared);
        assert!(order.is_sound(DEPTH_MAX) && walked.is_ok());
        let circle = [[1, leaf], [2, leaf], [1, leaf]];
        let (order, walked) = tree(&circle);
        assert!(!order.is_sound(DEPTH_MAX) && walked.is_err());
    }
}
