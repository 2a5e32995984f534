//! A node's window: where its blocks lie, and the metadata about them.
use crate::atomic::AtomicU8;
use crate::class::CLASSES;
use crate::owner::OwnerId;
use crate::record::Record;
use crate::{FRAME, FRAME_GRANULES, GRANULE};
use core::marker::PhantomData;
use core::ptr::NonNull;

/// Bytes of states for each frame of a window.
pub const STATES_PER_FRAME: usize = FRAME_GRANULES;
/// Bytes of a frame's record.
pub const RECORD_BYTES: usize = size_of::<Record>();
/// Bytes of metadata for each frame of a window.
pub const METADATA_BYTES: usize = STATES_PER_FRAME + RECORD_BYTES;

/// Addresses for a window's metadata. Both parts are backed with zeroed memory step by step, when the heap asks for it by
/// [`System::map_metadata`](crate::System::map_metadata).
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    /// The states: [`STATES_PER_FRAME`] bytes for each frame.
    pub states: *mut u8,
    /// The records: [`RECORD_BYTES`] bytes for each frame, at a multiple of as many.
    pub records: *mut u8,
}

/// The addresses of one node's blocks, and their metadata.
///
/// A block is at one of three places: in use, in a magazine, or in its slab. Its state byte, that of its first granule, is 0
/// unless it is in use. Then the byte says the class, and whether a driver owns the block.
#[derive(Clone, Copy)]
pub struct Window<'m> {
    /// The address of granule 0.
    pub(crate) base: *mut u8,
    states: *mut AtomicU8,
    records: *mut Record,
    /// Frames of the window.
    pub(crate) frames: u32,
    memory: PhantomData<&'m mut [u8]>,
}

// SAFETY: a window is a set of addresses. Which CPU may use what lies there is decided by who holds a block, or the node's lock.
unsafe impl Send for Window<'_> {}
// SAFETY: as for `Send`; the states are atomic.
unsafe impl Sync for Window<'_> {}

/// A bit of a state byte: a driver owns the block.
pub(crate) const OF_DRIVER: u8 = 0x20;
const _: () = assert!(CLASSES <= OF_DRIVER as usize);

/// Returns the state byte of a block in use.
#[inline(always)]
pub(crate) fn state_of(class: u8, owner: OwnerId) -> u8 {
    if owner == OwnerId::KERNEL { class } else { class | OF_DRIVER }
}

impl Window<'_> {
    /// Stands where there is no window.
    pub(crate) const NONE: Self = Self {
        base: core::ptr::null_mut(),
        states: core::ptr::null_mut(),
        records: core::ptr::null_mut(),
        frames: 0,
        memory: PhantomData,
    };

    /// The most frames of a window: the number of a granule has 32 bits.
    pub const LARGEST: u32 = (1 << (32 - 7)) - 1;

    /// Describes a window of `frames` frames from `base` on. The first frame is never used.
    ///
    /// # Safety
    /// - `base` is a multiple of [`FRAME`]. For the lifetime, only the heap uses the addresses of the window and of its metadata.
    /// - What [`System`](crate::System) backs there stays backed as that trait says.
    ///
    /// # Panics
    /// If an address is not aligned, or there are more frames than [`Window::LARGEST`].
    #[must_use]
    pub unsafe fn new(base: *mut u8, frames: u32, metadata: Metadata) -> Self {
        let records = metadata.records.cast::<Record>();
        assert!(base.addr().is_multiple_of(FRAME) && records.is_aligned() && frames <= Self::LARGEST);
        Self { base, states: metadata.states.cast(), records, frames, memory: PhantomData }
    }

    /// Returns the window without its lifetime, for a set, which lives in a block of the heap.
    pub(crate) const fn unbound(self) -> Window<'static> {
        let Self { base, states, records, frames, memory: _ } = self;
        Window { base, states, records, frames, memory: PhantomData }
    }

    /// Returns the address of a granule.
    #[inline(always)]
    pub(crate) fn address(&self, granule: u32) -> *mut u8 {
        self.base.wrapping_add(granule as usize * GRANULE)
    }

    /// Returns the number of the granule at this address. Of an address that is not a multiple of a granule, or not in the
    /// window, it is far too large.
    #[inline(always)]
    pub(crate) fn granule(&self, address: usize) -> usize {
        address.wrapping_sub(self.base.addr()).rotate_right(GRANULE.trailing_zeros())
    }

    /// Returns the state of a granule.
    ///
    /// # Safety
    /// The granule's frame has metadata.
    #[inline(always)]
    pub(crate) unsafe fn state(&self, granule: usize) -> &AtomicU8 {
        // SAFETY: by `# Safety` the byte is backed. States are only reached as atomics.
        unsafe { &*self.states.add(granule) }
    }

    /// Returns the record of a frame.
    ///
    /// # Safety
    /// The frame has metadata. The caller holds the node's lock while it uses the result.
    #[inline(always)]
    pub(crate) unsafe fn record(&self, frame: u32) -> &Record {
        // SAFETY: by `# Safety` the record is backed, with zeros at first, which is a value of each field.
        unsafe { &*self.records.add(frame as usize) }
    }

    /// Returns the owner of a frame's blocks. Without the node's lock it is meaningful only while one of the blocks is in use.
    ///
    /// # Safety
    /// The frame has metadata.
    #[inline(always)]
    pub(crate) unsafe fn owner(&self, frame: u32) -> usize {
        // SAFETY: by `# Safety` the record is backed.
        let owner = unsafe { &raw const (*self.records.add(frame as usize)).owner };
        // SAFETY: as above. The owner is only reached as an atomic, and no reference to the rest of the record is made.
        let owner = unsafe { owner.as_ref_unchecked() };
        owner.load(core::sync::atomic::Ordering::Relaxed).into()
    }

    /// Returns a block's address as a pointer that is not null.
    pub(crate) fn block(&self, granule: u32) -> Option<NonNull<u8>> {
        NonNull::new(self.address(granule))
    }
}

/// Returns the frame of a granule.
#[inline(always)]
pub(crate) const fn frame_of(granule: u32) -> u32 {
    granule / FRAME_GRANULES as u32
}

/// Returns the first granule of a frame.
#[inline(always)]
pub(crate) const fn first_granule(frame: u32) -> u32 {
    frame * FRAME_GRANULES as u32
}
