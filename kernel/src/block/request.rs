//! Access to requests, which lie in memory of drivers: each access is guarded, so a wrong address is found by the access itself.
use crate::arch::guarded;
use abi::{BLOCK_OK, BLOCK_POLLED, BLOCK_READ, BLOCK_WRITE, BlockRequest, DmaSegment};
use core::mem::{align_of, offset_of, size_of};

/// What the parts of a request are if they cannot be read: a request that is refused.
const BAD: i32 = -1;

/// The number of a request's queue that means the running CPU's.
pub const OF_THIS_CPU: i32 = -1;

/// The operation in the lower 16 bits, the flags above: all bits but those in which read and write, and polled or not, differ.
const UNUSUAL_BITS: u32 = !(BLOCK_WRITE as u32 | (BLOCK_POLLED as u32) << 16);

/// The size of a request, its operation and its flags in one word, as they lie in memory.
#[derive(Clone, Copy)]
pub struct Head(pub u64);

/// The address of a request, which need not be mapped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestAt(pub usize);

impl RequestAt {
    /// Reads the first request's address from an array of requests. It is null if it cannot be read.
    #[inline(always)]
    pub fn first_of_array(requests: *const *mut BlockRequest) -> Self {
        Self(guarded::read_u64::<0, 0>(requests.addr()) as usize)
    }

    /// Reads a request's address from an array of requests. It is null if it cannot be read.
    #[inline(always)]
    pub fn of_array(requests: *const *mut BlockRequest, index: usize) -> Self {
        Self(guarded::read_element_u64::<0>(requests.addr(), index) as usize)
    }

    /// Returns true if the address is aligned, and above 4 GiB, as all memory of drivers is.
    pub fn is_sound(self) -> bool {
        self.0 > u32::MAX as usize && self.0.is_multiple_of(align_of::<BlockRequest>())
    }

    /// Returns true unless the request is for the queue of the running CPU; also if it cannot be read.
    #[inline(always)]
    pub fn is_for_named_queue(self) -> bool {
        guarded::differs_u32_const::<{ offset_of!(BlockRequest, Queue) }, OF_THIS_CPU>(self.0)
    }

    /// Returns true unless the operation is to read or to write, and no unknown flag is set; also if they cannot be read.
    #[inline(always)]
    pub fn is_unusual(self) -> bool {
        const { assert!(offset_of!(BlockRequest, Flags) == offset_of!(BlockRequest, Operation) + 2) };
        guarded::has_bits_u32::<{ offset_of!(BlockRequest, Operation) }, UNUSUAL_BITS>(self.0)
    }

    /// Returns true if [`Self::counts`] are these; false also if they cannot be read.
    #[inline(always)]
    pub fn has_counts(self, counts: u64) -> bool {
        guarded::equals_u64::<{ offset_of!(BlockRequest, Count) }>(self.0, counts)
    }

    /// Returns true if the first block is behind `last`, or cannot be read.
    #[inline(always)]
    pub fn is_behind(self, last: u64) -> bool {
        guarded::exceeds_u64::<{ offset_of!(BlockRequest, Block) }>(self.0, last)
    }

    /// Returns true unless the first segment has so many bytes; also if it cannot be read.
    #[inline(always)]
    pub fn has_other_bytes(self, bytes: u64) -> bool {
        guarded::differs_u64::<{ offset_of!(DmaSegment, Bytes) }>(self.segments(), bytes)
    }

    /// Reads the size in the lower 32 bits, then the operation and the flags with 16 bits each. All bits are set if they cannot be read.
    #[inline(always)]
    pub fn head(self) -> Head {
        const { assert!(offset_of!(BlockRequest, Operation) == 4 && offset_of!(BlockRequest, Flags) == 6) };
        Head(guarded::read_u64::<{ offset_of!(BlockRequest, Size) }, BAD>(self.0))
    }

