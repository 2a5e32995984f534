//! Memory that is taken offline while the machine runs, and brought back. A driver for hot-plug would call this.
use super::frames::{node_of, pages};
use super::{cache_drain, cpu_memory};
use crate::cpu::PreemptionOff;
use page_alloc::{AddError, IsolateError};
use units::FrameRange;

/// Takes frames, all of which are free, offline and returns their number. They are not granted until [`add`] brings them back, and
/// they stay mapped. If one of them is in a CPU's cache, all CPUs drain their caches; a frame that a CPU caches again meanwhile is
/// in the way.
///
/// # Errors
/// [`IsolateError`] names the lowest frame that is not free. Nothing was changed.
pub fn remove(range: FrameRange) -> Result<u64, IsolateError> {
    let off = PreemptionOff::new();
    match pages().isolate(range) {
        Err(IsolateError::Cached(frame)) => {
            if let Some(node) = node_of(frame) {
                cpu_memory::cache(&off).drain();
                cache_drain::drain_others(node);
            }
            pages().isolate(range)
        }
        result => result,
    }
}

/// Brings offline memory back to its nodes and returns the number of frames. The range is one that [`remove`] took: kernel-owned
/// pages, for example, would be granted a second time.
///
/// # Errors
/// [`AddError`]: the memory is not offline, or was never the machine's.
pub fn add(range: FrameRange) -> Result<u64, AddError> {
    let _off = PreemptionOff::new();
    pages().add(range)
}
