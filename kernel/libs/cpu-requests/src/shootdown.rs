//! TLB shootdown: every CPU flushes the translations that one CPU has removed from the page tables.
//!
//! A generation counts the shootdowns. Each CPU notes the last generation whose changes it has caught up with.
//!
//! - **A CPU that removes translations** changes the tables, releases every lock, and starts a generation. It interrupts
//!   each CPU that has noted an older one, unless that CPU is idle. Then it waits until every CPU has noted this generation or
//!   is idle. It has noted the generation itself by then, so only CPUs with a later one wait for it: none wait in a circle.
//!   While it waits it answers the others.
//! - **A CPU that answers** reads the generation, flushes its TLB, notes the generation, and reads again.
//! - **A CPU that halts** first says that it is idle. From then on it touches only memory that is never unmapped. When it
//!   wakes up, it says that it is not idle, and answers, before it touches anything else.
//!
//! No CPU is missed. A CPU that wakes up writes "not idle", then reads the generation; a CPU that removes translations writes
//! the generation, then reads "idle". A fence stands between the two steps on both sides, so at least one of the two CPUs sees
//! what the other wrote. Either the waking CPU sees the generation and flushes, or the other sees that it is not idle and waits.
//!
//! A CPU that has not started is idle. When it starts, it calls [`Shootdown::leave_idle`], as a CPU does that wakes up.
use crate::atomic::{AtomicBool, AtomicU64, constructor, fence};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// The generation, which all CPUs share.
pub struct Shootdown {
    generation: AtomicU64,
}

/// One CPU's state in shootdowns. It has a cache line of its own, because other CPUs spin on it.
#[repr(align(64))]
pub struct CpuTranslations {
    /// The last generation whose changes this CPU has caught up with.
    seen: AtomicU64,
    /// Set while the CPU will look at the generation before it touches anything that may have been unmapped.
    idle: AtomicBool,
}

impl CpuTranslations {
    constructor! {
        /// Returns the state of a CPU that has not started.
        pub fn idle() -> Self {
            Self { seen: AtomicU64::new(0), idle: AtomicBool::new(true) }
        }
    }

    /// Returns true if the CPU is halted, or is about to halt or to run again. Any CPU may call this.
    pub fn is_idle(&self) -> bool {
        self.idle.load(Relaxed)
    }

    /// Says that this CPU is about to halt. From here to [`Shootdown::leave_idle`] it touches only memory that is never
    /// unmapped.
    #[inline]
    pub fn enter_idle(&self) {
        // Release: what the CPU did before, through translations of any generation, is over.
        self.idle.store(true, Release);
    }

    /// Returns true if the CPU cannot use a translation that was removed before `generation`.
    fn is_past(&self, generation: u64) -> bool {
        self.seen.load(Acquire) >= generation || self.idle.load(Acquire)
    }
}

impl Shootdown {
    constructor! {
        /// Returns the state of a machine without shootdowns so far.
        pub fn none_yet() -> Self {
            Self { generation: AtomicU64::new(0) }
        }
    }

    /// Makes all CPUs flush the translations that this CPU has removed from the page tables. Returns when no CPU can use them.
    ///
    /// `cpus` are all CPUs, this one included. `answer` calls [`Shootdown::answer`] for this CPU, `interrupt` makes another CPU
    /// do so soon, and `wait` is called while a CPU has not answered: it answers what other CPUs ask.
    pub fn flush_everywhere<'c, C>(
        &self,
        cpus: impl Iterator<Item = (C, &'c CpuTranslations)> + Clone,
        answer: impl FnOnce(),
        mut interrupt: impl FnMut(C),
        mut wait: impl FnMut(),
    ) {
        // Release: a CPU that reads this generation sees the tables without what was removed.
        let generation = self.generation.fetch_add(1, SeqCst) + 1;
        answer();
        // Pairs with the fence in `leave_idle`.
        fence(SeqCst);
        // The CPU of the first line is not exempt: the caller may have moved to another CPU since.
        for (cpu, translations) in cpus.clone() {
            if !translations.is_past(generation) {
                interrupt(cpu);
            }
        }
        for (_, translations) in cpus {
            while !translations.is_past(generation) {
                wait();
            }
        }
    }

    /// Calls `flush` if another CPU has asked for that since this CPU last did. `cpu` is the running CPU's, which the caller
    /// does not leave meanwhile.
    #[inline]
    pub fn answer(&self, cpu: &CpuTranslations, mut flush: impl FnMut()) {
        loop {
            let generation = self.generation.load(Acquire);
            if cpu.seen.load(Relaxed) == generation {
                return;
            }
            flush();
            cpu.seen.store(generation, Release);
        }
    }

    /// Says that this CPU runs, and answers the shootdowns that began while it halted. Costs a load if it did not halt.
    #[inline]
    pub fn leave_idle(&self, cpu: &CpuTranslations, flush: impl FnMut()) {
        // Only this CPU writes it.
        if cpu.idle.load(Relaxed) {
            cpu.idle.store(false, Relaxed);
            // Against the one in `flush_everywhere`.
            fence(SeqCst);
            self.answer(cpu, flush);
        }
    }
}
