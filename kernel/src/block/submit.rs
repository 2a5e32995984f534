//! Submitting requests: they are checked, noted as outstanding, and given to the driver, all with one call.
//!
//! [`accept_usual`] knows the requests that are common and cheap to check: a read or write of one segment, submitted before to the
//! same queue. All others take [`accept`]. What follows from the length of a page is worked out when the device is registered.
use super::complete::finish;
use super::count_down::{has_word, is_counted, is_counted_by_gate};
use super::done;
use super::length::Length;
use super::mistakes::report;
use super::queue::{BlockQueue, Functions, QueueInUse, end_with, queue_of};
use super::request::{OF_THIS_CPU, RequestAt, segment_bytes};
use crate::arch::guarded;
use crate::cpu::PreemptionOff;
use crate::cpu::code_mark;
use crate::threads::misuses::Misuse;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use abi::{BLOCK_ERROR, BLOCK_FLUSH, BLOCK_POLLED, BLOCK_WRITE, BlockRequest};
use block_slots::ClaimError;
use core::ffi::c_int;
use core::sync::atomic::Ordering;

/// What the ABI returns if there is no such block device or queue.
const NONE: c_int = -1;
/// What counts as the result of a `Submit` that has failed.
const FAILED: c_int = c_int::MIN;
/// The most bytes of a request's structure.
const LONGEST: usize = 4096;
/// The most requests that are submitted with preemption off. A batch of more is submitted in parts, each with a call of the driver.
const MOST_IN_PART: c_int = 64;

/// Submits requests, as `Kernel_SubmitBlock` says.
///
/// # Safety
/// The array and the requests are the caller's memory, as far as memory is mapped there. The caller leaves them alone as `BlockRequest` says.
#[inline(always)]
pub unsafe fn submit(id: c_int, requests: *const *mut BlockRequest, count: c_int) -> c_int {
    let queue = QueueInUse::of_this_cpu(id);
    if queue.id != id as u32 {
        return submit_elsewhere(id, requests, count, queue);
    }
    if count != 1 {
        return submit_several(id, requests, count, queue);
    }
    let request = RequestAt::first_of_array(requests);
    if request.is_for_named_queue() {
        return submit_elsewhere(id, requests, count, queue);
    }
    if !request.has_counts(queue.usual.counts) || !accept_usual(&queue, request, &queue.usual) {
        return submit_several(id, requests, count, queue);
    }
    hand_over(queue, requests, 1)
}

/// Submits several requests, or one of another length than most.
#[inline(never)]
fn submit_several(id: c_int, requests: *const *mut BlockRequest, count: c_int, queue: QueueInUse) -> c_int {
    // As numbers without a sign, invalid counts are above all others.
    let is_one_part = (count as u32).wrapping_sub(1) < MOST_IN_PART as u32;
    if !is_one_part || RequestAt::first_of_array(requests).is_for_named_queue() {
        return submit_elsewhere(id, requests, count, queue);
    }
    submit_part(requests, count, queue)
}

/// Submits at least one request, and at most [`MOST_IN_PART`], to this queue.
#[inline(always)]
fn submit_part(requests: *const *mut BlockRequest, count: c_int, queue: QueueInUse) -> c_int {
    let mut request = RequestAt::first_of_array(requests);
    let Some(mut length) = queue.length_of(request.counts()) else {
        return submit_rest(0, requests, count, queue);
    };
    let end = requests.wrapping_add(count as usize);
    // The requests that are left, as a negative number: a step is also the comparison with the end.
    let mut left = -(count as isize);
    while accept_usual(&queue, request, &length) {
        left += 1;
        if left == 0 {
            return hand_over(queue, requests, count);
        }
        request = RequestAt::of_array(end, left as usize);
        if request.has_counts(length.counts) {
            continue;
        }
        let Some(other) = queue.length_of(request.counts()) else { break };
        length = other;
    }
    submit_rest(count + left as c_int, requests, count, queue)
}

/// Notes a request with these counts as outstanding if it is valid, usual, and has a free slot. Otherwise changes nothing and returns false.
#[inline(always)]
fn accept_usual(queue: &BlockQueue, request: RequestAt, length: &Length) -> bool {
    if request.is_unusual() || request.is_behind(length.last_start) || request.has_other_bytes(length.bytes) {
        return false;
    }
    let state = request.state();
    // A wrong state is not the note of the slot to which it leads, so the exchange fails.
    queue.slot_of(state).0.claim_noted(request.0, state, |note| request.has_state(note))
}

