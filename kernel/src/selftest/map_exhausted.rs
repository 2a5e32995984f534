//! Tests that a page is mapped at once although its table must come from another CPU's cache, and that CPU maps pages all the time.
use super::fallback::Taken;
use super::{Outcome, Work, ensure};
use crate::arch::{self, PageKind};
use crate::cpu::{self, Cpu};
use crate::memory::{allocate, cpu_memory, frames, page_tables};
use crate::threads::cpu_threads;
use crate::threads::thread::Start;
use crate::threads::{join, lifecycle, sleep};
use ::address_space::layout::SELFTEST;
use alloc::string::String;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU8, Ordering::SeqCst};
use scheduling::CpuSet;
use units::{CpuId, FrameNumber, FrameRange, NodeId, VirtAddr};

/// The page that the other CPU maps and unmaps all the time.
const BUSY_PAGE: VirtAddr = VirtAddr(SELFTEST.0 + (6 << 20));
/// The page that is mapped meanwhile, the first one of a table that no other test makes.
const PAGE: VirtAddr = VirtAddr(SELFTEST.0 + (8 << 20));
/// A CPU waits this long for the frames in other CPUs' caches before it goes on without them.
const PATIENCE_MS: u64 = 1000;
/// The pages that the other CPU frees into its cache. The table takes one.
const CACHED: usize = 8;

/// How far the test is. The boot CPU and the other one advance it in turn.
static STEP: AtomicU8 = AtomicU8::new(0);
const HOLDS_PAGES: u8 = 1;
const IS_EXHAUSTED: u8 = 2;
const IS_BUSY: u8 = 3;
const IS_OVER: u8 = 4;

/// Maps a page of a node without free pages, while the only CPU that has some in its cache takes the page tables' lock over and over.
pub fn takes_tables_from_busy_cpus() -> Result<Work, String> {
    let boot_cpu = cpu::current();
    let may_help = |cpu: &&Cpu| {
        cpu.id != boot_cpu.id
            && cpu_memory::of(cpu).page_cache_view.is_some()
            && frames::node_stats(cpu.node).free > 64
    };
    let Some(cpu) = cpu::online().find(may_help) else {
        return Ok(Work::done_if(false, "no other CPU has a page cache of a node with 64 free pages"));
    };
    STEP.store(0, SeqCst);
    // SAFETY: `keep_mapping` takes its argument as a number.
    let start = unsafe { Start::new(keep_mapping, core::ptr::without_provenance_mut(cpu.id.index())) };
    let thread =
        lifecycle::create("selftest", start, Some(cpu.node)).map_err(|_| "no thread could be made")?;
    wait_until(HOLDS_PAGES);
    let mut taken = Taken::new();
    let exhausted = taken.exhaust(cpu.node);
    STEP.store(IS_EXHAUSTED, SeqCst);
    wait_until(IS_BUSY);
    let mapped = map_page_of(cpu.node);
    STEP.store(IS_OVER, SeqCst);
    let joined = join::join(thread);
    taken.free_all()?;
    exhausted?;
    mapped?;
    ensure!(joined.is_ok(), "the thread was lost");
    Ok(Work::done_if(true, ""))
}

/// Maps and unmaps a page whose table must come from the node.
fn map_page_of(node: NodeId) -> Outcome {
    // The page is never touched, so any frame will do.
    let frames = FrameRange::new(1, 2);
    let start = arch::ticks();
    // SAFETY: nothing touches the page. Only this test maps pages there.
    let mapped = unsafe { page_tables::map(PAGE, frames, PageKind::Constant, node) };
    let ms = (arch::ticks() - start) / arch::ticks_per_ms();
    // SAFETY: nothing uses the page.
    unsafe { page_tables::unmap(PAGE, 1) };
    ensure!(mapped.is_ok(), "a page could not be mapped: {mapped:?}");
    ensure!(ms < PATIENCE_MS, "a page was mapped in {ms} ms");
    Ok(())
}

fn wait_until(step: u8) {
    while STEP.load(SeqCst) < step {
        sleep::sleep_ns(1_000_000);
    }
}

/// Moves to the CPU, and holds pages of its node until the node is exhausted. Then frees them into the CPU's cache, and maps and
/// unmaps a page until the test is over.
unsafe extern "C" fn keep_mapping(cpu: *mut c_void) -> i32 {
    let there = CpuSet::from_iter([CpuId(cpu.addr() as u32)]);
    let moved = lifecycle::set_affinity(cpu_threads::current_thread().id, &there).is_ok();
    // Makes the table of the page while there are frames.
    map_busy_page();
    let pages: [Option<FrameNumber>; CACHED] = core::array::from_fn(|_| allocate::allocate_page());
    STEP.store(HOLDS_PAGES, SeqCst);
    wait_until(IS_EXHAUSTED);
    let freed = pages.into_iter().flatten().all(allocate::free_page);
    STEP.store(IS_BUSY, SeqCst);
    while STEP.load(SeqCst) < IS_OVER {
        map_busy_page();
    }
    i32::from(!moved || !freed)
}

fn map_busy_page() {
    let node = cpu::current().node;
    // SAFETY: nothing touches the page, and only this thread maps it.
    unsafe {
        let _ = page_tables::map(BUSY_PAGE, FrameRange::new(1, 2), PageKind::Constant, node);
        page_tables::unmap(BUSY_PAGE, 1);
    }
}
