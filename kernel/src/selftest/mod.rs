//! The self-tests: what only a running kernel can verify about itself and its machine.

mod address_space;
mod affinity;
mod cache_drain;
mod clock;
mod cpus;
pub mod fallback;
pub mod fault_injection;
mod heaps;
mod hotplug;
mod load;
mod on_each_cpu;
mod pages;
mod plan;
mod policies;
mod shootdown;
mod stacks;
mod stress_pages;
mod threads;

use crate::cpu;
use crate::memory::page_counts;
use crate::report::event_stream;
use crate::report::verdict;
use alloc::string::String;
use core::sync::atomic::{AtomicUsize, Ordering};
use events::Event;

/// What a test found wrong.
type Outcome = Result<(), String>;

type Test = fn() -> Outcome;

/// The tests in the order in which they run, each with its name in the log and in the events.
const TESTS: &[(&str, Test)] = &[
    ("numa.plan", plan::run),
    ("pages.in_range", pages::lie_in_their_nodes_ranges),
    ("pages.refusals", pages::wrong_frees_are_refused),
    ("pages.kernel", pages::the_kernels_own_are_refused),
    ("pages.fallback", fallback::goes_in_distance_order),
    ("pages.growth", hotplug::memory_leaves_and_comes_back),
    ("policies.interleave", policies::interleave_exactly),
    ("policies.weighted", policies::weigh_exactly),
    ("policies.set", policies::keep_to_their_set),
    ("policies.inherited", policies::are_inherited_and_restored),
    ("pages.all_cpus", cpus::allocate_and_free_at_once),
    ("pages.counts", pages::are_counted_alike_by_cpus_and_nodes),
    ("pages.recall", cache_drain::reaches_cpus_that_run),
    ("pages.recall_all", cache_drain::goes_on_when_all_ask_at_once),
    ("cpus.local_memory", cpus::have_their_memory_on_their_node),
    ("heap.local", heaps::come_from_their_node),
    ("heap.refusals", heaps::are_unchanged_by_refusals),
    ("heap.all_cpus", heaps::grow_for_all_cpus_at_once),
    ("stacks.come_and_go", stacks::come_and_go_without_a_trace),
    ("stacks.small_pieces", stacks::are_made_of_small_pieces_where_there_are_no_large_ones),
    ("cpus.protections", address_space::protections_are_on),
    ("memory.no_write_and_execute", address_space::has_no_page_with_more_rights_than_it_needs),
    ("memory.constants", address_space::protects_constants_and_not_data),
    ("memory.tlb_shootdown", shootdown::reaches_cpus_that_run),
    ("memory.tlb_shootdown_sleeping", shootdown::reaches_cpus_that_sleep),
    ("memory.tlb_shootdown_all", shootdown::goes_on_when_all_unmap_at_once),
    ("memory.failed_map", shootdown::follows_a_map_that_failed),
    ("clock.sleep_agrees", clock::sleep_agrees),
    ("clock.cpus_agree", clock::cpus_agree),
    ("threads.local", threads::live_on_their_node),
    ("threads.affinity", affinity::keep_to_their_affinity),
    ("threads.leave_forbidden_cpus", affinity::leave_forbidden_cpus),
    ("threads.preempted", threads::are_preempted),
    ("threads.sleep", threads::sleep_long_enough),
    ("threads.block_and_wake", threads::block_and_wake),
];

/// Runs all tests, for the parameter `selftest`. Each outcome goes to the log and to the event stream; a failure also makes
/// the verdict a failure, and the other tests still run.
pub fn run() {
    // The page tables for the stacks of a thread on each CPU stay allocated. They are allocated here, so that no test misses them.
    on_each_cpu::run_on_each_cpu(|_| meet());
    for (name, test) in TESTS {
        report(name, test());
    }
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
    report("threads.load", load::loses_nothing());
    report("threads.forbidden_cpus_load", affinity::leave_forbidden_cpus_a_million_times());
    page_counts::log_table();
}

/// Makes all CPUs together allocate and free pages at random this many times, for the parameter `stress-pages`.
pub fn stress_pages(operations: u64) {
    report("pages.stress", stress_pages::loses_nothing(operations));
}

fn report(name: &str, outcome: Outcome) {
    match &outcome {
        Ok(()) => log::info!(target: "selftest", "{name}: ok"),
        Err(reason) => {
            log::error!(target: "selftest", "{name}: failed: {reason}");
            verdict::fail();
        }
    }
    event_stream::send(&Event::Test { name: name.into(), ok: outcome.is_ok() });
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
