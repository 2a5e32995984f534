//! A machine for tests and models: threads that do nothing, and CPUs that are a run queue each. Each test program uses a part of it.
#![allow(dead_code)]
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use run_queue::{
    Blocked, Entry, IdleSet, List, Lock, Machine, QueuedSet, RunQueue, Runnable, State,
    halt_if_nothing_queued,
};
use scheduling::CpuSet;
use units::CpuId;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard, Notify};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// A thread. It lives for good.
pub struct Thread {
    pub name: u32,
    entry: Entry<Self>,
    pub on_stack: AtomicBool,
}

impl Runnable for Thread {
    fn entry(&self) -> &Entry<Self> {
        &self.entry
    }

    fn is_on_stack(&self) -> bool {
        self.on_stack.load(Ordering::Relaxed)
    }
}

impl Thread {
    /// A blocked thread that may run on `cpus`.
    pub fn blocked(name: u32, cpus: &CpuSet) -> &'static Self {
        let entry = Entry::blocked().with_affinity(cpus);
        Box::leak(Box::new(Self { name, entry, on_stack: AtomicBool::new(false) }))
    }

    /// A thread that `cpu` runs.
    pub fn running(name: u32, cpu: CpuId, cpus: &CpuSet) -> &'static Self {
        let entry = Entry::running_on(cpu).with_affinity(cpus);
        Box::leak(Box::new(Self { name, entry, on_stack: AtomicBool::new(true) }))
    }

    pub fn standing(&self) -> (State, CpuId) {
        self.entry.standing()
    }

    /// Whether the thread is queued or running where it may not be.
    pub fn is_where_it_may_not_be(&self, cpus: &CpuSet) -> bool {
        let (state, cpu) = self.standing();
        matches!(state, State::Queued | State::Running) && !cpus.contains(cpu)
    }
}

/// A lock of the host, or of loom.
pub struct HostLock<T>(pub Mutex<T>);

impl<T> Lock for HostLock<T> {
    type Value = T;
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

pub type Queue = RunQueue<HostLock<List<Thread>>>;

/// CPUs that are all near each other for a thread that is woken.
pub struct Cpus {
    pub queues: Vec<Queue>,
    pub idle: IdleSet,
    pub queued: QueuedSet,
    pub all: CpuSet,
    pub pairs: Vec<CpuSet>,
    /// How often each CPU was interrupted.
    pub interrupts: Vec<AtomicU32>,
    /// What a halted CPU waits for.
    #[cfg(loom)]
    pub pending: Vec<Notify>,
}

impl Cpus {
    pub fn new(count: u32) -> Self {
        let queue = |cpu| {
            let queue = RunQueue::new(HostLock(Mutex::new(List::new())));
            queue.assign(CpuId(cpu));
            queue
        };
        let idle = IdleSet::new();
        idle.limit(count as usize);
        let queued = QueuedSet::new();
        queued.limit(count as usize);
        Self {
            queues: (0..count).map(queue).collect(),
            idle,
            queued,
            all: (0..count).map(CpuId).collect(),
            pairs: (0..count.div_ceil(2)).map(|pair| set(&[2 * pair, 2 * pair + 1])).collect(),
            interrupts: (0..count).map(|_| AtomicU32::new(0)).collect(),
            #[cfg(loom)]
            pending: (0..count).map(|_| Notify::new()).collect(),
        }
    }

    pub fn interrupts(&self, cpu: u32) -> u32 {
        self.interrupts[cpu as usize].load(Ordering::Relaxed)
    }

    /// Halts a CPU unless a thread is queued there. `halted` is what happens meanwhile.
    pub fn halt(&self, cpu: u32, halted: impl FnOnce()) {
        halt_if_nothing_queued(&self.idle, &self.queues[cpu as usize], halted);
    }

    /// Queues a thread that may run there.
    pub fn put(&self, cpu: u32, thread: Blocked<Thread>) {
        let put = self.queues[cpu as usize].put(thread, &self.queued);
        assert!(put.is_ok(), "the thread may not run on CPU {cpu}");
    }

    /// Takes all threads out of a CPU's queue.
    pub fn drain(&self, cpu: u32) -> Vec<u32> {
        let queue = &self.queues[cpu as usize];
        // A thread that no CPU runs: every thread that is taken has left its stack.
        let nobody = Thread::blocked(u32::MAX, &CpuSet::EMPTY);
        (0..queue.queued()).filter_map(|_| queue.take_next(nobody)).map(|thread| thread.name).collect()
    }
}

impl Machine for Cpus {
    type Thread = Thread;
    type Lock = HostLock<List<Thread>>;

    fn queue(&self, cpu: CpuId) -> Option<&Queue> {
        self.queues.get(cpu.index())
    }

    fn idle(&self) -> &IdleSet {
        &self.idle
    }

    fn queued(&self) -> &QueuedSet {
        &self.queued
    }

    fn near(&self, _: CpuId) -> Option<&CpuSet> {
        Some(&self.all)
    }

    /// The CPUs of one pair after the other: 0 and 1, 2 and 3. The pair of `cpu` comes first.
    fn outward(&self, cpu: CpuId) -> impl Iterator<Item = &CpuSet> {
        let (own, others) = (cpu.index() / 2, 0..self.pairs.len());
        std::iter::once(own).chain(others.filter(move |pair| *pair != own)).map(|pair| &self.pairs[pair])
    }

    fn least_busy(&self, thread: &Thread) -> &Queue {
        let allowed = self.queues.iter().filter(|queue| thread.entry().may_run_on(queue.cpu()));
        // While the affinity changes, each CPU may look forbidden when its turn comes.
        allowed.min_by_key(|queue| queue.queued()).unwrap_or(&self.queues[0])
    }

    fn interrupt(&self, cpu: CpuId) {
        self.interrupts[cpu.index()].fetch_add(1, Ordering::Relaxed);
        #[cfg(loom)]
        self.pending[cpu.index()].notify();
    }
}

pub fn set(cpus: &[u32]) -> CpuSet {
    cpus.iter().map(|&cpu| CpuId(cpu)).collect()
}
