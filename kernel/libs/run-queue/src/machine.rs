//! What this crate needs of the machine that it runs on.
use crate::entry::Runnable;
use crate::idle_set::IdleSet;
use crate::list::List;
use crate::lock::Lock;
use crate::queue::RunQueue;
use crate::queued_set::QueuedSet;
use scheduling::CpuSet;
use units::CpuId;

/// A machine's CPUs.
pub trait Machine {
    /// Its threads.
    type Thread: Runnable;

    /// The lock around a run queue.
    type Lock: Lock<Value = List<Self::Thread>>;

    /// Returns the run queue of `cpu`, or `None` if there is no such CPU.
    fn queue(&self, cpu: CpuId) -> Option<&RunQueue<Self::Lock>>;

    /// Returns the CPUs that halt.
    fn idle(&self) -> &IdleSet;

    /// Returns the CPUs with queued threads.
    fn queued(&self) -> &QueuedSet;

    /// Returns the CPUs on which a thread runs as well as on `cpu`, or `None` if they are not known yet.
    fn near(&self, cpu: CpuId) -> Option<&CpuSet>;

    /// Returns all CPUs in groups, the CPUs near `cpu` first and the most distant ones last. There is none before they are known.
    fn outward(&self, cpu: CpuId) -> impl Iterator<Item = &CpuSet>;

    /// Returns the run queue of the least busy CPU on which `thread` may run, of the node that it prefers or else the nearest.
    ///
    /// The thread's affinity may change meanwhile and look empty. Any queue will do then: one that `thread` may not enter refuses
    /// it, and this function is called again.
    fn least_busy(&self, thread: &Self::Thread) -> &RunQueue<Self::Lock>;

    /// Interrupts `cpu`. If it halts, it looks at its run queue again, even if the interrupt comes just before the halt.
    fn interrupt(&self, cpu: CpuId);
}
