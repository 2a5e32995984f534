//! Grace periods: a CPU that has removed a pointer waits until no other CPU uses it any more.
//!
//! A CPU reads and uses such a pointer in one section, which nothing on that CPU interrupts for long: in the kernel, with
//! preemption off. Sections write nothing that is shared, and cost nothing. Between two sections each CPU passes, when it is asked.
//! A CPU that waits removes the pointer first, then starts a generation. When each CPU has passed in it, all sections that may
//! have read the pointer are over.
use crate::atomic::{AtomicU64, constructor};
use core::sync::atomic::Ordering::{Acquire, Release, SeqCst};

/// The generation of grace periods, which all CPUs share.
pub struct GracePeriods {
    generation: AtomicU64,
}

/// One CPU's state in grace periods. It has a cache line of its own, because other CPUs look at it repeatedly.
#[repr(align(64))]
pub struct CpuPassed {
    /// The last generation in which the CPU has passed.
    seen: AtomicU64,
}

impl CpuPassed {
    constructor! {
        /// Returns the state of a CPU that has never passed.
        pub fn never() -> Self {
            Self { seen: AtomicU64::new(0) }
        }
    }
}

impl GracePeriods {
    constructor! {
        /// Returns the state of a machine without grace periods so far.
        pub fn none_yet() -> Self {
            Self { generation: AtomicU64::new(0) }
        }
    }

    /// Waits until no CPU is in a section that began before the call. The caller has removed what the sections read.
    ///
    /// `cpus` are all CPUs that run, this one included. `ask` makes a CPU call [`GracePeriods::pass`] soon. `wait` is called between
    /// two looks at a CPU; after it, the CPU is asked again.
    pub fn wait<'c, C: Copy>(
        &self,
        cpus: impl Iterator<Item = (C, &'c CpuPassed)> + Clone,
        mut ask: impl FnMut(C),
        mut wait: impl FnMut(),
    ) {
        // Release: a CPU that passes in this generation finds removed what was removed.
        let generation = self.generation.fetch_add(1, SeqCst) + 1;
        cpus.clone().for_each(|(cpu, _)| ask(cpu));
        for (cpu, passed) in cpus {
            // Acquire: what the CPU did in its sections is over.
            while passed.seen.load(Acquire) < generation {
                wait();
                ask(cpu);
            }
        }
    }

    /// Notes that this CPU, whose state is `cpu`, is in no section.
    pub fn pass(&self, cpu: &CpuPassed) {
        cpu.seen.store(self.generation.load(Acquire), Release);
    }
}
