//! One node's heap: its window, its slabs behind a lock, and how much of the window has metadata.
use crate::FRAME;
use crate::atomic::{AtomicU32, Ordering};
use crate::slabs::Slabs;
use crate::stats::NodeHeapStats;
use crate::window::{METADATA_BYTES, Window, first_granule};
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use lock_api::{Mutex, MutexGuard, RawMutex};

/// The heap of one node. CPUs reach it through their [`CpuHeap`](crate::CpuHeap).
///
/// The lock is held for a bounded number of steps, and nothing outside of the heap is called meanwhile. Its holder keeps
/// preemption off.
pub struct NodeHeap<'m, L = spin::Mutex<()>> {
    pub(crate) window: Window<'m>,
    /// Granules whose states are backed. Only grows.
    limit: AtomicU32,
    /// The number of spare frames when the lock was released last.
    spare: AtomicU32,
    slabs: Mutex<L, Slabs<'m>>,
}

/// A node's slabs while the lock is held.
pub(crate) struct Locked<'a, 'm, L: RawMutex> {
    slabs: MutexGuard<'a, L, Slabs<'m>>,
    spare: &'a AtomicU32,
}

impl<'m, L: RawMutex> Deref for Locked<'_, 'm, L> {
    type Target = Slabs<'m>;

    #[inline]
    fn deref(&self) -> &Slabs<'m> {
        &self.slabs
    }
}

impl<'m, L: RawMutex> DerefMut for Locked<'_, 'm, L> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Slabs<'m> {
        &mut self.slabs
    }
}

impl<L: RawMutex> Drop for Locked<'_, '_, L> {
    #[inline]
    fn drop(&mut self) {
        self.spare.store(self.slabs.unused(), Ordering::Relaxed);
    }
}

impl<'m, L: RawMutex> NodeHeap<'m, L> {
    /// Makes the heap of a node, without memory, in the caller's memory.
    pub fn init(memory: &'m mut MaybeUninit<Self>, window: Window<'m>) -> &'m Self {
        memory.write(Self {
            window,
            limit: AtomicU32::new(0),
            spare: AtomicU32::new(0),
            slabs: Mutex::const_new(L::INIT, Slabs::new(window)),
        })
    }

    /// From now on, a frame that was a driver's slab is unmapped before any owner uses it again. Where a page has rights that its driver
    /// needs, no other owner's block gets them so. The node has no slab of a driver yet.
    pub fn unmap_frames_of_drivers(&self) {
        self.lock().are_left = true;
    }

    /// Takes the node's lock.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, 'm, L> {
        Locked { slabs: self.slabs.lock(), spare: &self.spare }
    }

    /// Returns the number of spare frames, which [`NodeHeap::trim`] can return, without taking the lock.
    #[inline]
    pub fn spare(&self) -> u32 {
        self.spare.load(Ordering::Relaxed)
    }

    /// Returns the number of granules from the window's start on whose states are backed.
    #[inline(always)]
    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Acquire)
    }

    /// Notes that frames below this one have metadata. The caller holds the lock.
    pub(crate) fn set_limit(&self, frame: u32) {
        self.limit.store(first_granule(frame), Ordering::Release);
    }

    /// Returns true if all of these bytes lie in the part of the window that the heap has used so far.
    pub fn contains(&self, address: usize, length: usize) -> bool {
        let bytes = self.limit() as usize / crate::FRAME_GRANULES * FRAME;
        let offset = address.wrapping_sub(self.window.base.addr());
        offset < bytes && length <= bytes - offset
    }

    /// Returns the node's numbers.
    pub fn stats(&self) -> NodeHeapStats {
        let slabs = self.lock();
        NodeHeapStats {
            frames: slabs.mapped,
            spare: slabs.unused(),
            has_magazines: slabs.has_magazines(),
            metadata_bytes: slabs.limit as usize * METADATA_BYTES,
        }
    }
}
