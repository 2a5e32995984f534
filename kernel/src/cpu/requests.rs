//! Serving other CPUs' requests while this CPU waits for one of them.
use super::{deferred, shootdown};

/// Answers other CPUs' requests for a shootdown and for the pages in this CPU's cache. A loop that waits for another CPU calls
/// this, so that two CPUs that wait for each other both go on. The caller does not use its page cache.
#[inline(never)]
pub fn serve_requests() {
    shootdown::answer();
    deferred::serve_drain();
}
