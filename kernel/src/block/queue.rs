//! A block device and its queues, and the tables that lead to them: by id on each CPU, and by the state of a request.
//!
//! Paths without a lock read the tables with preemption or interrupts off. A queue is freed only after a grace period in which no
//! table leads to it.
use super::done::{self, KnownDone};
use super::length::Length;
use crate::arch::cpu_local_element;
use crate::cpu::code_mark::{self, CodeKind, CodeMark};
use crate::cpu::{self, Pinned, PreemptionOff, cpu_local};
use crate::threads::owner::Owner;
use crate::threads::used_kinds::UsedKind;
use abi::{BLOCK_STATE_TAG, BlockRequest, KERNEL_BLOCK_NAME_SIZE};
use alloc::vec::Vec;
use arrayvec::ArrayString;
use block_slots::{Slot, Slots};
use core::ffi::{c_int, c_void};
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The most block devices, and one: index 0 is not used.
pub const MAX_BLOCK_DEVICES: usize = 128;
/// The most queues of all block devices, and one: number 0 is not used.
pub const MAX_QUEUES: usize = 1 << (u32::BITS - TAG_BITS);
/// The bits of a request's state that hold its slot.
pub const TAG_BITS: u32 = BLOCK_STATE_TAG.count_ones();

/// What a driver's functions are called with, and the functions.
#[derive(Clone, Copy)]
pub struct Functions {
    /// The argument of both functions.
    pub context: *mut c_void,
    /// Accepts requests.
    pub submit: unsafe extern "C" fn(*mut c_void, c_int, *const *mut BlockRequest, c_int) -> c_int,
    /// Completes what the device has done.
    pub poll: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
}

/// A queue of a block device: all that a submission and a completion read, so that they touch no other structure. Its slots lie right
/// behind it, and behind them who has submitted the requests in them.
#[repr(C, align(64))]
pub struct BlockQueue {
    /// What a CPU is marked with that runs the driver's functions. It is the first field: see [`served_here`].
    pub mark: CodeMark,
    /// The device's id. That of [`NO_QUEUE`] is negative, so it is no device's.
    pub id: u32,
    /// The queue's index in the device.
    pub index: c_int,
    /// The length of most requests.
    pub usual: Length,
    /// The state of a request in the first slot: the queue's number, above the bits of the slot.
    pub first_state: u32,
    /// The most blocks of a request: not more than the device has.
    pub most_blocks: u32,
    /// The number of blocks of the device.
    pub blocks: u64,
    /// Bytes of a block.
    pub block_size: u32,
    /// The number of slots that requests may have.
    pub depth: u32,
    /// The number of slots in memory minus 1. That number is a power of two, and the slots from `depth` on are unusable.
    pub slot_mask: usize,
    /// The function `Done` that was called last, as a rule.
    pub known_done: AtomicPtr<KnownDone>,
    /// The driver's functions.
    pub functions: Functions,
    /// The device; null before it is complete.
    pub device: AtomicPtr<BlockDevice>,
    /// Where the search for a free slot begins.
    pub next_slot: AtomicUsize,
}

// SAFETY: the raw pointers are the context, which only the driver's functions follow, and functions. The driver allows them on any
// CPU, also on several at once. All else is `Sync`.
unsafe impl Sync for BlockQueue {}
// SAFETY: as above.
unsafe impl Send for BlockQueue {}

/// A block device.
pub struct BlockDevice {
    /// The device's id.
    pub id: u32,
    /// The driver that has registered it; `None` for the kernel.
    pub owner: Option<&'static Owner>,
    /// The device's name.
    pub name: ArrayString<KERNEL_BLOCK_NAME_SIZE>,
    /// The id of the device that serves the requests; 0 if there is none.
    pub device: c_int,
    /// That device's node; -1 if it is unknown.
    pub node: i32,
    /// The most bytes of a request.
    pub max_bytes: u64,
    /// The most segments of a request.
    pub max_segments: u32,
    /// The queues.
    pub queues: Vec<&'static BlockQueue>,
}

impl BlockQueue {
    /// Returns the slot to which a request's state leads if it is one of this queue, and that slot's note. The mask saves a comparison:
    /// any state leads to some slot, and the exchange there finds out whether it is the right one.
    #[inline(always)]
    pub fn slot_of(&self, state: usize) -> (&Slot, usize) {
        let index = state & self.slot_mask;
        // SAFETY: the registry puts `slot_mask + 1` slots right behind a queue, and exposes their provenance. `NO_QUEUE` has one.
        (unsafe { &*self.first_slot().add(index) }, self.first_state.wrapping_add(index as u32) as usize)
    }

    /// Returns the length of requests with these counts of blocks and segments; `None` if it is not usual, or not valid.
    #[inline(always)]
    pub fn length_of(&self, counts: u64) -> Option<Length> {
        Length::of(counts, u64::from(self.most_blocks), self.blocks, u64::from(self.block_size))
    }

