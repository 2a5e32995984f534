//! Submitting requests: they are checked, noted as outstanding, and given to the driver, all with one call.
//!
//! [`accept_usual`] knows the requests that are common and cheap to check: a read or write of one segment, submitted before to the
//! same queue. All others take [`accept`].
use super::mistakes::{Mistake, report};
use super::queue::{BlockQueue, QueueInUse, ServedBefore, end_with, place_of};
use super::request::{RequestAt, is_code, segment_bytes};
use crate::arch::guarded;
use crate::cpu::PreemptionOff;
use abi::{BLOCK_FLUSH, BLOCK_POLLED, BLOCK_WRITE, BlockRequest};
use block_slots::claim_any;
use core::ffi::c_int;
use core::sync::atomic::Ordering;

/// What the ABI returns if there is no such block device or queue.
const NONE: c_int = -1;
/// The number of a request's queue that means the running CPU's.
const OF_THIS_CPU: i32 = -1;
/// The most bytes of a request's structure.
const LONGEST: usize = 4096;

/// Submits requests, as `Kernel_SubmitBlock` says.
///
/// # Safety
/// The array and the requests are the caller's memory, as far as memory is mapped there. The caller leaves them alone as `BlockRequest` says.
#[inline(always)]
pub unsafe fn submit(id: c_int, requests: *const *mut BlockRequest, count: c_int) -> c_int {
    let queue = QueueInUse::of_this_cpu(id);
    let is_here = queue.id == id as u32;
    if !is_here || count <= 0 || RequestAt::of_array(requests).queue() != OF_THIS_CPU {
        return submit_elsewhere(queue, requests, count, id);
    }
    let (mut next, mut left) = (requests, count);
    loop {
        if !accept_usual(&queue, RequestAt::of_array(next)) {
            return submit_rest(queue, requests, left, count);
        }
        next = next.wrapping_add(1);
        left -= 1;
        if left == 0 {
            return hand_over(queue, requests, count);
        }
    }
}

/// Notes a request as outstanding if it is valid, usual, and has a free slot. Otherwise changes nothing and returns false.
#[inline(always)]
fn accept_usual(queue: &BlockQueue, request: RequestAt) -> bool {
    // The count of blocks minus 1, if there is one segment, else at least 2³². If there are no blocks, it is 2⁶⁴ - 1.
    let counts = request.counts();
    let before_last = counts.wrapping_sub(1 << 32 | 1);
    if before_last | request.head().unusual_bits() >= queue.most_blocks {
        return false;
    }
    let (last, overflows) = request.block().overflowing_add(before_last);
    if overflows || last >= queue.blocks {
        return false;
    }
    if segment_bytes(request.segments(), 0) != u64::from(counts as u32) * queue.block_size {
        return false;
    }
    let slot = queue.slot_of(request.state());
    slot.is_some_and(|slot| slot.claim(request.0))
}

/// Gives accepted requests to the driver, and ends the submission.
#[inline(always)]
fn hand_over(queue: QueueInUse, requests: *const *mut BlockRequest, count: c_int) -> c_int {
    let (functions, index) = (queue.functions, queue.index);
    let before = queue.begin_serving();
    // The queue is found again if it is needed, so that it need not be kept in a register.
    let off = queue.into_off();
    // SAFETY: the driver has registered the function for this. Preemption is off, so an unregistration waits for it.
    let taken = unsafe { (functions.submit)(functions.context, index, requests, count) };
    if taken != count {
        return take_back(requests, taken, count, before, off);
    }
    before.restore();
    end_with(off, count)
}

/// Frees the slots of the requests that the driver has not taken, and ends the submission.
#[cold]
#[inline(never)]
fn take_back(
    requests: *const *mut BlockRequest,
    taken: c_int,
    count: c_int,
    before: ServedBefore,
    off: PreemptionOff,
) -> c_int {
    let queue = QueueInUse::being_served(off);
    before.restore();
    let taken = taken.clamp(0, count);
    for index in taken..count {
        let request = RequestAt::of_array(requests.wrapping_add(index as usize));
        if let Some(slot) = queue.slot_of(request.state()).filter(|_| request.is_aligned()) {
            slot.release(request.0);
        }
    }
    queue.end_with(taken)
}

