//! Taking memory offline while the machine runs, and bringing it online again. Only the self-tests call this.
use super::cache_drain;
use super::frames::{node_of, pages};
use crate::cpu::PreemptionOff;
use page_alloc::{AddError, IsolateError};
use units::FrameRange;

/// Takes frames, all of which are free, offline and returns their number. They stay mapped, and the allocator does not grant them
/// until [`add`] brings them online. If one of them is in a CPU's cache, all CPUs drain their caches first. A frame that a CPU caches
/// again meanwhile causes the error.
///
/// # Errors
/// [`IsolateError`] names the lowest frame that is not free. Nothing was changed.
pub fn remove(range: FrameRange) -> Result<u64, IsolateError> {
    match isolate(range) {
        Err(IsolateError::Cached(frame)) => {
            if let Some(node) = node_of(frame) {
                cache_drain::drain(node, true);
            }
            isolate(range)
        }
        result => result,
    }
}

fn isolate(range: FrameRange) -> Result<u64, IsolateError> {
    let _off = PreemptionOff::new();
    pages().isolate(range)
}

/// Brings offline memory online again and returns the number of frames. The range must be one that [`remove`] has taken: the
/// allocator would grant a kernel-owned page, for example, a second time.
///
/// # Errors
/// [`AddError`]: the memory is not offline, or was never the machine's.
pub fn add(range: FrameRange) -> Result<u64, AddError> {
    let _off = PreemptionOff::new();
    pages().add(range)
}
