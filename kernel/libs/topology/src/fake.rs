//! Nodes made up where firmware has none, or in place of those it has: where memory is cut, and which CPU is whose.
//!
//! A cut lies on a multiple of 2 MiB, so that no large page is in two nodes. Such cuts make blocks of at most 2 MiB of
//! RAM each, and any row of blocks can be parted so that no part is more than one block larger than another (Bárány
//! and Grinberg, *Block partitions of sequences*, 2013). [`Cuts::new`] finds the parting with the largest least part.
use arrayvec::ArrayVec;
use units::{MAX_NODES, PhysAddr, PhysRange};

use crate::MAX_RANGES;

/// Made-up nodes start and end at multiples of this, but for the ends of RAM, and no two differ by more.
pub const FAKE_NODE_UNIT: u64 = 2 << 20;

/// How many nodes to make up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FakeNodes {
    /// This many.
    Count(u64),
    /// As many as make nodes of nearly this many bytes of RAM.
    SizeBytes(u64),
}

impl FakeNodes {
    /// How many nodes this asks for on a machine with this RAM. There may be room for fewer; see [`FakeNodes::granted`].
    #[must_use]
    pub fn wanted(self, ram: &[PhysRange]) -> u64 {
        match self {
            Self::Count(count) => count,
            // To the nearest number; a size of 0 is as good as one of a byte.
            Self::SizeBytes(size) => {
                let (count, rest) = (ram_bytes(ram) / size.max(1), ram_bytes(ram) % size.max(1));
                count + u64::from(rest >= size.max(1).div_ceil(2))
            }
        }
    }

    /// How many nodes are made: those wanted, but at least one, at most [`MAX_NODES`], and none with less than
    /// [`FAKE_NODE_UNIT`] of RAM or without room for its ranges.
    #[must_use]
    pub fn granted(self, ram: &[PhysRange]) -> usize {
        let of_unit = ram_bytes(ram) / FAKE_NODE_UNIT;
        // Each cut may make two ranges of one.
        let room = (MAX_RANGES + 1).saturating_sub(ram.len());
        self.wanted(ram).min(of_unit).min(MAX_NODES as u64).min(room as u64).max(1) as usize
    }
}

fn ram_bytes(ram: &[PhysRange]) -> u64 {
    ram.iter().map(|range| range.len_bytes()).sum()
}

/// The addresses at which memory is cut into nodes, ascending.
pub struct Cuts(ArrayVec<PhysAddr, MAX_NODES>);

impl Cuts {
    /// Cuts that make `count` nodes of this RAM, none more than [`FAKE_NODE_UNIT`] larger than another. `count` is one
    /// that [`FakeNodes::granted`] gave.
    pub fn new(ram: &[PhysRange], count: usize) -> Self {
        let blocks = Blocks { ram, total: ram_bytes(ram) };
        let last = count.saturating_sub(1);
        // The largest least part: with a larger one, the parts of nodes before the last leave it too little.
        let (mut least, mut too_large) = (0, (blocks.total / count.max(1) as u64).saturating_add(1));
        while too_large - least > 1 {
            let middle = least + (too_large - least) / 2;
            let nearest = (0..last).fold(0, |from: u64, _| blocks.cut_from(from.saturating_add(middle)));
            let fits = nearest.checked_add(middle).is_some_and(|end| end <= blocks.total);
            if fits { least = middle } else { too_large = middle }
        }
        let most = least.saturating_add(FAKE_NODE_UNIT);
        let mut farthest = ArrayVec::<u64, MAX_NODES>::new();
        farthest.extend((0..last).scan(0_u64, |from, _| {
            *from = blocks.cut_up_to(from.saturating_add(most));
            Some(*from)
        }));
        // From the end, since every cut up to the farthest one can be reached from the start.
        let (mut cuts, mut end) = (ArrayVec::new(), blocks.total);
        for &farthest in farthest.iter().rev() {
            end = blocks.cut_up_to(farthest.min(end.saturating_sub(least)));
            cuts.push(blocks.block_of(end).unwrap_or_default());
        }
        cuts.reverse();
        Self(cuts)
    }

    /// The parts of a range of RAM, each with the index of the node it is in.
    pub fn parts(&self, range: PhysRange) -> impl Iterator<Item = (usize, PhysRange)> {
        let start = |index: usize| index.checked_sub(1).map_or(PhysAddr(0), |before| self.0[before]);
        let end = |index: usize| self.0.get(index).copied().unwrap_or(PhysAddr(u64::MAX));
        (0..=self.0.len())
            .map(move |index| (index, range.intersection(PhysRange { start: start(index), end: end(index) })))
            .filter(|(_, part)| !part.is_empty())
    }
}

/// RAM as blocks between multiples of [`FAKE_NODE_UNIT`]. Places are told by how many bytes of RAM lie before them.
struct Blocks<'a> {
    ram: &'a [PhysRange],
    total: u64,
}

impl Blocks<'_> {
    /// The last cut with at most `bytes` before it.
    fn cut_up_to(&self, bytes: u64) -> u64 {
        self.block_of(bytes).map_or(self.total, |block| self.bytes_before(block))
    }

    /// The first cut with at least `bytes` before it.
    fn cut_from(&self, bytes: u64) -> u64 {
        let Some(before) = bytes.checked_sub(1) else { return 0 };
        let end = |block: PhysAddr| PhysAddr(block.0.saturating_add(FAKE_NODE_UNIT));
        // With more bytes than there are no cut will do, and the end comes nearest.
        self.block_of(before).map_or(bytes, |block| self.bytes_before(end(block)))
    }

    /// The start of the block that holds the byte of RAM with so many before it.
    fn block_of(&self, mut bytes: u64) -> Option<PhysAddr> {
        for range in self.ram {
            if bytes < range.len_bytes() {
                let address = range.start.0 + bytes;
                return Some(PhysAddr(address - address % FAKE_NODE_UNIT));
            }
            bytes -= range.len_bytes();
        }
        None
    }

    fn bytes_before(&self, address: PhysAddr) -> u64 {
        let below = PhysRange { start: PhysAddr(0), end: address };
        self.ram.iter().map(|range| range.intersection(below).len_bytes()).sum()
    }
}

/// The index of the node of the CPU with so many before it, in the order of APIC ids: blocks of equal size, within one
/// CPU, so that siblings stay together. With more nodes than CPUs, nodes without any lie between.
pub const fn node_of_cpu(place: usize, cpu_count: usize, node_count: usize) -> usize {
    place * node_count / cpu_count
}
