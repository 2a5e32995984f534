//! Latency: how many instructions a CPU executes with interrupts off, or with preemption off, from the end of boot on.
//!
//! A plugin of QEMU measures it, on a clock that counts instructions, so the figures are the same in each run. The plugin is in
//! `../shared/tools`, beside the project; without it the tests are skipped.
#[path = "../common/mod.rs"]
mod common;
mod plugin;
mod symbols;

use boot::{Machine, Verdict};
use common::boot;
use plugin::{Off, Stretch};
use symbols::Kernel;

/// One instruction takes a nanosecond on the machine's clock, whatever the host does meanwhile.
const SHIFT: u32 = 0;

/// The function that is called when boot is over: the CPUs and their threads all run.
const BEGIN: &str = "kernel::examine_itself";

/// A part of the kernel, and how long its stretches may be, in instructions.
struct Goal {
    what: &'static str,
    off: Off,
    /// Parts of the names of the functions in which the part's stretches begin; none if they begin anywhere.
    begins: &'static [&'static str],
    /// Likewise for the functions in which they end.
    ends: &'static [&'static str],
    goal: u64,
    /// What is reached today, where that is more than the goal. It only ever becomes less.
    reached: Option<u64>,
}

/// The goals with interrupts off, under `load`: a thousand threads sleep, wait and move. A stretch counts for the first part that
/// it belongs to.
const INTERRUPTS: [Goal; 5] = [
    interrupts_off("a line of the log, an event", &["kernel::report::"], &[], 600),
    // Functions of the folder `memory`, also where they are part of their callers.
    interrupts_off(
        "page tables, stacks, heaps",
        &["kernel::memory::", "kernel::boot_on_own_node"],
        &[],
        2_000,
    ),
    interrupts_off("an interrupt", &["interrupts::stubs"], &[], 2_000),
    interrupts_off("the way to idle", &[], &["kernel::threads::idle::"], 800),
    interrupts_off("anything else", &[], &[], 2_000),
];

/// The goal with preemption off in the heaps. The trimmer's part is the way to idle, on which a CPU drains its magazines.
const HEAPS_GOAL: Goal = preemption_off(
    "heaps",
    &["kernel::memory::heap", "kernel::memory::large_blocks", "kernel::threads::trimmer"],
    1_500,
    None,
);

/// The goals with preemption off, under `stress-pages`: all CPUs allocate and free. Under `load`, such a stretch is as long as the
/// interrupts that wake sleepers meanwhile.
const PREEMPTION: [Goal; 3] = [
    HEAPS_GOAL,
    // The time in which a CPU waits for a node's lock behind all others counts, too. Some of the allocator is inlined into the stress test.
    preemption_off(
        "the page allocator",
        &["kernel::memory::", "kernel::threads::idle::", "kernel::selftest::stress_pages::"],
        2_000,
        Some(60_000),
    ),
    preemption_off("anything else", &[], 2_000, None),
];

/// The kinds of work, and the goals under each. Under `stress-heap` all CPUs allocate, hand over and free blocks of several owners.
const WORKS: [(&str, &[Goal]); 3] =
    [("load", &INTERRUPTS), ("stress-pages=200000", &PREEMPTION), ("stress-heap=100000", &[HEAPS_GOAL])];

const fn interrupts_off(
    what: &'static str,
    begins: &'static [&'static str],
    ends: &'static [&'static str],
    goal: u64,
) -> Goal {
    Goal { what, off: Off::Interrupts, begins, ends, goal, reached: None }
}

const fn preemption_off(
    what: &'static str,
    begins: &'static [&'static str],
    goal: u64,
    reached: Option<u64>,
) -> Goal {
    Goal { what, off: Off::Preemption, begins, ends: &[], goal, reached }
}

impl Goal {
    fn most(&self) -> u64 {
        self.reached.unwrap_or(self.goal)
    }

    fn is_for(&self, stretch: &Stretch, kernel: &Kernel) -> bool {
        let is_in = |parts: &[&str], address| {
            let name = kernel.name(address);
            parts.is_empty() || parts.iter().any(|part| name.contains(part))
        };
        self.off == stretch.off && is_in(self.begins, stretch.from) && is_in(self.ends, stretch.to)
    }
}

/// Boots the machine with each of these kinds of work, measures, and asserts that no stretch is longer than it may be.
#[track_caller]
fn assert_latency(what: &str, machine: &Machine, works: &[(&str, &'static [Goal])]) {
    let folder = tempfile::tempdir().unwrap();
    let compiled = match plugin::build(folder.path()) {
        Ok(compiled) => compiled,
        Err(reason) => {
            println!("latency: {what}: skipped: {reason}");
            return;
        }
    };
    let kernel = Kernel::read();
    let begin = kernel.function(BEGIN);
    for &(work, goals) in works {
        let measuring = plugin::arguments(&compiled, &kernel, begin, folder.path());
        let machine = machine.clone().counting(SHIFT).arguments(measuring).parameters(work);
        boot(&machine, Verdict::Success);
        let stretches = plugin::stretches(folder.path(), begin);
        let longest = longest_of_each(goals, &stretches, &kernel);
        assert!(!longest.is_empty(), "no stretch was measured");
        let too_long = longest.iter().filter(|(goal, stretch)| stretch.length > goal.most()).count();
        assert_eq!(too_long, 0, "{what}, {work}: stretches that are too long");
        println!("latency: {what}, {work}: measured {} stretches", stretches.len());
    }
}

/// Returns each part's longest stretch, and prints it.
fn longest_of_each<'a>(
    goals: &'static [Goal],
    stretches: &'a [Stretch],
    kernel: &Kernel,
) -> Vec<(&'static Goal, &'a Stretch)> {
    let mut longest: Vec<(&'static Goal, &Stretch)> = Vec::new();
    let mut rest: Vec<&Stretch> = stretches.iter().collect();
    for goal in goals {
        let (own, others) = rest.into_iter().partition(|stretch| goal.is_for(stretch, kernel));
        rest = others;
        let own: Vec<&Stretch> = own;
        if let Some(stretch) = own.into_iter().max_by_key(|stretch| stretch.length) {
            let (begin, end) = (kernel.name(stretch.from), kernel.name(stretch.to));
            println!(
                "{:?} off, {}: {} instructions, at most {}, goal {}\n  from {begin} ({:#x})\n  to {end} ({:#x})",
                goal.off,
                goal.what,
                stretch.length,
                goal.most(),
                goal.goal,
                stretch.from,
                stretch.to,
            );
            longest.push((goal, stretch));
        }
    }
    longest
}

#[test]
fn no_cpu_is_long_without_interrupts_on_a_machine_with_one() {
    assert_latency("1 CPU", &Machine::without_numa(1, 512), &WORKS);
}

#[test]
fn no_cpu_is_long_without_interrupts_on_a_machine_with_four() {
    // Without disks: the goals are the kernel's, and a driver's handler takes as long as it takes.
    assert_latency("4 CPUs", &Machine::two_nodes().disks([]), &WORKS);
}

#[test]
fn no_cpu_is_long_without_interrupts_on_a_machine_with_64() {
    // Not with `stress-heap`: 64 CPUs that do nothing but use the heap of one node wait for each other at its lock.
    assert_latency("64 CPUs", &Machine::without_numa(64, 1024), &WORKS[..2]);
}

#[test]
fn no_cpu_is_long_without_interrupts_on_a_machine_with_a_tebibyte() {
    assert_latency("1 TiB", &Machine::two_nodes_of(512 << 10), &WORKS);
}
