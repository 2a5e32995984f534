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

/// The clock counts instructions: one for each, whatever the host does meanwhile.
const COUNTING: [&str; 4] = ["-accel", "tcg", "-icount", "shift=0,sleep=off"];

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

/// A stretch counts for the first part that it belongs to.
const GOALS: [Goal; 7] = [
    Goal {
        what: "a line of the log, an event",
        off: Off::Interrupts,
        begins: &["kernel::report::"],
        ends: &[],
        goal: 600,
        reached: None,
    },
    Goal {
        what: "page tables, stacks, heaps",
        off: Off::Interrupts,
        // Functions of the folder `memory`, also where they are part of their callers.
        begins: &["kernel::memory::", "kernel::boot_on_own_node"],
        ends: &[],
        goal: 2_000,
        reached: Some(5_200),
    },
    Goal {
        what: "an interrupt",
        off: Off::Interrupts,
        begins: &["interrupts::stubs"],
        ends: &[],
        goal: 2_000,
        reached: None,
    },
    Goal {
        what: "the way to idle",
        off: Off::Interrupts,
        begins: &[],
        ends: &["kernel::threads::idle::"],
        goal: 800,
        reached: None,
    },
    Goal { what: "anything else", off: Off::Interrupts, begins: &[], ends: &[], goal: 2_000, reached: None },
    Goal {
        what: "the page allocator",
        off: Off::Preemption,
        begins: &["kernel::memory::", "kernel::threads::idle::"],
        ends: &[],
        goal: 2_000,
        reached: Some(260_000),
    },
    Goal {
        what: "anything else",
        off: Off::Preemption,
        begins: &[],
        ends: &[],
        goal: 2_000,
        // The interrupts that come meanwhile count, too.
        reached: Some(16_000),
    },
];

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

/// Boots the machine with a thousand threads under load, measures, and asserts that no stretch is longer than it may be.
#[track_caller]
fn assert_latency(what: &str, machine: Machine) {
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
    let measuring = plugin::arguments(&compiled, &kernel, begin, folder.path());
    boot(&machine.arguments(COUNTING).arguments(measuring).parameters("load"), Verdict::Success);
    let stretches = plugin::stretches(folder.path(), begin);
    for off in [Off::Interrupts, Off::Preemption] {
        assert!(
            stretches.iter().any(|stretch| stretch.off == off),
            "no stretch with {off:?} off was measured"
        );
    }
    let longest = longest_of_each(&stretches, &kernel);
    let too_long = longest.iter().filter(|(goal, stretch)| stretch.length > goal.most()).count();
    assert_eq!(too_long, 0, "{what}: stretches that are too long");
    println!("latency: {what}: measured {} stretches", stretches.len());
}

/// Returns each part's longest stretch, and prints it.
fn longest_of_each<'a>(stretches: &'a [Stretch], kernel: &Kernel) -> Vec<(&'static Goal, &'a Stretch)> {
    let mut longest: Vec<(&'static Goal, &Stretch)> = Vec::new();
    let mut rest: Vec<&Stretch> = stretches.iter().collect();
    for goal in &GOALS {
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
    assert_latency("1 CPU", Machine::without_numa(1, 512));
}

#[test]
fn no_cpu_is_long_without_interrupts_on_a_machine_with_four() {
    assert_latency("4 CPUs", Machine::two_nodes());
}

#[test]
fn no_cpu_is_long_without_interrupts_on_a_machine_with_64() {
    assert_latency("64 CPUs", Machine::without_numa(64, 1024));
}

#[test]
fn no_cpu_is_long_without_interrupts_on_a_machine_with_a_tebibyte() {
    assert_latency("1 TiB", Machine::two_nodes_of(512 << 10));
}
