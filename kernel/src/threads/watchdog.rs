//! The watchdog: each CPU that runs threads watches another one, and asks it to look at what it runs when it does not get on.
//!
//! A CPU notes its progress every [`EVERY`] ticks, if preemption is on, and when it halts. A CPU that is halted needs no watching. An idle CPU watches the next
//! one, if that is not idle: so a CPU is watched also if all others are idle, and an idle machine is left alone.
use super::cpu_threads::{self, CpuThreads};
use super::sleep;
use crate::arch;
use crate::cpu::look::{self, Question};
use crate::cpu::shootdown::is_idle;
use crate::cpu::{self, Cpu, DeferredWork};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use topology::MAX_CPUS;
use units::CpuId;

/// Ticks from one look to the next.
const EVERY: u32 = 16;
/// Milliseconds that an idle CPU halts at most while it watches another one.
const HALT_MS: u64 = 48;
/// Looks at a CPU that does not get on before it is asked.
const PATIENCE: u32 = 3;

/// How often, and after which time each, a CPU is asked that has not got on for a second.
const ASKED_AT_ONCE: u32 = 8;
const ASK_EACH_NS: u64 = 20_000_000;

/// True while CPUs watch each other.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Makes CPUs watch each other from here on.
pub fn start() {
    cpu::register_deferred(DeferredWork::Progress, note_progress);
    IS_ON.store(true, Ordering::Relaxed);
}

/// Returns a number that has changed if the running CPU has got on.
pub fn progress_here() -> u32 {
    cpu_threads::current().watch.progress.load(Ordering::Relaxed)
}

/// Returns true if CPUs watch each other.
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Notes that the running CPU gets on.
fn note_progress() {
    let watch = &cpu_threads::current().watch;
    watch.held.store(0, Ordering::Relaxed);
    // A tick in between changes it as well.
    watch.progress.store(watch.progress.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Counts a tick of the running CPU.
#[inline(always)]
pub fn count_tick(cpu: &'static CpuThreads) {
    // The CPU alone changes it.
    let left = cpu.watch.countdown.load(Ordering::Relaxed).wrapping_sub(1);
    cpu.watch.countdown.store(left, Ordering::Relaxed);
    if left == 0 {
        note_and_look(cpu);
    }
}

/// Notes the progress of the running CPU, and looks at another one.
#[cold]
#[inline(never)]
fn note_and_look(cpu: &'static CpuThreads) {
    cpu.watch.countdown.store(EVERY, Ordering::Relaxed);
    if !is_on() {
        return;
    }
    if cpu::is_preemption_off() {
        // A tick in a short stretch does not matter. A function of a block device that does not return is found by this CPU itself.
        cpu::defer(cpu.cpu(), DeferredWork::Progress);
        if cpu.watch.held.fetch_add(1, Ordering::Relaxed) >= PATIENCE {
            arch::interrupt_this_cpu(arch::vectors::END_THREAD);
        }
    } else {
        note_progress();
        wake_watcher(cpu);
    }
    look_at_ward(cpu);
}

/// Looks at the CPU that this one watches, and asks it if it does not get on. Watches the next one if it does.
fn look_at_ward(this: &CpuThreads) {
    let watch = &this.watch;
    let ward = cpu::get(CpuId(watch.ward.load(Ordering::Relaxed)));
    let progress = |cpu: &Cpu| cpu_threads::of(cpu).watch.progress.load(Ordering::Relaxed);
    if let Some(ward) = ward.filter(|ward| needs_watching(ward, this))
        && progress(ward) == watch.seen.load(Ordering::Relaxed)
    {
        if watch.unchanged.fetch_add(1, Ordering::Relaxed) >= PATIENCE {
            look::ask(ward, Question::Overrun);
        }
        return;
    }
    watch.unchanged.store(0, Ordering::Relaxed);
    let next = ward.and_then(next_of).or_else(|| cpu::get(CpuId(0)));
    if let Some(next) = next {
        watch.ward.store(next.id.0, Ordering::Relaxed);
        watch.seen.store(progress(next), Ordering::Relaxed);
    }
}

fn needs_watching(cpu: &Cpu, watcher: &CpuThreads) -> bool {
    cpu.id != watcher.id() && cpu.is_online() && !is_idle(cpu)
}

fn next_of(cpu: &Cpu) -> Option<&'static Cpu> {
    cpu::get(CpuId(cpu.id.0 + 1)).or_else(|| cpu::get(CpuId(0)))
}

/// Looks at the running CPU, which nobody else looks at, in an interrupt that cannot be off. Returns true if the CPU has not got on since
/// the last look, and is not halted.
pub fn is_stuck_here() -> bool {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let progress = progress_here();
    SEEN.swap(progress, Ordering::Relaxed) == progress && !is_idle(cpu_threads::current().cpu())
}

/// Looks at all CPUs for a thread that calls this each second or so. A CPU that has not got on since is asked some times.
pub fn look_at_all() {
    static SEEN: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];
    if !is_on() {
        return;
    }
    let needs_asking = |cpu: &&'static Cpu| needs_watching(cpu, cpu_threads::current());
    let mut stuck = cpu::all().filter(needs_asking).filter(|cpu| {
        let progress = cpu_threads::of(cpu).watch.progress.load(Ordering::Relaxed);
        SEEN[cpu.id.index()].swap(progress, Ordering::Relaxed) == progress
    });
    // Usually there is none. If there is, the next look finds the others.
    if let Some(cpu) = stuck.next() {
        for _ in 0..ASKED_AT_ONCE {
            look::ask(cpu, Question::Overrun);
            sleep::sleep_ns(ASK_EACH_NS);
        }
    }
}

/// Has the idle CPU before this one watch it.
fn wake_watcher(this: &CpuThreads) {
    let before = match this.id().0.checked_sub(1) {
        Some(index) => cpu::get(CpuId(index)),
        None => cpu::all().last(),
    };
    if let Some(before) = before.filter(|cpu| cpu.id != this.id() && cpu.is_online() && is_idle(cpu))
        && !cpu_threads::of(before).watch.is_set.load(Ordering::Relaxed)
    {
        before.wake_up();
    }
}

/// Returns how long the running CPU, which is about to halt, may halt before it looks at the next CPU, in ticks of the clock.
pub fn longest_halt(this: &CpuThreads) -> u64 {
    // A CPU that halts again and again may never have so many ticks.
    note_progress();
    let next = next_of(this.cpu()).filter(|next| needs_watching(next, this));
    let is_set = is_on() && next.is_some();
    this.watch.is_set.store(is_set, Ordering::Relaxed);
    match next.filter(|_| is_set) {
        Some(next) => {
            if this.watch.ward.swap(next.id.0, Ordering::Relaxed) != next.id.0 {
                this.watch.unchanged.store(0, Ordering::Relaxed);
            }
            // The next tick looks.
            this.watch.countdown.store(1, Ordering::Relaxed);
            arch::ticks_per_ms() * HALT_MS
        }
        None => u64::MAX,
    }
}
