//! The threads of each CPU: who waits for his turn there, who sleeps.
use super::sleep::Sleepers;
use super::thread::{State, Thread};
use super::thread_list::ThreadList;
use crate::arch;
use crate::cpu::{self, Cpu, cpu_local_addressed};
use crate::sync::{Rank, SpinLock};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use scheduling::CpuSet;
use units::CpuId;

/// One CPU's.
#[repr(C)]
pub struct CpuThreads {
    /// The CPU's index.
    id: AtomicU32,
    /// Ticks that are left of the running thread's turn.
    pub slice: AtomicU32,
    /// What it runs when nothing else is to be run.
    idle_thread: AtomicPtr<Thread>,
    /// Threads that wait for their turn.
    pub run_queue: SpinLock<ThreadList>,
    /// How many they are.
    queued: AtomicU32,
    /// Threads that sleep until some time, having run here.
    pub sleepers: SpinLock<Sleepers>,
}

cpu_local_addressed! {
    static THREADS: CpuThreads = CpuThreads {
        id: AtomicU32::new(0),
        slice: AtomicU32::new(0),
        idle_thread: AtomicPtr::new(core::ptr::null_mut()),
        run_queue: SpinLock::new(Rank::RunQueue, ThreadList::new()),
        queued: AtomicU32::new(0),
        sleepers: SpinLock::new(Rank::Sleepers, Sleepers::new()),
    };
    /// The running CPU's.
    current
}

/// That of a CPU.
#[inline]
pub fn of(cpu: &Cpu) -> &'static CpuThreads {
    &THREADS.of(cpu).value
}

/// That of the CPU with this index.
#[inline]
pub fn get(id: CpuId) -> Option<&'static CpuThreads> {
    cpu::get(id).map(of)
}

/// Gives a CPU its idle thread, which stays on it, and the thread that it runs first.
pub fn init(cpu: &Cpu, idle: &'static Thread) {
    let threads = of(cpu);
    threads.id.store(cpu.id.0, Ordering::Relaxed);
    idle.set_cpu(cpu.id);
    threads.idle_thread.store(core::ptr::from_ref(idle).cast_mut(), Ordering::Release);
}

/// The running thread: one instruction, so that it is right whatever happens around it.
#[inline]
pub fn current_thread() -> &'static Thread {
    // SAFETY: a CPU runs threads only, and a thread that runs lives.
    unsafe { &*arch::current_task().cast::<Thread>() }
}

impl CpuThreads {
    /// The CPU's index.
    #[inline]
    pub fn id(&self) -> CpuId {
        CpuId(self.id.load(Ordering::Relaxed))
    }

    /// The CPU.
    pub fn cpu(&self) -> &'static Cpu {
        cpu::get(self.id()).expect("a CPU with threads is one that was made")
    }

    /// What the CPU runs when nothing else is to be run.
    #[inline]
    pub fn idle_thread(&self) -> &'static Thread {
        // SAFETY: a CPU is given its idle thread, which lives for good, before any of its threads can block.
        unsafe { &*self.idle_thread.load(Ordering::Relaxed) }
    }

    /// Whether the CPU runs its idle thread.
    pub fn is_idling(&self) -> bool {
        self.cpu().task() == self.idle_thread.load(Ordering::Relaxed).cast_const().cast()
    }

    /// Whether this CPU, the running one, runs its idle thread.
    #[inline]
    pub fn is_idling_here(&self) -> bool {
        core::ptr::eq(current_thread(), self.idle_thread.load(Ordering::Relaxed))
    }

    /// Queues a thread that is in no list, unless it may no longer run here: then `false`. Interrupts are off.
    #[inline]
    pub fn put(&self, thread: &'static Thread) -> bool {
        let mut queue = self.run_queue.lock();
        thread.set_cpu(self.id());
        thread.set_state(State::Queued);
        queue.push(thread);
        // A locked instruction: whoever queues then looks whether this CPU is idle, and must not look too early.
        self.queued.fetch_add(1, Ordering::SeqCst);
        // Only now: either this sees what `set_affinity` has just written, or that sees the thread here.
        if thread.may_run_on(self.id()) { true } else { self.take_out(&mut queue, thread) }
    }

    #[cold]
    #[inline(never)]
    fn take_out(&self, queue: &mut ThreadList, thread: &'static Thread) -> bool {
        let taken = queue.take(|queued| core::ptr::eq(queued, thread));
        assert!(taken.is_some(), "a queued thread stands in its CPU's queue");
        thread.set_state(State::Blocked);
        self.queued.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Takes the running thread off this CPU, for it to be queued elsewhere. Interrupts are off.
    pub fn leave(&self, thread: &'static Thread) {
        let _queue = self.run_queue.lock();
        thread.set_state(State::Blocked);
    }

    /// Takes the thread whose turn is next: the running thread itself, or one that no CPU is still about to leave. Interrupts
    /// are off; for the CPU itself.
    #[inline]
    pub fn take_queued(&self) -> Option<&'static Thread> {
        if self.queued() == 0 {
            return None;
        }
        let mut queue = self.run_queue.lock();
        let thread = queue.pop()?;
        if thread.context.is_on_stack() && !core::ptr::eq(thread, current_thread()) {
            queue.push(thread);
            return None;
        }
        thread.set_state(State::Running);
        self.queued.fetch_sub(1, Ordering::Relaxed);
        Some(thread)
    }

    /// Takes the first queued thread that may run on the CPU `thief`, for that CPU to run it. Interrupts are off.
    pub fn take_for(&self, thief: CpuId) -> Option<&'static Thread> {
        let mut queue = self.run_queue.lock();
        let thread = queue.take(|thread| thread.may_run_on(thief) && !thread.context.is_on_stack())?;
        thread.set_cpu(thief);
        thread.set_state(State::Running);
        self.queued.fetch_sub(1, Ordering::Relaxed);
        Some(thread)
    }

    /// Sets where a thread may run, whose CPU this is. Interrupts are off.
    pub fn set_affinity(&self, thread: &'static Thread, cpus: &CpuSet) -> Settled {
        let mut queue = self.run_queue.lock();
        if thread.cpu() != self.id() {
            return Settled::No;
        }
        thread.set_affinity(cpus);
        core::sync::atomic::fence(Ordering::SeqCst);
        // The state before the CPU: whoever queues the thread elsewhere writes them the other way round.
        let (runs, is_queued) = (thread.is(State::Running), thread.is(State::Queued));
        if thread.cpu() != self.id() {
            return Settled::No;
        }
        if cpus.contains(self.id()) || !(runs || is_queued) {
            return Settled::Yes;
        }
        if runs {
            return Settled::Runs;
        }
        self.take_out(&mut queue, thread);
        Settled::Taken
    }
}

/// What became of a thread whose affinity was set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// It is where it may be.
    Yes,
    /// It went to another CPU meanwhile.
    No,
    /// This CPU runs it, and may not.
    Runs,
    /// It was taken out of the queue, to be queued elsewhere.
    Taken,
}

impl CpuThreads {
    /// How many threads wait for their turn.
    #[inline]
    pub fn queued(&self) -> u32 {
        self.queued.load(Ordering::SeqCst)
    }
}
