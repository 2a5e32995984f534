//! The length of requests, and what follows from it.
/// The bytes of most requests: those of a page.
const USUAL_BYTES: u64 = 4096;

/// What follows from the length of a request with one segment. It is worked out once for the length of most requests, and otherwise once for
/// all requests of a batch that are equally long.
pub struct Length {
    /// The counts of blocks and segments, as they lie in a request.
    pub counts: u64,
    /// The last block at which such a request may begin.
    pub last_start: u64,
    /// The bytes of its segment.
    pub bytes: u64,
}

impl Length {
    /// The length of no request, for a queue that accepts none.
    pub const NONE: Self = Self { counts: 0, last_start: 0, bytes: 0 };

    /// Returns the length of most requests to a device: a page, if its requests may have that length. `most_blocks` are the most blocks of
    /// a request, at least 1 and at most `blocks`, those of the device.
    pub fn usual(most_blocks: u64, blocks: u64, block_size: u64) -> Self {
        let count = (USUAL_BYTES / block_size).clamp(1, most_blocks);
        Self { counts: 1 << 32 | count, last_start: blocks - count, bytes: count * block_size }
    }

    /// Returns the length with these counts of blocks and segments; `None` if it is not usual, or not valid. The other numbers are those of
    /// [`Self::usual`].
    #[inline(always)]
    pub fn of(counts: u64, most_blocks: u64, blocks: u64, block_size: u64) -> Option<Self> {
        // The count of blocks minus 1, if there is one segment, else at least 2³². If there are no blocks, it is 2⁶⁴ - 1.
        let before_last = counts.wrapping_sub(1 << 32 | 1);
        if before_last >= most_blocks {
            return None;
        }
        let count = u64::from(counts as u32);
        Some(Self { counts, last_start: blocks - count, bytes: count * block_size })
    }
}
