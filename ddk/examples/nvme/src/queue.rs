//! A queue of the disk, as the kernel sees it: a pair for requests whose submitter polls, and one for those that interrupt.
use crate::pair::{INTERRUPTING, POLLED, Pair};
use driver_kit::block::{BlockQueue, Request, Requests};
use driver_kit::memory::Node;

/// A queue of the disk.
#[repr(C, align(64))]
pub struct Queue<'d> {
    polled: Pair<'d>,
    /// `None` if the controller has too few queues: then `polled` is for all requests, and raises interrupts.
    interrupting: Option<Pair<'d>>,
}

impl BlockQueue for Queue<'_> {
    #[inline(always)]
    fn submit(&self, mut requests: Requests<'_>) -> u32 {
        if requests.left() != 1 {
            return self.submit_all(requests);
        }
        let Some(request) = requests.next() else { return 0 };
        self.polled.submit_one(request, POLLED).unwrap_or_else(|request| self.submit_other(request))
    }

    /// Completes the polled requests or, if none has completed, the others.
    #[inline(always)]
    fn poll(&self) -> u32 {
        self.polled.poll_or(|| self.poll_interrupting())
    }
}

impl<'d> Queue<'d> {
    /// Returns the queue with these pairs. Without a pair for the requests that interrupt, the other one is for all requests.
    pub const fn new(polled: Pair<'d>, interrupting: Option<Pair<'d>>) -> Self {
        Self { polled, interrupting }
    }

    /// Iterates over its pairs: one or two.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair<'d>> {
        core::iter::once(&self.polled).chain(&self.interrupting)
    }

    /// Returns the node of the queue's memory.
    pub fn node(&self) -> Node {
        self.polled.node()
    }

    /// Returns the pair for requests whose submitter does not poll.
    fn interrupting(&self) -> &Pair<'d> {
        self.interrupting.as_ref().unwrap_or(&self.polled)
    }

    /// Submits the only request, which is not a usual one whose submitter polls.
    #[inline(never)]
    fn submit_other(&self, request: Request<'_>) -> u32 {
        let one = self.interrupting().submit_one(request, INTERRUPTING);
        one.unwrap_or_else(|request| self.submit_run(request, Requests::none()))
    }

    /// Submits all requests for which there is room, each run of polled and other requests together. Returns how many these are.
    #[inline(never)]
    fn submit_all(&self, mut left: Requests<'_>) -> u32 {
        let count = left.left();
        let Some(first) = left.next() else { return 0 };
        let accepted = self.submit_run(first, left.clone());
        if accepted == count { count } else { self.submit_more(left, accepted) }
    }

    /// Submits the runs behind the first one, of which so many requests were accepted. `left` are all requests but one. Returns how many are
    /// accepted of all.
    #[cold]
    #[inline(never)]
    fn submit_more(&self, mut left: Requests<'_>, mut accepted: u32) -> u32 {
        let mut last = accepted;
        while last != 0 {
            left.advance(last - 1);
            let Some(next) = left.next() else { break };
            last = self.submit_run(next, left.clone());
            accepted += last;
        }
        accepted
    }

    /// Submits a request, and those behind it as far as they are of its kind and there is room. Returns how many these are.
    #[inline(always)]
    fn submit_run<'r>(&self, request: Request<'r>, behind: Requests<'r>) -> u32 {
        let (pair, kind) =
            if request.is_polled() { (&self.polled, POLLED) } else { (self.interrupting(), INTERRUPTING) };
        pair.submit(request, behind, kind)
    }

    #[inline(never)]
    fn poll_interrupting(&self) -> u32 {
        self.interrupting.as_ref().map_or(0, |pair| pair.poll_or(|| 0))
    }

    /// Returns true if a request that interrupts has completed and was not seen yet.
    #[inline(always)]
    pub fn has_interrupting(&self) -> bool {
        self.interrupting().has_completion()
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
