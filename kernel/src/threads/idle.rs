//! Idle CPUs: they take work from others, nearest first, and halt when there is none, until an interrupt brings some.
//!
//! No wake-up is lost: a CPU first says that it is idle, then looks at its queue once more, then halts; whoever queues a
//! thread there first queues it, then looks whether the CPU is idle. Both sides use locked instructions, so one of them
//! sees the other. The interrupt that wakes a CPU cannot come between its last look and its halt, which are one with
//! interrupts off.
use super::cpu_threads::{self, CpuThreads};
use super::scheduler;
use super::thread::Thread;
use crate::arch;
use crate::clock;
use crate::cpu::{self, Cpu};
use crate::memory::page_allocator;
use crate::platform::cpu_topology;
use core::sync::atomic::{AtomicU64, Ordering};
use scheduling::WORDS;
use units::{CpuId, NodeId};

/// The CPUs that halt or are about to: bit n of word n/64.
static IDLE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// Whether this CPU is idle.
#[inline]
pub fn is_idle(cpu: CpuId) -> bool {
    IDLE[cpu.index() / 64].load(Ordering::SeqCst) & (1 << (cpu.index() % 64)) != 0
}

/// Whether any CPU is idle. Costs a step for each 64 CPUs of the machine.
#[inline]
pub fn any() -> bool {
    IDLE[..words()].iter().any(|word| word.load(Ordering::Relaxed) != 0)
}

/// The words of [`IDLE`] that this machine needs.
fn words() -> usize {
    cpu_topology::cpus().len().div_ceil(64).min(WORDS)
}

/// An idle CPU of the node on which the thread may run.
pub fn allowed_near(thread: &Thread, node: NodeId) -> Option<&'static CpuThreads> {
    let of_node = scheduler::cpu_map()?.cpus_of(node).words();
    (0..words()).find_map(|index| {
        let idle = IDLE[index].load(Ordering::Relaxed) & of_node[index] & thread.affinity_word(index);
        let bit = (idle != 0).then(|| idle.trailing_zeros())?;
        cpu_threads::get(CpuId(index as u32 * 64 + bit))
    })
}

/// Threads wait at this busy CPU: an idle one, the nearest, is woken to take one.
pub fn offer_work(cpu: &Cpu) {
    if any()
        && let Some(map) = scheduler::cpu_map()
        && let Some(idle) = map.victims(cpu.id, cpu.node).find(|other| is_idle(*other))
        && let Some(block) = cpu::get(idle)
    {
        block.wake_up();
    }
}

/// What a CPU does that has nothing to do. Interrupts are off but while it halts.
pub fn run() -> ! {
    let cpu = cpu_threads::current();
    loop {
        if let Some(thread) = cpu.take_queued().or_else(|| steal(cpu)) {
            scheduler::leave_idle(cpu, thread);
            continue;
        }
        page_allocator::drain_cache();
        let (word, bit) = (&IDLE[cpu.id().index() / 64], 1 << (cpu.id().index() % 64));
        word.fetch_or(bit, Ordering::SeqCst);
        if cpu.queued() == 0 {
            set_timer_for_sleepers(cpu);
            cpu::idle();
        }
        word.fetch_and(!bit, Ordering::SeqCst);
    }
}

/// An idle CPU needs no tick, only the next sleeper's time.
fn set_timer_for_sleepers(cpu: &CpuThreads) {
    match cpu.sleepers.lock().next_wake() {
        Some(wake_at) => arch::set_timer(wake_at.saturating_sub(clock::now_here()).max(1)),
        None => arch::stop_timer(),
    }
}

/// Takes a thread from the nearest CPU at which one waits that may run here. A CPU that is about to run its own first one is
/// left that.
fn steal(thief: &CpuThreads) -> Option<&'static Thread> {
    let victims = scheduler::cpu_map()?.victims(thief.id(), thief.cpu().node).filter_map(cpu_threads::get);
    let mut busy = victims.filter(|victim| victim.queued() > u32::from(victim.is_idling()));
    busy.find_map(|victim| victim.take_for(thief.id()))
}

/// Where the boot CPU's idle thread begins; the other CPUs come to [`run`] when they have started.
pub extern "C" fn main() -> ! {
    run()
}
