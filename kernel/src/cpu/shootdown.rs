//! TLB shootdown: making every CPU forget the translations that were taken out of the page tables.
//!
//! A global generation counts the shootdowns, and each CPU notes the last generation whose changes it cannot contradict any
//! more. All accesses to the counters below are sequentially consistent, so that all CPUs agree on their order.
//!
//! - **Who takes translations away** changes the tables, gives back every lock, adds one to the generation, and forgets its own
//!   translations. To each CPU whose noted generation is older it sends an interrupt, unless that CPU is idle. Then it waits
//!   until each of them has noted a generation as new as its own, or is idle. It has seen its own generation by then,
//!   so only those with a later one wait for it, and none waits in a circle; meanwhile it answers what they ask of it.
//! - **A CPU that answers** reads the generation, forgets all its translations, notes what it read, and looks again.
//! - **A CPU that halts** first says that it is idle. From then on it touches only memory that is never unmapped (its idle
//!   thread's stack, the kernel's image, its own block) until it has taken that back, and after that, before anything else, it
//!   looks at the generation and answers. It takes it back at the start of every interrupt.
//!
//! Why no CPU is missed: a CPU writes "not idle" and then reads the generation; who shoots down writes the generation and then
//! reads "idle". One of the two reads what the other wrote. Either the shootdown sees a CPU that is not idle, and waits for
//! it, or the CPU sees the new generation, and forgets. A CPU that has not started yet is idle in this sense; when it starts
//! it does what one does that wakes up.
//!
//! A shootdown costs nothing on CPUs that idle: they are not interrupted, and forget once for however many they slept
//! through. It waits for CPUs, so its caller holds no spin lock: a CPU that spins on that lock with interrupts off would
//! never answer. A CPU that waits for another with interrupts off calls [`answer`] meanwhile.
use super::cpu_local;
use crate::arch::{self, InterruptsOff};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

cpu_local! {
    static TRANSLATIONS: CpuState = CpuState::new();
}

/// How many shootdowns there were.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// What a CPU tells the others about its translations. On a cache line of its own: others spin on it.
#[repr(align(64))]
struct CpuState {
    /// The last generation whose changes this CPU has seen.
    seen: AtomicU64,
    /// Whether it will look at the generation before it touches anything that may have been unmapped.
    idle: AtomicBool,
}

impl CpuState {
    /// That of a CPU that has not started.
    const fn new() -> Self {
        Self { seen: AtomicU64::new(0), idle: AtomicBool::new(true) }
    }

    fn has_seen(&self, generation: u64) -> bool {
        self.seen.load(SeqCst) >= generation || self.idle.load(SeqCst)
    }
}

/// Makes all CPUs forget what was taken out of the page tables before the call; returns when all have. The caller holds no
/// spin lock.
pub fn forget_everywhere() {
    let generation = GENERATION.fetch_add(1, SeqCst) + 1;
    answer();
    // This CPU is among them, for the thread may have moved; where it has not, it has seen the generation.
    for cpu in super::all().filter(|cpu| !TRANSLATIONS.of(cpu).has_seen(generation)) {
        arch::request_shootdown(cpu.apic);
    }
    for cpu in super::all() {
        while !TRANSLATIONS.of(cpu).has_seen(generation) {
            super::serve_requests();
            core::hint::spin_loop();
        }
    }
}

/// Forgets this CPU's translations if another CPU has asked for that since it last did.
pub fn answer() {
    // The thread must not move to another CPU between forgetting and noting it.
    let _off = InterruptsOff::new();
    let seen = &TRANSLATIONS.here().seen;
    loop {
        let generation = GENERATION.load(SeqCst);
        if seen.load(SeqCst) == generation {
            return;
        }
        arch::forget_translations();
        seen.store(generation, SeqCst);
    }
}

/// Says that this CPU is about to halt. Interrupts are off.
pub fn enter_idle() {
    TRANSLATIONS.here().idle.store(true, SeqCst);
}

/// Says that this CPU runs, and catches up with what it slept through. Interrupts are off.
#[inline]
pub fn leave_idle() {
    let idle = &TRANSLATIONS.here().idle;
    if idle.load(SeqCst) {
        idle.store(false, SeqCst);
        answer();
    }
}
