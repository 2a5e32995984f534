//! Reserves of stacks: a stack that ends in a function of the kernel gets some pages of its guard area, so that the function comes to its end.
//!
//! A reserve is opened in the exception, where any lock may be held: it is the running CPU's, and was allocated before. What opens it says
//! where the CPU returns to afterwards. The reserve is taken back with the stack, or by the CPU when it is on the stack's own pages again.
use super::allocate::{self, Zeroed};
use super::page_tables;
use super::page_uses::PageUse;
use crate::arch;
use crate::cpu::{self, DeferredWork, cpu_local, shootdown};
use ::address_space::layout::STACKS;
use core::sync::atomic::{AtomicU64, Ordering};
use protection_keys::Key;
use stack_reserves::{Ending, Reserve, Reserves, TakenBack};
use units::{CpuId, FRAME_SIZE, FrameNumber, FrameRange, VirtAddr};

/// Pages of a reserve. No function of the kernel uses so much of the stack.
const PAGES: u64 = 4;
/// The most reserves that are open at a time.
const MOST: usize = 16;

cpu_local! {
    /// The first frame of the CPU's reserve; 0 if it has none.
    static READY: AtomicU64 = AtomicU64::new(0);
}

static OPEN: Reserves<MOST> = Reserves::none();

/// Returns the address of a reserve's lowest page.
fn start_of(bottom: u64) -> VirtAddr {
    VirtAddr(bottom - PAGES * FRAME_SIZE)
}

/// Maps a reserve's pages, whose stack the running CPU is on. Returns false, and maps nothing, if the page tables are missing.
fn map(reserve: Reserve<'_>) -> bool {
    let frames = FrameRange::new(reserve.frame(), reserve.frame() + PAGES);
    // Where the code comes back to the driver's, an exception or interrupt pushes its frame with the driver's rights. So whoever may
    // write the stack may write the reserve.
    let key = arch::access_at(VirtAddr(reserve.stack())).map_or(Key::KERNEL, |mapping| mapping.key);
    // SAFETY: the pages are of the guard area of the stack that this CPU runs on. Nothing maps them but this reserve, which is the stack's only
    // one and has the frames, and it has them unmapped.
    unsafe { arch::map_at_any_time(start_of(reserve.stack()), frames, key) }
}

/// Gives the frames of a reserve, which nothing reaches any more, back to the CPU that had them, or frees them if it has others.
fn free(ending: Ending<'_>) {
    let frame = ending.frame();
    let ready = cpu::get(CpuId(ending.cpu())).map(|cpu| READY.of(cpu));
    let is_taken = ready
        .is_some_and(|ready| ready.compare_exchange(0, frame, Ordering::Release, Ordering::Relaxed).is_ok());
    if !is_taken {
        // The frames were granted as one piece, so the free is not refused.
        let _ = allocate::free_for_kernel(PageUse::Stacks, FrameNumber(frame), PAGES);
    }
    OPEN.end(ending);
}

/// Returns the lowest address of the pages of the stack whose slot has this address.
fn bottom_of(address: VirtAddr) -> Option<VirtAddr> {
    let (node, slot) = STACKS.slot_of(address)?;
    Some(STACKS.bottom(node, slot))
}

/// Allocates the reserve of each CPU that has none, as far as there is memory. A thread calls this.
pub fn fill() {
    for cpu in cpu::online().filter(|cpu| READY.of(cpu).load(Ordering::Relaxed) == 0) {
        if let Some(grant) = allocate::allocate_for_kernel(PageUse::Stacks, cpu.node, PAGES, Zeroed::No) {
            let ready =
                READY.of(cpu).compare_exchange(0, grant.frame.0, Ordering::Release, Ordering::Relaxed);
            if ready.is_err() {
                // The frames were just granted as one piece, so the free is not refused.
                let _ = allocate::free_for_kernel(PageUse::Stacks, grant.frame, PAGES);
            }
        }
    }
}

