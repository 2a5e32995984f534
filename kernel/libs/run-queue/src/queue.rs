//! One CPU's run queue: the threads that wait for the CPU, first in, first out.
use crate::atomic::{AtomicU32, const_unless_modelled, fence};
use crate::blocked::Blocked;
use crate::entry::{Runnable, State};
use crate::list::List;
use crate::lock::Lock;
use crate::queued_set::QueuedSet;
use core::ptr;
use core::sync::atomic::Ordering;
use scheduling::CpuSet;
use units::CpuId;

/// How many threads of a queue other CPUs look at. A thread further back has its turn when the queue has moved on.
pub const LOOKED_AT: usize = 8;

/// A CPU's run queue.
///
/// Interrupts are off on the calling CPU during every call: a handler may wake threads. No caller holds the lock of two queues.
pub struct RunQueue<L> {
    threads: L,
    /// The number of threads in the list. Written under the lock, read without.
    queued: AtomicU32,
    cpu: AtomicU32,
    /// 1 if the CPU is in the set of CPUs with queued threads, else 0. Written under the lock, together with the set.
    is_in_set: AtomicU32,
}

impl<L> RunQueue<L> {
    const_unless_modelled! {
        /// Creates a queue around an empty list. It is that of CPU 0 until [`RunQueue::assign`] was called.
        #[must_use]
        pub fn new(empty: L) -> Self {
            Self { threads: empty, queued: AtomicU32::new(0), cpu: AtomicU32::new(0), is_in_set: AtomicU32::new(0) }
        }
    }

    /// Makes this the queue of `cpu`. To be called once, before the CPU runs threads.
    pub fn assign(&self, cpu: CpuId) {
        self.cpu.store(cpu.0, Ordering::Relaxed);
    }

    /// Returns the CPU whose queue this is.
    #[inline]
    pub fn cpu(&self) -> CpuId {
        CpuId(self.cpu.load(Ordering::Relaxed))
    }

