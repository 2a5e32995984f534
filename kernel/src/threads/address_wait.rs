//! Waiting at an address until it is woken there: what drivers build their locks on.
//!
//! The addresses are divided among buckets, each with a tree of the threads that wait there, by address and in the order in which
//! they came. Only the thread that came last is not in the tree. Other addresses in a bucket cost a few steps more and are never woken by
//! mistake.
//!
//! A thread that is alone in its bucket, on a CPU that has nothing else to do, is neither put into the queue nor blocked at first: it leaves
//! a note in the bucket and halts the CPU. Most waits end soon, with one interrupt. The protocol that loses no wake-up is the lib
//! `address-wait`.
use super::cpu_threads::{self, CpuThreads};
use super::halting;
use super::scheduler;
use super::sleep;
use super::sleepers::Sleepers;
use super::thread::Thread;
use super::tick_timer;
use crate::arch::InterruptsOff;
use crate::clock;
use crate::cpu;
use crate::sync::{Rank, SpinLock, SpinLockGuard};
use address_wait::{Alone, Waiters, bucket_of};
use core::ptr;
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
    /// The thread that came last, unless it has left.
    last: Option<&'static Thread>,
    /// The threads that came before.
    others: RBTree<ByAddress>,
    /// The ticket of the thread that comes next.
    next_ticket: u64,
}

/// The ticket of a thread that has come before all others: the one that was alone. There is one at most, because no other thread was alone
/// meanwhile.
const FIRST_TICKET: u64 = 0;

impl Queue {
    const fn new() -> Self {
        Self { last: None, others: RBTree::new(ByAddress::NEW), next_ticket: FIRST_TICKET + 1 }
    }

    /// Adds a thread that waits at the address.
    #[inline]
    fn push(&mut self, thread: &'static Thread, address: u64) {
        thread.wait.address.store(address, Ordering::Relaxed);
        thread.wait.ticket.store(self.next_ticket, Ordering::Relaxed);
        self.next_ticket += 1;
        if let Some(before) = self.last.replace(thread) {
            self.others.insert(before);
        }
    }

    /// Adds the thread that was alone at the address, before all threads that have come meanwhile.
    fn push_first(&mut self, thread: &'static Thread, address: u64) {
        thread.wait.address.store(address, Ordering::Relaxed);
        thread.wait.ticket.store(FIRST_TICKET, Ordering::Relaxed);
        if self.last.is_none() && self.others.is_empty() {
            self.last = Some(thread);
        } else {
            self.others.insert(thread);
        }
    }

    /// Removes a thread. Returns `None` if it is not in the queue.
    fn remove(&mut self, thread: &Thread) -> Option<&'static Thread> {
        if self.last.is_some_and(|last| ptr::eq(last, thread)) {
            return self.last.take();
        }
        if thread.wait.link.is_linked() { self.others.find_mut(&key(thread)).remove() } else { None }
    }

    /// Removes the thread that has waited longest at the address, if it came before the ticket `end`. Also returns true if no other one is
    /// left that did.
    #[inline]
    fn take(&mut self, address: u64, end: u64) -> Option<(&'static Thread, bool)> {
        let waits_here = |thread: &Thread| key(thread).0 == address && key(thread).1 < end;
        let last_waits = self.last.is_some_and(waits_here);
        if !self.others.is_empty() {
            let mut first = self.others.lower_bound_mut(Bound::Included(&(address, 0)));
            if first.get().is_some_and(waits_here) {
                let taken = first.remove()?;
                return Some((taken, !last_waits && !first.get().is_some_and(waits_here)));
            }
        }
        if last_waits { self.last.take().map(|last| (last, true)) } else { None }
    }
}

/// The buckets lie in cache lines of their own.
#[repr(align(64))]
struct Bucket {
    waiters: Waiters,
    queue: SpinLock<Queue>,
}

const BUCKET_BITS: u32 = 8;

static BUCKETS: [Bucket; 1 << BUCKET_BITS] =
    [const { Bucket { waiters: Waiters::new(), queue: SpinLock::new(Rank::Waiting, Queue::new()) } };
        1 << BUCKET_BITS];

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
pub fn wait(address: u64, expected: u32, time_ns: Option<u64>, read: impl Fn() -> Option<u32>) -> WaitEnd {
    scheduler::assert_may_wait();
    let bucket = &BUCKETS[bucket_of(address, BUCKET_BITS)];
    let end = bucket.wait(Awaited { address, expected, time_ns }, read);
    bucket.waiters.leave();
    end
}

const _: () = assert!(topology::MAX_CPUS <= 1 << u16::BITS, "a note has room for the index of each CPU");

/// What a thread waits for: a word other than the expected one, or a wake-up at its address, and how long.
#[derive(Clone, Copy)]
struct Awaited {
    address: u64,
    expected: u32,
    time_ns: Option<u64>,
}

