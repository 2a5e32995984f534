//! The self-test: proves on the machine at hand that memory is where it should be. Run by the parameter `selftest`.

mod address_space;
mod affinity;
mod cache_drain;
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

use crate::memory::page_counts;
use crate::report::event_stream;
use crate::report::verdict;
use events::Event;

/// Runs all tests. One that fails is named on both ports, and the verdict is failure; the others still run.
pub fn run() {
    // What the first stacks of all CPUs take of page tables stays, and is not to be missed by any test.
    on_each_cpu::run_on_each_cpu(|_| {});
    report("numa.plan", plan::run());
    report("pages.in_range", pages::lie_in_their_nodes_ranges());
    report("pages.refusals", pages::wrong_frees_are_refused());
    report("pages.kernel", pages::the_kernels_own_are_refused());
    report("pages.fallback", fallback::goes_in_distance_order());
    report("pages.growth", hotplug::memory_leaves_and_comes_back());
    report("policies.interleave", policies::interleave_exactly());
    report("policies.weighted", policies::weigh_exactly());
    report("policies.set", policies::keep_to_their_set());
    report("policies.inherited", policies::are_inherited_and_given_back());
    report("pages.all_cpus", cpus::allocate_and_free_at_once());
    report("pages.counts", pages::are_counted_alike_by_cpus_and_nodes());
    report("pages.recall", cache_drain::reaches_cpus_that_run());
    report("pages.recall_all", cache_drain::goes_on_when_all_ask_at_once());
    report("cpus.local_memory", cpus::have_their_memory_on_their_node());
    report("heap.local", heaps::come_from_their_node());
    report("stacks.come_and_go", stacks::come_and_go_without_a_trace());
    report("stacks.small_pieces", stacks::are_made_of_small_pieces_where_there_are_no_large_ones());
    report("cpus.protections", address_space::protections_are_on());
    report("memory.no_write_and_execute", address_space::has_no_page_with_more_rights_than_it_needs());
    report("memory.constants", address_space::protects_constants_and_not_data());
    report("memory.tlb_shootdown", shootdown::reaches_cpus_that_run());
    report("memory.tlb_shootdown_sleeping", shootdown::reaches_cpus_that_sleep());
    report("memory.tlb_shootdown_all", shootdown::goes_on_when_all_unmap_at_once());
    report("threads.local", threads::live_on_their_node());
    report("threads.affinity", affinity::keep_to_their_affinity());
    report("threads.leave_forbidden_cpus", affinity::leave_forbidden_cpus());
    report("threads.preempted", threads::are_preempted());
    report("threads.sleep", threads::sleep_long_enough());
    report("threads.block_and_wake", threads::block_and_wake());
}

/// Puts the scheduler under load, for a long time.
pub fn run_load() {
    report("threads.load", load::loses_nothing());
    page_counts::log_table();
}

/// Has all CPUs allocate and free pages at random, so many times together.
pub fn stress_pages(operations: u64) {
    report("pages.stress", stress_pages::loses_nothing(operations));
}

/// What a test found wrong, in words.
type Outcome = Result<(), alloc::string::String>;

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

/// Leaves the test with these words unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(alloc::format!($($words)+));
        }
    };
}
use ensure;