/// Submits requests of which all but the last `left` ones are accepted. Each of these takes the long way.
#[cold]
#[inline(never)]
fn submit_rest(queue: QueueInUse, requests: *const *mut BlockRequest, left: c_int, count: c_int) -> c_int {
    if queue.depth == 0 {
        // The negative id of `NO_QUEUE`.
        report_id(queue.id as c_int);
        return queue.end_with(NONE);
    }
    let mut accepted = count - left;
    while accepted < count {
        let request = RequestAt::of_array(requests.wrapping_add(accepted as usize));
        if let Err(refusal) = accept(&queue, request) {
            refusal.report(request);
            break;
        }
        accepted += 1;
    }
    if accepted == 0 { queue.end_with(0) } else { hand_over(queue, requests, accepted) }
}

fn report_id(id: c_int) {
    report(Mistake::Id, format_args!("submitted requests to {id:#x}, which is no block device"));
}

/// Submits requests that the common way does not know: to a queue that the first one names, or with invalid arguments.
#[cold]
#[inline(never)]
fn submit_elsewhere(
    mut queue: QueueInUse,
    requests: *const *mut BlockRequest,
    count: c_int,
    id: c_int,
) -> c_int {
    if queue.id != id as u32 {
        report_id(id);
        return queue.end_with(NONE);
    }
    if count <= 0 || guarded::read_u8(requests.addr()).is_none() {
        return queue.end_with(if count == 0 { 0 } else { NONE });
    }
    let number = RequestAt::of_array(requests).queue();
    // A request that cannot be read is refused as such below.
    if !matches!(number, OF_THIS_CPU | i32::MIN) && !queue.change_to(number) {
        report(Mistake::Request, format_args!("submitted a request to queue {number}, which does not exist"));
        return queue.end_with(NONE);
    }
    submit_rest(queue, requests, count, count)
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
    /// It is outstanding.
    Twice,
    /// The queue is full.
    Full,
}

impl Refusal {
    /// Logs the reason, if it is a mistake and the driver's first of its kind.
    fn report(&self, request: RequestAt) {
        let (mistake, reason) = match self {
            Self::NotMapped => (Mistake::Request, "is null, misaligned or not mapped"),
            Self::Size => (Mistake::Request, "has a wrong size"),
            Self::Operation => (Mistake::Request, "has an unknown operation or flag"),
            Self::Blocks => (Mistake::Request, "has blocks that do not exist, or too many or none"),
            Self::Segments => {
                (Mistake::Request, "has too many segments, or segments that are not as long as its blocks")
            }
            Self::Done => (Mistake::Request, "has no function Done"),
            Self::Twice => (Mistake::Twice, "is outstanding already"),
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
    let is_readable = request.is_aligned() && request.change_state(state, state);
    if !is_readable {
        return Err(Refusal::NotMapped);
    }
    if place_of(state, queue.off()).is_some_and(|(_, slot)| slot.holds(request.0)) {
        return Err(Refusal::Twice);
    }
    check(queue, request)?;
    if queue.slot_of(state).is_some_and(|slot| slot.claim(request.0)) {
        return Ok(());
    }
    let slot = claim_any(queue.slots(), &queue.next_slot, request.0).ok_or(Refusal::Full)?;
    if !request.change_state(state, queue.first_state + slot) {
        // Another CPU has submitted the request meanwhile.
        queue.slots()[slot as usize].release(request.0);
        return Err(Refusal::Twice);
    }
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
        if count == 0 || count > queue.most_blocks || end.is_none_or(|end| end > queue.blocks) {
            return Err(Refusal::Blocks);
        }
        check_segments(queue, request.segments(), segments, count * queue.block_size)?;
    } else if counts != 0 || request.block() != 0 {
        return Err(Refusal::Blocks);
    }
    let done = request.done();
    if queue.known_done.load(Ordering::Relaxed) != done {
        if !is_code(done) {
            return Err(Refusal::Done);
        }
        queue.known_done.store(done, Ordering::Relaxed);
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
