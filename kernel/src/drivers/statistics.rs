//! What a driver has, counted.
use super::{loaded_drivers, per_cpu_memory};
use crate::devices::holdings;
use crate::memory::{driver_pages, heap};
use crate::threads::driver_timers;
use crate::threads::owner::{Life, Owner};
use units::FRAME_SIZE;

/// What a driver has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holdings {
    /// Pages that were granted to it, and those of its memory for each CPU.
    pub pages: u64,
    /// Bytes of its heap blocks.
    pub heap_bytes: u64,
    /// Bytes of its memory for DMA.
    pub dma_bytes: u64,
    /// Threads that have not exited.
    pub threads: u64,
    /// Interrupts of its devices.
    pub interrupts: u64,
    /// Timers.
    pub timers: u64,
    /// Mappings of device memory.
    pub mappings: u64,
    /// How often its code has failed since boot.
    pub faults: u64,
}

/// Counts what a driver has. While it works, each number is that of another moment. Returns `None` if the driver is not loaded, or if the
/// kernel is taking back what it has. The caller may wait.
pub fn of(owner: &'static Owner) -> Option<Holdings> {
    let life = owner.lives();
    let devices = holdings::of(owner);
    let held = Holdings {
        pages: driver_pages::count(owner.pages()) + per_cpu_memory::pages_of(owner),
        heap_bytes: heap::bytes_of(owner.heap()),
        dma_bytes: devices.dma_pages * FRAME_SIZE,
        threads: owner.threads().into(),
        interrupts: devices.interrupts,
        timers: driver_timers::count_of(owner) as u64,
        mappings: devices.mappings,
        faults: owner.faults().into(),
    };
    // Behind its end another driver may have got its number.
    let is_whole = owner.lives() == life && !matches!(owner.life(), Life::Ending | Life::Over);
    is_whole.then_some(held)
}

/// Counts what the driver of this name has, as [`of`] does.
pub fn of_name(name: &str) -> Option<Holdings> {
    of(loaded_drivers::find(name)?)
}
