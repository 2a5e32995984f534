//! The threads of each CPU: its run queue, its sleepers, its idle thread.
use super::sleepers::Sleepers;
use super::thread::Thread;
use crate::arch::{self, InterruptsOff};
use crate::cpu::{self, Cpu, cpu_local_addressed};
use crate::sync::{Rank, SpinLock, SpinLockGuard};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use run_queue::{List, Lock, RunQueue};
use units::CpuId;

/// The lock around a CPU's run queue. Interrupts are off while it is held.
pub type QueueLock = SpinLock<List<Thread>>;

impl<T> Lock for SpinLock<T, InterruptsOff> {
    type Value = T;
    type Guard<'a>
        = SpinLockGuard<'a, T, InterruptsOff>
    where
        T: 'a;

    #[inline(always)]
    fn lock(&self) -> SpinLockGuard<'_, T, InterruptsOff> {
        self.lock()
    }
}

/// One CPU's threads.
#[repr(C)]
pub struct CpuThreads {
    /// The threads that wait for the CPU.
    pub queue: RunQueue<QueueLock>,
    /// Ticks that are left of the running thread's time slice.
    pub slice: AtomicU32,
    /// Whether a tick of the idle CPU has left sleepers whose time had come to the next tick.
    pub has_late_sleepers: AtomicBool,
    /// The thread that runs when no other thread can. It stays on its CPU and is in no queue.
    idle_thread: AtomicPtr<Thread>,
    /// The thread that the CPU runs when its halt ends: its idle thread, unless an interrupt has handed over another one. Null while the CPU
    /// does not halt. The CPU alone accesses it, with interrupts off.
    pub after_halt: AtomicPtr<Thread>,
    /// When the timer interrupts for a tick at the latest; `u64::MAX` if it is not set for one. The CPU alone accesses it, with interrupts off.
    pub tick_at: AtomicU64,
    /// The threads that went to sleep on this CPU.
    pub sleepers: Sleepers,
    /// When the tick has to look at the CPU's timers.
    pub timer_times: TimerTimes,
    /// How the CPU gets on, and which CPU it watches.
    pub watch: Watch,
}

/// What a CPU knows of its own progress, and of that of the CPU that it watches. It alone writes that, but for `progress`, which it also
/// changes in an interrupt.
pub struct Watch {
    /// Ticks until the CPU notes its progress, and looks at another CPU.
    pub countdown: AtomicU32,
    /// Changes as long as the CPU gets on.
    pub progress: AtomicU32,
    /// How often in a row the tick has found preemption off since the CPU got on.
    pub held: AtomicU32,
    /// The index of the CPU that it watches.
    pub ward: AtomicU32,
    /// The progress of that CPU.
    pub seen: AtomicU32,
    /// How often in a row that has not changed.
    pub unchanged: AtomicU32,
    /// The CPU is idle, and wakes up to look at the next CPU.
    pub is_set: AtomicBool,
}

impl Watch {
    const fn new() -> Self {
        Self {
            countdown: AtomicU32::new(1),
            progress: AtomicU32::new(0),
            held: AtomicU32::new(0),
            ward: AtomicU32::new(0),
            seen: AtomicU32::new(0),
            unchanged: AtomicU32::new(0),
            is_set: AtomicBool::new(false),
        }
    }
}

/// When timers of drivers need the CPU's attention, in ticks of the clock.
pub struct TimerTimes {
    /// A tick from this time on looks at the timers: the next one is due before the tick after it. `u64::MAX` if none is set.
    pub look: AtomicU64,
    /// The time at which the next timer is due; `u64::MAX` if none is set.
    pub next: AtomicU64,
    /// The time of the regular tick, if an earlier interrupt was requested for a timer. A time that has passed means nothing.
    pub tick: AtomicU64,
}

impl TimerTimes {
    const fn new() -> Self {
        Self { look: AtomicU64::new(u64::MAX), next: AtomicU64::new(u64::MAX), tick: AtomicU64::new(0) }
    }
}

cpu_local_addressed! {
    static THREADS: CpuThreads = CpuThreads {
        queue: RunQueue::new(SpinLock::new(Rank::RunQueue, List::new())),
        slice: AtomicU32::new(0),
        has_late_sleepers: AtomicBool::new(false),
        idle_thread: AtomicPtr::new(core::ptr::null_mut()),
        after_halt: AtomicPtr::new(core::ptr::null_mut()),
        tick_at: AtomicU64::new(u64::MAX),
        sleepers: Sleepers::new(),
        timer_times: TimerTimes::new(),
        watch: Watch::new(),
    };
    /// The running CPU's threads. Where preemption is on, the thread may be on another CPU a moment later.
    current
}

/// Returns the threads of `cpu`.
#[inline]
pub fn of(cpu: &Cpu) -> &'static CpuThreads {
    &THREADS.of(cpu).value
}

/// Returns the threads of the CPU with this index.
#[inline]
pub fn get(id: CpuId) -> Option<&'static CpuThreads> {
    cpu::get(id).map(of)
}

/// Gives a CPU its idle thread, before the CPU switches threads.
pub fn init(cpu: &Cpu, idle: &'static Thread) {
    let threads = of(cpu);
    threads.queue.assign(cpu.id);
    threads.idle_thread.store(core::ptr::from_ref(idle).cast_mut(), Ordering::Release);
}

/// Returns the running thread. One instruction, so that the result is right whatever happens around it.
#[inline]
pub fn current_thread() -> &'static Thread {
    // SAFETY: a CPU's task is a `Thread` from its first instruction in the kernel on, and the running thread is not destroyed:
    // `ThreadBox::destroy` requires that it has exited.
    unsafe { &*arch::current_task().cast::<Thread>() }
}

impl CpuThreads {
    /// Returns the CPU's index.
    #[inline]
    pub fn id(&self) -> CpuId {
        self.queue.cpu()
    }

    /// Returns the CPU.
    pub fn cpu(&self) -> &'static Cpu {
        cpu::get(self.id()).expect("a CPU is registered before it has threads")
    }

    /// Returns the CPU's idle thread.
    #[inline]
    pub fn idle_thread(&self) -> &'static Thread {
        // SAFETY: `init` stores a `&'static Thread` before the CPU switches threads for the first time.
        unsafe { &*self.idle_thread.load(Ordering::Relaxed) }
    }

    /// Returns true if the CPU runs its idle thread.
    pub fn is_idling(&self) -> bool {
        self.cpu().task() == self.idle_thread.load(Ordering::Relaxed).cast_const().cast()
    }

    /// Returns true if this CPU, which must be the calling one, runs its idle thread. Cheaper than [`CpuThreads::is_idling`].
    #[inline]
    pub fn is_idling_here(&self) -> bool {
        core::ptr::eq(current_thread(), self.idle_thread.load(Ordering::Relaxed))
    }
}
