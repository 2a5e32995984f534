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
    /// The frame that holds this address.
    #[must_use]
    pub const fn containing(address: PhysAddr) -> Self {
        Self(address.0 / FRAME_SIZE)
    }

    /// The address of the frame's first byte.
    #[must_use]
    pub const fn address(self) -> PhysAddr {
        PhysAddr(self.0 * FRAME_SIZE)
    }
}

/// Physical addresses from `start` up to, not including, `end`. Empty when `end <= start`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PhysRange {
    /// The first address.
    pub start: PhysAddr,
    /// The first address behind the range.
    pub end: PhysAddr,
}

impl PhysRange {
    /// The range of these two addresses.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start: PhysAddr(start), end: PhysAddr(end) }
    }

    /// Bytes in the range.
    #[must_use]
    pub const fn len_bytes(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether no address lies in the range.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len_bytes() == 0
    }

    /// Whether the address lies in the range.
    #[must_use]
    pub const fn contains(self, address: PhysAddr) -> bool {
        self.start.0 <= address.0 && address.0 < self.end.0
    }

    /// The addresses in both ranges, perhaps none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// The frames that lie in the range whole.
    #[must_use]
    pub const fn whole_frames(self) -> FrameRange {
        FrameRange {
            start: FrameNumber(self.start.0.div_ceil(FRAME_SIZE)),
            end: FrameNumber(self.end.0 / FRAME_SIZE),
        }
    }

    /// The frames that the range touches, whole or in part.
    #[must_use]
    pub const fn touched_frames(self) -> FrameRange {
        FrameRange {
            start: FrameNumber(self.start.0 / FRAME_SIZE),
            end: FrameNumber(self.end.0.div_ceil(FRAME_SIZE)),
        }
    }
}

/// Frames from `start` up to, not including, `end`. Empty when `end <= start`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FrameRange {
    /// The first frame.
    pub start: FrameNumber,
    /// The first frame behind the range.
    pub end: FrameNumber,
}

impl FrameRange {
    /// The range of these two frame numbers.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start: FrameNumber(start), end: FrameNumber(end) }
    }

    /// Frames in the range.
    #[must_use]
    pub const fn len_frames(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether no frame lies in the range.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len_frames() == 0
    }

    /// Whether the frame lies in the range.
    #[must_use]
    pub const fn contains(self, frame: FrameNumber) -> bool {
        self.start.0 <= frame.0 && frame.0 < self.end.0
    }

    /// The frames in both ranges, perhaps none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// The addresses of all the range's bytes.
    #[must_use]
    pub const fn addresses(self) -> PhysRange {
        PhysRange { start: self.start.address(), end: self.end.address() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_leave_out_the_broken_ends_and_touched_frames_take_them_in() {
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
