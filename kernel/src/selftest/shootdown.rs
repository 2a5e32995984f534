//! Tests that no CPU reaches the memory of a page that was unmapped: not a CPU that runs, not one that halted meanwhile, and not
//! when all CPUs unmap at once.
use super::on_each_cpu;
use super::{ONE_CPU, Outcome, Work, ensure};
use crate::arch::{self, PageKind};
use crate::cpu::{self, Cpu, shootdown};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::page_tables::{self, ReadyFrames};
use crate::memory::page_uses::PageUse;
use crate::platform::cpu_topology;
use ::address_space::layout::SELFTEST;
use alloc::string::String;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, VirtAddr};

const OLD: u64 = 0x01d0_1d01;
const NEW: u64 = 0x0e10_0e10;

/// Two frames with different contents. The page [`SELFTEST`] is mapped to one of them, and then to the other.
struct Swap {
    old: FrameNumber,
    new: FrameNumber,
}

impl Swap {
    /// Allocates the frames and maps the page to the one that holds [`OLD`].
    fn begin() -> Result<Self, String> {
        let swap = Self { old: frame_with(OLD)?, new: frame_with(NEW)? };
        map(SELFTEST, swap.old);
        Ok(swap)
    }

    /// Maps the page to the frame that holds [`NEW`]. No CPU reads the page during the call.
    fn swap(&self) {
        // SAFETY: nothing but `read` uses the page, and no CPU calls it during this call. The frame stays allocated until
        // `end`.
        unsafe { page_tables::unmap(SELFTEST, 1) };
        map(SELFTEST, self.new);
    }

    /// Unmaps the page and frees the frames. No CPU reads the page after this call.
    fn end(self) -> Outcome {
        // SAFETY: only `read` uses the page, and the threads that call it have ended: `run_on_each_cpu` has joined them.
        unsafe { page_tables::unmap(SELFTEST, 1) };
        free(self.old)?;
        free(self.new)
    }
}

/// Allocates a frame that holds `mark`.
fn frame_with(mark: u64) -> Result<FrameNumber, String> {
    let grant = allocate::allocate_for_kernel(PageUse::Tests, NodeId::ZERO, 1, Zeroed::No)
        .ok_or("no page to be had")?;
    // SAFETY: the frame is RAM, and the line above has allocated it.
    unsafe { arch::physical_memory(grant.frame.address()).cast::<u64>().write_volatile(mark) };
    Ok(grant.frame)
}

fn free(frame: FrameNumber) -> Outcome {
    let freed = allocate::free_for_kernel(PageUse::Tests, frame, 1);
    ensure!(freed.is_ok(), "a page at {} could not be freed: {freed:?}", frame.address());
    Ok(())
}

fn map(page: VirtAddr, frame: FrameNumber) {
    let frames = FrameRange::new(frame.0, frame.0 + 1);
    // SAFETY: `frame_with` has allocated the frame, and only this file maps pages from `SELFTEST` on.
    let mapped = unsafe { page_tables::map(page, frames, PageKind::Data, NodeId::ZERO) };
    mapped.expect("the self-test's pages are not mapped, and there is memory for tables");
}

fn read(page: VirtAddr) -> u64 {
    // SAFETY: every caller reads between the `map` and the `unmap` of the page, and the frame holds a number.
    unsafe { core::ptr::with_exposed_provenance::<u64>(page.0 as usize).read_volatile() }
}

/// The CPUs that have read the old content, or are about to unmap.
static READY: AtomicUsize = AtomicUsize::new(0);
/// The CPUs that have read a content which they should not reach.
static STALE: AtomicUsize = AtomicUsize::new(0);
/// True once the page is mapped to the new content.
static SWAPPED: AtomicBool = AtomicBool::new(false);

/// Reads the page, and counts the CPU as stale if it reads something else than `mark`.
fn expect(mark: u64) {
    STALE.fetch_add(usize::from(read(SELFTEST) != mark), SeqCst);
}

fn begin() -> Result<Swap, String> {
    READY.store(0, SeqCst);
    STALE.store(0, SeqCst);
    SWAPPED.store(false, SeqCst);
    Swap::begin()
}

fn no_cpu_is_stale() -> Result<Work, String> {
    let stale = STALE.load(SeqCst);
    ensure!(stale == 0, "{stale} CPUs still reached a page that had been unmapped");
    Ok(Work::done_if(cpu::online().count() > 1, ONE_CPU))
}