/// Gives accepted requests to the driver, and ends the submission.
#[inline(always)]
fn hand_over(queue: QueueInUse, requests: *const *mut BlockRequest, count: c_int) -> c_int {
    let Functions { context, submit, .. } = queue.functions;
    // SAFETY: the driver has registered the function for this. Preemption is off, so an unregistration waits for it.
    let taken = unsafe {
        let arguments = (context.addr(), queue.index, requests.expose_provenance(), count);
        code_mark::call_with_four::<FAILED>(&queue.mark, submit as *const (), arguments)
    };
    // The queue is found again if it is needed, so that it need not be kept in a register.
    let off = queue.into_off();
    if taken != count {
        return take_back(requests, taken, count, off);
    }
    end_with(off, taken)
}

/// Frees the slots of the requests that the driver has not taken, and ends the submission.
///
/// The driver may have completed one of them by mistake: its `Done` has run. So that each request ends once or is refused, the requests up to the
/// last such one count as taken, and those among them that are outstanding end with an error.
///
/// The driver may have failed in the middle of it. Nobody knows which requests its device has: they all are outstanding, and end as gone
/// with the driver.
#[cold]
#[inline(never)]
fn take_back(requests: *const *mut BlockRequest, taken: c_int, count: c_int, off: PreemptionOff) -> c_int {
    if taken == FAILED {
        return end_with(off, count);
    }
    let taken = taken.clamp(0, count);
    let release = |index: &c_int| {
        let request = RequestAt::of_array(requests, *index as usize);
        let queue = queue_of(request.state(), &off);
        let (slot, note) = queue.slot_of(request.state());
        // A submitter that changes the note meanwhile keeps the slot taken. Its request ends with the device.
        slot.release(request.0, note).then_some((request, queue))
    };
    let Some(last) = (taken..count).rev().find(|index| release(index).is_none()) else {
        return end_with(off, taken);
    };
    for (request, queue) in (taken..last).filter_map(|index| release(&index)) {
        // SAFETY: the request was outstanding until now, and its submitter vouches for `Done`. Preemption is off.
        unsafe { finish(request, BLOCK_ERROR, queue) };
    }
    let ended = RequestAt::of_array(requests, last as usize);
    if let Some(driver) = queue_of(ended.state(), &off).device().owner {
        report_untaken(driver, ended);
    }
    end_with(off, last + 1)
}

/// Logs that a driver has completed a request that its `Submit` has not taken, the first time.
#[cold]
fn report_untaken(driver: &Owner, request: RequestAt) {
    if Owner::note_misuse(Some(driver), Misuse::Untaken) {
        let (name, at) = (driver.name(), request.0);
        log::warn!(target: "block", "{name}: completed the request at {at:#x}, which its Submit has not taken");
    }
}

/// Submits requests of which the first `accepted` ones are accepted. Each of the others takes the long way.
#[cold]
#[inline(never)]
fn submit_rest(
    mut accepted: c_int,
    requests: *const *mut BlockRequest,
    count: c_int,
    queue: QueueInUse,
) -> c_int {
    if queue.depth == 0 {
        // The negative id of `NO_QUEUE`.
        report_id(queue.id as c_int);
        return queue.end_with(NONE);
    }
    while accepted < count {
        let request = RequestAt::of_array(requests, accepted as usize);
        if let Err(refusal) = accept(&queue, request) {
            refusal.report(request);
            break;
        }
        accepted += 1;
    }
    if accepted == 0 { queue.end_with(0) } else { hand_over(queue, requests, accepted) }
}

fn report_id(id: c_int) {
    report(Misuse::NoBlockDevice, format_args!("submitted requests to {id:#x}, which is no block device"));
}

/// Submits requests that the common way does not know: to a queue that the first one names, more than are submitted at a time, or with
/// invalid arguments.
#[cold]
#[inline(never)]
fn submit_elsewhere(
    id: c_int,
    requests: *const *mut BlockRequest,
    count: c_int,
    mut queue: QueueInUse,
) -> c_int {
    if queue.id != id as u32 {
        report_id(id);
        return queue.end_with(NONE);
    }
    if count <= 0 || guarded::read_u8(requests.addr()).is_none() {
        return queue.end_with(if count == 0 { 0 } else { NONE });
    }
    let number = RequestAt::first_of_array(requests).queue();
    // A request that cannot be read is refused as such below.
    if !matches!(number, OF_THIS_CPU | i32::MIN) && !queue.change_to(number) {
        report(
            Misuse::BadRequest,
            format_args!("submitted a request to queue {number}, which does not exist"),
        );
        return queue.end_with(NONE);
    }
    let index = queue.index;
    let mut accepted = 0;
    loop {
        let part = (count - accepted).min(MOST_IN_PART);
        let taken = submit_part(requests.wrapping_add(accepted as usize), part, queue);
        if accepted == 0 && taken < part {
            return taken;
        }
        accepted += taken.max(0);
        if taken < part || accepted == count {
            return accepted;
        }
        // Preemption was on, so this may be another CPU. All requests go to the queue of the first one.
        queue = QueueInUse::of_this_cpu(id);
        if queue.id != id as u32 || !queue.change_to(index) {
            return queue.end_with(accepted);
        }
    }
}

