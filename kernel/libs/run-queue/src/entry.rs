//! What the scheduler keeps in each thread: its state, its CPU, its affinity and its place in a list.
use crate::affinity::Affinity;
use crate::atomic::{AtomicU32, const_unless_modelled};
use crate::link::Link;
use core::sync::atomic::Ordering;
use scheduling::CpuSet;
use units::CpuId;

/// The state of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// It stands in a wait queue or among sleepers, or is on its way from one queue to another.
    Blocked = 0,
    /// It stands in the run queue of its CPU.
    Queued = 1,
    /// Its CPU runs it, or has taken it out of a run queue to run it.
    Running = 2,
    /// It never runs again.
    Exited = 3,
}

/// A thread that run queues hold.
pub trait Runnable: Sync + Sized + 'static {
    /// Returns what the scheduler keeps in the thread.
    fn entry(&self) -> &Entry<Self>;

    /// Returns true while a CPU stands on the thread's stack. A CPU leaves the stack only after the thread's state has changed,
    /// so a queued thread may still be on a stack.
    fn is_on_stack(&self) -> bool;
}

/// What the scheduler keeps in a thread.
pub struct Entry<T> {
    /// The thread's place in the list that it is in.
    pub(crate) link: Link<T>,
    /// The state, above [`CPU_BITS`] bits of the CPU that the thread runs on, is queued at, or ran on last. One word, so that a
    /// reader without a lock sees a state and a CPU that belong together.
    standing: AtomicU32,
    affinity: Affinity,
}

const CPU_BITS: u32 = 16;
const CPU_MASK: u32 = (1 << CPU_BITS) - 1;

impl State {
    const fn bits(self) -> u32 {
        (self as u32) << CPU_BITS
    }

    const fn from_bits(standing: u32) -> Self {
        match standing >> CPU_BITS {
            0 => Self::Blocked,
            1 => Self::Queued,
            2 => Self::Running,
            _ => Self::Exited,
        }
    }
}

impl<T> Entry<T> {
    const_unless_modelled! {
        /// Creates the entry of a thread that has not run yet and is in no list. It may run on every CPU.
        #[must_use]
        pub fn blocked() -> Self {
            Self::with_standing(State::Blocked.bits())
        }
    }

    const_unless_modelled! {
        /// Creates the entry of a thread that `cpu` runs already. It may run on every CPU.
        #[must_use]
        pub fn running_on(cpu: CpuId) -> Self {
            Self::with_standing(State::Running.bits() | cpu.0)
        }
    }

    const_unless_modelled! {
        fn with_standing(standing: u32) -> Self {
            Self { link: Link::new(), standing: AtomicU32::new(standing), affinity: Affinity::everywhere() }
        }
    }

    /// Restricts a thread that no other CPU can find yet. [`crate::set_affinity`] restricts any other.
    #[must_use]
    pub fn with_affinity(self, cpus: &CpuSet) -> Self {
        self.affinity.set(cpus);
        self
    }

    /// Returns the CPU that the thread runs on, is queued at, or belonged to last.
    #[inline]
    pub fn cpu(&self) -> CpuId {
        CpuId(self.standing.load(Ordering::Relaxed) & CPU_MASK)
    }

    /// Returns the state, and the CPU that it belongs to, from one moment.
    #[inline]
    pub fn standing(&self) -> (State, CpuId) {
        let standing = self.standing.load(Ordering::Relaxed);
        (State::from_bits(standing), CpuId(standing & CPU_MASK))
    }

    /// Returns true if the thread may run on `cpu`.
    #[inline]
    pub fn may_run_on(&self, cpu: CpuId) -> bool {
        self.affinity.contains(cpu)
    }

    /// Returns the CPUs from `64 * index` on where the thread may run, a bit each.
    #[inline]
    pub fn affinity_word(&self, index: usize) -> u64 {
        self.affinity.word(index)
    }

    /// Returns the CPUs on which the thread may run.
    pub fn affinity(&self) -> CpuSet {
        self.affinity.get()
    }

    pub(crate) fn set_affinity(&self, cpus: &CpuSet) {
        self.affinity.set(cpus);
    }

    /// Changes the state to `Exited`. The thread itself calls this, under the lock of the list from which it is reaped.
    pub fn exit(&self) {
        self.change(State::Running, State::Exited);
    }

    /// Changes the state alone. Only one CPU may do so at a time: the one that runs the thread, or the one that holds the lock
    /// of the list that the thread is in.
    #[inline]
    pub(crate) fn change(&self, from: State, to: State) {
        let standing = self.standing.load(Ordering::Relaxed);
        debug_assert_eq!(State::from_bits(standing), from, "on the way to {to:?}");
        // One instruction on x86-64, where an exchange of the upper bits would take four.
        self.standing.store(standing ^ from.bits() ^ to.bits(), Ordering::Relaxed);
    }

    /// Makes a blocked thread belong to `cpu`, whose queue it is about to enter.
    #[inline]
    pub(crate) fn belong_to(&self, cpu: CpuId) {
        debug_assert_eq!(self.standing().0, State::Blocked, "on the way to CPU {cpu}");
        self.standing.store(State::Blocked.bits() | cpu.0, Ordering::Relaxed);
    }

    /// Changes a queued thread's state to `Running` on `cpu`.
    #[inline]
    pub(crate) fn run_on(&self, cpu: CpuId) {
        debug_assert_eq!(self.standing().0, State::Queued, "on the way to {:?}", State::Running);
        self.standing.store(State::Running.bits() | cpu.0, Ordering::Relaxed);
    }
}

const _: () = assert!(scheduling::WORDS * 64 <= 1 << CPU_BITS, "a CPU fits its bits of the word");
