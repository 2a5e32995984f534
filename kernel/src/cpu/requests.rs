//! What a CPU does for the others while it waits for one of them.
use super::{deferred, shootdown};

/// Answers what other CPUs ask of this one. Called again and again by code that waits for another CPU and does not use its page
/// cache: two CPUs that wait for each other both go on.
#[inline(never)]
pub fn serve_requests() {
    shootdown::answer();
    deferred::serve_drain();
}
