//! Physical addresses and frames, and half-open ranges of both.
use core::fmt;

/// Bytes in a frame.
pub const FRAME_SIZE: u64 = 4096;

/// A physical address in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PhysAddr(pub u64);

impl fmt::Display for PhysAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#018x}", self.0)
    }
}

/// A virtual address in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct VirtAddr(pub u64);

impl fmt::Display for VirtAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#018x}", self.0)
    }
}

/// A frame's number: its physical address divided by [`FRAME_SIZE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FrameNumber(pub u64);

impl FrameNumber {
    /// Returns the frame that contains this address.
    #[must_use]
    pub const fn containing(address: PhysAddr) -> Self {
        Self(address.0 / FRAME_SIZE)
    }

    /// Returns the address of the frame's first byte.
    #[must_use]
    pub const fn address(self) -> PhysAddr {
        PhysAddr(self.0 * FRAME_SIZE)
    }
}

/// The physical addresses from `start` up to but not including `end`. Empty if `end <= start`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PhysRange {
    /// The first address.
    pub start: PhysAddr,
    /// The first address after the range.
    pub end: PhysAddr,
}

impl PhysRange {
    /// Creates a range from its first address and the first address after it.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start: PhysAddr(start), end: PhysAddr(end) }
    }

    /// Returns the number of bytes in the range.
    #[must_use]
    pub const fn len_bytes(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Returns true if the range contains no address.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len_bytes() == 0
    }

    /// Returns true if the range contains the address.
    #[must_use]
    pub const fn contains(self, address: PhysAddr) -> bool {
        self.start.0 <= address.0 && address.0 < self.end.0
    }

    /// Returns the addresses in both ranges. The result may be empty.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// Returns the frames of which all bytes lie in the range.
    #[must_use]
    pub const fn whole_frames(self) -> FrameRange {
        FrameRange {
            start: FrameNumber(self.start.0.div_ceil(FRAME_SIZE)),
            end: FrameNumber(self.end.0 / FRAME_SIZE),
        }
    }

    /// Returns the frames of which any byte lies in the range.
    #[must_use]
    pub const fn touched_frames(self) -> FrameRange {
        FrameRange {
            start: FrameNumber(self.start.0 / FRAME_SIZE),
            end: FrameNumber(self.end.0.div_ceil(FRAME_SIZE)),
        }
    }
}

/// The frames from `start` up to but not including `end`. Empty if `end <= start`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FrameRange {
    /// The first frame.
    pub start: FrameNumber,
    /// The first frame after the range.
    pub end: FrameNumber,
}

impl FrameRange {
    /// Creates a range from its first frame and the first frame after it.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start: FrameNumber(start), end: FrameNumber(end) }
    }

    /// Returns the number of frames in the range.
    #[must_use]
    pub const fn len_frames(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Returns true if the range contains no frame.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len_frames() == 0
    }

    /// Returns true if the range contains the frame.
    #[must_use]
    pub const fn contains(self, frame: FrameNumber) -> bool {
        self.start.0 <= frame.0 && frame.0 < self.end.0
    }

    /// Returns the frames in both ranges. The result may be empty.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// Returns the addresses of all bytes in the range.
    #[must_use]
    pub const fn addresses(self) -> PhysRange {
        PhysRange { start: self.start.address(), end: self.end.address() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_exclude_the_partial_ends_and_touched_frames_include_them() {
        let range = PhysRange::new(0x1800, 0x3800);
        assert_eq!(range.whole_frames(), FrameRange::new(2, 3));
        assert_eq!(range.touched_frames(), FrameRange::new(1, 4));
    }

    #[test]
    fn a_range_inside_one_frame_has_no_whole_frame() {
        assert!(PhysRange::new(0x1100, 0x1200).whole_frames().is_empty());
    }

    #[test]
    fn ranges_that_do_not_meet_have_an_empty_intersection() {
        let meeting = PhysRange::new(0, 16).intersection(PhysRange::new(32, 48));
        assert!(meeting.is_empty());
        assert_eq!(meeting.len_bytes(), 0);
    }
}
