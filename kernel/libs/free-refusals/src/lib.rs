//! Counts the frees that the kernel refuses. The first of each kind is to be reported, so that a driver that repeats its
//! mistake cannot flood the log.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why the kernel refuses a free.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RefusalKind {
    /// The address is not a multiple of the page size.
    NotAPage,
    /// No node has memory at the address.
    NotMemory,
    /// The pages are free already.
    AlreadyFree,
    /// The pages were never handed out, or the kernel owns them.
    NeverAdded,
    /// The kernel freed pages as its own that it does not own.
    NotKernelOwned,
    /// The address lies inside a grant, not at its start.
    InsideGrant,
    /// The pages belong to another driver.
    NotTheOwner,
    /// The grant at the address has another number of pages.
    WrongCount,
    /// The address is not that of an allocated heap block.
    NotABlock,
}

impl RefusalKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::NotAPage,
        Self::NotMemory,
        Self::AlreadyFree,
        Self::NeverAdded,
        Self::NotKernelOwned,
        Self::InsideGrant,
        Self::NotTheOwner,
        Self::WrongCount,
        Self::NotABlock,
    ];
}

/// The refused frees of one driver, or of the kernel's own threads. Any number of CPUs may count at the same time.
#[derive(Debug)]
pub struct Refusals {
    /// How often each kind occurred, indexed by the kind.
    counts: [AtomicU64; RefusalKind::ALL.len()],
}

impl Refusals {
    /// Returns a record without any refusal.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; RefusalKind::ALL.len()] }
    }

    /// Counts a refused free. Returns true if it is the first of its kind: the caller reports that one, and no later one.
    #[must_use = "the caller reports the first refusal of each kind"]
    pub fn note(&self, kind: RefusalKind) -> bool {
        // One locked addition a refusal: of several CPUs, exactly one finds 0. No other memory depends on the order.
        self.counts[kind as usize].fetch_add(1, Relaxed) == 0
    }

    /// Forgets all refusals: the next one of each kind is the first again.
    pub fn forget(&self) {
        self.counts.iter().for_each(|count| count.store(0, Relaxed));
    }

    /// Returns the number of refused frees that nobody reported: all but the first of each kind.
    #[must_use]
    pub fn unreported(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed).saturating_sub(1)).sum()
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self::new()
    }
}
