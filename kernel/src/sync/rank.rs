//! The order in which locks are taken. Builds with debug assertions check it, by the rules of the lib `lock-order`.
#[cfg(debug_assertions)]
use crate::arch::InterruptsOff;
use crate::cpu::Pinned;
#[cfg(debug_assertions)]
use crate::cpu::cpu_local;
#[cfg(debug_assertions)]
use core::sync::atomic::{AtomicU32, Ordering};
#[cfg(debug_assertions)]
use lock_order::HeldRanks;

#[cfg(debug_assertions)]
cpu_local! {
    /// The ranks of the locks that the CPU holds: bit n for rank n.
    static HELD: AtomicU32 = AtomicU32::new(HeldRanks::NONE.bits());
}

/// A lock's rank in the order. A CPU that holds a lock takes only locks of ranks further down this list.
///
/// The locks of the page allocator and of the heaps come after all of these, and no CPU holds two of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Rank {
    /// The lists of free stack slots, which are in the heap. A heap that grows maps pages.
    Stacks,
    /// The drivers' blocks that are too large for a heap's slabs.
    LargeBlocks,
    /// The boot CPU's early heap.
    EarlyHeap,
    /// The page tables; missing tables take pages.
    PageTables,
    /// Which driver has which protection key.
    Keys,
    /// The list of registers that the kernel has mapped for itself.
    DeviceRanges,
    /// A part of the list of memory that was granted for DMA.
    DmaGrants,
    /// The table of threads.
    Threads,
    /// How long boot's phases took. The tick interrupts a holder, and takes locks of the ranks below.
    Phases,
    /// The receiver of the console's port.
    Receiver,
    /// What threads wait at: wait queues, mutexes, semaphores.
    Waiting,
    /// A CPU's timers of drivers.
    Timers,
    /// A CPU's sleeping threads.
    Sleepers,
    /// A CPU's run queue.
    RunQueue,
    /// What a device's interrupts are.
    Interrupts,
    /// The I/O APICs. Interrupt handlers mask lines.
    IoApics,
    /// A device's configuration space, while it is written for a driver.
    DeviceWrites,
    /// The ports of PCI's configuration space. Any code may take it, and takes no other lock meanwhile.
    ConfigPorts,
    /// The text on the screen. It is only tried.
    Screen,
    /// The port of the event stream. It is only tried; the boot alone waits for it, to open the port.
    Events,
    /// The port of the log. It is only tried; the boot alone waits for it, to open the port, and the console's thread, to show what is typed.
    Console,
}

/// The entry of a lock among those that its CPU holds. Without debug assertions it is empty.
pub struct Held {
    #[cfg(debug_assertions)]
    rank: Rank,
    /// What the CPU holds. The lock's guard keeps its holder on that CPU.
    #[cfg(debug_assertions)]
    of_cpu: &'static AtomicU32,
}

#[cfg(debug_assertions)]
impl Held {
    /// Adds a lock of this rank, which the CPU is about to wait for, to those that it holds.
    ///
    /// # Panics
    /// If the CPU holds a lock of the same rank, or of one further down the list.
    pub fn begin(rank: Rank, _: &impl Pinned) -> Self {
        Self::enter(rank, |held| match held.acquire(rank as u8) {
            Ok(held) => held,
            Err(violation) => panic!("{rank:?}: {violation}"),
        })
    }

    /// Adds a lock of this rank, which was taken without waiting, to those that the CPU holds. Such a lock cannot deadlock.
    pub fn begin_unordered(rank: Rank, _: &impl Pinned) -> Self {
        Self::enter(rank, |held| held.acquire_unordered(rank as u8))
    }

    fn enter(rank: Rank, acquire: impl FnOnce(HeldRanks) -> HeldRanks) -> Self {
        let held = Self { rank, of_cpu: HELD.here_or_elsewhere() };
        held.change(acquire);
        held
    }

    /// Changes the CPU's word. The load and the store need not be one step: only this CPU changes the word, and an interrupt handler
    /// that runs between them releases every lock that it takes.
    fn change(&self, change: impl FnOnce(HeldRanks) -> HeldRanks) {
        let held = HeldRanks::from_bits(self.of_cpu.load(Ordering::Relaxed));
        self.of_cpu.store(change(held).bits(), Ordering::Relaxed);
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        self.change(|held| held.release(self.rank as u8));
    }
}

#[cfg(not(debug_assertions))]
impl Held {
    /// Does nothing: only builds with debug assertions record what a CPU holds.
    #[inline]
    pub fn begin(_: Rank, _: &impl Pinned) -> Self {
        Self {}
    }

    /// Does nothing: only builds with debug assertions record what a CPU holds.
    #[inline]
    pub fn begin_unordered(_: Rank, _: &impl Pinned) -> Self {
        Self {}
    }
}

/// Returns true if the running thread holds no spin lock. Without debug assertions the kernel does not know, and the result is
/// true.
#[inline]
pub fn none_held() -> bool {
    #[cfg(debug_assertions)]
    {
        let off = InterruptsOff::new();
        HeldRanks::from_bits(HELD.here(&off).load(Ordering::Relaxed)).none_held()
    }
    #[cfg(not(debug_assertions))]
    true
}
