//! Tests that threads run where their memory is, are preempted, sleep, block and wake, and lose no page.
use super::pages::state;
use super::{Outcome, Work, ensure};
use crate::clock;
use crate::cpu;
use crate::memory::frames;
use crate::memory::memory_context::MemoryContext;
use crate::memory::page_tables;
use crate::platform::{cpu_topology, numa_topology};
use crate::threads::cpu_threads;
use crate::threads::join;
use crate::threads::lifecycle;
use crate::threads::thread::{Start, ThreadId};
use crate::threads::thread_table::ThreadError;
use crate::threads::{Mutex, Semaphore};
use crate::threads::{scheduler, sleep, tick};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use scheduling::CpuSet;
use units::{CpuId, FrameNumber, MAX_NODES, NodeId, VirtAddr};

/// Creates a thread that calls `work` with `argument`, which must take it as a number.
pub(super) fn spawn(
    work: unsafe extern "C" fn(*mut c_void) -> i32,
    argument: usize,
    node: Option<NodeId>,
) -> Result<ThreadId, &'static str> {
    // SAFETY: every `work` that this folder spawns takes its argument as a number.
    let start = unsafe { Start::new(work, core::ptr::without_provenance_mut(argument)) };
    lifecycle::create("selftest", start, node).map_err(|_| "a thread could not be created")
}

pub(super) fn join(thread: ThreadId) -> Result<i32, &'static str> {
    join::join(thread).map_err(|_| "a thread could not be joined")
}

fn node_at(address: usize) -> Option<NodeId> {
    frames::node_of(FrameNumber::containing(page_tables::translate(VirtAddr(address as u64))?))
}

/// Reports, a bit each, whether the thread's stack, control block, preferred node and CPU are of the node with this index.
unsafe extern "C" fn look_around(node: *mut c_void) -> i32 {
    let wanted = NodeId::new(node.addr());
    let here = 0_u8;
    let stack = node_at(core::ptr::from_ref(core::hint::black_box(&here)).addr());
    let block = node_at(core::ptr::from_ref(cpu_threads::current_thread()).addr());
    let preferred = MemoryContext::current().preferred_node();
    let cpu = cpu::current().node;
    let on_wanted = Some(cpu) == wanted || cpu_topology::cpus().iter().all(|cpu| Some(cpu.node) != wanted);
    i32::from(stack == wanted)
        | i32::from(block == wanted) << 1
        | i32::from(preferred == wanted) << 2
        | i32::from(on_wanted) << 3
}

/// Threads of each node. An idle CPU of another node may take a thread if the thread's own CPU is busy, but not most of them.
const LIVES: i32 = 5;

/// How often [`wait_for_idle_cpu`] sleeps before it gives up: 10 s.
const MOST_WAITS: u64 = 10_000_000_000 / SLEEP_NS;

/// Waits until one of the node's CPUs has nothing to run but the caller, if the node has CPUs. A virtual CPU may take long, as its host has
/// other work too.
fn wait_for_idle_cpu(node: NodeId) -> Result<(), String> {
    for _ in 0..MOST_WAITS {
        // By the end of this sleep, the CPUs that ran the previous thread and its reaper are mostly idle.
        sleep::sleep_ns(SLEEP_NS);
        let here = cpu::current().id;
        let mut cpus = cpu_topology::cpus().iter().filter(|cpu| cpu.node == node).peekable();
        if cpus.peek().is_none() || cpus.any(|cpu| cpu.id == here || scheduler::is_idle(cpu.id)) {
            return Ok(());
        }
    }
    Err(format!("no CPU of node {node} was idle in 10 s"))
}

/// Checks that a node's threads have their stack and control block there, that a second join is refused, and that no
/// page is lost.
pub fn live_on_their_node() -> Result<Work, String> {
    let mut done = false;
    let nodes = numa_topology::get().nodes();
    // The first thread makes page tables and heap that stay.
    join(spawn(look_around, 0, None)?)?;
    for node in nodes.iter().filter(|node| frames::node_stats(node.id).free > 64) {
        join(spawn(look_around, node.id.index(), Some(node.id))?)?;
        let before: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
        let mut at_home = 0;
        for _ in 0..LIVES {
            wait_for_idle_cpu(node.id)?;
            let report = join(spawn(look_around, node.id.index(), Some(node.id))?)?;
            ensure!(
                report & 0b0111 == 0b0111,
                "a thread of node {} had memory of another node: {report:#06b}",
                node.id
            );
            at_home += i32::from(report == 0b1111);
        }
        ensure!(at_home > LIVES / 2, "of {LIVES} threads of node {}, {at_home} ran there", node.id);
        let thread = spawn(look_around, node.id.index(), Some(node.id))?;
        join(thread)?;
        ensure!(join::join(thread) == Err(ThreadError::NoSuchThread(thread)), "a thread was joined twice");
        let after: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
        ensure!(after == before, "free pages before a thread's life {before:?}, after {after:?}");
        done = true;
    }
    Ok(Work::done_if(done, "no node has 64 free pages"))
}

