//! Ending the threads of a driver that is being stopped. Waits and sleeps end at once. A thread that does not return by itself is ended
//! where it runs the driver's code: there it holds nothing of the kernel's.
use super::address_wait;
use super::cpu_threads;
use super::join;
use super::lifecycle;
use super::owner::{Life, Owner};
use super::sleep;
use super::thread::{Thread, ThreadId};
use super::thread_table;
use super::used_kinds::UsedKind;
use crate::arch::{self, Frame, InterruptsOff};
use crate::clock;
use crate::cpu;
use arrayvec::ArrayVec;
use run_queue::{Runnable, State};

/// How long the threads have to return by themselves.
const PATIENCE_NS: u64 = 1_000_000_000;
/// After so long, the threads that are left are left alone.
const LIMIT_NS: u64 = 3_000_000_000;
/// How long to wait between two looks.
const PAUSE_NS: u64 = 1_000_000;
/// Slots of the table of threads that are looked at without a pause.
const SLOTS_AT_ONCE: usize = 64;
/// What a thread that is ended exits with.
const ENDED: i32 = -1;

/// Ends the threads of a driver whose stop has begun, and frees what is left of them. Returns how many still run. Waits, up to some seconds.
pub fn end_all(owner: &'static Owner) -> u32 {
    if owner.life() < Life::Leaving {
        owner.set_life(Life::Leaving);
    }
    let start = clock::time_ns();
    while owner.threads() > 0 {
        let elapsed = clock::time_ns().saturating_sub(start);
        if elapsed > LIMIT_NS {
            break;
        }
        if elapsed > PATIENCE_NS {
            owner.set_life(Life::Ending);
        }
        for_each(owner, |thread| urge(owner, thread));
        sleep::sleep_ns(PAUSE_NS);
    }
    join_all(owner);
    owner.threads()
}

/// Ends the wait of a thread, or has its CPU end it.
fn urge(owner: &Owner, thread: &Thread) {
    address_wait::end_wait_of(thread);
    if owner.is_ending()
        && let (State::Running, cpu) = thread.standing()
        && let Some(cpu) = cpu::get(cpu)
    {
        arch::request_end_of_thread(cpu.apic);
    }
}

/// Does `work` for each thread of the driver. The table of threads is locked meanwhile, for some threads at a time.
fn for_each(owner: &'static Owner, mut work: impl FnMut(&Thread)) {
    let mut first = 1;
    loop {
        let table = thread_table::lock();
        let Some(threads) = table.in_slots(first, SLOTS_AT_ONCE) else { return };
        threads.filter(|thread| is_of(thread, owner)).for_each(|thread| work(thread));
        first += SLOTS_AT_ONCE;
    }
}

fn is_of(thread: &Thread, owner: &'static Owner) -> bool {
    thread.driver().is_some_and(|driver| core::ptr::eq(driver, owner))
}

/// Joins the threads that have exited and that nobody has joined.
fn join_all(owner: &'static Owner) {
    if !owner.used().has(UsedKind::Threads) {
        return;
    }
    loop {
        let mut exited = ArrayVec::<ThreadId, SLOTS_AT_ONCE>::new();
        for_each(owner, |thread| {
            if thread.entry().standing().0 == State::Exited && !thread.is_joined() {
                let _ = exited.try_push(thread.id);
            }
        });
        if exited.is_empty() {
            return;
        }
        // Another thread may join one meanwhile.
        exited.into_iter().for_each(|id| _ = join::join(id));
    }
}

/// Ends the running thread if an interrupt has asked for it while it ran the code of a driver whose threads are to end.
pub fn end_if_due(frame: &Frame) {
    let thread = cpu_threads::current_thread();
    let is_due = |owner: &Owner| owner.is_ending() && owner.image().contains(&frame.instruction_pointer);
    // With preemption off, a function of a block device runs on the thread.
    if thread.driver().is_some_and(is_due) && frame.has_interrupts_on() && !cpu::is_preemption_off() {
        debug_assert!(InterruptsOff::are_off(), "the interrupt goes on");
        lifecycle::exit(ENDED);
    }
}

/// Ends the running thread if the threads of its driver are to end. A thread that is about to wait calls this, in a function of the ABI: it
/// holds nothing of the kernel's.
#[inline]
pub fn exit_if_due() {
    if cpu_threads::current_thread().is_leaving() {
        exit_if_ending();
    }
}

#[cold]
#[inline(never)]
fn exit_if_ending() {
    if cpu_threads::current_thread().is_ending() {
        lifecycle::exit(ENDED);
    }
}
