//! Waiting at an address until it is woken there: what drivers build their locks on.
//!
//! The addresses are divided among buckets, each with a tree of the threads that wait there, by address and in the order in which
//! they came. Other addresses in a bucket cost a few steps more and are never woken by mistake. The protocol that loses no
//! wake-up is the lib `address-wait`.
use super::cpu_threads;
use super::scheduler;
use super::sleep;
use super::thread::{Thread, WaitPlace};
use crate::arch::InterruptsOff;
use crate::cpu;
use crate::sync::{Rank, SpinLock, SpinLockGuard};
use address_wait::{Waiters, bucket_of};
use core::sync::atomic::Ordering;
use intrusive_collections::rbtree::RBTree;
use intrusive_collections::{Bound, KeyAdapter, RBTreeAtomicLink, intrusive_adapter};
use run_queue::Blocked;
use units::CpuId;

intrusive_adapter!(ByAddress = &'static Thread: Thread { wait.link => RBTreeAtomicLink });

impl<'a> KeyAdapter<'a> for ByAddress {
    /// The address, and the thread's ticket.
    type Key = (u64, u64);

    fn get_key(&self, thread: &'a Thread) -> Self::Key {
        key(thread)
    }
}

fn key(thread: &Thread) -> (u64, u64) {
    (thread.wait.address.load(Ordering::Relaxed), thread.wait.ticket.load(Ordering::Relaxed))
}

/// The threads that wait in a bucket.
struct Queue {
    threads: RBTree<ByAddress>,
    /// The ticket of the thread that comes next.
    next_ticket: u64,
}

/// The buckets lie in cache lines of their own.
#[repr(align(64))]
struct Bucket {
    waiters: Waiters,
    queue: SpinLock<Queue>,
}

const BUCKET_BITS: u32 = 8;

static BUCKETS: [Bucket; 1 << BUCKET_BITS] = [const {
    let queue = Queue { threads: RBTree::new(ByAddress::NEW), next_ticket: 0 };
    Bucket { waiters: Waiters::new(), queue: SpinLock::new(Rank::Waiting, queue) }
}; 1 << BUCKET_BITS];

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitEnd {
    /// The thread was woken, or the word was another one than expected.
    Woken,
    /// The time has passed.
    TimedOut,
    /// The driver whose code the thread runs is being stopped.
    Stopping,
    /// The word cannot be read.
    NoWord,
}

/// Waits until `wake` is called for the address, if `read` returns the word `expected`: it returns the word at the address, or
/// `None` if that cannot be read. Without a time, the wait has no limit.
#[track_caller]
pub fn wait(
    address: u64,
    expected: u32,
    time_ns: Option<u64>,
    read: impl FnOnce() -> Option<u32>,
) -> WaitEnd {
    scheduler::assert_may_wait();
    let bucket = &BUCKETS[bucket_of(address, BUCKET_BITS)];
    bucket.waiters.announce();
    let end = bucket.wait(address, expected, time_ns, read);
    bucket.waiters.leave();
    end
}

impl Bucket {
    fn wait(
        &self,
        address: u64,
        expected: u32,
        time_ns: Option<u64>,
        read: impl FnOnce() -> Option<u32>,
    ) -> WaitEnd {
        let mut queue = self.queue.lock();
        match read() {
            None => return WaitEnd::NoWord,
            Some(word) if word != expected => return WaitEnd::Woken,
            Some(_) if time_ns == Some(0) => return WaitEnd::TimedOut,
            Some(_) => {}
        }
        let thread = cpu_threads::current_thread();
        // Under the lock: whoever stops the driver looks for its threads afterwards.
        if thread.is_leaving() {
            return WaitEnd::Stopping;
        }
        thread.wait.address.store(address, Ordering::Relaxed);
        thread.wait.ticket.store(queue.next_ticket, Ordering::Relaxed);
        queue.next_ticket += 1;
        queue.threads.insert(thread);
        block(thread, time_ns, queue);
        // Under the lock, which whoever wakes the thread holds meanwhile. A thread that was woken has been taken out of the queue.
        let mut queue = self.queue.lock();
        let timed_out =
            thread.wait.link.is_linked() && queue.threads.find_mut(&key(thread)).remove().is_some();
        drop(queue);
        if timed_out {
            return WaitEnd::TimedOut;
        }
        let wakes = thread.wait.wakes.swap(0, Ordering::Relaxed);
        if wakes != 0 {
            wake_before(self, address, wakes, thread.wait.wakes_before.load(Ordering::Relaxed));
        }
        if thread.is_leaving() { WaitEnd::Stopping } else { WaitEnd::Woken }
    }

    /// Takes out of the queue the thread that has waited longest at the address, if it came before the ticket `end`. Returns `None`
    /// if there is none.
    fn take(&self, address: u64, end: u64) -> Option<ToWake> {
        let mut queue = self.queue.lock();
        let mut first = queue.threads.lower_bound_mut(Bound::Included(&(address, 0)));
        let waits_here = |thread: &Thread| key(thread).0 == address && key(thread).1 < end;
        if !first.get().is_some_and(waits_here) {
            return None;
        }
        let thread = first.remove()?;
        Some(ToWake { is_last: !first.get().is_some_and(waits_here), thread: unblocked(thread) })
    }
}

/// A thread that was taken out of a queue to be woken.
struct ToWake {
    /// `None` for a thread whose time has passed at the same moment.
    thread: Option<Blocked<Thread>>,
    /// No other thread is to be woken.
    is_last: bool,
}

/// Returns a thread that was taken out of its bucket's queue, under the bucket's lock. `None` if its time has passed at the same moment.
fn unblocked(thread: &'static Thread) -> Option<Blocked<Thread>> {
    let sleeps_on = thread.wait.sleeps_on.load(Ordering::Relaxed);
    if sleeps_on == WaitPlace::NOT_ASLEEP {
        return Some(Blocked::claim(thread));
    }
    // The thread goes on under the bucket's lock only, so it is among these sleepers or has left them.
    cpu_threads::get(CpuId(sleeps_on))?.sleepers.lock().remove(thread)
}

/// Ends the wait of a thread whose driver is being stopped, if it waits at an address. A thread that is about to wait may be missed.
pub(super) fn end_wait_of(thread: &Thread) {
    let bucket = &BUCKETS[bucket_of(thread.wait.address.load(Ordering::Relaxed), BUCKET_BITS)];
    let mut queue = bucket.queue.lock();
    let unblocked = queue.threads.find_mut(&key(thread)).remove().and_then(unblocked);
    drop(queue);
    if let Some(thread) = unblocked {
        scheduler::wake(thread);
    }
}

/// Blocks the running thread, which is in the queue: among this CPU's sleepers if its time is limited.
fn block(thread: &'static Thread, time_ns: Option<u64>, queue: SpinLockGuard<'_, Queue>) {
    match time_ns {
        None => {
            thread.wait.sleeps_on.store(WaitPlace::NOT_ASLEEP, Ordering::Relaxed);
            let _ = Blocked::block(thread).into_thread();
        }
        Some(time_ns) => {
            let cpu = cpu_threads::current();
            thread.wait.sleeps_on.store(cpu.id().0, Ordering::Relaxed);
            let wake_at = sleep::time_after(time_ns, &InterruptsOff::new());
            cpu.sleepers.lock().push(thread, wake_at);
        }
    }
    scheduler::block(queue);
}

/// The most threads that are woken at once where interrupts or preemption are off.
const MOST_AT_ONCE: u32 = 8;

/// Wakes up to `most` threads that wait at the address, those that have waited longest first. Returns how many.
///
/// Interrupt handlers may call this. Where interrupts or preemption are off, [`MOST_AT_ONCE`] threads are woken at once, and counted. The
/// last of them wakes the others before it does anything else.
#[inline(always)]
pub fn wake(address: u64, most: u32) -> u32 {
    let bucket = &BUCKETS[bucket_of(address, BUCKET_BITS)];
    if !bucket.waiters.may_wait() {
        return 0;
    }
    wake_waiting(bucket, address, most)
}

#[inline(never)]
fn wake_waiting(bucket: &Bucket, address: u64, most: u32) -> u32 {
    // A thread that is woken and waits again is not woken twice.
    let end = bucket.queue.lock().next_ticket;
    wake_before(bucket, address, most, end)
}

/// Wakes threads as [`wake`] does, if they came before the ticket `end`.
fn wake_before(bucket: &Bucket, address: u64, most: u32, end: u64) -> u32 {
    let is_at_once = InterruptsOff::are_off() || cpu::is_preemption_off();
    let last = if is_at_once { most.min(MOST_AT_ONCE) } else { most };
    let mut woken = 0;
    while woken < most
        && let Some(ToWake { thread, is_last }) = bucket.take(address, end)
    {
        woken += 1;
        // A thread whose time has passed wakes nobody, so the next one does.
        let Some(thread) = thread else { continue };
        if is_last {
            scheduler::wake(thread);
            break;
        }
        if woken >= last {
            let wait = &thread.thread().wait;
            wait.wakes_before.store(end, Ordering::Relaxed);
            wait.wakes.store(most - woken, Ordering::Relaxed);
            scheduler::wake(thread);
            break;
        }
        scheduler::wake(thread);
    }
    woken
}
