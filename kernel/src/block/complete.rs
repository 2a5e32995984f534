//! Completing requests. A driver does that while it serves the queue, or in a handler, or on a thread.
use super::mistakes::{Mistake, is_in_thread, report};
use super::queue::{BlockQueue, NO_FUNCTION, SERVING, queue_of};
use super::request::{RequestAt, is_code};
use crate::arch::cpu_local_word;
use crate::cpu::PreemptionOff;
use crate::threads::cpu_threads;
use abi::{BLOCK_ERROR, BLOCK_GONE, BLOCK_OK, BlockRequest};
use core::ffi::c_int;
use core::sync::atomic::Ordering;

/// Ends a request, as `Kernel_CompleteBlock` says.
///
/// # Safety
/// As far as the request is outstanding, its `Done` may be called.
#[inline(always)]
pub unsafe fn complete(request: *mut BlockRequest, status: c_int) {
    let request = RequestAt(request.addr());
    let serving = cpu_local_word!(SERVING).cast::<BlockQueue>();
    // SAFETY: the word is the address of a queue. If it is that of a driver's queue, preemption has been off since this CPU has begun to
    // serve it, so the queue exists. Otherwise it is `NO_QUEUE`, on any CPU.
    let queue = unsafe { &*serving };
    // The state of a null request cannot be read. No slot holds null.
    let (slot, note) = queue.slot_of(request.state());
    if status == BLOCK_OK && slot.release(request.0, note) {
        // SAFETY: the request was outstanding. The caller vouches for `Done`.
        unsafe { finish_well(request, queue) };
    } else {
        // SAFETY: `# Safety` is the same.
        unsafe { complete_slowly(request, status) };
    }
}

/// Ends a request of any queue with any status.
///
/// # Safety
/// As [`complete`].
#[cold]
#[inline(never)]
unsafe fn complete_slowly(request: RequestAt, status: c_int) {
    let is_in_thread = is_in_thread();
    let off = PreemptionOff::new();
    let state = request.state();
    let queue = queue_of(state, &off);
    let (slot, note) = queue.slot_of(state);
    // In a handler, the kernel cannot tell whose code it is.
    if is_in_thread && slot.holds(request.0) && !is_of_running_driver(queue) {
        report(
            Mistake::Foreign,
            format_args!(
                "completed the request at {:#x} of {}, which is another driver's",
                request.0,
                queue.device().name
            ),
        );
        return;
    }
    if !slot.release(request.0, note) {
        drop(off);
        return not_outstanding(request);
    }
    let status = if matches!(status, BLOCK_OK | BLOCK_GONE) { status } else { BLOCK_ERROR };
    // SAFETY: the request was outstanding. The caller vouches for `Done`.
    unsafe { finish(request, status, queue) };
}

fn not_outstanding(request: RequestAt) {
    report(
        Mistake::NotOutstanding,
        format_args!("completed the request at {:#x}, which is not outstanding", request.0),
    );
}

/// Returns true if the running thread is one of the driver that has registered the device.
fn is_of_running_driver(queue: &BlockQueue) -> bool {
    let running = cpu_threads::current_thread().driver().map(core::ptr::from_ref);
    running == queue.device().owner.map(core::ptr::from_ref)
}

/// Gives a request that has succeeded back to its submitter, if its `Done` is the one that the queue knows, as it is as a rule.
///
/// # Safety
/// As [`finish`].
#[inline(always)]
unsafe fn finish_well(request: RequestAt, queue: &BlockQueue) {
    let done = queue.known_done.load(Ordering::Relaxed);
    if request.has_other_done(done) {
        // SAFETY: `# Safety` is the same.
        return unsafe { finish(request, BLOCK_OK, queue) };
    }
    // SAFETY: the request was outstanding. The function was found to be code.
    unsafe {
        request.set_succeeded();
        call_done(done, request);
    }
}

/// Gives a request that is not outstanding any more back to its submitter, unless its `Done` is no code any more.
///
/// # Safety
/// The request was outstanding until now, and its `Done` may be called. Preemption or interrupts are off.
#[cold]
#[inline(never)]
pub unsafe fn finish(request: RequestAt, status: i32, queue: &BlockQueue) {
    // SAFETY: the request was outstanding.
    unsafe { request.set_status(status) };
    let done = request.done();
    if queue.known_done.load(Ordering::Relaxed) != done {
        if done == NO_FUNCTION || !is_code(done) {
            report(
                Mistake::Request,
                format_args!("the request at {:#x} has lost its function Done", request.0),
            );
            return;
        }
        queue.known_done.store(done, Ordering::Relaxed);
    }
    // SAFETY: the function was found to be code.
    unsafe { call_done(done, request) }
}

/// Calls the function `Done` at this address.
///
/// # Safety
/// It is code, which a submitter named as the function to call with this request.
#[inline(always)]
unsafe fn call_done(done: usize, request: RequestAt) {
    let function = core::ptr::with_exposed_provenance::<()>(done);
    // SAFETY: by `# Safety` the address is that of a function of this type.
    let function: unsafe extern "C" fn(*mut BlockRequest) = unsafe { core::mem::transmute(function) };
    // SAFETY: by `# Safety` the function takes this request.
    unsafe { function(core::ptr::with_exposed_provenance_mut(request.0)) }
}
