//! The most frequent request: one page of the running CPU's node, not zeroed. It is granted without a look at page tables.
use crate::arch::guarded;
use crate::cpu::{self, PreemptionOff};
use crate::memory::driver_pages;
use crate::threads::whose_code;
use abi::{PageGrant, PageRequest};
use core::hint::black_box;
use core::mem::{align_of, offset_of, size_of};

/// What became of a request.
pub enum OnePage {
    /// A page was granted.
    Granted(PageGranted),
    /// Nothing was changed: it is another request, which may be valid.
    Other,
    /// Nothing was changed: no page is at hand. Preemption is still off.
    NoneAtHand(PreemptionOff),
}

/// A page was granted.
pub struct PageGranted {
    /// Whether work was deferred meanwhile.
    is_due: bool,
}

impl PageGranted {
    /// Does the work that was deferred, as the caller's last step, and returns true.
    #[inline(always)]
    pub fn do_deferred(self) -> bool {
        if self.is_due { done_after_deferred() } else { true }
    }
}

#[cold]
#[inline(never)]
fn done_after_deferred() -> bool {
    cpu::do_deferred();
    // The caller returns what it gets, so it needs no stack.
    black_box(true)
}

const _: () = assert!(align_of::<PageRequest>() == 8 && align_of::<PageGrant>() == 8);
const REQUEST_SIZE: i32 = size_of::<PageRequest>() as i32;
const GRANT_SIZE: i32 = size_of::<PageGrant>() as i32;

/// Returns true if the request is for one page of any kind that need not be zeroed, by the thread's policy; false also if it cannot be
/// read.
#[inline(always)]
fn is_for_one_page(request: usize) -> bool {
    const {
        assert!(offset_of!(PageRequest, Size) == 0 && offset_of!(PageRequest, Flags) == 4);
        let rest = offset_of!(PageRequest, Alignment);
        assert!(
            offset_of!(PageRequest, HighestAddress) == rest + 8
                && offset_of!(PageRequest, Policy) == rest + 16
        );
    }
    // The size, and no flag in the upper half.
    !(guarded::differs_u64_const::<0, REQUEST_SIZE>(request)
        || guarded::differs_u64_const::<{ offset_of!(PageRequest, Count) }, 1>(request)
        || guarded::is_any_of_three_set::<{ offset_of!(PageRequest, Alignment) }>(request))
}

/// Returns true if a grant can be written to this address, which is aligned.
///
/// # Safety
/// The condition of all exports.
#[inline(always)]
unsafe fn is_for_grant(grant: usize) -> bool {
    const FIRST: usize = offset_of!(PageGrant, Size);
    const LAST: usize = offset_of!(PageGrant, FellBack);
    const { assert!(FIRST == 0 && LAST + 4 == GRANT_SIZE as usize && LAST == offset_of!(PageGrant, Distance) + 4) };
    // SAFETY: by `# Safety` the structure is the driver's, and no other thread accesses it. It lies in one page or in two.
    !guarded::differs_u32_const::<FIRST, GRANT_SIZE>(grant)
        && unsafe { guarded::can_write_u32::<FIRST>(grant) && guarded::can_write_u32::<LAST>(grant) }
}

/// Grants one page to the calling driver, if that is what it asks for and a page is at hand.
///
/// # Safety
/// The condition of all exports.
#[inline(always)]
pub unsafe fn allocate(request: *const PageRequest, grant: *mut PageGrant) -> OnePage {
    let (from, to) = (request.addr(), grant.addr());
    // SAFETY: `# Safety` is the same.
    if (from | to) % align_of::<PageRequest>() != 0 || !is_for_one_page(from) || !unsafe { is_for_grant(to) }
    {
        return OnePage::Other;
    }
    let Some((thread, driver)) = whose_code::thread_in_own_code() else { return OnePage::Other };
    let off = PreemptionOff::new();
    let Some(page) = driver_pages::take_at_hand(driver.pages(), &thread.memory, &off) else {
        return OnePage::NoneAtHand(off);
    };
    // SAFETY: `is_for_grant` found the structure writable, and it is aligned. By `# Safety` it is the driver's, and nothing else accesses it.
    unsafe {
        (&raw mut (*grant).Node).write(page.node.index() as i32);
        (&raw mut (*grant).Address).write(page.frame.address().0);
        (&raw mut (*grant).Count).write(1);
        // The distance, and no fall-back in the upper half.
        (&raw mut (*grant).Distance).cast::<u64>().write(page.distance.into());
    }
    OnePage::Granted(PageGranted { is_due: off.end_is_due() })
}
