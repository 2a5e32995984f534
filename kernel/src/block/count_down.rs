//! Requests that their submitter only counts: the kernel counts down a word of the submitter's, and calls no function `Done`.
use super::request::RequestAt;
use crate::arch::guarded;
use crate::memory::page_tables;
use crate::memory::protection;
use crate::threads::address_wait;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use abi::BlockRequest;
use core::sync::atomic::{AtomicUsize, Ordering};
use protection_keys::Key;
use units::{FRAME_SIZE, VirtAddr};

/// No failed read of a `Done` returns this.
const UNKNOWN: usize = usize::MAX - 1;

/// The address by which drivers know [`kernel_count_down`] if it is not its own: that of a gate.
static GATE: AtomicUsize = AtomicUsize::new(UNKNOWN);

/// Notes the address by which drivers know [`kernel_count_down`]. It is always the same.
pub fn set_count_down(address: u64) {
    GATE.store(address as usize, Ordering::Relaxed);
}

/// Returns true if a request with this `Done` is counted down. Where keys protect memory, that is [`is_counted_by_gate`].
#[inline(always)]
pub fn is_counted(done: usize) -> bool {
    done == kernel_count_down as *const () as usize
}

/// Returns true if a request with this `Done`, which leads to a gate, is counted down.
pub fn is_counted_by_gate(done: usize) -> bool {
    done == GATE.load(Ordering::Relaxed)
}

/// Counts down the word of a request, and wakes the threads that wait at it if it is 0 then. Does nothing if the word cannot be written.
///
/// # Safety
/// A driver has named the word for this.
#[inline(always)]
pub unsafe fn count_down(request: RequestAt) {
    let word = request.context();
    // SAFETY: by `# Safety` the word is a driver's; other memory that can be written is the driver's mistake, as for `State`.
    if unsafe { guarded::is_zero_after_decrement_u32(word) } {
        wake(word);
    }
}

/// Counts down as [`count_down`] does, if whoever may write the request may write the word: the submitter may have changed `Context` since the
/// request was accepted. Returns false, and changes nothing, otherwise.
///
/// # Safety
/// As for [`count_down`].
pub unsafe fn count_down_if_allowed(request: RequestAt) -> bool {
    let is_allowed = !protection::is_on() || lies_with_word(request);
    if is_allowed {
        // SAFETY: `# Safety` is the same.
        unsafe { count_down(request) };
    }
    is_allowed
}

/// Returns true if whoever may write a request may write its word: as a rule both are in one page.
fn lies_with_word(request: RequestAt) -> bool {
    let word = request.context();
    let is_in_same_page = (word ^ request.0) as u64 / FRAME_SIZE == 0;
    let key = |address| Some(page_tables::access_at(VirtAddr(address as u64))?.key);
    word.is_multiple_of(align_of::<u32>())
        && (is_in_same_page
            || key(request.0)
                .zip(key(word))
                .is_some_and(|(own, of_word)| protection::may_write(own, of_word)))
}

/// `Kernel_CountDown`.
///
/// # Safety
/// A driver has named the request's word for this.
pub unsafe extern "C" fn kernel_count_down(request: *mut BlockRequest) {
    let request = RequestAt(request.addr());
    if request.is_sound() && may_write_word(request) {
        // SAFETY: `# Safety` is the same.
        unsafe { count_down(request) }
    }
}

/// Returns true if the calling driver may have the kernel count down the word of a request when it completes.
pub fn has_word(request: RequestAt) -> bool {
    may_write_word(request) && (!protection::is_on() || lies_with_word(request))
}

/// Returns true if the calling driver may write the word of a request.
fn may_write_word(request: RequestAt) -> bool {
    let word = request.context();
    let is_sound = word > u32::MAX as usize && word.is_multiple_of(align_of::<u32>());
    let page = page_tables::access_at(VirtAddr(word as u64)).filter(|page| is_sound && page.writable);
    let key = || whose_code::calling_driver().map_or(Key::KERNEL, Owner::protection_key);
    page.is_some_and(|page| !protection::is_on() || protection::may_write(key(), page.key))
}

/// Wakes all threads that wait at the word.
#[cold]
#[inline(never)]
fn wake(word: usize) {
    address_wait::wake(word as u64, u32::MAX);
}
