//! Moving a thread off CPUs where it may no longer run.
use crate::blocked::Blocked;
use crate::entry::Runnable;
use crate::machine::Machine;
use crate::queue::Settled;
use crate::waking::enqueue_new;
use scheduling::CpuSet;
use units::CpuId;

/// How far [`set_affinity`] has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// The thread is neither queued nor running on a CPU where it may not be, and will not be.
    Done,
    /// This CPU runs the thread and must let it go, by [`leave_if_forbidden`]. The caller calls [`set_affinity`] again then.
    RunsOn(CpuId),
}

/// Restricts `thread` to `cpus`, at least one of which runs. A thread that is queued on another CPU is moved.
///
/// Interrupts are off. The caller ensures that the thread is not destroyed meanwhile.
pub fn set_affinity<M: Machine>(machine: &M, thread: &M::Thread, cpus: &CpuSet) -> Progress {
    loop {
        let cpu = thread.entry().cpu();
        // A thread belongs to a CPU that has a queue.
        let Some(queue) = machine.queue(cpu) else { return Progress::Done };
        match queue.set_affinity(thread, cpus) {
            Settled::Done => return Progress::Done,
            Settled::Runs => return Progress::RunsOn(cpu),
            Settled::Elsewhere => {}
            Settled::Taken(taken) => {
                enqueue_new(machine, taken);
                return Progress::Done;
            }
        }
    }
}

/// Queues the running thread elsewhere if it may not run on `cpu`, the calling CPU. If the result is true, the CPU must switch
/// to another thread.
///
/// Interrupts are off until then.
#[must_use]
pub fn leave_if_forbidden<M: Machine>(machine: &M, cpu: CpuId, running: &'static M::Thread) -> bool {
    if running.entry().may_run_on(cpu) {
        return false;
    }
    enqueue_new(machine, Blocked::block(running));
    true
}