    /// Reads the count of blocks in the lower 32 bits, and that of segments above. Both are 0 if they cannot be read.
    #[inline(always)]
    pub fn counts(self) -> u64 {
        const { assert!(offset_of!(BlockRequest, SegmentCount) == offset_of!(BlockRequest, Count) + 4) };
        guarded::read_u64::<{ offset_of!(BlockRequest, Count) }, 0>(self.0)
    }

    /// Reads the number of the first block.
    #[inline(always)]
    pub fn block(self) -> u64 {
        guarded::read_u64::<{ offset_of!(BlockRequest, Block) }, BAD>(self.0)
    }

    /// Reads the address of the segments.
    #[inline(always)]
    pub fn segments(self) -> usize {
        guarded::read_u64::<{ offset_of!(BlockRequest, Segments) }, 0>(self.0) as usize
    }

    /// Reads the address of `Done`. It is 0 if it cannot be read.
    #[inline(always)]
    pub fn done(self) -> usize {
        guarded::read_u64::<{ offset_of!(BlockRequest, Done) }, 0>(self.0) as usize
    }

    /// Reads `Context`. It is 0 if it cannot be read.
    #[inline(always)]
    pub fn context(self) -> usize {
        guarded::read_u64::<{ offset_of!(BlockRequest, Context) }, 0>(self.0) as usize
    }

    /// Reads the number of the queue. It is the least number if it cannot be read.
    #[inline(always)]
    pub fn queue(self) -> i32 {
        guarded::read_u32::<{ offset_of!(BlockRequest, Queue) }, { i32::MIN }>(self.0) as i32
    }

    /// Reads the state. It is 0, which is no slot's note, if it cannot be read.
    #[inline(always)]
    pub fn state(self) -> usize {
        guarded::read_u32_widened::<{ offset_of!(BlockRequest, State) }, 0>(self.0) as usize
    }

    /// Returns true if the state is this; false also if it cannot be read.
    #[inline(always)]
    pub fn has_state(self, state: usize) -> bool {
        !guarded::differs_u32::<{ offset_of!(BlockRequest, State) }>(self.0, state as u32)
    }

    /// Changes the state from `old` to `new`. Returns false if it is another one, or cannot be written.
    pub fn change_state(self, old: usize, new: usize) -> bool {
        let (old, new) = (old as u32, new as u32);
        // SAFETY: the memory is the driver's, as for every structure that a driver passes and the kernel fills; other memory that can be
        // written is the driver's mistake (docs/driver-abi.md).
        unsafe { guarded::compare_exchange_u32::<{ offset_of!(BlockRequest, State) }>(self.0, old, new) }
    }

    /// Writes the status of success, if it can be written.
    ///
    /// # Safety
    /// As [`Self::set_status`].
    #[inline(always)]
    pub unsafe fn set_succeeded(self) {
        // SAFETY: by `# Safety` a driver has submitted the memory as a request.
        unsafe { guarded::write_u32_const::<{ offset_of!(BlockRequest, Status) }, BLOCK_OK>(self.0) };
    }

    /// Writes the status, if it can be written.
    ///
    /// # Safety
    /// The request was outstanding until now.
    #[inline(always)]
    pub unsafe fn set_status(self, status: i32) {
        // SAFETY: by `# Safety` a driver has submitted the memory as a request.
        unsafe { guarded::write_u32::<{ offset_of!(BlockRequest, Status) }>(self.0, status as u32) };
    }
}

impl Head {
    /// Returns the operation.
    pub fn operation(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// Returns the flags.
    pub fn flags(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Returns the size in bytes.
    pub fn size(self) -> usize {
        self.0 as u32 as usize
    }
}

/// Reads the bytes of the segment with this index. They are 0 if they cannot be read.
#[inline(always)]
pub fn segment_bytes(segments: usize, index: usize) -> u64 {
    let at = segments.wrapping_add(index.wrapping_mul(size_of::<DmaSegment>()));
    guarded::read_u64::<{ offset_of!(DmaSegment, Bytes) }, 0>(at)
}

const _: () = assert!(BLOCK_READ == 0 && BLOCK_WRITE == 1);