/// Checks CPUs that run. All of them read a page, the boot CPU swaps the page while the others keep running, and all read it again.
pub fn reaches_cpus_that_run() -> Result<Work, String> {
    static SWAP: spin::Mutex<Option<Swap>> = spin::Mutex::new(None);
    *SWAP.lock() = Some(begin()?);
    on_each_cpu::run_on_each_cpu(|cpu| {
        if cpu.id == cpu_topology::boot_cpu().id { swap_when_all_are_ready() } else { read_twice() }
    });
    fn read_twice() {
        expect(OLD);
        READY.fetch_add(1, SeqCst);
        while !SWAPPED.load(SeqCst) {
            core::hint::spin_loop();
        }
        expect(NEW);
    }
    fn swap_when_all_are_ready() {
        expect(OLD);
        while READY.load(SeqCst) < cpu::online().count() - 1 {
            core::hint::spin_loop();
        }
        // The lock is free again before the shootdown: it waits for other CPUs, so no spin lock may be held.
        let swap = SWAP.lock().take();
        if let Some(swap) = &swap {
            swap.swap();
        }
        SWAPPED.store(true, SeqCst);
        expect(NEW);
        *SWAP.lock() = swap;
    }
    let swap = SWAP.lock().take();
    swap.map_or(Ok(()), Swap::end)?;
    no_cpu_is_stale()
}

/// Checks CPUs that halt. All CPUs read a page, the boot CPU swaps the page while the others halt, and all read it again.
pub fn reaches_cpus_that_sleep() -> Result<Work, String> {
    let swap = begin()?;
    on_each_cpu::run_on_each_cpu(|_| expect(OLD));
    swap.swap();
    on_each_cpu::run_on_each_cpu(|_| expect(NEW));
    swap.end()?;
    no_cpu_is_stale()
}

/// The last page of a page table that no other test uses.
const LAST_OF_TABLE: VirtAddr = VirtAddr(SELFTEST.0 + (4 << 20) - FRAME_SIZE);

/// A frame for the first page's table, and none for the second one's. Whoever asks for that has mapped the first page.
struct OneTable {
    frame: Option<FrameNumber>,
    /// What the first page had.
    seen: u64,
}

impl ReadyFrames for OneTable {
    fn pop(&mut self) -> Option<FrameNumber> {
        if page_tables::translate(LAST_OF_TABLE).is_none() {
            return self.frame.take();
        }
        self.seen = read(LAST_OF_TABLE);
        None
    }
}

/// Two pages are to be mapped, and there is no frame for the second page's table. A CPU that has reached the first page meanwhile
/// does not reach it afterwards.
pub fn follows_a_map_that_failed() -> Outcome {
    let swap = Swap { old: frame_with(OLD)?, new: frame_with(NEW)? };
    let mut tables = OneTable { frame: allocate::allocate_table_frame(NodeId::ZERO), seen: 0 };
    // The second frame is never mapped, so it need not be allocated.
    let frames = FrameRange::new(swap.old.0, swap.old.0 + 2);
    // SAFETY: `frame_with` has allocated the first frame, and the second one is not mapped. Only this file maps pages from
    // `SELFTEST` on. Frames of tables are fresh and never freed.
    let mapped = unsafe { page_tables::map_with(LAST_OF_TABLE, frames, PageKind::Data, &mut tables) };
    let (seen, unused) = (tables.seen, tables.frame);
    let is_left = page_tables::translate(LAST_OF_TABLE).is_some();
    map(LAST_OF_TABLE, swap.new);
    let seen_afterwards = read(LAST_OF_TABLE);
    // SAFETY: nothing but this function uses the page, and it does so above.
    unsafe { page_tables::unmap(LAST_OF_TABLE, 1) };
    free(swap.old)?;
    free(swap.new)?;
    let unused = unused.map_or(Ok(()), |frame| allocate::free_for_kernel(PageUse::Tables, frame, 1));
    ensure!(unused.is_ok(), "the page of a table could not be freed: {unused:?}");
    ensure!(mapped.is_err() && seen == OLD, "the map did not fail midway: {mapped:?}, {seen:#x} was read");
    ensure!(!is_left, "a map that failed has left a page");
    ensure!(seen_afterwards == NEW, "{seen_afterwards:#x} is still reached by a map that failed");
    Ok(())
}

/// How many pages each CPU maps and unmaps, one after the other.
const ROUNDS: u64 = 8;

/// Checks that no CPU waits for ever when all unmap pages of their own at once, and that each reads its pages.
pub fn goes_on_when_all_unmap_at_once() -> Result<Work, String> {
    READY.store(0, SeqCst);
    STALE.store(0, SeqCst);
    on_each_cpu::run_on_each_cpu(map_and_unmap);
    no_cpu_is_stale()
}

fn map_and_unmap(cpu: &Cpu) {
    READY.fetch_add(1, SeqCst);
    while READY.load(SeqCst) < cpu::online().count() {
        core::hint::spin_loop();
    }
    let page = VirtAddr(SELFTEST.0 + (1 + cpu.id.index() as u64) * FRAME_SIZE);
    for round in 0..ROUNDS {
        let Ok(frame) = frame_with(round) else { return };
        map(page, frame);
        STALE.fetch_add(usize::from(read(page) != round), SeqCst);
        // SAFETY: the page's address depends on the CPU's index, so only this CPU uses the page, and it does so above.
        unsafe { page_tables::unmap(page, 1) };
        STALE.fetch_add(usize::from(allocate::free_for_kernel(PageUse::Tests, frame, 1).is_err()), SeqCst);
        shootdown::answer();
    }
}