/// Why a request is not accepted.
enum Refusal {
    /// It is null, misaligned or not mapped.
    NotMapped,
    /// Its size is wrong, or its tail not zero.
    Size,
    /// Its operation, or a flag, is unknown.
    Operation,
    /// Its blocks do not exist, or are too many or none.
    Blocks,
    /// Its segments are too many, or not as long as its blocks.
    Segments,
    /// `Done` is not code.
    Done,
    /// It is to be counted, and its `Context` is no word that the submitter may write.
    Word,
    /// It is outstanding.
    Twice,
    /// The queue is full.
    Full,
}

impl Refusal {
    /// Logs the reason, if it is a mistake and the driver's first of its kind.
    fn report(&self, request: RequestAt) {
        let (mistake, reason) = match self {
            Self::NotMapped => (Misuse::BadRequest, "is null, misaligned or not mapped"),
            Self::Size => (Misuse::BadRequest, "has a wrong size"),
            Self::Operation => (Misuse::BadRequest, "has an unknown operation or flag"),
            Self::Blocks => (Misuse::BadRequest, "has blocks that do not exist, or too many or none"),
            Self::Segments => {
                (Misuse::BadRequest, "has too many segments, or segments that are not as long as its blocks")
            }
            Self::Done => (Misuse::BadRequest, "has no function Done"),
            Self::Word => (Misuse::BadRequest, "is to be counted down, and has no word in Context for it"),
            Self::Twice => (Misuse::RequestTwice, "is outstanding already"),
            Self::Full => return,
        };
        report(mistake, format_args!("submitted the request at {:#x}, which {reason}", request.0));
    }
}

/// Notes a request as outstanding, whatever it is.
///
/// # Errors
/// [`Refusal`]; nothing has changed.
fn accept(queue: &QueueInUse, request: RequestAt) -> Result<(), Refusal> {
    let state = request.state();
    let is_writable = request.is_sound() && request.change_state(state, state);
    if !is_writable {
        return Err(Refusal::NotMapped);
    }
    let noted = queue_of(state, queue.off());
    let (slot, _) = noted.slot_of(state);
    if slot.holds(request.0) {
        return Err(Refusal::Twice);
    }
    check(queue, request)?;
    let is_noted = core::ptr::eq(noted, &raw const **queue)
        && slot.claim_noted(request.0, state, |note| request.has_state(note));
    if !is_noted {
        let claimed =
            queue.slots().claim_any(request.0, (slot, state), |new| request.change_state(state, new));
        claimed.map_err(|error| match error {
            ClaimError::Full => Refusal::Full,
            ClaimError::Twice => Refusal::Twice,
        })?;
    }
    queue.note_submitter(request.state(), whose_code::calling_driver());
    Ok(())
}

/// Checks what a request asks for.
fn check(queue: &BlockQueue, request: RequestAt) -> Result<(), Refusal> {
    let (head, counts) = (request.head(), request.counts());
    let size = head.size();
    let tail = size_of::<BlockRequest>()..size;
    if size < tail.start
        || size > LONGEST
        || !tail.into_iter().all(|at| guarded::read_u8(request.0 + at) == Some(0))
    {
        return Err(Refusal::Size);
    }
    if head.operation() > BLOCK_FLUSH || head.flags() & !BLOCK_POLLED != 0 {
        return Err(Refusal::Operation);
    }
    let (count, segments) = (counts & u64::from(u32::MAX), counts >> 32);
    if head.operation() <= BLOCK_WRITE {
        let end = request.block().checked_add(count);
        if count == 0 || count > u64::from(queue.most_blocks) || end.is_none_or(|end| end > queue.blocks) {
            return Err(Refusal::Blocks);
        }
        check_segments(queue, request.segments(), segments, count * u64::from(queue.block_size))?;
    } else if counts != 0 || request.block() != 0 {
        return Err(Refusal::Blocks);
    }
    let done = request.done();
    if is_counted(done) || is_counted_by_gate(done) {
        return has_word(request).then_some(()).ok_or(Refusal::Word);
    }
    if queue.known_done().address.load(Ordering::Relaxed) != done {
        queue.set_known_done(done::find(done).ok_or(Refusal::Done)?);
    }
    Ok(())
}

/// Checks that there are so many segments as a request may have, none of them empty, and that they have exactly so many bytes.
fn check_segments(queue: &BlockQueue, segments: usize, count: u64, bytes: u64) -> Result<(), Refusal> {
    if count == 0 || count > u64::from(queue.device().max_segments) {
        return Err(Refusal::Segments);
    }
    let mut left = bytes;
    for index in 0..count as usize {
        let length = segment_bytes(segments, index);
        left = left.checked_sub(length).filter(|_| length != 0).ok_or(Refusal::Segments)?;
    }
    if left == 0 { Ok(()) } else { Err(Refusal::Segments) }
}