impl Awaited {
    /// Returns how a wait ends that has found this word; `None` if it does not end.
    #[inline(always)]
    fn end_at(&self, word: Option<u32>) -> Option<WaitEnd> {
        match word {
            None => Some(WaitEnd::NoWord),
            Some(word) => (word != self.expected).then_some(WaitEnd::Woken),
        }
    }

    /// Returns true if the next tick of the CPU comes before the wait ends by itself.
    #[inline(always)]
    fn is_long(&self) -> bool {
        self.time_ns.is_none_or(|time_ns| time_ns >= tick_timer::LENGTH_NS)
    }
}

impl Bucket {
    #[inline(always)]
    fn wait(&self, awaited: Awaited, read: impl Fn() -> Option<u32>) -> WaitEnd {
        let off = InterruptsOff::new();
        let cpu = cpu_threads::current();
        let may_halt = awaited.is_long() && halting::may_halt_in_place(cpu, &off);
        match Alone::new(awaited.address, cpu.id().0 as u16).filter(|_| may_halt) {
            Some(note) if self.waiters.announce_alone(note) => {
                return self.wait_alone(awaited, note, cpu, off, read);
            }
            Some(_) => {}
            None => self.waiters.announce(),
        }
        drop(off);
        self.wait_in_queue(awaited, read)
    }

    /// Waits with a note in the bucket: halts the CPU, `cpu`, until an interrupt. The thread goes on if it was woken, and is blocked otherwise.
    #[inline(always)]
    fn wait_alone(
        &self,
        awaited: Awaited,
        note: Alone,
        cpu: &'static CpuThreads,
        off: InterruptsOff,
        read: impl Fn() -> Option<u32>,
    ) -> WaitEnd {
        let start = clock::now_here();
        if let Some(end) = awaited.end_at(read()) {
            let is_woken = !self.waiters.take_back(note);
            drop(off);
            if is_woken {
                // Perhaps in place of a thread that has come meanwhile and waits.
                wake(awaited.address, 1);
            }
            return end;
        }
        let thread = cpu_threads::current_thread();
        halting::halt_in_place(cpu, thread, &off);
        if !self.waiters.is_woken(note) {
            return self.move_to_queue(awaited, note, start, off);
        }
        scheduler::go_on_after_halt(cpu);
        if thread.is_leaving() { WaitEnd::Stopping } else { WaitEnd::Woken }
    }

    /// Waits on in the queue, because the CPU has something else to do, after a wait with this note that has begun at `start`.
    #[inline(never)]
    fn move_to_queue(&self, awaited: Awaited, note: Alone, start: u64, off: InterruptsOff) -> WaitEnd {
        let thread = cpu_threads::current_thread();
        // Under the lock: whoever wakes the thread takes its note, or finds it in the queue.
        let mut queue = self.queue.lock();
        let is_woken = !self.waiters.take_back(note);
        if is_woken || thread.is_leaving() {
            drop(queue);
            scheduler::go_on_after_halt(cpu_threads::current());
            return if thread.is_leaving() { WaitEnd::Stopping } else { WaitEnd::Woken };
        }
        queue.push_first(thread, awaited.address);
        let end = awaited.time_ns.map(|time_ns| start.saturating_add(clock::ticks_in_ns(time_ns)));
        block(thread, end, queue);
        drop(off);
        self.end_in_queue(thread, awaited.address)
    }

    /// Waits in the queue.
    fn wait_in_queue(&self, awaited: Awaited, read: impl Fn() -> Option<u32>) -> WaitEnd {
        let mut queue = self.queue.lock();
        if let Some(end) = awaited.end_at(read()) {
            return end;
        }
        if awaited.time_ns == Some(0) {
            return WaitEnd::TimedOut;
        }
        let thread = cpu_threads::current_thread();
        // Under the lock: whoever stops the driver looks for its threads afterwards.
        if thread.is_leaving() {
            return WaitEnd::Stopping;
        }
        queue.push(thread, awaited.address);
        let end = awaited.time_ns.map(|time_ns| sleep::time_after(time_ns, queue.off()));
        block(thread, end, queue);
        self.end_in_queue(thread, awaited.address)
    }

    /// Returns how the wait of a thread has ended that was in the queue.
    #[inline(always)]
    fn end_in_queue(&self, thread: &'static Thread, address: u64) -> WaitEnd {
        // Whoever finds the thread in the queue when its time has passed still holds the lock, unless it was too late to wake the thread.
        if !thread.wait.is_woken.load(Ordering::Relaxed) && self.queue.lock().remove(thread).is_some() {
            return WaitEnd::TimedOut;
        }
        let wakes = thread.wait.wakes.load(Ordering::Relaxed);
        if wakes != 0 {
            thread.wait.wakes.store(0, Ordering::Relaxed);
            wake_before(self, address, wakes, thread.wait.wakes_before.load(Ordering::Relaxed));
        }
        if thread.is_leaving() { WaitEnd::Stopping } else { WaitEnd::Woken }
    }