    /// Returns how many threads are queued.
    #[inline]
    pub fn queued(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Counts one thread more. The caller holds the lock.
    #[inline]
    fn count_up(&self) {
        self.queued.store(self.queued.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Counts one thread less. The caller holds the lock.
    #[inline]
    fn count_down(&self) {
        self.queued.store(self.queued.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
    }
}

impl<T: Runnable, L: Lock<Value = List<T>>> RunQueue<L> {
    /// Queues a blocked thread, and enters the CPU in `set`, the machine's CPUs with queued threads. A fence orders the writes of
    /// this function before what the caller reads afterwards.
    ///
    /// # Errors
    /// Returns the thread, still blocked, if it may not run on this CPU.
    #[inline]
    pub fn put(&self, thread: Blocked<T>, set: &QueuedSet) -> Result<(), Blocked<T>> {
        let mut threads = self.threads.lock();
        let (entry, cpu) = (thread.thread().entry(), self.cpu());
        if entry.cpu() != cpu {
            // `set_affinity` holds the lock of the CPU that the thread belonged to. It writes the affinity, then reads the CPU:
            // either it sees this CPU and waits for this lock, or what it has written is seen here.
            entry.belong_to(cpu);
            fence(Ordering::SeqCst);
        }
        if !entry.may_run_on(cpu) {
            return Err(thread);
        }
        entry.change(State::Blocked, State::Queued);
        threads.push(thread.into_thread());
        self.count_up();
        if self.is_in_set.load(Ordering::Relaxed) == 0 {
            self.enter_set(set);
        }
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Makes a blocked thread that belongs to this CPU the one that the CPU runs next, before those in the queue.
    ///
    /// # Errors
    /// Returns the thread, still blocked, if it belongs to another CPU or may not run on this one.
    #[inline]
    pub fn run_next(&self, thread: Blocked<T>) -> Result<&'static T, Blocked<T>> {
        // `set_affinity` holds this lock while it writes the affinity and looks at the state of a thread of this CPU.
        let _threads = self.threads.lock();
        let (entry, cpu) = (thread.thread().entry(), self.cpu());
        if entry.cpu() != cpu || !entry.may_run_on(cpu) {
            return Err(thread);
        }
        entry.change(State::Blocked, State::Running);
        Ok(thread.into_thread())
    }

    /// Takes the first thread, for this CPU to run it. `running` is the thread that the CPU is about to leave; it may have been
    /// woken meanwhile and be the result.
    ///
    /// Returns `None` if no thread is queued, or if another CPU still stands on the first one's stack. That thread goes to the
    /// end of the queue: CPUs that waited for each other to leave a stack would wait for ever.
    #[inline]
    pub fn take_next(&self, running: &T) -> Option<&'static T> {
        if self.queued() == 0 {
            return None;
        }
        let mut threads = self.threads.lock();
        let next = threads.pop()?;
        if next.is_on_stack() && !ptr::eq(next, running) {
            threads.push(next);
            return None;
        }
        next.entry().change(State::Queued, State::Running);
        self.count_down();
        Some(next)
    }

    /// Takes the first thread, for this CPU to run it, and queues the running thread behind all others. Returns `None`, and
    /// changes nothing, in the cases of [`RunQueue::take_next`].
    #[inline]
    pub fn give_way(&self, running: &'static T) -> Option<&'static T> {
        let mut threads = self.threads.lock();
        let next = threads.pop()?;
        if next.is_on_stack() {
            threads.push(next);
            return None;
        }
        // One thread leaves the queue and one enters it: the count stays.
        running.entry().change(State::Running, State::Queued);
        threads.push(running);
        next.entry().change(State::Queued, State::Running);
        Some(next)
    }

    /// Enters the CPU in `set`. The caller holds the lock.
    #[cold]
    fn enter_set(&self, set: &QueuedSet) {
        self.is_in_set.store(1, Ordering::Relaxed);
        set.insert(self.cpu());
    }

    /// Removes the CPU from `set`, the machine's CPUs with queued threads, if it is there and no thread is queued.
    #[inline]
    pub fn leave_set_if_empty(&self, set: &QueuedSet) {
        if self.queued() == 0 && self.is_in_set.load(Ordering::Relaxed) != 0 {
            self.leave_set(set);
        }
    }

    #[inline(never)]
    fn leave_set(&self, set: &QueuedSet) {
        let _threads = self.threads.lock();
        // Under the lock no thread is queued between the look and the change.
        if self.queued() == 0 && self.is_in_set.load(Ordering::Relaxed) != 0 {
            self.is_in_set.store(0, Ordering::Relaxed);
            set.remove(self.cpu());
        }
    }

    /// Takes the first thread that may run on the CPU `thief`, for that CPU to run it, if it is one of the first
    /// [`LOOKED_AT`]. From then on the thread is the thief's.
    pub fn take_for(&self, thief: CpuId) -> Option<&'static T> {
        let mut threads = self.threads.lock();
        let may_take = |thread: &T| thread.entry().may_run_on(thief) && !thread.is_on_stack();
        let thread = threads.take_among_first(LOOKED_AT, may_take)?;
        thread.entry().run_on(thief);
        self.count_down();
        Some(thread)
    }

    /// Calls `find` with those of the first [`LOOKED_AT`] threads that another CPU could take, until it returns something.
    pub(crate) fn find_among_first<R>(&self, find: impl FnMut(&'static T) -> Option<R>) -> Option<R> {
        let threads = self.threads.lock();
        threads.iter().take(LOOKED_AT).filter(|thread| !thread.is_on_stack()).find_map(find)
    }

    /// Sets the affinity of a thread that belongs to this CPU, and says what must happen next.
    pub(crate) fn set_affinity(&self, thread: &T, cpus: &CpuSet) -> Settled<T> {
        let mut threads = self.threads.lock();
        let entry = thread.entry();
        if entry.cpu() != self.cpu() {
            return Settled::Elsewhere;
        }
        entry.set_affinity(cpus);
        // The CPU is read after the affinity was written: `put` does both in the other order.
        fence(Ordering::SeqCst);
        match entry.standing() {
            (_, cpu) if cpu != self.cpu() => Settled::Elsewhere,
            (_, cpu) if cpus.contains(cpu) => Settled::Done,
            // `put` reads the affinity when the thread is queued again.
            (State::Blocked | State::Exited, _) => Settled::Done,
            (State::Running, _) => Settled::Runs,
            (State::Queued, _) => Settled::Taken(self.take_out(&mut threads, thread)),
        }
    }

    /// Takes a thread that is queued here out of the queue again.
    fn take_out(&self, threads: &mut List<T>, thread: &T) -> Blocked<T> {
        let taken = threads.remove(thread);
        taken.entry().change(State::Queued, State::Blocked);
        self.count_down();
        Blocked::claim(taken)
    }
}

/// The result of [`RunQueue::set_affinity`].
pub(crate) enum Settled<T: Runnable> {
    /// The thread is where it may be.
    Done,
    /// The thread belongs to another CPU by now.
    Elsewhere,
    /// This CPU runs the thread, and may not.
    Runs,
    /// The thread was queued here, and is to be queued elsewhere.
    Taken(Blocked<T>),
}
