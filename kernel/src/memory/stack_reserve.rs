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
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use protection_keys::Key;
use units::{CpuId, FRAME_SIZE, FrameNumber, FrameRange, VirtAddr};

/// Pages of a reserve. No function of the kernel uses so much of the stack.
const PAGES: u64 = 4;
/// The most reserves that are open at a time.
const MOST: usize = 16;

cpu_local! {
    /// The first frame of the CPU's reserve; 0 if it has none.
    static READY: AtomicU64 = AtomicU64::new(0);
}

/// A reserve that is open.
struct OpenReserve {
    /// The lowest address of the stack's own pages; 0 if there is no such reserve.
    bottom: AtomicU64,
    /// The first frame; 0 if the reserve is not open yet.
    frame: AtomicU64,
    /// Where the CPU returns to.
    return_to: AtomicU64,
    /// The CPU whose reserve it was.
    cpu: AtomicU32,
    /// [`MAPPED`], [`UNMAPPED`], [`FLUSHING`], [`TAKEN_BACK`] or [`FREED`].
    state: AtomicU64,
}

/// The pages are mapped.
const MAPPED: u64 = 0;
/// The pages are not mapped any more. Other CPUs may have translations of them.
const UNMAPPED: u64 = 1;
/// The CPUs are flushing their translations, for [`tidy`], which frees the reserve.
const FLUSHING: u64 = 2;
/// The stack is being freed, and [`take_back`] frees the reserve.
const TAKEN_BACK: u64 = 3;
/// There is no such reserve, or it is about to be given up: its stack may get another one.
const FREED: u64 = 4;

