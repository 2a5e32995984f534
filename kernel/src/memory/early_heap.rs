//! The boot CPU's early heap: it serves Rust's allocator until the nodes' heaps exist. `linked_list_allocator` over a part of the
//! kernel's image.
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock};
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use linked_list_allocator::Heap;
use spin::Mutex;

/// Bytes of the heap. What allocates this early needs little.
const SIZE: usize = 64 * 1024;

/// The heap's memory. The lock is taken once, and kept for good.
static MEMORY: Mutex<[MaybeUninit<u8>; SIZE]> = Mutex::new([MaybeUninit::uninit(); SIZE]);

static HEAP: SpinLock<Heap, PreemptionOff> = SpinLock::new(Rank::EarlyHeap, Heap::empty());

/// Allocates a block. `None` means that there is not enough memory. A block may live on when the nodes' heaps exist.
pub fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    let mut heap = HEAP.lock();
    if heap.size() == 0 {
        let memory = spin::MutexGuard::leak(MEMORY.try_lock()?);
        heap.init_from_slice(memory);
    }
    heap.allocate_first_fit(layout).ok()
}

/// Returns true if the block is one of this heap's.
pub fn contains(block: NonNull<u8>) -> bool {
    let heap = HEAP.lock();
    let start = heap.bottom().addr();
    (start..start + heap.size()).contains(&block.addr().get())
}

/// Frees a block.
///
/// # Safety
/// [`allocate`] has returned the block for this layout, and nothing uses it any more.
pub unsafe fn free(block: NonNull<u8>, layout: Layout) {
    // SAFETY: this function's condition is that of `deallocate`.
    unsafe { HEAP.lock().deallocate(block, layout) };
}

/// Returns the bytes in use.
pub fn used() -> usize {
    HEAP.lock().used()
}