/// Opens a reserve for the stack in whose guard area this address lies. The CPU returns to `return_to` later: [`returned`]. Returns false,
/// and changes nothing, if the stack is on its reserve already, or if the address lies too deep, or if there is no reserve. Called in an
/// exception, in any context.
pub fn open(address: VirtAddr, return_to: u64) -> bool {
    let Some(bottom) = bottom_of(address).filter(|bottom| address.0 < bottom.0) else { return false };
    if bottom.0 - address.0 > PAGES * FRAME_SIZE {
        return false;
    }
    if let Some(reserve) = OPEN.of(bottom.0) {
        // The tables were there when the pages were mapped first, and tables are never removed.
        return reserve.open_again(return_to) && map(reserve);
    }
    let ready = READY.here_or_elsewhere();
    let frame = ready.swap(0, Ordering::Acquire);
    if frame == 0 {
        return false;
    }
    // The frames were allocated by `fill`, and were nobody's until the line with `swap`.
    let claimed = OPEN.claim(bottom.0, frame, cpu::current().id.0, return_to);
    if claimed.is_some_and(map) {
        return true;
    }
    if let Some(ending) = claimed.and_then(Reserve::give_up) {
        OPEN.end(ending);
    }
    ready.store(frame, Ordering::Release);
    false
}

/// Returns where the code returns to that has come back on the stack with this address, if the stack has a reserve.
pub fn returned(stack: VirtAddr) -> Option<u64> {
    Some(OPEN.of(bottom_of(stack)?.0)?.return_to())
}

/// Has the running CPU take the reserve back of the stack that it runs on, when it is on the stack's own pages again, or has left its call
/// stack. Called in an exception, by code that continues higher up on that stack, or on the one that it has come from to the call stack.
pub fn close_later() {
    cpu::defer(cpu::current(), DeferredWork::CloseReserve);
    // At the end of an interrupt, the CPU looks what it has deferred. This one comes while it is still on the stack that it continues on.
    arch::interrupt_this_cpu(arch::vectors::WAKE);
}

/// Registers [`close_later`]'s work.
pub fn init() {
    cpu::register_deferred(DeferredWork::CloseReserve, close_here);
}

fn close_here() {
    let stack = arch::registers_here().stack().map(VirtAddr);
    let running = stack.and_then(|stack| bottom_of(stack).filter(|bottom| stack.0 > bottom.0));
    // Deferred work is done with preemption on, and so on no call stack.
    let call_stack = cpu::current().call_stack_top().and_then(|top| bottom_of(VirtAddr(top.0 - 1)));
    for bottom in running.into_iter().chain(call_stack) {
        let Some(reserve) = OPEN.of(bottom.0).filter(Reserve::is_mapped) else { continue };
        // SAFETY: the CPU is above the reserve on the only stack that the pages are of, or not on its own call stack at all. What was below is
        // left for good. `tidy` flushes the translations of all CPUs before it frees the frames.
        unsafe { arch::unmap_at_any_time(start_of(bottom.0), PAGES) };
        reserve.leave();
    }
}

/// Frees the reserves that [`close_later`] has taken back. One thread calls this, which may wait.
pub fn tidy() {
    if OPEN.begin_flush() {
        shootdown::flush_everywhere();
        OPEN.end_flush().for_each(free);
    }
}

/// Takes the reserve of a stack back, if it has one. The caller may wait.
///
/// # Safety
/// Nothing uses the stack with this lowest address.
pub unsafe fn take_back(bottom: VirtAddr) {
    if OPEN.are_none() {
        return;
    }
    match OPEN.take_back(bottom.0) {
        Some(TakenBack::Mapped(ending)) => {
            // SAFETY: by `# Safety` nothing uses the pages.
            unsafe { page_tables::unmap(start_of(bottom.0), PAGES) };
            free(ending);
        }
        Some(TakenBack::Left(ending)) => {
            shootdown::flush_everywhere();
            free(ending);
        }
        None => {}
    }
}
