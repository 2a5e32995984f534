//! Threads run where their memory is, keep to their affinity, sleep, block and wake, and give back all that they had.
use super::pages::state;
use super::{Outcome, ensure};
use crate::clock;
use crate::cpu;
use crate::memory::page_allocator;
use crate::memory::page_tables;
use crate::memory::policy::MemoryContext;
use crate::platform::{cpu_topology, numa_topology};
use crate::threads::cpu_threads;
use crate::threads::lifecycle::{self, ThreadError};
use crate::threads::thread::{Start, ThreadId};
use crate::threads::{Mutex, Semaphore};
use crate::threads::{scheduler, sleep};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use scheduling::CpuSet;
use units::{CpuId, FrameNumber, MAX_NODES, NodeId, VirtAddr};

/// A thread that does `work` with `argument`.
fn spawn(
    work: unsafe extern "C" fn(*mut c_void) -> i32,
    argument: usize,
    node: Option<NodeId>,
) -> Result<ThreadId, &'static str> {
    let start = Start { entry: work, argument: core::ptr::without_provenance_mut(argument) };
    lifecycle::create("selftest", start, node).map_err(|_| "a thread could not be created")
}

fn join(thread: ThreadId) -> Result<i32, &'static str> {
    lifecycle::join(thread).map_err(|_| "a thread could not be joined")
}

fn node_at(address: usize) -> Option<NodeId> {
    page_allocator::node_of(FrameNumber::containing(page_tables::translate(VirtAddr(address as u64))?))
}

/// What a thread reports of itself: whether it runs on the node of this index, and has its stack and control block there.
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

/// Threads of each node. An idle CPU elsewhere may take one whose own CPU is just busy, but not most of them.
const LIVES: i32 = 5;

/// A thread for each node is there, stack, control block and all; joined twice it is refused; its pages come back.
pub fn live_on_their_node() -> Outcome {
    let nodes = numa_topology::get().nodes();
    // The first thread makes page tables and heap that stay.
    join(spawn(look_around, 0, None)?)?;
    for node in nodes.iter().filter(|node| page_allocator::node_stats(node.id).free > 64) {
        join(spawn(look_around, node.id.index(), Some(node.id))?)?;
        let before: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
        let mut at_home = 0;
        for _ in 0..LIVES {
            // Whoever was busy with the thread before is idle by then.
            sleep::sleep_ns(SLEEP_NS);
            let report = join(spawn(look_around, node.id.index(), Some(node.id))?)?;
            ensure!(
                report & 0b0111 == 0b0111,
                "a thread of node {} was not all there: {report:#06b}",
                node.id
            );
            at_home += i32::from(report == 0b1111);
        }
        ensure!(at_home > LIVES / 2, "of {LIVES} threads of node {}, {at_home} ran there", node.id);
        let thread = spawn(look_around, node.id.index(), Some(node.id))?;
        join(thread)?;
        ensure!(
            lifecycle::join(thread) == Err(ThreadError::NoSuchThread(thread)),
            "a thread was joined twice"
        );
        let after: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
        ensure!(after == before, "free pages before a thread's life {before:?}, after {after:?}");
    }
    Ok(())
}

/// Stays on the CPU of this index for a while, giving way all the time; counts how often it was elsewhere.
unsafe extern "C" fn stay(cpu: *mut c_void) -> i32 {
    let wanted = CpuId(cpu.addr() as u32);
    if lifecycle::set_affinity(cpu_threads::current_thread().id, &CpuSet::from_iter([wanted])).is_err() {
        return -1;
    }
    let mut elsewhere = 0;
    for _ in 0..100 {
        elsewhere += i32::from(cpu::current().id != wanted);
        scheduler::yield_now();
    }
    elsewhere
}

/// Two threads pinned to each CPU are never anywhere else.
pub fn keep_to_their_affinity() -> Outcome {
    let threads: Result<Vec<_>, _> =
        cpu::online().chain(cpu::online()).map(|cpu| spawn(stay, cpu.id.index(), None)).collect();
    for thread in threads? {
        let elsewhere = join(thread)?;
        ensure!(elsewhere == 0, "a pinned thread was {elsewhere} times on another CPU");
    }
    Ok(())
}

static HOGGING: AtomicBool = AtomicBool::new(false);
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Goes to the CPU of this index; 0, or 1 if it could not.
fn go_to(cpu: *mut c_void) -> i32 {
    let here = CpuSet::from_iter([CpuId(cpu.addr() as u32)]);
    i32::from(lifecycle::set_affinity(cpu_threads::current_thread().id, &here).is_err())
}

/// Keeps a CPU busy without ever giving way, until the other thread of that CPU has had its turn.
unsafe extern "C" fn hog(cpu: *mut c_void) -> i32 {
    let failed = go_to(cpu);
    HOGGING.store(true, Ordering::Relaxed);
    while !RELEASED.load(Ordering::Relaxed) {
        core::hint::spin_loop();
    }
    failed
}

/// Comes to the busy CPU, where it goes on only when its turn has come.
unsafe extern "C" fn release(cpu: *mut c_void) -> i32 {
    while !HOGGING.load(Ordering::Relaxed) {
        sleep::sleep_ns(100_000);
    }
    let failed = go_to(cpu);
    RELEASED.store(true, Ordering::Relaxed);
    failed
}

/// A thread that never gives way loses its CPU all the same when its turn is over.
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

unsafe extern "C" fn nap(_: *mut c_void) -> i32 {
    let start = clock::now();
    sleep::sleep_ns(SLEEP_NS);
    let slept_ms = (clock::now() - start) / clock::ticks_in_ns(1_000_000);
    i32::try_from(slept_ms).unwrap_or(i32::MAX)
}

/// A sleeping thread sleeps at least as long as it asked to, and wakes.
pub fn sleep_long_enough() -> Outcome {
    for _ in 0..3 {
        let slept_ms = join(spawn(nap, 0, None)?)?;
        ensure!(slept_ms >= 3, "a thread that was to sleep 3 ms slept {slept_ms} ms");
    }
    Ok(())
}

static COUNTER: Mutex<u64> = Mutex::new(0);
static TURNS: [Semaphore; 2] = [const { Semaphore::new(0) }; 2];
static ORDER: AtomicU64 = AtomicU64::new(0);
const ROUNDS: u64 = 200;

unsafe extern "C" fn count(_: *mut c_void) -> i32 {
    for _ in 0..ROUNDS {
        let mut counter = COUNTER.lock();
        let seen = *counter;
        scheduler::yield_now();
        *counter = seen + 1;
    }
    0
}

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

/// A mutex lets one thread at a time in, and two threads that wake each other by semaphores come in turn.
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
    // The last turn left a unit.
    TURNS[0].acquire();
    Ok(())
}