    /// Takes out of the queue the thread that has waited longest at the address, if it came before the ticket `end` and before this call.
    /// Lowers `end` to the ticket of the threads that come later. Returns `None` if there is none.
    #[inline]
    fn take(&self, address: u64, end: &mut u64) -> Option<ToWake> {
        let mut queue = self.queue.lock();
        *end = queue.next_ticket.min(*end);
        let (thread, is_last) = queue.take(address, *end)?;
        Some(ToWake { is_last, thread: unblocked(thread, queue.off()) })
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
#[inline]
fn unblocked(thread: &'static Thread, off: &InterruptsOff) -> Option<Blocked<Thread>> {
    let sleepers = thread.wait.sleeps_among.load(Ordering::Relaxed).cast_const().cast::<Sleepers>();
    // SAFETY: `block` alone writes the word: null, or the sleepers of a CPU, which are there for good.
    let unblocked = match unsafe { sleepers.as_ref() } {
        None => Blocked::claim(thread),
        // A thread whose time has passed goes on under the bucket's lock only, so it is among these sleepers or has left them.
        Some(sleepers) => sleepers.remove(thread, off)?,
    };
    thread.wait.is_woken.store(true, Ordering::Relaxed);
    Some(unblocked)
}

/// Ends the wait of a thread whose driver is being stopped, if it waits at an address. A thread that is about to wait may be missed.
pub(super) fn end_wait_of(thread: &Thread) {
    let bucket = &BUCKETS[bucket_of(thread.wait.address.load(Ordering::Relaxed), BUCKET_BITS)];
    let mut queue = bucket.queue.lock();
    let unblocked = queue.remove(thread).and_then(|thread| unblocked(thread, queue.off()));
    drop(queue);
    if let Some(thread) = unblocked {
        scheduler::wake(thread);
    }
}

/// Blocks the running thread, which is in the queue: among this CPU's sleepers if its time is limited, which ends at `end`.
fn block(thread: &'static Thread, end: Option<u64>, queue: SpinLockGuard<'_, Queue>) {
    thread.wait.is_woken.store(false, Ordering::Relaxed);
    match end {
        None => {
            thread.wait.sleeps_among.store(ptr::null_mut(), Ordering::Relaxed);
            let _ = Blocked::block(thread).into_thread();
        }
        Some(end) => {
            let sleepers: &'static Sleepers = &cpu_threads::current().sleepers;
            thread.wait.sleeps_among.store(ptr::from_ref(sleepers).cast_mut().cast(), Ordering::Relaxed);
            drop(sleepers.push(thread, end, queue.off()));
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
    let waiting = bucket.waiters.count_waiting();
    if waiting == 0 {
        return 0;
    }
    wake_waiting(bucket, address, most, waiting)
}

#[inline(never)]
fn wake_waiting(bucket: &Bucket, address: u64, most: u32, waiting: u32) -> u32 {
    if most == 0 {
        return 0;
    }
    let Some(halted) = bucket.waiters.wake_alone(address) else {
        return wake_before(bucket, address, most, u64::MAX);
    };
    // Where a thread of this CPU was woken, this is an interrupt that has ended the halt.
    if CpuId(halted.into()) != cpu_threads::current().id()
        && let Some(cpu) = cpu::get(CpuId(halted.into()))
    {
        cpu.wake_up();
    }
    if waiting == 1 { 1 } else { 1 + wake_before(bucket, address, most - 1, u64::MAX) }
}

/// Wakes threads as [`wake`] does, if they came before the ticket `end`, and before the first is woken: a thread that is woken and waits again
/// is not woken twice.
#[inline]
fn wake_before(bucket: &Bucket, address: u64, most: u32, mut end: u64) -> u32 {
    let mut woken = 0;
    while woken < most
        && let Some(ToWake { thread, is_last }) = bucket.take(address, &mut end)
    {
        woken += 1;
        if is_last {
            thread.into_iter().for_each(scheduler::wake);
            break;
        }
        // A thread whose time has passed wakes nobody, so the next one does.
        let Some(thread) = thread else { continue };
        if woken < most.min(MOST_AT_ONCE) || woken < most && !is_at_once() {
            scheduler::wake(thread);
            continue;
        }
        let wait = &thread.thread().wait;
        wait.wakes_before.store(end, Ordering::Relaxed);
        wait.wakes.store(most - woken, Ordering::Relaxed);
        scheduler::wake(thread);
        break;
    }
    woken
}

/// Returns true if the CPU runs nothing else until the running code has ended.
fn is_at_once() -> bool {
    InterruptsOff::are_off() || cpu::is_preemption_off()
}