    /// Returns the slots that requests may have.
    pub fn slots(&self) -> Slots<'_> {
        // SAFETY: as in `slot_of`, and `depth` is not more.
        let slots = unsafe { core::slice::from_raw_parts(self.first_slot(), self.depth as usize) };
        Slots { slots, first_note: self.first_state as usize, next: &self.next_slot }
    }

    /// Returns who has submitted the request that has the slot with this index, as far as is known: whoever submitted it first.
    pub fn submitter(&self, index: usize) -> &AtomicPtr<Owner> {
        assert!(index < self.depth as usize, "a queue has as many submitters as usable slots");
        // SAFETY: the registry puts `depth` such pointers right behind the slots, of which there are `slot_mask + 1`.
        unsafe { &*self.first_slot().add(self.slot_mask + 1).cast::<AtomicPtr<Owner>>().add(index) }
    }

    /// Notes who has submitted the request that has just got the slot to which this state leads: `None` for the kernel.
    pub fn note_submitter(&self, state: usize, submitter: Option<&'static Owner>) {
        if let Some(owner) = submitter {
            owner.used().note(UsedKind::Requests);
        }
        let index = state & self.slot_mask;
        // Its submitter may have changed the state meanwhile.
        if index < self.depth as usize {
            let owner = submitter.map_or(core::ptr::null(), core::ptr::from_ref);
            self.submitter(index).store(owner.cast_mut(), Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn first_slot(&self) -> *const Slot {
        core::ptr::with_exposed_provenance(core::ptr::from_ref(self).addr() + size_of::<Self>())
    }

    /// Returns what [`Self::known_done`] begins with.
    pub const fn no_done() -> AtomicPtr<KnownDone> {
        AtomicPtr::new((&raw const done::NONE).cast_mut())
    }

    /// Returns the function `Done` that was called last, as a rule.
    #[inline(always)]
    pub fn known_done(&self) -> &'static KnownDone {
        // SAFETY: the pointer is that of `no_done`, or of `set_known_done`.
        unsafe { &*self.known_done.load(Ordering::Acquire) }
    }

    /// Sets the function `Done` that is called next.
    pub fn set_known_done(&self, done: &'static KnownDone) {
        self.known_done.store(core::ptr::from_ref(done).cast_mut(), Ordering::Release);
    }

    /// Returns the queue's device. It exists as long as the queue.
    pub fn device(&self) -> &BlockDevice {
        // SAFETY: the pointer is null, or that of `set_device`, or `NO_DEVICE`. The registry frees a device after its queues.
        unsafe { self.device.load(Ordering::Acquire).as_ref() }.unwrap_or(&NO_DEVICE)
    }

    /// Sets the queue's device.
    pub fn set_device(&self, device: &'static BlockDevice) {
        self.device.store(core::ptr::from_ref(device).cast_mut(), Ordering::Release);
    }
}

static NO_DEVICE: BlockDevice = BlockDevice {
    id: 0,
    owner: None,
    name: ArrayString::new_const(),
    device: 0,
    node: -1,
    max_bytes: 0,
    max_segments: 0,
    queues: Vec::new(),
};

unsafe extern "C" fn accept_nothing(
    _: *mut c_void,
    _: c_int,
    _: *const *mut BlockRequest,
    _: c_int,
) -> c_int {
    0
}

unsafe extern "C" fn complete_nothing(_: *mut c_void, _: c_int) -> c_int {
    0
}

/// A queue with one slot.
#[repr(C)]
pub struct QueueOfOne {
    queue: BlockQueue,
    slot: Slot,
}

/// What a table holds where there is no queue: it has no blocks and no usable slot, so it accepts no request.
pub static NO_QUEUE: QueueOfOne = QueueOfOne {
    queue: BlockQueue {
        mark: CodeMark::new(core::ptr::null(), CodeKind::OfQueue),
        id: 1 << 31,
        first_state: 0,
        // A request of this length is refused because the slot is unusable.
        usual: Length::NONE,
        most_blocks: 0,
        blocks: 0,
        block_size: 0,
        depth: 0,
        slot_mask: 0,
        index: 0,
        known_done: BlockQueue::no_done(),
        functions: Functions {
            context: core::ptr::null_mut(),
            submit: accept_nothing,
            poll: complete_nothing,
        },
        device: AtomicPtr::new((&raw const NO_DEVICE).cast_mut()),
        next_slot: AtomicUsize::new(0),
    },
    slot: Slot::unusable(),
};

/// A table's entry: a queue, or [`NO_QUEUE`].
#[repr(transparent)]
pub struct QueueEntry(AtomicPtr<BlockQueue>);

impl QueueEntry {
    /// Returns an entry that holds no queue.
    const fn empty() -> Self {
        Self(AtomicPtr::new((&raw const NO_QUEUE).cast_mut().cast()))
    }

    /// Returns the queue. The guard keeps grace periods from ending while the reference lives.
    #[inline(always)]
    pub fn get<'g>(&self, _: &'g impl Pinned) -> &'g BlockQueue {
        // SAFETY: an entry holds `NO_QUEUE` or a queue that `set` was given. The registry frees a queue after a grace period in which
        // no entry held it, and the guard keeps preemption or interrupts off.
        unsafe { &*self.0.load(Ordering::Acquire) }
    }

    /// Sets the queue. It is not freed before a grace period after it was replaced.
    pub fn set(&self, queue: &'static BlockQueue) {
        self.0.store(core::ptr::from_ref(queue).cast_mut(), Ordering::Release);
    }

    /// Removes the queue, which is not freed before a grace period.
    pub fn clear(&self) {
        self.0.store((&raw const NO_QUEUE).cast_mut().cast(), Ordering::Release);
    }

    /// Returns true if the entry holds no queue.
    pub fn is_empty(&self) -> bool {
        core::ptr::eq(self.0.load(Ordering::Relaxed), (&raw const NO_QUEUE).cast())
    }
}

