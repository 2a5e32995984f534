//! Fake nodes, which replace firmware's nodes: the addresses at which memory is cut, and the node of each CPU.
//!
//! A cut lies at a multiple of 2 MiB, so that no large page belongs to two nodes. Such cuts divide RAM into blocks of at
//! most 2 MiB. Every sequence of blocks has a partition in which no part is more than one block larger than another
//! (Bárány and Grinberg, *Block partitions of sequences*, 2013). [`Cuts::new`] finds the one with the largest smallest
//! part.
use arrayvec::ArrayVec;
use units::{MAX_NODES, PhysAddr, PhysRange};

use crate::MAX_RANGES;

/// The alignment of fake nodes in bytes, except at the ends of RAM, and the largest difference between their sizes.
pub const FAKE_NODE_UNIT: u64 = 2 << 20;

/// The requested number of fake nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FakeNodes {
    /// This many nodes.
    Count(u64),
    /// As many nodes as give each of them nearly this many bytes of RAM.
    SizeBytes(u64),
}

impl FakeNodes {
    /// Returns the requested number of nodes on a machine with this RAM. [`FakeNodes::granted`] may be less.
    #[must_use]
    pub fn wanted(self, ram: &[PhysRange]) -> u64 {
        match self {
            Self::Count(count) => count,
            // Rounds to the nearest number. A size of 0 counts as one byte.
            Self::SizeBytes(size) => {
                let (count, rest) = (ram_bytes(ram) / size.max(1), ram_bytes(ram) % size.max(1));
                count + u64::from(rest >= size.max(1).div_ceil(2))
            }
        }
    }

    /// Returns the number of nodes that are created on a machine with this RAM.
    ///
    /// This is the requested number, limited to 1 to [`MAX_NODES`]. Each node has at least [`FAKE_NODE_UNIT`] of RAM and
    /// room for its memory ranges.
    #[must_use]
    pub fn granted(self, ram: &[PhysRange]) -> usize {
        let of_unit = ram_bytes(ram) / FAKE_NODE_UNIT;
        // Each cut may divide a range into two.
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
    /// Cuts RAM into `count` nodes, none more than [`FAKE_NODE_UNIT`] larger than another.
    ///
    /// `count` must be a result of [`FakeNodes::granted`].
    pub fn new(ram: &[PhysRange], count: usize) -> Self {
        let blocks = Blocks { ram, total: ram_bytes(ram) };
        let last = count.saturating_sub(1);
        // Finds the largest smallest part by bisection. With a larger one, too little remains for the last node.
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
        // Works backwards from the end: every cut up to the farthest one can be reached from the start.
        let (mut cuts, mut end) = (ArrayVec::new(), blocks.total);
        for &farthest in farthest.iter().rev() {
            end = blocks.cut_up_to(farthest.min(end.saturating_sub(least)));
            cuts.push(blocks.block_of(end).unwrap_or_default());
        }
        cuts.reverse();
        Self(cuts)
    }

    /// Returns the parts of a range of RAM, each with the index of its node.
    pub fn parts(&self, range: PhysRange) -> impl Iterator<Item = (usize, PhysRange)> {
        let start = |index: usize| index.checked_sub(1).map_or(PhysAddr(0), |before| self.0[before]);
        let end = |index: usize| self.0.get(index).copied().unwrap_or(PhysAddr(u64::MAX));
        (0..=self.0.len())
            .map(move |index| (index, range.intersection(PhysRange { start: start(index), end: end(index) })))
            .filter(|(_, part)| !part.is_empty())
    }
}

/// RAM as blocks between multiples of [`FAKE_NODE_UNIT`]. A position is the number of bytes of RAM before it.
struct Blocks<'a> {
    ram: &'a [PhysRange],
    total: u64,
}

impl Blocks<'_> {
    /// Returns the last cut with at most `bytes` before it.
    fn cut_up_to(&self, bytes: u64) -> u64 {
        self.block_of(bytes).map_or(self.total, |block| self.bytes_before(block))
    }

    /// Returns the first cut with at least `bytes` before it.
    fn cut_from(&self, bytes: u64) -> u64 {
        let Some(before) = bytes.checked_sub(1) else { return 0 };
        let end = |block: PhysAddr| PhysAddr(block.0.saturating_add(FAKE_NODE_UNIT));
        // If there are fewer bytes, no cut is far enough. The result then exceeds the total, so the bisection rejects it.
        self.block_of(before).map_or(bytes, |block| self.bytes_before(end(block)))
    }

    /// Returns the start of the block that contains the byte of RAM at a position.
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

    /// Returns the position of an address.
    fn bytes_before(&self, address: PhysAddr) -> u64 {
        let below = PhysRange { start: PhysAddr(0), end: address };
        self.ram.iter().map(|range| range.intersection(below).len_bytes()).sum()
    }
}

/// Returns the index of a CPU's node. `place` is the CPU's position in the order of APIC ids.
///
/// Each node gets a block of neighbouring CPUs, so that siblings stay together. The blocks' sizes differ by at most one
/// CPU. If there are more nodes than CPUs, the nodes without a CPU lie between the others.
pub const fn node_of_cpu(place: usize, cpu_count: usize, node_count: usize) -> usize {
    place * node_count / cpu_count
}
