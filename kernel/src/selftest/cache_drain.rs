//! Tests that a node without free pages gets back the pages in running CPUs' caches, also when CPUs ask each other.
use super::fallback::Taken;
use super::on_each_cpu;
use super::{ONE_CPU, Outcome, Work, ensure};
use crate::cpu;
use crate::cpu::Cpu;
use crate::cpu::PreemptionOff;
use crate::memory::{allocate, cpu_memory, frames};
use crate::platform::{cpu_topology, numa_topology};
use crate::threads::cpu_threads;
use crate::threads::thread::Start;
use crate::threads::{join, lifecycle, sleep};
use alloc::string::String;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use scheduling::CpuSet;
use units::CpuId;

static READY: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

/// Checks that the boot CPU, which takes all pages of a node, also gets those in the cache of a running CPU, and that a second
/// request interrupts no CPU.
pub fn reaches_cpus_that_run() -> Result<Work, String> {
    let mut done = false;
    let boot_cpu = cpu::current();
    let has_cache = |cpu: &&Cpu| cpu.id != boot_cpu.id && cpu_memory::of(cpu).page_cache_view.is_some();
    for node in numa_topology::get().nodes() {
        let of_node = |cpu: &&Cpu| cpu.node == node.id && frames::node_stats(node.id).free > 64;
        if let Some(cpu) = cpu::online().filter(has_cache).find(of_node) {
            exhaust_beside(cpu)?;
            done = true;
        }
    }
    Ok(Work::done_if(done, "no other CPU has a page cache of a node with 64 free pages"))
}

fn exhaust_beside(cpu: &Cpu) -> Outcome {
    [&READY, &STOP].iter().for_each(|flag| flag.store(false, SeqCst));
    // SAFETY: `run_with_cached_pages` takes its argument as a number.
    let start =
        unsafe { Start::new(run_with_cached_pages, core::ptr::without_provenance_mut(cpu.id.index())) };
    let thread =
        lifecycle::create("selftest", start, Some(cpu.node)).map_err(|_| "no thread could be made")?;
    while !READY.load(SeqCst) {
        sleep::sleep_ns(1_000_000);
    }
    let outcome = exhaust_twice(cpu);
    STOP.store(true, SeqCst);
    join::join(thread).map_err(|_| "the thread was lost")?;
    outcome
}

fn exhaust_twice(cpu: &Cpu) -> Outcome {
    let cached = cpu_memory::of(cpu).page_cache_view.map_or(0, |cache| cache.len());
    ensure!(cached > 0, "CPU {} runs, and its cache is empty", cpu.id);
    let asked_before = cpu_memory::of(cpu).cache_drain.interrupts();
    let mut taken = Taken::new();
    let outcome = taken.exhaust(cpu.node);
    let asked = cpu_memory::of(cpu).cache_drain.interrupts() - asked_before;
    let again = taken.exhaust(cpu.node);
    let asked_again = cpu_memory::of(cpu).cache_drain.interrupts() - asked_before - asked;
    taken.free_all()?;
    outcome.and(again)?;
    ensure!(
        asked > 0,
        "the node had no free page, and CPU {} was not asked for the {cached} pages in its cache",
        cpu.id
    );
    ensure!(asked_again == 0, "CPU {} was interrupted {asked_again} times for an empty cache", cpu.id);
    Ok(())
}

/// Moves to the CPU, fills its cache, and runs until `STOP` is set, half of the time with preemption off.
unsafe extern "C" fn run_with_cached_pages(cpu: *mut c_void) -> i32 {
    let there = CpuSet::from_iter([CpuId(cpu.addr() as u32)]);
    let moved = lifecycle::set_affinity(cpu_threads::current_thread().id, &there).is_ok();
    cache_pages();
    READY.store(true, SeqCst);
    while !STOP.load(SeqCst) {
        {
            let _off = PreemptionOff::new();
            (0..1000).for_each(|_| core::hint::spin_loop());
        }
        (0..1000).for_each(|_| core::hint::spin_loop());
    }
    i32::from(!moved)
}

/// Leaves some pages in the running CPU's cache.
fn cache_pages() {
    if let Some(frame) = allocate::allocate_page() {
        let _ = allocate::free_page(frame);
    }
}

/// The numbers of CPUs that cache pages, that have taken all pages they could get, and that know that `LEFT` is set.
static CACHING: AtomicUsize = AtomicUsize::new(0);
static DONE: AtomicUsize = AtomicUsize::new(0);
static LOOKED: AtomicUsize = AtomicUsize::new(0);
/// The number of free pages when all CPUs had taken all they could get.
static LEFT: AtomicUsize = AtomicUsize::new(0);
/// The number of CPUs that could not free their pages.
static LOST: AtomicUsize = AtomicUsize::new(0);

/// Checks that no CPU waits for ever and no page is left when all CPUs cache pages and take those of all other nodes at the same
/// time, so that they ask each other.
pub fn goes_on_when_all_ask_at_once() -> Result<Work, String> {
    [&CACHING, &DONE, &LOOKED, &LEFT, &LOST].iter().for_each(|counter| counter.store(0, SeqCst));
    on_each_cpu::run_on_each_cpu(cache_and_take);
    let (left, lost) = (LEFT.load(SeqCst), LOST.load(SeqCst));
    ensure!(left == 0, "all CPUs had been refused pages, and {left} were free");
    ensure!(lost == 0, "{lost} CPUs could not free their pages");
    Ok(Work::done_if(cpu::online().count() > 1, ONE_CPU))
}

fn cache_and_take(cpu: &Cpu) {
    cache_pages();
    meet(&CACHING);
    let alone = cpu::online().all(|other| other.node == cpu.node);
    let mut taken = Taken::new();
    for node in numa_topology::get().nodes().iter().filter(|node| alone || node.id != cpu.node) {
        taken.take_all(node.id);
    }
    meet(&DONE);
    if cpu.id == cpu_topology::boot_cpu().id {
        let free = |node: &topology::Node| frames::node_stats(node.id).free as usize;
        LEFT.store(numa_topology::get().nodes().iter().map(free).sum(), SeqCst);
    }
    meet(&LOOKED);
    LOST.fetch_add(usize::from(taken.free_all().is_err()), SeqCst);
}

/// Waits until all CPUs have called this.
fn meet(here: &AtomicUsize) {
    here.fetch_add(1, SeqCst);
    while here.load(SeqCst) < cpu::online().count() {
        cpu::serve_requests();
        core::hint::spin_loop();
    }
}
