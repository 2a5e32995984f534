//! The measured heaps, each as a `GlobalAlloc`. Those that do not support threads are behind a spin lock, as their users have them.
use std::alloc::{GlobalAlloc, Layout};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use node_heap::{AtHand, Class, GRANULE, OwnerId};

#[path = "../../tests/machine/mod.rs"]
mod machine;

use machine::{Cpu, Machine};

/// Bytes of the memory of a heap that does not take it from the system.
const MEMORY: usize = 256 << 20;

/// Returns zeroed memory that is never freed.
fn memory() -> &'static mut [MaybeUninit<u8>] {
    Box::leak(Box::new_zeroed_slice(MEMORY))
}

/// One CPU of node-heap, called as the kernel calls it.
pub struct NodeHeapCpu(Cpu);

impl NodeHeapCpu {
    /// Returns a CPU of a machine of its own.
    pub fn new() -> Self {
        let frames = MEMORY / node_heap::FRAME;
        let machine: &Machine = Box::leak(Box::new(Machine::new(1, frames, frames as i64)));
        Self(machine.cpu(0))
    }
}

// SAFETY: the heap grants each block to one caller at a time, with the size and alignment of its class.
unsafe impl GlobalAlloc for NodeHeapCpu {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= GRANULE
            && let Some(block) = self.0.heap.take_at_hand(Class::of_size(layout.size()))
        {
            return block.as_ptr();
        }
        allocate_slowly(&self.0, layout)
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        match self.0.heap.free_at_hand(block) {
            AtHand::Freed => {}
            other => free_slowly(&self.0, block, other),
        }
    }
}

#[cold]
#[inline(never)]
fn allocate_slowly(cpu: &Cpu, layout: Layout) -> *mut u8 {
    let block = cpu.allocate(0, OwnerId::KERNEL, layout.size(), layout.align());
    block.map_or(std::ptr::null_mut(), NonNull::as_ptr)
}

#[cold]
#[inline(never)]
fn free_slowly(cpu: &Cpu, block: NonNull<u8>, at_hand: AtHand) {
    let freed = match at_hand {
        AtHand::Taken(state) => cpu.heap.finish_free(block, state),
        _ => cpu.free(block, OwnerId::KERNEL),
    };
    freed.expect("a block in use is freed");
}

/// Returns mimalloc.
#[cfg(feature = "c-heaps")]
pub fn mimalloc() -> mimalloc::MiMalloc {
    mimalloc::MiMalloc
}

/// Returns jemalloc.
#[cfg(feature = "c-heaps")]
pub fn jemalloc() -> tikv_jemallocator::Jemalloc {
    tikv_jemallocator::Jemalloc
}

/// Returns rpmalloc.
#[cfg(feature = "c-heaps")]
pub fn rpmalloc() -> rpmalloc::RpMalloc {
    rpmalloc::RpMalloc
}

/// Talc behind a spin lock.
pub type Talc = talc::TalcLock<spin::Mutex<()>, talc::source::Manual>;

/// Returns talc.
pub fn talc() -> Talc {
    let talc = Talc::new(talc::source::Manual);
    // SAFETY: the memory is never freed, and nothing else uses it.
    unsafe { talc.lock().claim(memory().as_mut_ptr().cast(), MEMORY) }.expect("talc takes the memory");
    talc
}

/// Returns slab_allocator_rs.
pub fn slab_allocator() -> slab_allocator_rs::LockedHeap {
    let start = memory().as_mut_ptr().expose_provenance().next_multiple_of(4096);
    // Each size has an eighth, which is a whole number of pages.
    let size = (MEMORY - 4096) / (8 * 4096) * (8 * 4096);
    // SAFETY: the memory is never freed, and nothing else uses it.
    unsafe { slab_allocator_rs::LockedHeap::new(start, size) }
}

/// The lists and their sizes: two levels for up to 256 MiB.
type Tlsf = rlsf::Tlsf<'static, u32, u32, 24, 16>;

/// rlsf behind a spin lock.
pub struct Rlsf(spin::Mutex<Tlsf>);

impl Rlsf {
    /// Returns rlsf.
    pub fn new() -> Self {
        let mut heap = Tlsf::new();
        heap.insert_free_block(memory());
        Self(spin::Mutex::new(heap))
    }
}

// SAFETY: the heap grants each block to one caller at a time, with this size and alignment.
unsafe impl GlobalAlloc for Rlsf {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate(layout).map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let block = NonNull::new(block).expect("a block has an address");
        // SAFETY: the caller frees a block of this heap once.
        unsafe { self.0.lock().deallocate(block, layout.align()) };
    }
}

/// linked_list_allocator behind a spin lock.
pub struct LinkedList(spin::Mutex<linked_list_allocator::Heap>);

impl LinkedList {
    /// Returns linked_list_allocator.
    pub fn new() -> Self {
        Self(spin::Mutex::new(linked_list_allocator::Heap::from_slice(memory())))
    }
}

// SAFETY: the heap grants each block to one caller at a time, with this size and alignment.
unsafe impl GlobalAlloc for LinkedList {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate_first_fit(layout).map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let block = NonNull::new(block).expect("a block has an address");
        // SAFETY: the caller frees a block of this heap once, with its layout.
        unsafe { self.0.lock().deallocate(block, layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Heap;
    use crate::workloads::{allocate, free, layout};

    fn blocks_are_aligned_and_apart(heap: &impl Heap) {
        let sizes = [1, 16, 17, 64, 1000, 4096];
        for _ in 0..2 {
            let blocks = sizes.map(|size| (allocate(heap, layout(size)).addr(), size));
            for (index, (block, size)) in blocks.iter().enumerate() {
                assert!(block.is_multiple_of(16));
                let others = blocks[..index].iter();
                assert!(
                    others.clone().all(|(other, length)| other + length <= *block || block + size <= *other)
                );
            }
            blocks.iter().for_each(|(block, size)| {
                free(heap, std::ptr::with_exposed_provenance_mut(*block), layout(*size));
            });
        }
    }

    #[test]
    fn the_adapters_do_what_the_workloads_take_for_granted() {
        blocks_are_aligned_and_apart(&NodeHeapCpu::new());
        blocks_are_aligned_and_apart(&talc());
        blocks_are_aligned_and_apart(&Rlsf::new());
        blocks_are_aligned_and_apart(&slab_allocator());
        blocks_are_aligned_and_apart(&LinkedList::new());
    }

    #[cfg(feature = "c-heaps")]
    #[test]
    fn so_do_those_of_heaps_in_c() {
        blocks_are_aligned_and_apart(&mimalloc());
        blocks_are_aligned_and_apart(&jemalloc());
        blocks_are_aligned_and_apart(&rpmalloc());
    }
}