static HOGGING: AtomicBool = AtomicBool::new(false);
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Moves the running thread to the CPU with this index. Returns 0, or 1 if that was refused.
fn go_to(cpu: *mut c_void) -> i32 {
    let here = CpuSet::from_iter([CpuId(cpu.addr() as u32)]);
    i32::from(lifecycle::set_affinity(cpu_threads::current_thread().id, &here).is_err())
}

/// Keeps a CPU busy and never yields, until the other thread of that CPU has run.
unsafe extern "C" fn hog(cpu: *mut c_void) -> i32 {
    let failed = go_to(cpu);
    HOGGING.store(true, Ordering::Relaxed);
    while !RELEASED.load(Ordering::Relaxed) {
        core::hint::spin_loop();
    }
    failed
}

/// Moves to the busy CPU, where it runs only when the other thread's time slice is over.
unsafe extern "C" fn release(cpu: *mut c_void) -> i32 {
    while !HOGGING.load(Ordering::Relaxed) {
        sleep::sleep_ns(100_000);
    }
    let failed = go_to(cpu);
    RELEASED.store(true, Ordering::Relaxed);
    failed
}

/// Checks that a thread that never yields loses its CPU when its time slice is over.
pub fn are_preempted() -> Outcome {
    for cpu in cpu::online() {
        [&HOGGING, &RELEASED].iter().for_each(|flag| flag.store(false, Ordering::Relaxed));
        let threads = [spawn(hog, cpu.id.index(), None)?, spawn(release, cpu.id.index(), None)?];
        for thread in threads {
            ensure!(join(thread)? == 0, "a thread could not go to CPU {}", cpu.id);
        }
    }
    Ok(())
}

const SLEEP_NS: u64 = 3_000_000;

/// Sleeps, and returns for how many milliseconds.
unsafe extern "C" fn nap(_: *mut c_void) -> i32 {
    let start = clock::now();
    sleep::sleep_ns(SLEEP_NS);
    let slept_ms = (clock::now() - start) / clock::ticks_in_ns(1_000_000);
    i32::try_from(slept_ms).unwrap_or(i32::MAX)
}

/// Checks that a thread sleeps at least as long as it asked for, and wakes.
pub fn sleep_long_enough() -> Outcome {
    for _ in 0..3 {
        let slept_ms = join(spawn(nap, 0, None)?)?;
        ensure!(slept_ms >= 3, "a thread that was to sleep 3 ms slept {slept_ms} ms");
    }
    Ok(())
}

/// Sleeps about as long as the next tick takes, a little longer each time. Returns how often no tick was set afterwards.
unsafe extern "C" fn look_for_ticks(_: *mut c_void) -> i32 {
    let times = (800..1_200).step_by(4).filter(|microseconds| {
        sleep::sleep_ns(microseconds * 1_000);
        !tick::is_set()
    });
    times.count() as i32
}

/// Checks that a tick is set for a thread that a tick has woken, so that the thread does not keep the CPU from others.
pub fn have_ticks_after_waits() -> Outcome {
    let without = join(spawn(look_for_ticks, 0, None)?)?;
    ensure!(without == 0, "a thread ran without a tick after {without} of 100 sleeps");
    Ok(())
}

static COUNTER: Mutex<u64> = Mutex::new(0);
static TURNS: [Semaphore; 2] = [const { Semaphore::new(0) }; 2];
static ORDER: AtomicU64 = AtomicU64::new(0);
const ROUNDS: u64 = 200;

/// Counts under the mutex, and yields between reading and writing.
unsafe extern "C" fn count(_: *mut c_void) -> i32 {
    for _ in 0..ROUNDS {
        let mut counter = COUNTER.lock();
        let seen = *counter;
        scheduler::yield_now();
        *counter = seen + 1;
    }
    0
}

/// Waits for its turn, then gives the other player its own. Returns how often it was out of turn.
unsafe extern "C" fn take_turns(player: *mut c_void) -> i32 {
    let player = player.addr();
    let mut wrong = 0;
    for round in 0..ROUNDS {
        TURNS[player].acquire();
        let expected = 2 * round + player as u64;
        wrong += i32::from(ORDER.fetch_add(1, Ordering::Relaxed) != expected);
        TURNS[1 - player].release();
    }
    wrong
}

/// Checks that a mutex admits one thread at a time, and two threads that wake each other by semaphores run in turn.
pub fn block_and_wake() -> Outcome {
    *COUNTER.lock() = 0;
    let threads: Result<Vec<_>, _> = (0..8).map(|_| spawn(count, 0, None)).collect();
    for thread in threads? {
        join(thread)?;
    }
    let counted = *COUNTER.lock();
    ensure!(counted == 8 * ROUNDS, "eight threads counted to {counted}, not to {}", 8 * ROUNDS);
    ORDER.store(0, Ordering::Relaxed);
    let players = [spawn(take_turns, 0, None)?, spawn(take_turns, 1, None)?];
    TURNS[0].release();
    for player in players {
        let wrong = join(player)?;
        ensure!(wrong == 0, "two threads that take turns were out of turn {wrong} times");
    }
    // The last round leaves a unit.
    TURNS[0].acquire();
    Ok(())
}
