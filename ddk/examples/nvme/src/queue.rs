//! A queue of the disk, as the kernel sees it: a pair for requests that interrupt, and one for those whose submitter polls.
use crate::pair::Pair;
use driver_kit::block::Requests;

/// A queue of the disk. If the controller has too few queues, both pairs are the same.
#[derive(Clone, Copy)]
pub struct Queue {
    pub polled: &'static Pair,
    pub interrupting: &'static Pair,
}

impl Queue {
    /// Iterates over its pairs: one or two.
    pub fn pairs(&self) -> impl Iterator<Item = &'static Pair> {
        let polled = (!self.is_one_pair()).then_some(self.polled);
        core::iter::once(self.interrupting).chain(polled)
    }

    fn is_one_pair(&self) -> bool {
        core::ptr::eq(self.polled, self.interrupting)
    }

    #[inline(always)]
    fn pair_of(&self, is_polled: bool) -> &'static Pair {
        if is_polled { self.polled } else { self.interrupting }
    }

    /// Submits the only request. Returns false, and changes nothing, if it is not usual.
    #[inline(always)]
    pub fn submit_one(&self, requests: &Requests<'_>) -> bool {
        let Some(request) = requests.clone().next() else { return false };
        self.pair_of(request.is_polled()).submit_one(&request)
    }

    /// Submits all requests for which there is room, each run of polled and other requests together. Returns how many these are.
    #[inline(never)]
    pub fn submit_all(&self, mut requests: Requests<'_>) -> usize {
        let count = requests.left();
        while let Some(is_polled) = requests.first().map(|request| request.is_polled()) {
            if !self.pair_of(is_polled).submit(&mut requests, is_polled) {
                return count - requests.left();
            }
        }
        count
    }

    /// Completes what the controller has done: the polled requests or, if there are none, the others.
    #[inline(always)]
    pub fn poll(&self) -> u32 {
        if self.polled.has_completion() {
            let count = self.polled.poll();
            if count != 0 {
                return count;
            }
        }
        if self.is_one_pair() || !self.interrupting.has_completion() { 0 } else { self.poll_interrupting() }
    }

    #[inline(never)]
    fn poll_interrupting(&self) -> u32 {
        self.interrupting.poll()
    }

    /// Returns true if a request that interrupts has completed and was not seen yet.
    #[inline(always)]
    pub fn has_interrupting(&self) -> bool {
        self.interrupting.has_completion()
    }

    /// Makes the outstanding requests older, and returns the age of the oldest.
    pub fn grow_older(&self) -> usize {
        self.pairs().map(Pair::grow_older).max().unwrap_or(0)
    }

    /// Returns the age of the oldest request.
    pub fn oldest(&self) -> usize {
        self.pairs().map(Pair::oldest).max().unwrap_or(0)
    }
}
