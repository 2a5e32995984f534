//! Pages that were freed and are kept for the next request.
use core::sync::atomic::{AtomicU64, Ordering};

/// The most pages that are kept.
const PLACES: usize = 4;
/// Bits of a place that hold the node. The others hold the frame's number.
const NODE_BITS: u32 = 16;

/// Pages that were freed and are kept for the next request, each with its node. They stay grants of the table. Frame 0 is never kept. Any number of CPUs may keep and take
/// pages at once, without a lock: one instruction keeps or takes a page.
#[derive(Debug)]
pub struct KeptPages {
    places: [AtomicU64; PLACES],
    clears: AtomicU64,
}

impl KeptPages {
    /// Keeps no page.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: [const { AtomicU64::new(0) }; PLACES], clears: AtomicU64::new(0) }
    }

    /// Keeps a frame of this node. Returns false if there is no room.
    #[inline]
    #[must_use]
    pub fn keep(&self, frame: u64, node: u16) -> bool {
        let page = frame << NODE_BITS | u64::from(node);
        self.places.iter().any(|place| {
            place.load(Ordering::Relaxed) == 0
                && place.compare_exchange(0, page, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        })
    }

    /// Takes a frame of this node.
    #[inline]
    pub fn take(&self, node: u16) -> Option<u64> {
        let take = |place: &AtomicU64| {
            let page = place.load(Ordering::Relaxed);
            let is_wanted = page != 0 && page as u16 == node;
            let is_taken =
                is_wanted && place.compare_exchange(page, 0, Ordering::SeqCst, Ordering::Relaxed).is_ok();
            is_taken.then_some(page >> NODE_BITS)
        };
        self.places.iter().find_map(take)
    }

    /// Returns true if this frame of this node is kept.
    #[inline]
    #[must_use]
    pub fn contains(&self, frame: u64, node: u16) -> bool {
        let page = frame << NODE_BITS | u64::from(node);
        self.places.iter().any(|place| place.load(Ordering::Relaxed) == page)
    }

    /// Returns how many pages are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.iter().filter(|place| place.load(Ordering::Relaxed) != 0).count()
    }

    /// Returns how often all pages were forgotten. If the number is the same before and after a call of [`Self::take`], the page was not
    /// forgotten in between.
    #[inline]
    #[must_use]
    pub fn clears(&self) -> u64 {
        self.clears.load(Ordering::Acquire)
    }

    /// Forgets all pages.
    pub fn clear(&self) {
        self.clears.fetch_add(1, Ordering::SeqCst);
        self.places.iter().for_each(|place| place.store(0, Ordering::SeqCst));
    }
}

impl Default for KeptPages {
    fn default() -> Self {
        Self::new()
    }
}
