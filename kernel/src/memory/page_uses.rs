//! What the pages are used for that are no driver's: a count for each use. With the pages of drivers, the sum is all pages
//! that are granted ([`page_report`](super::page_report)).
use crate::arch::add_to_cpu_local_element;
use crate::cpu::{self, PreemptionOff, cpu_local};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// What the kernel uses a page for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageUse {
    /// Page tables. They are never freed.
    Tables,
    /// The heaps, with the metadata of their windows and each CPU's magazines.
    Heaps,
    /// Blocks that are too large for the heaps.
    LargeBlocks,
    /// Stacks.
    Stacks,
    /// Control blocks of threads.
    Threads,
    /// Images of drivers.
    Images,
    /// Drivers' memory of each CPU.
    PerCpu,
    /// Drivers' memory for DMA, with the freed pages that are kept for the next request.
    Dma,
    /// Slots of drivers' timers, which stay once a CPU has had a timer.
    Timers,
    /// What each CPU needs: its data, its page cache, and the pages that it starts from.
    Cpus,
    /// What a self-test or a benchmark holds.
    Tests,
}

impl PageUse {
    /// All of them, each at the index that is its number.
    pub const ALL: [Self; 11] = [
        Self::Tables,
        Self::Heaps,
        Self::LargeBlocks,
        Self::Stacks,
        Self::Threads,
        Self::Images,
        Self::PerCpu,
        Self::Dma,
        Self::Timers,
        Self::Cpus,
        Self::Tests,
    ];

    const COUNT: usize = Self::ALL.len();
}

impl fmt::Display for PageUse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tables => "page tables",
            Self::Heaps => "heaps",
            Self::LargeBlocks => "large blocks",
            Self::Stacks => "stacks",
            Self::Threads => "threads",
            Self::Images => "images of drivers",
            Self::PerCpu => "memory of each CPU",
            Self::Dma => "DMA",
            Self::Timers => "timers",
            Self::Cpus => "CPUs",
            Self::Tests => "tests",
        })
    }
}

cpu_local! {
    /// For each use, the pages that were granted on this CPU less those that were freed on it. Only the sum over all CPUs has a meaning.
    static USED: [AtomicU64; PageUse::COUNT] = [const { AtomicU64::new(0) }; PageUse::COUNT];
}

/// Counts pages that are used from here on.
#[inline(always)]
pub(super) fn note_granted(page_use: PageUse, pages: u64) {
    add_to_cpu_local_element!(USED, page_use as usize, pages);
}

/// Counts pages that are used no more.
#[inline(always)]
pub(super) fn note_freed(page_use: PageUse, pages: u64) {
    add_to_cpu_local_element!(USED, page_use as usize, pages.wrapping_neg());
}

/// Counts pages that are used otherwise from here on.
pub(super) fn note_change(from: PageUse, to: PageUse, pages: u64) {
    note_freed(from, pages);
    note_granted(to, pages);
}

/// The counts of an area that the boot CPU has left.
pub struct EarlyUses([u64; PageUse::COUNT]);

impl EarlyUses {
    /// Returns the counts of the running CPU.
    pub fn of_this_cpu() -> Self {
        let off = PreemptionOff::new();
        Self(USED.here(&off).each_ref().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Adds the counts to those of the running CPU, which is the same CPU in another area.
    pub fn take_over(self) {
        for (page_use, count) in PageUse::ALL.into_iter().zip(self.0) {
            note_granted(page_use, count);
        }
    }
}

/// Returns how many pages the kernel uses for this. While it allocates or frees, this may be a little more or less.
pub fn count(page_use: PageUse) -> u64 {
    let of_cpu = |cpu| USED.of(cpu)[page_use as usize].load(Ordering::Relaxed);
    let sum = cpu::all().map(of_cpu).fold(0, u64::wrapping_add);
    if sum.cast_signed() < 0 { 0 } else { sum }
}
