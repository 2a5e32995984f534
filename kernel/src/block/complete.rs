//! Completing requests. A driver does that while it serves the queue, or in a handler, or on a thread.
use super::count_down::{count_down, count_down_if_allowed, is_counted, is_counted_by_gate};
use super::done::{self, KnownDone};
use super::mistakes::report;
use super::queue::{BlockQueue, queue_of, served_here};
use super::request::RequestAt;
use crate::cpu::PreemptionOff;
use crate::cpu::code_mark;
use crate::threads::misuses::Misuse;
use crate::threads::owner::Owner;
use crate::threads::{owners, whose_code};
use abi::{BLOCK_ERROR, BLOCK_GONE, BLOCK_OK, BlockRequest};
use core::ffi::c_int;
use core::sync::atomic::Ordering;
use units::VirtAddr;

/// Ends a request, as `Kernel_CompleteBlock` says.
///
/// # Safety
/// As far as the request is outstanding, its `Done` may be called.
#[inline(always)]
pub unsafe fn complete(request: *mut BlockRequest, status: c_int) {
    let request = RequestAt(request.addr());
    const { assert!(BLOCK_OK == 0) };
    if let Some(queue) = served_here(status) {
        // The state of a null request cannot be read. No slot holds null.
        let (slot, note) = queue.slot_of(request.state());
        if slot.release(request.0, note) {
            // SAFETY: the request was outstanding. The caller vouches for `Done`.
            return unsafe { finish_well(request, queue) };
        }
    }
    // SAFETY: `# Safety` is the same.
    unsafe { complete_slowly(request, status) };
}

/// Ends a request of any queue with any status.
///
/// # Safety
/// As [`complete`].
#[cold]
#[inline(never)]
unsafe fn complete_slowly(request: RequestAt, status: c_int) {
    let off = PreemptionOff::new();
    let state = request.state();
    let queue = queue_of(state, &off);
    let (slot, note) = queue.slot_of(state);
    // The slot of no queue holds an address, too, which a driver may pass.
    let is_outstanding = queue.depth != 0 && slot.holds(request.0);
    if is_outstanding && !is_callers(queue) {
        report(
            Misuse::ForeignRequest,
            format_args!(
                "completed the request at {:#x} of {}, which is another driver's",
                request.0,
                queue.device().name
            ),
        );
        return;
    }
    if !is_outstanding || !slot.release(request.0, note) {
        drop(off);
        return not_outstanding(request);
    }
    let status = if matches!(status, BLOCK_OK | BLOCK_GONE) { status } else { BLOCK_ERROR };
    // SAFETY: the request was outstanding. The caller vouches for `Done`.
    unsafe { finish(request, status, queue) };
}

fn not_outstanding(request: RequestAt) {
    report(
        Misuse::NotOutstanding,
        format_args!("completed the request at {:#x}, which is not outstanding", request.0),
    );
}

/// Returns true if the driver that calls has registered the device.
fn is_callers(queue: &BlockQueue) -> bool {
    let caller = whose_code::calling_driver().map(core::ptr::from_ref);
    caller == queue.device().owner.map(core::ptr::from_ref)
}

/// Gives a request that has succeeded back to its submitter, the shortest way if its `Done` is the one that the queue knows.
///
/// # Safety
/// As [`finish`].
#[inline(always)]
unsafe fn finish_well(request: RequestAt, queue: &BlockQueue) {
    let (done, known) = (request.done(), queue.known_done());
    if known.address.load(Ordering::Relaxed) == done {
        // SAFETY: the request was outstanding. The function was found to be code.
        unsafe { call_done_of_success(request, known, done) }
    } else if is_counted(done) {
        // SAFETY: the request was outstanding. Its submitter has named the word for this.
        unsafe {
            request.set_succeeded();
            count_down(request);
        }
    } else {
        // SAFETY: `# Safety` is the same.
        unsafe { finish(request, BLOCK_OK, queue) }
    }
}

/// Calls the function `Done` of a request that has succeeded. It is a function of its own, as only a call of a driver needs an aligned stack.
///
/// # Safety
/// As [`call_done`].
#[inline(never)]
unsafe fn call_done_of_success(request: RequestAt, known: &'static KnownDone, done: usize) {
    // SAFETY: `# Safety` is the same, and the request was outstanding.
    unsafe {
        request.set_succeeded();
        call_done(done, known, request);
    }
}

/// Gives a request that is not outstanding any more back to its submitter, unless its `Done` is no code any more, or the submitter has failed.
///
/// # Safety
/// The request was outstanding until now, and its `Done` may be called. Preemption or interrupts are off.
#[cold]
#[inline(never)]
pub unsafe fn finish(request: RequestAt, status: i32, queue: &BlockQueue) {
    // SAFETY: the request was outstanding.
    unsafe { request.set_status(status) };
    let done = request.done();
    if is_counted(done) || is_counted_by_gate(done) {
        // SAFETY: the request was outstanding. Its submitter has named the word for this.
        if !unsafe { count_down_if_allowed(request) } {
            report(
                Misuse::BadRequest,
                format_args!("the request at {:#x} has lost its word in Context", request.0),
            );
        }
        return;
    }
    let mut known = queue.known_done();
    if known.address.load(Ordering::Relaxed) != done {
        let Some(found) = done::find(done) else {
            if owners::of_code(VirtAddr(done as u64)).is_some_and(Owner::has_failed) {
                return;
            }
            report(
                Misuse::BadRequest,
                format_args!("the request at {:#x} has lost its function Done", request.0),
            );
            return;
        };
        queue.set_known_done(found);
        known = found;
    }
    // SAFETY: the function was found to be code.
    unsafe { call_done(done, known, request) }
}

/// Calls the function `Done` at this address. `known` is, or was, its entry: the code is the entry's driver's.
///
/// # Safety
/// It is code, which a submitter named as the function to call with this request. Preemption or interrupts are off.
#[inline(always)]
unsafe fn call_done(done: usize, known: &'static KnownDone, request: RequestAt) {
    let function = core::ptr::with_exposed_provenance::<()>(done);
    // SAFETY: by `# Safety` it is a function that takes this request. The mark is there for good.
    unsafe { code_mark::call_with_one::<0>(&known.mark, function, request.0) };
}