/// The queues of a CPU, by the index in a device's id.
pub type CpuQueues = [QueueEntry; MAX_BLOCK_DEVICES];

cpu_local! {
    /// For each block device the queue that this CPU's requests go to.
    pub static QUEUES: CpuQueues = [const { QueueEntry::empty() }; MAX_BLOCK_DEVICES];
}

/// All queues, by their numbers: the upper bits of a request's state.
pub static BY_NUMBER: [QueueEntry; MAX_QUEUES] = [const { QueueEntry::empty() }; MAX_QUEUES];

/// A queue that this CPU uses, with preemption off meanwhile.
pub struct QueueInUse {
    queue: NonNull<BlockQueue>,
    off: PreemptionOff,
}

impl Deref for QueueInUse {
    type Target = BlockQueue;

    #[inline(always)]
    fn deref(&self) -> &BlockQueue {
        // SAFETY: the queue was read from a table with preemption off, or is another one of the same device. Preemption has been
        // off since, so no grace period has ended, after which the registry frees the device.
        unsafe { self.queue.as_ref() }
    }
}

impl QueueInUse {
    /// Returns the running CPU's queue of the block device with this id, or a queue with another id if there is no such device.
    #[inline(always)]
    pub fn of_this_cpu(id: c_int) -> Self {
        let off = PreemptionOff::new();
        let queue = cpu_local_element!(QUEUES, id as usize % MAX_BLOCK_DEVICES);
        // SAFETY: an entry of a table is never null.
        let queue = unsafe { NonNull::new_unchecked(queue.cast_mut().cast()) };
        Self { queue, off }
    }

    /// Changes to the device's queue with this index. Returns false if there is none.
    pub fn change_to(&mut self, index: c_int) -> bool {
        let index = usize::try_from(index).ok();
        let queue = index.and_then(|index| self.device().queues.get(index).copied());
        if let Some(queue) = queue {
            self.queue = NonNull::from(queue);
        }
        queue.is_some()
    }

    /// Returns the guard that keeps preemption off.
    pub fn off(&self) -> &PreemptionOff {
        &self.off
    }

    /// Returns the guard that keeps preemption off, without the queue.
    #[inline(always)]
    pub fn into_off(self) -> PreemptionOff {
        self.off
    }

    /// Ends the use, and returns the result. Other threads may run before this returns.
    #[inline(always)]
    pub fn end_with(self, result: c_int) -> c_int {
        end_with(self.off, result)
    }
}

/// Ends the use of a queue, and returns the result. Other threads may run before this returns.
#[inline(always)]
pub fn end_with(off: PreemptionOff, result: c_int) -> c_int {
    if off.end_is_due() { after_deferred(result) } else { result }
}

/// Returns the queue whose driver's function the CPU runs, if that function itself calls, and no other one that it has called; but `None`
/// if `other` is not 0. Both take one comparison.
#[inline(always)]
pub fn served_here<'q>(other: c_int) -> Option<&'q BlockQueue> {
    const { assert!(CodeKind::OfQueue as c_int == 0) };
    let mark = code_mark::current();
    // SAFETY: a mark of this kind is the first field of a queue, which exists as long as the mark: preemption has been off since the
    // CPU has begun to serve it.
    (mark.kind() as c_int | other == 0).then(|| unsafe { &*core::ptr::from_ref(mark).cast::<BlockQueue>() })
}

/// Does the work that was deferred while preemption was off, and returns the result.
#[cold]
#[inline(never)]
fn after_deferred(result: c_int) -> c_int {
    cpu::do_deferred();
    result
}

/// Returns the queue whose number a request's state has, or [`NO_QUEUE`].
pub fn queue_of(state: usize, off: &impl Pinned) -> &BlockQueue {
    BY_NUMBER[state >> TAG_BITS].get(off)
}

const _: () = {
    assert!(core::mem::offset_of!(BlockQueue, mark) == 0 && size_of::<BlockQueue>() == 128);
    // A request's state has a number of a queue and a slot.
    assert!(BLOCK_STATE_TAG == (1 << TAG_BITS) - 1 && abi::KERNEL_BLOCK_MAX_DEPTH <= BLOCK_STATE_TAG);
};
