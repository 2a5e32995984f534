//! Covers a range of frames with as few pages as possible: large ones in the middle, smaller ones at the ends.
use arrayvec::ArrayVec;
use units::{FrameNumber, FrameRange};

/// The page sizes of x86-64 (Intel SDM vol. 3 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PageSize {
    /// 4 KiB.
    Small,
    /// 2 MiB.
    Large,
    /// 1 GiB.
    Huge,
}

impl PageSize {
    /// Returns the number of frames in a page of this size.
    #[must_use]
    pub const fn frames(self) -> u64 {
        1 << (9 * self as u32)
    }

    const fn smaller(self) -> Option<Self> {
        match self {
            Self::Small => None,
            Self::Large => Some(Self::Small),
            Self::Huge => Some(Self::Large),
        }
    }
}

/// Frames that pages of one size cover. Both ends are multiples of that size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The frames.
    pub frames: FrameRange,
    /// The size of each page.
    pub size: PageSize,
}

/// The highest number of runs for a range: small, large, huge, large, small.
pub const MAX_RUNS: usize = 5;

/// Returns the fewest pages that cover exactly these frames, in ascending order. No page is larger than `largest`.
///
/// Each page starts at a multiple of its own size. The result also holds for virtual addresses that differ from the
/// frames' addresses by a multiple of the largest page.
#[must_use]
pub fn cover(frames: FrameRange, largest: PageSize) -> ArrayVec<Run, MAX_RUNS> {
    let mut runs = ArrayVec::new();
    add_runs(&mut runs, frames, largest);
    runs
}

/// Appends the runs for these frames, with pages of at most this size.
fn add_runs(runs: &mut ArrayVec<Run, MAX_RUNS>, frames: FrameRange, size: PageSize) {
    if frames.is_empty() {
        return;
    }
    let Some(smaller) = size.smaller() else {
        runs.push(Run { frames, size });
        return;
    };
    let start = frames.start.0.checked_next_multiple_of(size.frames());
    let end = frames.end.0 / size.frames() * size.frames();
    match start.filter(|&start| start < end) {
        Some(start) => {
            add_runs(runs, FrameRange { end: FrameNumber(start), ..frames }, smaller);
            runs.push(Run { frames: FrameRange::new(start, end), size });
            add_runs(runs, FrameRange { start: FrameNumber(end), ..frames }, smaller);
        }
        None => add_runs(runs, frames, smaller),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn sizes(start: u64, end: u64, largest: PageSize) -> Vec<(PageSize, u64)> {
        let runs = cover(FrameRange::new(start, end), largest);
        runs.iter().map(|run| (run.size, run.frames.len_frames() / run.size.frames())).collect()
    }

    #[test]
    fn a_tib_is_a_thousand_pages() {
        assert_eq!(sizes(1 << 28, 2 << 28, PageSize::Huge), [(PageSize::Huge, 1024)]);
    }

    #[test]
    fn an_unaligned_range_has_small_pages_only_at_its_ends() {
        let expected = [
            (PageSize::Small, 511),
            (PageSize::Large, 511),
            (PageSize::Huge, 1),
            (PageSize::Large, 1),
            (PageSize::Small, 3),
        ];
        assert_eq!(sizes(1, 2 * 512 * 512 + 512 + 3, PageSize::Huge), expected);
    }

    #[test]
    fn without_huge_pages_the_middle_is_large() {
        assert_eq!(sizes(0, 512 * 512, PageSize::Large), [(PageSize::Large, 512)]);
    }

    #[test]
    fn a_range_without_a_whole_large_page_has_only_small_pages() {
        assert_eq!(sizes(511, 1023, PageSize::Huge), [(PageSize::Small, 512)]);
        assert_eq!(sizes(7, 7, PageSize::Huge), []);
        assert_eq!(sizes(u64::MAX - 1, u64::MAX, PageSize::Huge), [(PageSize::Small, 1)]);
    }

    fn any_size() -> impl Strategy<Value = PageSize> {
        prop_oneof![Just(PageSize::Small), Just(PageSize::Large), Just(PageSize::Huge)]
    }

    proptest! {
        #[test]
        fn runs_cover_the_range_in_order_without_gap_and_each_page_is_aligned(
            start in 0_u64..1 << 20, length in 0_u64..1 << 20, largest in any_size(),
        ) {
            let mut reached = start;
            for run in cover(FrameRange::new(start, start + length), largest) {
                prop_assert!(run.size <= largest);
                prop_assert_eq!(run.frames.start.0, reached);
                prop_assert!(run.frames.start < run.frames.end);
                prop_assert!(run.frames.start.0.is_multiple_of(run.size.frames()));
                prop_assert!(run.frames.end.0.is_multiple_of(run.size.frames()));
                reached = run.frames.end.0;
            }
            prop_assert_eq!(reached, start + length);
        }

        #[test]
        fn no_run_contains_a_whole_larger_page(
            start in 0_u64..1 << 20, length in 0_u64..1 << 20, largest in any_size(),
        ) {
            for run in cover(FrameRange::new(start, start + length), largest) {
                let larger = if run.size == PageSize::Small { PageSize::Large } else { PageSize::Huge };
                let first = run.frames.start.0.next_multiple_of(larger.frames());
                prop_assert!(run.size == largest || first + larger.frames() > run.frames.end.0);
            }
        }
    }
}
