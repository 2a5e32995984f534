//! Polling: the driver completes what its device has done.
use super::mistakes::report;
use super::queue::{Functions, QueueInUse};
use super::request::OF_THIS_CPU;
use crate::cpu::code_mark;
use crate::threads::misuses::Misuse;
use core::ffi::c_int;

/// Polls a queue, as `Kernel_PollBlock` says.
#[inline(always)]
pub fn poll(id: c_int, index: c_int) -> c_int {
    let queue = QueueInUse::of_this_cpu(id);
    // An interrupt handler names the queue, which often is that of this CPU.
    if queue.id != id as u32 || (index != OF_THIS_CPU && index != queue.index) {
        return poll_elsewhere(id, index, queue);
    }
    poll_queue(queue)
}

#[inline(always)]
fn poll_queue(queue: QueueInUse) -> c_int {
    let Functions { context, poll, .. } = queue.functions;
    // SAFETY: the driver has registered the function for this. Preemption is off, so an unregistration waits for it.
    let done = unsafe {
        let arguments = (context.addr(), queue.index);
        code_mark::call_with_two::<0>(&queue.mark, poll as *const (), arguments)
    };
    queue.end_with(done)
}

/// Polls the queue with this index.
#[cold]
#[inline(never)]
fn poll_elsewhere(id: c_int, index: c_int, mut queue: QueueInUse) -> c_int {
    if queue.id != id as u32 {
        report(Misuse::NoBlockDevice, format_args!("polled {id:#x}, which is no block device"));
        return queue.end_with(0);
    }
    if queue.change_to(index) { poll_queue(queue) } else { queue.end_with(0) }
}
