//! The self-tests: what only a running kernel can verify about itself and its machine.

mod address_space;
mod address_waits;
mod affinity;
mod cache_drain;
mod clock;
mod cpus;
pub mod devices;
pub mod fallback;
pub mod fault_injection;
mod heaps;
mod hotplug;
mod interrupts;
mod load;
mod locks;
mod map_exhausted;
mod move_interrupts;
pub mod on_each_cpu;
mod pages;
mod plan;
mod policies;
mod registers;
mod shootdown;
mod stacks;
mod stress_heap;
mod stress_pages;
mod threads;
mod timers;

use crate::cpu;
use crate::memory::heap;
use crate::memory::page_counts;
use crate::report::event_stream;
use crate::report::verdict;
use alloc::string::String;
use core::sync::atomic::{AtomicUsize, Ordering};
use events::Event;

/// What a test found wrong.
type Outcome = Result<(), String>;

/// What a test did that not every machine has enough for.
pub enum Work {
    /// It did its work, and found nothing wrong.
    Done,
    /// It could not do any of its work, for this reason.
    Skipped(&'static str),
}

impl Work {
    /// Returns [`Work::Done`], or skipped for the reason if nothing was done.
    fn done_if(done: bool, reason: &'static str) -> Self {
        if done { Self::Done } else { Self::Skipped(reason) }
    }
}

/// A test.
enum Test {
    /// It can do its work on every machine.
    Always(fn() -> Outcome),
    /// It can do its work on some machines.
    IfPossible(fn() -> Result<Work, String>),
}
use Test::{Always, IfPossible};

/// The reason of tests that need CPUs beside the one that runs them.
const ONE_CPU: &str = "only one CPU is online";

/// The tests in the order in which they run, each with its name in the log and in the events.
const TESTS: &[(&str, Test)] = &[
    ("numa.plan", Always(plan::run)),
    ("pages.in_range", IfPossible(pages::lie_in_their_nodes_ranges)),
    ("pages.refusals", Always(pages::wrong_frees_are_refused)),
    ("pages.kernel", IfPossible(pages::the_kernels_own_are_refused)),
    ("pages.fallback", Always(fallback::goes_in_distance_order)),
    ("pages.growth", IfPossible(hotplug::memory_leaves_and_comes_back)),
    ("policies.interleave", IfPossible(policies::interleave_exactly)),
    ("policies.weighted", IfPossible(policies::weigh_exactly)),
    ("policies.set", Always(policies::keep_to_their_set)),
    ("policies.inherited", IfPossible(policies::are_inherited_and_restored)),
    ("pages.all_cpus", Always(cpus::allocate_and_free_at_once)),
    ("pages.counts", Always(pages::are_counted_alike_by_cpus_and_nodes)),
    ("pages.uses", Always(pages::are_counted_alike_by_uses_and_nodes)),
    ("pages.recall", IfPossible(cache_drain::reaches_cpus_that_run)),
    ("pages.recall_all", IfPossible(cache_drain::goes_on_when_all_ask_at_once)),
    ("cpus.local_memory", Always(cpus::have_their_memory_on_their_node)),
    ("heap.local", IfPossible(heaps::come_from_their_node)),
    ("heap.refusals", Always(heaps::are_unchanged_by_refusals)),
    ("heap.all_cpus", Always(heaps::grow_for_all_cpus_at_once)),
    ("heap.early", Always(heaps::early_blocks_go_back)),
    ("heap.wrong_frees", Always(heaps::refuse_wrong_frees)),
    ("heap.comes_back", Always(heaps::return_all_frames)),
    ("stacks.come_and_go", IfPossible(stacks::come_and_go_without_a_trace)),
    ("stacks.small_pieces", IfPossible(stacks::are_made_of_small_pieces_where_there_are_no_large_ones)),
    ("cpus.registers", Always(registers::have_known_values)),
    ("interrupts.without_handler", Always(interrupts::without_handler_are_counted)),
    ("memory.no_write_and_execute", Always(address_space::has_no_page_with_more_rights_than_it_needs)),
    ("memory.constants", Always(address_space::protects_constants_and_not_data)),
    ("memory.tlb_shootdown", IfPossible(shootdown::reaches_cpus_that_run)),
    ("memory.tlb_shootdown_sleeping", IfPossible(shootdown::reaches_cpus_that_sleep)),
    ("memory.tlb_shootdown_all", IfPossible(shootdown::goes_on_when_all_unmap_at_once)),
    ("memory.failed_map", Always(shootdown::follows_a_map_that_failed)),
    ("memory.map_exhausted", IfPossible(map_exhausted::takes_tables_from_busy_cpus)),
    ("devices.dma", IfPossible(devices::dma_is_granted_as_asked_and_freed_with_its_device)),
    ("clock.sleep_agrees", IfPossible(clock::sleep_agrees)),
    ("clock.cpus_agree", IfPossible(clock::cpus_agree)),
    ("locks.fair", IfPossible(locks::are_fair)),
    ("threads.local", IfPossible(threads::live_on_their_node)),
    ("threads.affinity", IfPossible(affinity::keep_to_their_affinity)),
    ("threads.leave_forbidden_cpus", IfPossible(affinity::leave_forbidden_cpus)),
    ("threads.ticks_after_waits", Always(threads::have_ticks_after_waits)),
    ("threads.preempted", Always(threads::are_preempted)),
    ("threads.sleep", Always(threads::sleep_long_enough)),
    ("threads.block_and_wake", Always(threads::block_and_wake)),
    ("waits.lose_no_wake_up", Always(address_waits::lose_no_wake_up)),
    ("waits.end_in_time", Always(address_waits::end_in_time)),
    ("timers.due_in_time", Always(timers::are_due_in_time)),
];

/// How many tests had which outcome.
#[derive(Clone, Copy, Default, Debug)]
pub struct Totals {
    /// Found nothing wrong.
    pub passed: usize,
    /// Found something wrong.
    pub failed: usize,
    /// Could not do their work.
    pub skipped: usize,
}

/// Runs all tests, for the parameter `selftest`. Each outcome goes to the log and to the event stream; a failure also makes
/// the verdict a failure, and the other tests still run. A test that could not do its work is reported as skipped.
pub fn run() -> Totals {
    let mut totals = Totals::default();
    // The page tables for the stacks of a thread on each CPU stay allocated. They are allocated here, so that no test misses them.
    on_each_cpu::run_on_each_cpu(|_| meet());
    for (name, test) in TESTS {
        // A heap that returned frames during a test would change what the test counts.
        heap::settle();
        let outcome = match test {
            Always(test) => test().map(|()| Work::Done),
            IfPossible(test) => test(),
        };
        *match &outcome {
            Ok(Work::Done) => &mut totals.passed,
            Ok(Work::Skipped(_)) => &mut totals.skipped,
            Err(_) => &mut totals.failed,
        } += 1;
        report(name, outcome);
    }
    totals
}

/// Waits until every CPU has called this, so that all their threads have a stack at once.
fn meet() {
    static HERE: AtomicUsize = AtomicUsize::new(0);
    HERE.fetch_add(1, Ordering::Relaxed);
    while HERE.load(Ordering::Relaxed) < cpu::online().count() {
        core::hint::spin_loop();
    }
}

/// Puts the scheduler under load for a long time, for the parameter `load`.
pub fn run_load() {
    report("threads.load", load::loses_nothing().map(|()| Work::Done));
    report("threads.forbidden_cpus_load", affinity::leave_forbidden_cpus_a_million_times());
    page_counts::log_table();
}

/// Makes all CPUs together allocate and free pages at random this many times, for the parameter `stress-pages`.
pub fn stress_pages(operations: u64) {
    report("pages.stress", stress_pages::loses_nothing(operations).map(|()| Work::Done));
}

/// Makes all CPUs together allocate and free blocks of the heaps at random this many times, for the parameter `stress-heap`.
pub fn stress_heap(operations: u64) {
    report("heap.stress", stress_heap::loses_nothing(operations).map(|()| Work::Done));
}

/// Moves the interrupts of devices from CPU to CPU from now on, for the parameter `move-interrupts`.
pub fn move_interrupts() {
    if move_interrupts::start().is_err() {
        verdict::stop_without_memory_for("the thread that moves interrupts");
    }
}

fn report(name: &str, outcome: Result<Work, String>) {
    let mut reason = None;
    match &outcome {
        Ok(Work::Done) => log::info!(target: "selftest", "{name}: ok"),
        Ok(Work::Skipped(why)) => {
            log::info!(target: "selftest", "{name}: skipped: {why}");
            reason = Some((*why).into());
        }
        Err(what) => {
            log::error!(target: "selftest", "{name}: failed: {what}");
            verdict::fail();
        }
    }
    event_stream::send(&Event::Test {
        name: name.into(),
        ok: outcome.is_ok(),
        skipped: reason.is_some(),
        reason,
    });
}

/// Makes the test fail with this message unless the condition is true.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(alloc::format!($($message)+));
        }
    };
}
use ensure;