static OPEN: [OpenReserve; MOST] = [const { OpenReserve::none() }; MOST];
/// How many reserves are open: stacks are freed all the time.
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl OpenReserve {
    const fn none() -> Self {
        Self {
            bottom: AtomicU64::new(0),
            frame: AtomicU64::new(0),
            return_to: AtomicU64::new(0),
            cpu: AtomicU32::new(0),
            state: AtomicU64::new(FREED),
        }
    }

    fn of(bottom: VirtAddr) -> Option<&'static Self> {
        OPEN.iter().find(|open| {
            open.bottom.load(Ordering::Acquire) == bottom.0 && open.state.load(Ordering::Acquire) != FREED
        })
    }

    fn start(&self) -> VirtAddr {
        VirtAddr(self.bottom.load(Ordering::Relaxed) - PAGES * FRAME_SIZE)
    }

    /// Maps the pages again, if their CPU has left the reserve and nobody has freed it so far. Returns false, and changes nothing, otherwise. The
    /// stack's CPU calls this.
    fn open_again(&self, return_to: u64) -> bool {
        let is_left = [UNMAPPED, FLUSHING].into_iter().any(|state| {
            self.state.compare_exchange(state, MAPPED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        });
        if is_left {
            self.return_to.store(return_to, Ordering::Relaxed);
            // The tables were there when the pages were mapped first, and tables are never removed.
            self.map();
        }
        is_left
    }

    /// Maps the pages. Returns false, and maps nothing, if the page tables are missing.
    fn map(&self) -> bool {
        let frame = self.frame.load(Ordering::Relaxed);
        let frames = FrameRange::new(frame, frame + PAGES);
        // Where the code comes back to the driver's, an exception or interrupt pushes its frame with the driver's rights. So whoever may
        // write the stack may write the reserve.
        let bottom = VirtAddr(self.bottom.load(Ordering::Relaxed));
        let key = arch::access_at(bottom).map_or(Key::KERNEL, |mapping| mapping.key);
        // SAFETY: the pages are of the guard area of the stack that this CPU runs on. Nothing maps them but this entry, which is the stack's only
        // one and has the frames, and it has them unmapped.
        unsafe { arch::map_at_any_time(self.start(), frames, key) }
    }

    /// Gives the frames, which nothing reaches any more, back to the CPU that had them, or frees them if it has others. Gives the entry up,
    /// which is [`FREED`].
    fn free(&self) {
        let frame = self.frame.load(Ordering::Relaxed);
        let ready = cpu::get(CpuId(self.cpu.load(Ordering::Relaxed))).map(|cpu| READY.of(cpu));
        let is_taken = ready.is_some_and(|ready| {
            ready.compare_exchange(0, frame, Ordering::Release, Ordering::Relaxed).is_ok()
        });
        if !is_taken {
            // The frames were granted as one piece, so the free is not refused.
            let _ = allocate::free_for_kernel(PageUse::Stacks, FrameNumber(frame), PAGES);
        }
        COUNT.fetch_sub(1, Ordering::Relaxed);
        self.bottom.store(0, Ordering::Release);
    }
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
    if let Some(open) = OpenReserve::of(bottom) {
        return open.open_again(return_to);
    }
    let ready = READY.here_or_elsewhere();
    let frame = ready.swap(0, Ordering::Acquire);
    if frame == 0 {
        return false;
    }
    let is_free = |open: &&OpenReserve| {
        open.bottom.compare_exchange(0, bottom.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    let Some(open) = OPEN.iter().find(is_free) else {
        ready.store(frame, Ordering::Release);
        return false;
    };
    open.frame.store(frame, Ordering::Relaxed);
    open.return_to.store(return_to, Ordering::Relaxed);
    open.cpu.store(cpu::current().id.0, Ordering::Relaxed);
    COUNT.fetch_add(1, Ordering::Relaxed);
    open.state.store(MAPPED, Ordering::Release);
    // The frames were allocated by `fill`, and were nobody's until the line with `swap`.
    let is_mapped = open.map();
    if !is_mapped {
        COUNT.fetch_sub(1, Ordering::Relaxed);
        ready.store(frame, Ordering::Release);
        open.state.store(FREED, Ordering::Relaxed);
        open.bottom.store(0, Ordering::Release);
    }
    is_mapped
}

/// Returns where the code returns to that has come back on the stack with this address, if the stack has a reserve.
pub fn returned(stack: VirtAddr) -> Option<u64> {
    Some(OpenReserve::of(bottom_of(stack)?)?.return_to.load(Ordering::Relaxed))
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
        let open = OpenReserve::of(bottom).filter(|open| open.state.load(Ordering::Relaxed) == MAPPED);
        let Some(open) = open else { continue };
        // SAFETY: the CPU is above the reserve on the only stack that the pages are of, or not on its own call stack at all. What was below is
        // left for good. `tidy` flushes the translations of all CPUs before it frees the frames.
        unsafe { arch::unmap_at_any_time(open.start(), PAGES) };
        open.state.store(UNMAPPED, Ordering::Release);
    }
}

/// Frees the reserves that [`close_later`] has taken back. A thread calls this that may wait.
pub fn tidy() {
    let change = |from, to| {
        OPEN.iter().filter(move |open| {
            open.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    };
    if change(UNMAPPED, FLUSHING).count() > 0 {
        shootdown::flush_everywhere();
        // Those that have been opened again meanwhile stay.
        change(FLUSHING, FREED).for_each(OpenReserve::free);
    }
}

/// Takes the reserve of a stack back, if it has one. The caller may wait.
///
/// # Safety
/// Nothing uses the stack with this lowest address.
pub unsafe fn take_back(bottom: VirtAddr) {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return;
    }
    let Some(open) = OpenReserve::of(bottom) else { return };
    let take_from = |state: u64| {
        open.state.compare_exchange(state, TAKEN_BACK, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    if take_from(MAPPED) {
        // SAFETY: by `# Safety` nothing uses the pages.
        unsafe { page_tables::unmap(open.start(), PAGES) };
    } else if take_from(UNMAPPED) {
        shootdown::flush_everywhere();
    } else {
        // `tidy` is about to free it.
        return;
    }
    open.state.store(FREED, Ordering::Release);
    open.free();
}
